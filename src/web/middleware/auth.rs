//! Basic authentication: who asks, and whether bcrypt takes the password.
//!
//! A verification takes tens of milliseconds of a core by design. So what it came to is kept, and what is not known is
//! verified on threads that may be busy, few at a time, while those who are known are answered.

use std::collections::VecDeque;
use std::num::NonZero;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use hyper::header::HeaderValue;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use tokio_rustls::rustls::crypto::aws_lc_rs;

use crate::config::User;

/// Results that are kept, of each kind.
const KEPT: usize = 256;
/// Verifications that may wait for each that runs.
const WAITING: usize = 8;
/// Verifications that run or wait, however many cores there are.
const QUEUE: usize = 64;

/// What became of a request's credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuthResult {
    Granted,
    /// None, or not a user's.
    Refused,
    /// So many wait to be verified that this one is not.
    Busy,
}

/// Verifies passwords, and remembers.
pub(crate) struct PasswordVerifier {
    /// Of this process alone: what is remembered tells nothing about passwords to whoever reads it.
    key: [u8; 32],
    running: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    known: Mutex<Known>,
    #[cfg(test)]
    verified: std::sync::atomic::AtomicUsize,
}

type Tag = [u8; 32];

/// The good are kept apart, so that no flood of bad ones drives them out.
#[derive(Default)]
struct Known {
    good: VecDeque<Tag>,
    bad: VecDeque<Tag>,
}

impl PasswordVerifier {
    pub(crate) fn new() -> Arc<Self> {
        // One core is left for those who are known.
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self::running(cores.saturating_sub(1).clamp(1, QUEUE))
    }

    fn running(at_once: usize) -> Arc<Self> {
        let mut key = [0; 32];
        // The library reseeds itself from the system and does not fail; a key of zeros would be weaker, and still work.
        let _ = aws_lc_rs::default_provider().secure_random.fill(&mut key);
        Arc::new(Self {
            key,
            running: Arc::new(Semaphore::new(at_once)),
            queue: Arc::new(Semaphore::new((at_once * (1 + WAITING)).min(QUEUE))),
            known: Mutex::default(),
            #[cfg(test)]
            verified: std::sync::atomic::AtomicUsize::new(0),
        })
    }

    /// Whether `header`, an `Authorization`, is of one of `users`.
    pub(crate) async fn verify(
        self: &Arc<Self>,
        users: &[User],
        header: Option<&HeaderValue>,
    ) -> AuthResult {
        let Some((name, password)) = header.and_then(credentials) else {
            return AuthResult::Refused;
        };
        // Every name is compared: the time does not tell which one it was.
        let mut found = None;
        for user in users {
            if bool::from(user.name.as_bytes().ct_eq(&name)) {
                found = Some(user);
            }
        }
        // An unknown name costs what a known one does: a hash that no password has, of the cost of some user.
        let hash = match found {
            Some(user) => user.hash.expose().to_owned(),
            None => dummy(self.tag(&[&name]), users),
        };
        let tag = self.tag(&[&name, hash.as_bytes(), &password]);
        let known = found.is_some();
        if let Some(verdict) = self.known(&tag) {
            return verdict;
        }
        let Ok(place) = Arc::clone(&self.queue).try_acquire_owned() else {
            return AuthResult::Busy;
        };
        let Ok(turn) = Arc::clone(&self.running).acquire_owned().await else {
            return AuthResult::Busy;
        };
        // Another request may have brought the same meanwhile.
        if let Some(verdict) = self.known(&tag) {
            return verdict;
        }
        let own = Arc::clone(self);
        let verified = tokio::task::spawn_blocking(move || {
            // Held until it is done, even where the client has gone.
            let _held = (place, turn);
            #[cfg(test)]
            own.verified
                .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let good = bcrypt::verify(&password, &hash).unwrap_or(false) && known;
            own.remember(tag, good);
            good
        });
        match verified.await {
            Ok(true) => AuthResult::Granted,
            Ok(false) | Err(_) => AuthResult::Refused,
        }
    }

