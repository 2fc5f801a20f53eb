use std::collections::BTreeMap;

use super::*;
use model::stable_hash;

fn transfer() -> TransferKey {
    TransferKey {
        account: AccountName::new("prod"),
        connector: "c-0123456789abcdef0".parse().unwrap(),
        transfer: "4b1a/8c1e".parse().unwrap(),
    }
}

fn letters() -> Vec<Letter> {
    let at = UNIX_EPOCH + Duration::new(1_800_000_000, 123_456_789);
    let start = |started_at| {
        Fact::Started(TransferStart {
            key: transfer(),
            started_at,
            reported_at: Some(at),
            files: Some(3),
        })
    };
    let file = |end, direction| {
        Fact::FileEnded(FileEnd {
            key: transfer(),
            file_transfer_id: "f-1".into(),
            direction,
            path: "/in/ä b".into(),
            end,
            message: Some("no room".into()),
            bytes: u64::MAX,
            duration: Some(Duration::new(3, 5)),
            ended_at: at,
        })
    };
    let operation = |operation, listing| {
        Fact::OperationEnded(OperationEnd {
            connector: transfer().connector_key(),
            operation,
            id: "l-1".into(),
            end: Finished::Failed(None),
            message: None,
            listing,
        })
    };
    let listing = Listing {
        directory: "/in".into(),
        items: 7,
        is_truncated: true,
        at,
    };
    let code = FailureCode::new("RENAME_ERROR");
    let details = ConnectorDetails {
        url: "sftp://example.com".into(),
        name: Some("acme".into()),
        labels: BTreeMap::from([("team".into(), "a".into())]),
        max_concurrent_connections: Some(5),
        ..ConnectorDetails::default()
    };
    let id = transfer().connector;
    vec![
        Letter::Facts(
            Origin::Events,
            vec![
                start(None),
                start(Some(at)),
                file(Finished::Completed, Direction::Send),
                file(Finished::Failed(None), Direction::Retrieve),
                file(Finished::Failed(code), Direction::Send),
                operation(RemoteOperation::List, Some(listing)),
                operation(RemoteOperation::Delete, None),
            ],
        ),
        Letter::Facts(Origin::Cloudtrail, Vec::new()),
        Letter::Untracked(transfer(), Origin::Api),
        Letter::Acknowledged(FailureFilter::default()),
        Letter::Acknowledged(FailureFilter {
            account: Some("prod".into()),
            connector: Some(id.clone()),
            transfer: Some(transfer().transfer),
            path: Some("/in".into()),
            code: Some(String::new()),
        }),
        Letter::Listed(
            AccountName::new("prod"),
            [(id.clone(), Some(Arc::new(details)))].into(),
            true,
        ),
        Letter::Listed(AccountName::new("prod"), [(id.clone(), None)].into(), false),
        Letter::Excluded(AccountName::new("prod"), [id].into()),
    ]
}

#[test]
fn letters_are_the_same_after_encoding() {
    let bytes = encode(&letters(), 3).unwrap();
    assert_eq!(decode(&bytes).unwrap(), (letters(), 3));
}

#[test]
fn what_is_too_large_is_divided_in_order() {
    let mut numbers = 0_u64;
    let mut text = |bytes: usize| {
        numbers += 1;
        let words = (0..bytes / 17).map(|word| stable_hash(&format!("{numbers} {word}")));
        let words: Vec<_> = words.map(|hash| format!("{hash:016x}")).collect();
        words.join(" ")
    };
    let start = |number| {
        Fact::Started(TransferStart {
            key: TransferKey {
                transfer: format!("t-{number}").parse().unwrap(),
                ..transfer()
            },
            started_at: None,
            reported_at: None,
            files: None,
        })
    };
    let facts: Vec<_> = (0..900).map(start).collect();
    let mut listed = ListedConnectors::new();
    for number in 0..40_u64 {
        let details = ConnectorDetails {
            url: text(200).into(),
            ..ConnectorDetails::default()
        };
        let id = format!("c-{number:017x}").parse().unwrap();
        listed.insert(id, Some(Arc::new(details)));
    }
    let account = AccountName::new("prod");
    let letters = [
        Letter::Facts(Origin::Events, facts.clone()),
        Letter::Untracked(transfer(), Origin::Api),
        Letter::Listed(account, listed.clone(), true),
    ];
    let values = values_of(&letters, 2).unwrap();
    assert!(values.len() > 10 && values.iter().all(|value| value.len() <= MAX_VALUE));
    let (mut found, mut connectors, mut order) = (Vec::new(), ListedConnectors::new(), Vec::new());
    for value in &values {
        let (letters, hops) = decode(value).unwrap();
        assert_eq!(hops, 2);
        for letter in letters {
            let kind = match letter {
                Letter::Facts(_, facts) => {
                    found.extend(facts);
                    0
                }
                Letter::Listed(_, mut part, complete) => {
                    assert!(!complete, "a part of a list");
                    connectors.append(&mut part);
                    2
                }
                _ => 1,
            };
            order.push(kind);
        }
    }
    assert!(found == facts && connectors == listed && order.is_sorted());
    let long = FailureFilter {
        path: Some(text(4_000)),
        ..FailureFilter::default()
    };
    let untracked = Letter::Untracked(transfer(), Origin::Api);
    let letters = [Letter::Acknowledged(long), untracked.clone()];
    let values = values_of(&letters, 0).unwrap();
    assert_eq!(values.len(), 1);
    assert_eq!(decode(&values[0]).unwrap().0, [untracked]);
}

#[test]
fn damaged_and_newer_letters_are_errors() {
    let bytes = encode(&letters(), 0).unwrap();
    for end in 0..bytes.len() {
        assert!(decode(&bytes[..end]).is_err(), "{end}");
    }
    for at in 0..bytes.len() {
        // Whatever it is, it is no panic.
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x55;
        let _ = decode(&damaged);
    }
    let mut newer = bytes;
    newer[..4].copy_from_slice(&(FORMAT + 1).to_le_bytes());
    let error = decode(&newer).unwrap_err().to_string();
    assert!(error.contains("newer release"), "{error}");
}
