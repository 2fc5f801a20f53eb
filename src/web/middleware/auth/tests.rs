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
                verifier.verify(&users, header.as_ref()).await,
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
            .verify(&users, Some(&header))
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
            .verify(&users(&[("a", "old")]), Some(&header))
            .await,
        AuthResult::Granted
    );
    assert_eq!(
        verifier
            .verify(&users(&[("a", "new")]), Some(&header))
            .await,
        AuthResult::Denied
    );
    assert_eq!(
        verifier
            .verify(&users(&[("b", "old")]), Some(&header))
            .await,
        AuthResult::Denied
    );
    assert_eq!(
        verifier
            .verify(&users(&[("a", "new")]), Some(&basic("a", "new")))
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
        verifier.verify(&users, Some(&good)).await,
        AuthResult::Granted
    );
    for n in 0..=CACHED {
        verifier.insert(verifier.tag(&[&n.to_be_bytes()]), false);
    }
    let before = verifier.verified.load(Ordering::Relaxed);
    assert_eq!(
        verifier.verify(&users, Some(&good)).await,
        AuthResult::Granted
    );
    assert_eq!(verifier.verified.load(Ordering::Relaxed), before);
    let cache = verifier.cache();
    assert_eq!((cache.valid.len(), cache.invalid.len()), (1, CACHED));
}

#[tokio::test]
async fn cached_credentials_do_not_wait_and_the_queue_is_bounded() {
    let verifier = PasswordVerifier::with_concurrency(1);
    let users = users(&[("a", "good")]);
    let good = basic("a", "good");
    assert_eq!(
        verifier.verify(&users, Some(&good)).await,
        AuthResult::Granted
    );
    // As if a verification never ended.
    let permit = verifier.queue.permit().await;
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
    while verifier.queue.free_slots() > 0 {
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
    drop(permit);
    for waited in waiting {
        assert_eq!(waited.await.unwrap(), AuthResult::Denied);
    }
    assert_eq!(verifier.queue.free_slots(), 1 + WAITING);
}

#[test]
fn an_unknown_name_has_the_cost_of_some_user_and_always_the_same() {
    let mut users = users(&[("a", "x"), ("b", "x")]);
    users[1].cost = 12;
    let verifier = PasswordVerifier::with_concurrency(1);
    let mut costs = std::collections::BTreeSet::new();
    for n in 0..64_u64 {
        let tag = verifier.tag(&[&n.to_be_bytes()]);
        let hash = dummy_hash(tag, &users);
        assert_eq!(hash, dummy_hash(tag, &users));
        costs.insert(hash.parse::<bcrypt::HashParts>().unwrap().get_cost());
    }
    assert_eq!(costs.into_iter().collect::<Vec<_>>(), [4, 12]);
}