    fn tag(&self, parts: &[&[u8]]) -> Tag {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("a key");
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    fn known(&self, tag: &Tag) -> Option<AuthResult> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let good = position(&known.good, tag);
        let bad = position(&known.bad, tag);
        if let Some(at) = good {
            // Those that are used stay.
            let tag = known.good.remove(at)?;
            known.good.push_back(tag);
            return Some(AuthResult::Granted);
        }
        bad.map(|_| AuthResult::Refused)
    }

    fn remember(&self, tag: Tag, good: bool) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = if good {
            &mut known.good
        } else {
            &mut known.bad
        };
        if kind.len() == KEPT {
            kind.pop_front();
        }
        kind.push_back(tag);
    }
}

/// Where the tag is; all are compared, each as a whole.
fn position(tags: &VecDeque<Tag>, tag: &Tag) -> Option<usize> {
    let mut found = None;
    for (at, known) in tags.iter().enumerate() {
        if bool::from(known.ct_eq(tag)) {
            found = Some(at);
        }
    }
    found
}

/// Name and password of `Basic` (RFC 7617).
fn credentials(header: &HeaderValue) -> Option<(Vec<u8>, Vec<u8>)> {
    let (scheme, encoded) = header.as_bytes().split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let mut name = STANDARD.decode(encoded.trim_ascii()).ok()?;
    let colon = name.iter().position(|b| *b == b':')?;
    let password = name.split_off(colon + 1);
    name.truncate(colon);
    Some((name, password))
}

