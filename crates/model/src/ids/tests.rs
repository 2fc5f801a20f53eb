use std::hash::DefaultHasher;

use super::*;

#[test]
fn connector_id_has_exactly_17_lowercase_hex_digits() {
    assert_eq!(
        "c-0123456789abcdef0"
            .parse::<ConnectorId>()
            .unwrap()
            .as_str(),
        "c-0123456789abcdef0"
    );
    for bad in [
        "",
        "c-",
        "c-0123456789abcdef",
        "c-0123456789abcdef01",
        "c-0123456789ABCDEF0",
        "d-0123456789abcdef0",
        "c-0123456789abcdeg0",
        "c-0123456789abcdéf",
    ] {
        assert_eq!(bad.parse::<ConnectorId>(), Err(IdError::Connector), "{bad}");
    }
}

#[test]
fn transfer_id_compares_and_hashes_like_its_string() {
    let hash = |value: &dyn Fn(&mut DefaultHasher)| {
        let mut hasher = DefaultHasher::new();
        value(&mut hasher);
        hasher.finish()
    };
    let texts: Vec<String> = ["a", "b", "a-"]
        .iter()
        .flat_map(|text| [1, 2, 36, 37, 38, 39, 40, 200].map(|length| text.repeat(length)))
        .collect();
    for one in &texts {
        let id: TransferId = one.parse().unwrap();
        assert_eq!(
            (id.as_str(), id.to_string(), format!("{id:?}")),
            (one.as_str(), one.clone(), format!("{one:?}"))
        );
        assert_eq!(
            hash(&|h| id.hash(h)),
            hash(&|h| one.as_str().hash(h)),
            "{one}"
        );
        for other in &texts {
            let other_id: TransferId = other.parse().unwrap();
            assert_eq!(id.cmp(&other_id), one.cmp(other), "{one} {other}");
            assert_eq!(id == other_id, one == other, "{one} {other}");
        }
    }
    assert_eq!(size_of::<TransferId>(), 40);
}

#[test]
fn transfer_id_accepts_slashes_dots_and_512_characters() {
    let longest = "a".repeat(512);
    for good in [
        "a",
        "4b1a8c1e-0000-4000-8000-000000000001",
        "a/b.c-D9",
        longest.as_str(),
    ] {
        assert!(good.parse::<TransferId>().is_ok(), "{good}");
    }
    for bad in ["", "a b", "a_b", "ä", "a\n", "a".repeat(513).as_str()] {
        assert_eq!(bad.parse::<TransferId>(), Err(IdError::Transfer), "{bad}");
    }
}
