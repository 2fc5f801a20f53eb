use std::sync::atomic::Ordering;

use super::*;
use std::net::IpAddr;
use std::time::Duration;

use super::denials::MAX_WAITING;
use crate::config::Secret;

/// Returns a client of this number.
fn client(number: u8) -> ClientAddress {
    IpAddr::from([192, 0, 2, number]).into()
}

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
async fn only_the_password_of_the_user_is_accepted_cached_or_not() {
    let verifier = PasswordVerifier::with_concurrency(1);
    let users = users(&[("prometheus", "a:b\u{e9}"), ("grafana", "")]);
    for _ in 0..2 {
        for (header, expected) in [
            (Some(basic("prometheus", "a:b\u{e9}")), AuthResult::Granted),
            (Some(basic("grafana", "")), AuthResult::Granted),
            (Some(basic("prometheus", "")), AuthResult::Denied),
            (Some(basic("prometheus", "a:b")), AuthResult::Denied),
            (Some(basic("grafana", "a:b\u{e9}")), AuthResult::Denied),
            (Some(basic("Prometheus", "a:b\u{e9}")), AuthResult::Denied),
            (Some(basic("unknown", "a:b\u{e9}")), AuthResult::Denied),
            (Some(basic("", "")), AuthResult::Denied),
            (Some(HeaderValue::from_static("Basic")), AuthResult::Denied),
            (
                Some(HeaderValue::from_static("Basic !")),
                AuthResult::Denied,
            ),
            (
                Some(HeaderValue::from_static("Bearer cHJvbWV0aGV1czphOmI=")),
                AuthResult::Denied,
            ),
            (None, AuthResult::Denied),
        ] {
            assert_eq!(
                verifier.verify(&users, client(1), header.as_ref()).await,
                expected,
                "{header:?}"
            );
        }
    }
    // Each pair once; headers without a name and a password not at all.
    assert_eq!(verifier.verified.load(Ordering::Relaxed), 8);
}

#[tokio::test]
async fn the_scheme_is_case_insensitive() {
    let users = users(&[("a", "b")]);
    let header = HeaderValue::from_static("bAsIc YTpi");
    assert_eq!(
        PasswordVerifier::with_concurrency(1)
            .verify(&users, client(1), Some(&header))
            .await,
        AuthResult::Granted
    );
}

#[tokio::test]
async fn a_changed_password_and_a_removed_user_take_effect_at_once() {
    let verifier = PasswordVerifier::with_concurrency(1);
    let header = basic("a", "old");
    assert_eq!(
        verifier
            .verify(&users(&[("a", "old")]), client(1), Some(&header))
            .await,
        AuthResult::Granted
    );
    assert_eq!(
        verifier
            .verify(&users(&[("a", "new")]), client(1), Some(&header))
            .await,
        AuthResult::Denied
    );
    assert_eq!(
        verifier
            .verify(&users(&[("b", "old")]), client(1), Some(&header))
            .await,
        AuthResult::Denied
    );
    assert_eq!(
        verifier
            .verify(&users(&[("a", "new")]), client(1), Some(&basic("a", "new")))
            .await,
        AuthResult::Granted
    );
}

#[tokio::test]
async fn a_flood_of_invalid_passwords_does_not_evict_a_valid_one() {
    let verifier = PasswordVerifier::with_concurrency(1);
    let users = users(&[("a", "good")]);
    let good = basic("a", "good");
    assert_eq!(
        verifier.verify(&users, client(1), Some(&good)).await,
        AuthResult::Granted
    );
    for n in 0..=CACHED {
        verifier.insert(verifier.tag(&[&n.to_be_bytes()]), false);
    }
    let before = verifier.verified.load(Ordering::Relaxed);
    assert_eq!(
        verifier.verify(&users, client(1), Some(&good)).await,
        AuthResult::Granted
    );
    assert_eq!(verifier.verified.load(Ordering::Relaxed), before);
    let cache = verifier.cache();
    assert_eq!((cache.valid.len(), cache.invalid.len()), (1, CACHED));
}

/// Starts `requests` verifications of wrong passwords, each for the name of its number.
fn flood(
    verifier: &Arc<PasswordVerifier>,
    users: &[User],
    from: ClientAddress,
    requests: usize,
    name: impl Fn(usize) -> String,
) -> Vec<tokio::task::JoinHandle<AuthResult>> {
    (0..requests)
        .map(|n| {
            let (verifier, users) = (Arc::clone(verifier), users.to_vec());
            let header = basic(&name(n), &format!("wrong {n}"));
            tokio::spawn(async move { verifier.verify(&users, from, Some(&header)).await })
        })
        .collect()
}

