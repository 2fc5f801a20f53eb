//! HTTP basic authentication against bcrypt hashes.
//!
//! A verification takes tens of milliseconds of a core by design. So results are cached, and what
//! is not cached is verified on blocking threads, a few at a time, while requests with cached
//! credentials are answered.
//!
//! Clients take turns, and names that exist wait apart from the others, so a flood of wrong
//! credentials delays no valid ones of another client or another name. What a client sees does not
//! reveal which names exist: how many requests may wait for a name, and when a denial is sent,
//! follows from the client's own requests for that name alone.

mod denials;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::num::NonZero;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_rustls::rustls::crypto::aws_lc_rs;

use super::{Middleware, too_many_requests};
use crate::config::User;
use crate::metrics::self_metrics::RejectReason;
use crate::web::fair_share::ClientAddress;
use crate::web::response::{PLAIN, text};
use crate::web::server::service::RequestContext;
use denials::{Denials, PendingDenial};

/// Cached results of each kind.
const CACHED: usize = 256;
/// Verifications of names that exist that run at once, whatever the number of cores.
const MAX_CONCURRENCY: usize = 64;

/// Rejects requests without valid credentials, if the web configuration has users.
pub(super) async fn authenticate(
    State(middleware): State<Middleware>,
    Extension(context): Extension<RequestContext>,
    request: Request,
    next: Next,
) -> Response {
    let users = context.web_config.users();
    if users.is_empty() {
        return next.run(request).await;
    }
    let header = request.headers().get(AUTHORIZATION).cloned();
    let verifier = &middleware.verifier;
    let client = context.slot.client();
    match verifier.verify(users, client, header.as_ref()).await {
        AuthResult::Granted => next.run(request).await,
        AuthResult::Denied => {
            middleware.count_rejected(RejectReason::Unauthorized);
            let mut response = text(StatusCode::UNAUTHORIZED, PLAIN, "401 unauthorized\n");
            response.headers_mut().insert(
                WWW_AUTHENTICATE,
                HeaderValue::from_static(
                    "Basic realm=\"aws-transfer-exporter\", charset=\"UTF-8\"",
                ),
            );
            response
        }
        AuthResult::Busy => {
            middleware.count_rejected(RejectReason::Busy);
            too_many_requests("too many passwords are waiting to be verified")
        }
    }
}

/// The result of an authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuthResult {
    Granted,
    /// Credentials are missing or wrong.
    Denied,
    /// Too many requests of the client wait for the same name.
    Busy,
}

/// Verifies passwords and caches the results.
pub(crate) struct PasswordVerifier {
    /// Random for each process: cached tags reveal nothing about passwords.
    key: [u8; 32],
    /// Verifications of names that exist.
    permits: Arc<Semaphore>,
    /// The verification of a name that does not exist, for its use of the processor.
    decoy: Arc<Semaphore>,
    denials: Arc<Denials>,
    cache: Mutex<Cache>,
    #[cfg(test)]
    verified: std::sync::atomic::AtomicUsize,
}

/// A keyed hash of a name, or of a name, a password and its bcrypt hash.
type Tag = [u8; 32];

type Permits = [Option<OwnedSemaphorePermit>; 2];

/// What is verified.
struct Check {
    tag: Tag,
    hash: String,
    cost: u32,
    password: Vec<u8>,
    is_known: bool,
}

/// Valid credentials are cached separately, so that a flood of invalid ones does not evict them.
#[derive(Default)]
struct Cache {
    valid: VecDeque<Tag>,
    invalid: VecDeque<Tag>,
}

impl PasswordVerifier {
    pub(crate) fn new() -> Arc<Self> {
        // One core is left for requests with cached credentials.
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self::with_concurrency(cores.saturating_sub(1).clamp(1, MAX_CONCURRENCY))
    }

    fn with_concurrency(concurrency: usize) -> Arc<Self> {
        let mut key = [0; 32];
        // The library reseeds itself from the system and does not fail; a key of zeros would be
        // weaker but work.
        let _ = aws_lc_rs::default_provider().secure_random.fill(&mut key);
        Arc::new(Self {
            key,
            permits: Arc::new(Semaphore::new(concurrency)),
            decoy: Arc::new(Semaphore::new(1)),
            denials: Arc::default(),
            cache: Mutex::default(),
            #[cfg(test)]
            verified: std::sync::atomic::AtomicUsize::new(0),
        })
    }