/// A hash for an unknown name. Which of the users' costs it has follows from the name, so that it stays the same, and
/// unknown names are as slow as known ones, in the same proportions.
fn dummy(name: Tag, users: &[User]) -> String {
    let pick = u64::from_be_bytes([
        name[0], name[1], name[2], name[3], name[4], name[5], name[6], name[7],
    ]);
    let at = usize::try_from(pick % users.len().max(1) as u64).unwrap_or(0);
    let cost = users.get(at).map_or(10, |user| user.cost);
    format!("$2b${cost:02}${:A<21}.{:A<30}.", "", "")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::config::Secret;

    fn users(of: &[(&str, &str)]) -> Vec<User> {
        of.iter()
            .map(|(name, password)| {
                let hash = Secret::new(&bcrypt::hash(password, 4).unwrap());
                User {
                    name: (*name).to_owned(),
                    hash,
                    cost: 4,
                }
            })
            .collect()
    }

    fn basic(name: &str, password: &str) -> HeaderValue {
        HeaderValue::try_from(format!(
            "Basic {}",
            STANDARD.encode(format!("{name}:{password}"))
        ))
        .unwrap()
    }

    #[tokio::test]
    async fn only_a_users_own_password_is_good_at_the_first_time_and_at_the_next() {
        let verifier = PasswordVerifier::running(1);
        let users = users(&[("prometheus", "a:b\u{e9}"), ("grafana", "")]);
        for _ in 0..2 {
            for (header, expected) in [
                (Some(basic("prometheus", "a:b\u{e9}")), AuthResult::Granted),
                (Some(basic("grafana", "")), AuthResult::Granted),
                (Some(basic("prometheus", "")), AuthResult::Refused),
                (Some(basic("prometheus", "a:b")), AuthResult::Refused),
                (Some(basic("grafana", "a:b\u{e9}")), AuthResult::Refused),
                (Some(basic("Prometheus", "a:b\u{e9}")), AuthResult::Refused),
                (Some(basic("nobody", "a:b\u{e9}")), AuthResult::Refused),
                (Some(basic("", "")), AuthResult::Refused),
                (Some(HeaderValue::from_static("Basic")), AuthResult::Refused),
                (
                    Some(HeaderValue::from_static("Basic !")),
                    AuthResult::Refused,
                ),
                (
                    Some(HeaderValue::from_static("Bearer cHJvbWV0aGV1czphOmI=")),
                    AuthResult::Refused,
                ),
                (None, AuthResult::Refused),
            ] {
                assert_eq!(
                    verifier.verify(&users, header.as_ref()).await,
                    expected,
                    "{header:?}"
                );
            }
        }
        // Each pair once, those without a name and a password not at all.
        assert_eq!(verifier.verified.load(Ordering::Relaxed), 8);
    }

    #[tokio::test]
    async fn the_scheme_is_read_in_any_case() {
        let users = users(&[("a", "b")]);
        let header = HeaderValue::from_static("bAsIc YTpi");
        assert_eq!(
            PasswordVerifier::running(1)
                .verify(&users, Some(&header))
                .await,
            AuthResult::Granted
        );
    }

    #[tokio::test]
    async fn a_changed_password_and_a_removed_user_are_seen_at_once() {
        let verifier = PasswordVerifier::running(1);
        let header = basic("a", "old");
        assert_eq!(
            verifier
                .verify(&users(&[("a", "old")]), Some(&header))
                .await,
            AuthResult::Granted
        );
        assert_eq!(
            verifier
                .verify(&users(&[("a", "new")]), Some(&header))
                .await,
            AuthResult::Refused
        );
        assert_eq!(
            verifier
                .verify(&users(&[("b", "old")]), Some(&header))
                .await,
            AuthResult::Refused
        );
        assert_eq!(
            verifier
                .verify(&users(&[("a", "new")]), Some(&basic("a", "new")))
                .await,
            AuthResult::Granted
        );
    }

    #[tokio::test]
    async fn no_flood_of_bad_passwords_drives_out_a_good_one() {
        let verifier = PasswordVerifier::running(1);
        let users = users(&[("a", "good")]);
        let good = basic("a", "good");
        assert_eq!(
            verifier.verify(&users, Some(&good)).await,
            AuthResult::Granted
        );
        for n in 0..=KEPT {
            verifier.remember(verifier.tag(&[&n.to_be_bytes()]), false);
        }
        let before = verifier.verified.load(Ordering::Relaxed);
        assert_eq!(
            verifier.verify(&users, Some(&good)).await,
            AuthResult::Granted
        );
        assert_eq!(verifier.verified.load(Ordering::Relaxed), before);
        let known = verifier.known.lock().unwrap();
        assert_eq!((known.good.len(), known.bad.len()), (1, KEPT));
    }

    #[tokio::test]
    async fn those_who_are_known_do_not_wait_and_the_queue_is_bounded() {
        let verifier = PasswordVerifier::running(1);
        let users = users(&[("a", "good")]);
        let good = basic("a", "good");
        assert_eq!(
            verifier.verify(&users, Some(&good)).await,
            AuthResult::Granted
        );
        // As if a verification took for ever.
        let turn = Arc::clone(&verifier.running).acquire_owned().await.unwrap();
        let waiting: Vec<_> = (0..=WAITING)
            .map(|n| {
                let (verifier, users) = (Arc::clone(&verifier), users.clone());
                tokio::spawn(async move {
                    verifier
                        .verify(&users, Some(&basic("a", &n.to_string())))
                        .await
                })
            })
            .collect();
        while verifier.queue.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(
            verifier.verify(&users, Some(&basic("a", "bad"))).await,
            AuthResult::Busy
        );
        assert_eq!(
            verifier.verify(&users, Some(&good)).await,
            AuthResult::Granted
        );
        drop(turn);
        for waited in waiting {
            assert_eq!(waited.await.unwrap(), AuthResult::Refused);
        }
        assert_eq!(verifier.queue.available_permits(), 1 + WAITING);
    }

    #[test]
    fn an_unknown_name_costs_what_some_user_costs_and_always_the_same() {
        let mut users = users(&[("a", "x"), ("b", "x")]);
        users[1].cost = 12;
        let verifier = PasswordVerifier::running(1);
        let mut costs = std::collections::BTreeSet::new();
        for n in 0..64_u64 {
            let tag = verifier.tag(&[&n.to_be_bytes()]);
            let hash = dummy(tag, &users);
            assert_eq!(hash, dummy(tag, &users));
            costs.insert(hash.parse::<bcrypt::HashParts>().unwrap().get_cost());
        }
        assert_eq!(costs.into_iter().collect::<Vec<_>>(), [4, 12]);
    }
}