/// Waits until every request of a flood has begun: the runtime runs some tens of tasks at a time.
async fn started() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_wrong_passwords_keeps_out_no_valid_one() {
    let users = users(&[("a", "good"), ("b", "good")]);
    let of_known = |_| "a".to_owned();
    let of_unknown = |n: usize| format!("stranger {n}");
    for floods in [
        vec![(1, &of_known as &dyn Fn(usize) -> String)],
        vec![(1, &of_unknown)],
        vec![
            (1, &of_known),
            (1, &of_unknown),
            (2, &of_known),
            (3, &of_unknown),
        ],
    ] {
        // It remembers nothing, as after a restart.
        let verifier = PasswordVerifier::with_concurrency(1);
        let mut waiting = Vec::new();
        for (from, name) in &floods {
            waiting.extend(flood(&verifier, &users, client(*from), 300, name));
        }
        started().await;
        // Another client, for the name under attack; and the same client, for another name.
        for (from, name) in [(9, "a"), (9, "b"), (1, "b")] {
            let header = basic(name, "good");
            assert_eq!(
                verifier.verify(&users, client(from), Some(&header)).await,
                AuthResult::Granted,
                "{name} of client {from}"
            );
        }
        for waited in waiting {
            assert_ne!(waited.await.unwrap(), AuthResult::Granted);
        }
        assert!(verifier.denials.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_sees_no_difference_between_names_that_exist_and_others() {
    let users = users(&[("known", "good"), ("other", "good")]);
    let mut seen = Vec::new();
    for name in ["known", "unknown"] {
        for others in 0..3 {
            let verifier = PasswordVerifier::with_concurrency(1);
            // Other requests of the client, for names that exist and for names that do not.
            let noise = ["other", "stranger"][..others.min(2)]
                .iter()
                .flat_map(|other| {
                    let other = |_| (*other).to_owned();
                    flood(&verifier, &users, client(1), 20, other)
                })
                .collect::<Vec<_>>();
            started().await;
            let start = Instant::now();
            let asked = flood(&verifier, &users, client(1), MAX_WAITING + 4, |_| {
                name.to_owned()
            });
            let mut results = Vec::new();
            for asked in asked {
                results.push((asked.await.unwrap(), start.elapsed().as_millis()));
            }
            drop(noise);
            seen.push((others, results));
        }
    }
    let (known, unknown) = seen.split_at(3);
    assert_eq!(known, unknown);
    let denied = |(result, _): &&(AuthResult, u128)| *result == AuthResult::Denied;
    assert_eq!(known[0].1.iter().filter(denied).count(), MAX_WAITING);
    assert!(known[0].1[1].1 > known[0].1[0].1, "{known:?}");
}

#[tokio::test(start_paused = true)]
async fn cached_credentials_do_not_wait() {
    let verifier = PasswordVerifier::with_concurrency(1);
    let users = users(&[("a", "good")]);
    let good = basic("a", "good");
    assert_eq!(
        verifier.verify(&users, client(1), Some(&good)).await,
        AuthResult::Granted
    );
    let waiting = flood(&verifier, &users, client(1), 100, |_| "a".to_owned());
    started().await;
    let start = Instant::now();
    assert_eq!(
        verifier.verify(&users, client(1), Some(&good)).await,
        AuthResult::Granted
    );
    assert_eq!(start.elapsed(), Duration::ZERO);
    let mut busy = 0;
    for waited in waiting {
        busy += usize::from(waited.await.unwrap() == AuthResult::Busy);
    }
    assert_eq!(busy, 100 - MAX_WAITING);
}

#[test]
fn an_unknown_name_has_the_cost_of_some_user_and_always_the_same() {
    let mut users = users(&[("a", "x"), ("b", "x")]);
    users[1].cost = 12;
    let verifier = PasswordVerifier::with_concurrency(1);
    let mut costs = std::collections::BTreeSet::new();
    for n in 0..64_u64 {
        let tag = verifier.tag(&[&n.to_be_bytes()]);
        let (hash, cost) = dummy_hash(tag, &users);
        assert_eq!((hash.clone(), cost), dummy_hash(tag, &users));
        assert_eq!(hash.parse::<bcrypt::HashParts>().unwrap().get_cost(), cost);
        costs.insert(cost);
    }
    assert_eq!(costs.into_iter().collect::<Vec<_>>(), [4, 12]);
}

#[tokio::test]
async fn passwords_that_bcrypt_does_not_distinguish_are_refused() {
    let long = "x".repeat(72);
    for (password, given, expected) in [
        (long.as_str(), long.clone(), AuthResult::Granted),
        (&long, format!("{long}x"), AuthResult::Denied),
        (&long, format!("{long}\0"), AuthResult::Denied),
        ("a", "a".to_owned(), AuthResult::Granted),
        ("a", "a\0a".to_owned(), AuthResult::Denied),
        ("a", "a\0".to_owned(), AuthResult::Denied),
        ("", "\0".to_owned(), AuthResult::Denied),
        ("", "\0\0".to_owned(), AuthResult::Denied),
    ] {
        let verifier = PasswordVerifier::with_concurrency(1);
        let users = users(&[("prometheus", password)]);
        let header = basic("prometheus", &given);
        for _ in 0..2 {
            let result = verifier.verify(&users, client(1), Some(&header)).await;
            assert_eq!(result, expected, "{given:?} for {password:?}");
        }
    }
}