    /// Returns whether `header`, an `Authorization` of `client`, has the credentials of one of
    /// `users`.
    pub(crate) async fn verify(
        self: &Arc<Self>,
        users: &[User],
        client: ClientAddress,
        header: Option<&HeaderValue>,
    ) -> AuthResult {
        let Some((name, password)) = header.and_then(credentials) else {
            return AuthResult::Denied;
        };
        // All names are compared, so that the time does not reveal which one matched.
        let mut found = None;
        for user in users {
            if bool::from(user.name.as_bytes().ct_eq(&name)) {
                found = Some(user);
            }
        }
        let name_tag = self.tag(&[&name]);
        // An unknown name takes as long as a known one: a hash that no password has, with the cost
        // of some user.
        let (hash, cost) = match found {
            Some(user) => (user.hash.expose().to_owned(), user.cost),
            None => dummy_hash(name_tag, users),
        };
        let tag = self.tag(&[&name, hash.as_bytes(), &password]);
        if let Some(result) = self.cached(&tag) {
            return result;
        }
        let Some(pending) = self.denials.enter(client, name_tag, cost) else {
            return AuthResult::Busy;
        };
        let pending = Arc::new(pending);
        let check = Check {
            tag,
            hash,
            cost,
            password,
            is_known: found.is_some(),
        };
        if self.check(check, &pending).await {
            return AuthResult::Granted;
        }
        pending.is_due().await;
        self.insert(tag, false);
        AuthResult::Denied
    }

    /// Verifies a password, if the name exists. Else spends the time of a verification, unless
    /// another one does.
    async fn check(self: &Arc<Self>, check: Check, pending: &Arc<PendingDenial>) -> bool {
        let permits = if check.is_known {
            // One at a time for each client: clients take turns.
            let turn = pending.turn().await;
            let permit = Arc::clone(&self.permits).acquire_owned().await.ok();
            [turn, permit]
        } else {
            match Arc::clone(&self.decoy).try_acquire_owned() {
                Ok(permit) => [Some(permit), None],
                Err(_) => return false,
            }
        };
        // Another request may have had the same credentials verified meanwhile.
        if let Some(result) = self.cached(&check.tag) {
            return result == AuthResult::Granted;
        }
        let (this, pending) = (Arc::clone(self), Arc::clone(pending));
        // The permits are held until the end, even if the client disconnects.
        let verified = tokio::task::spawn_blocking(move || this.run(&check, (permits, pending)));
        verified.await.unwrap_or(false)
    }

    fn run(&self, check: &Check, _held: (Permits, Arc<PendingDenial>)) -> bool {
        #[cfg(test)]
        self.verified
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let start = Instant::now();
        let is_right = bcrypt::verify(&check.password, &check.hash).unwrap_or(false);
        self.denials.record_duration(check.cost, start.elapsed());
        let is_valid = is_right && check.is_known && is_distinct(&check.password);
        if is_valid {
            self.insert(check.tag, true);
        }
        is_valid
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

    fn cached(&self, tag: &Tag) -> Option<AuthResult> {
        let mut cache = self.cache();
        let valid = position(&cache.valid, tag);
        let invalid = position(&cache.invalid, tag);
        if let Some(at) = valid {
            // The least recently used one is evicted first.
            let tag = cache.valid.remove(at)?;
            cache.valid.push_back(tag);
            return Some(AuthResult::Granted);
        }
        invalid.map(|_| AuthResult::Denied)
    }

    fn insert(&self, tag: Tag, is_valid: bool) {
        let mut cache = self.cache();
        let tags = if is_valid {
            &mut cache.valid
        } else {
            &mut cache.invalid
        };
        if position(tags, &tag).is_some() {
            return;
        }
        if tags.len() == CACHED {
            tags.pop_front();
        }
        tags.push_back(tag);
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns whether bcrypt distinguishes the password from every other: it ignores what follows 72
/// bytes, and a NUL ends a repetition of the password.
fn is_distinct(password: &[u8]) -> bool {
    password.len() <= 72 && !password.contains(&0)
}

/// Returns the position of the tag. Compares all of them in full, so that the time reveals nothing.
fn position(tags: &VecDeque<Tag>, tag: &Tag) -> Option<usize> {
    let mut found = None;
    for (at, known) in tags.iter().enumerate() {
        if bool::from(known.ct_eq(tag)) {
            found = Some(at);
        }
    }
    found
}

/// Parses the name and password of the scheme `Basic` (RFC 7617).
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

/// Returns a hash for an unknown name, and its cost. The cost is that of a user chosen by the name: it stays the
/// same for a name, and unknown names take as long as known ones, in the same proportions.
fn dummy_hash(name: Tag, users: &[User]) -> (String, u32) {
    let pick = u64::from_be_bytes([
        name[0], name[1], name[2], name[3], name[4], name[5], name[6], name[7],
    ]);
    let at = usize::try_from(pick % users.len().max(1) as u64).unwrap_or(0);
    let cost = users.get(at).map_or(10, |user| user.cost);
    (format!("$2b${cost:02}${:A<21}.{:A<30}.", "", ""), cost)
}
