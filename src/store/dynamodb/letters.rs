//! Letters as bytes.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use serde::{Deserialize, Serialize};
use tracing::error;

use super::table::MAX_VALUE;
use crate::store::Letter;
use crate::store::records::FORMAT;
use crate::tracker::persist::DetailsRecord;
use crate::tracker::query::FailureFilter;
use model::{
    AccountName, ConnectorDetails, ConnectorId, ConnectorKey, Direction, Fact, FailureCode,
    FileEnd, Finished, ListedConnectors, Listing, OperationEnd, Origin, RemoteOperation,
    TransferId, TransferKey, TransferStart,
};

/// Most bytes of letters before compression: far more than any sender puts together.
const MAX_BYTES: u64 = 64 << 20;

/// Why bytes are no letters.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct CodecError(String);

impl CodecError {
    fn new(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// Encodes letters that were passed on `hops` times before.
fn encode(letters: &[Letter], hops: u8) -> Result<Vec<u8>, CodecError> {
    let records: Vec<_> = letters.iter().map(Record::from).collect();
    let records = postcard::to_allocvec(&records).map_err(CodecError::new)?;
    let mut bytes = FORMAT.to_le_bytes().to_vec();
    bytes.push(hops);
    let mut encoder = ZlibEncoder::new(bytes, Compression::fast());
    encoder.write_all(&records).map_err(CodecError::new)?;
    encoder.finish().map_err(CodecError::new)
}

/// Returns the values of the items that letters are put into, in order: one, unless they are too large. A
/// report for which no item has room is left out: it would stop all that follow.
pub(super) fn values_of(letters: &[Letter], hops: u8) -> Result<Vec<Vec<u8>>, CodecError> {
    let (mut values, mut rest) = (Vec::new(), vec![letters.to_vec()]);
    while let Some(mut letters) = rest.pop() {
        let value = encode(&letters, hops)?;
        if value.len() <= MAX_VALUE {
            values.push(value);
            continue;
        }
        // The first half comes first.
        if letters.len() > 1 {
            let second = letters.split_off(letters.len() / 2);
            rest.extend([second, letters]);
        } else if let Some([first, second]) = letters.pop().and_then(Letter::halves) {
            rest.extend([vec![second], vec![first]]);
        } else {
            error!(
                event = "delivery_too_large",
                bytes = value.len(),
                "a report for another shard is larger than an item may be, leaving it out"
            );
        }
    }
    Ok(values)
}

/// Decodes letters, and how often they were passed on before.
pub(super) fn decode(bytes: &[u8]) -> Result<(Vec<Letter>, u8), CodecError> {
    let too_short = || CodecError("it is damaged, or no item of this exporter".to_owned());
    let (format, rest) = bytes.split_first_chunk().ok_or_else(too_short)?;
    let format = u32::from_le_bytes(*format);
    if format > FORMAT {
        return Err(CodecError(format!(
            "a newer release wrote it: it has format {format}, this release supports {FORMAT}"
        )));
    }
    let (hops, compressed) = rest.split_first().ok_or_else(too_short)?;
    let mut records = Vec::new();
    let mut decoder = ZlibDecoder::new(compressed).take(MAX_BYTES);
    decoder.read_to_end(&mut records).map_err(CodecError::new)?;
    let records: Vec<Record> = postcard::from_bytes(&records).map_err(CodecError::new)?;
    let letters: Option<Vec<_>> = records.into_iter().map(Record::read).collect();
    Ok((letters.ok_or_else(too_short)?, *hops))
}

/// Seconds and nanoseconds since the epoch.
type Time = (u64, u32);

fn time(at: SystemTime) -> Time {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_secs(), since.subsec_nanos())
}

fn read_time((seconds, nanos): Time) -> Option<SystemTime> {
    // `Duration::new` panics where the nanoseconds make the seconds overflow.
    let since = Duration::from_secs(seconds).checked_add(Duration::from_nanos(nanos.into()))?;
    UNIX_EPOCH.checked_add(since)
}

/// Account, connector and transfer.
type Key = (String, String, String);

fn key(key: &TransferKey) -> Key {
    let account = key.account.to_string();
    (account, key.connector.to_string(), key.transfer.to_string())
}

fn read_key((account, connector, transfer): Key) -> Option<TransferKey> {
    Some(TransferKey {
        account: AccountName::new(&account),
        connector: connector.parse().ok()?,
        transfer: transfer.parse().ok()?,
    })
}

/// `None` for COMPLETED, else the failure code, empty if there is none.
type End = Option<String>;

fn end(end: &Finished) -> End {
    match end {
        Finished::Completed => None,
        Finished::Failed(code) => Some(code.as_ref().map_or_else(String::new, ToString::to_string)),
    }
}

fn read_end(end: End) -> Finished {
    end.map_or(Finished::Completed, |code| {
        Finished::Failed(FailureCode::new(&code))
    })
}

/// Returns the value with this number.
fn numbered<T: Copy>(values: &[T], number: u8) -> Option<T> {
    values.get(usize::from(number)).copied()
}

#[derive(Serialize, Deserialize)]
enum Record {
    Facts(u8, Vec<FactRecord>),
    Untracked(Key, u8),
    Acknowledged([Option<String>; 5]),
    Listed(String, Vec<(String, Option<DetailsRecord>)>, bool),
    Excluded(String, Vec<String>),
}

#[derive(Serialize, Deserialize)]
enum FactRecord {
    Started {
        key: Key,
        started_at: Option<Time>,
        reported_at: Option<Time>,
        files: Option<u32>,
    },
    FileEnded {
        key: Key,
        file_transfer_id: String,
        direction: u8,
        path: String,
        end: End,
        message: Option<String>,
        bytes: u64,
        duration: Option<Duration>,
        ended_at: Time,
    },
    OperationEnded {
        connector: (String, String),
        operation: u8,
        id: String,
        end: End,
        message: Option<String>,
        listing: Option<(String, u64, bool, Time)>,
    },
}

impl From<&Letter> for Record {
    fn from(letter: &Letter) -> Self {
        match letter {
            Letter::Facts(origin, facts) => {
                Self::Facts(*origin as u8, facts.iter().map(FactRecord::from).collect())
            }
            Letter::Untracked(transfer, origin) => Self::Untracked(key(transfer), *origin as u8),
            Letter::Acknowledged(filter) => Self::Acknowledged([
                filter.account.clone(),
                filter.connector.as_ref().map(ToString::to_string),
                filter.transfer.as_ref().map(ToString::to_string),
                filter.path.clone(),
                filter.code.clone(),
            ]),
            Letter::Listed(account, listed, complete) => {
                let details = |details: &Option<Arc<ConnectorDetails>>| {
                    details.as_deref().map(DetailsRecord::from)
                };
                let listed = listed.iter();
                let listed = listed.map(|(id, known)| (id.to_string(), details(known)));
                Self::Listed(account.to_string(), listed.collect(), *complete)
            }
            Letter::Excluded(account, ids) => {
                let ids = ids.iter().map(ToString::to_string);
                Self::Excluded(account.to_string(), ids.collect())
            }
        }
    }
}

impl Record {
    fn read(self) -> Option<Letter> {
        Some(match self {
            Self::Facts(origin, facts) => {
                let facts: Option<_> = facts.into_iter().map(FactRecord::read).collect();
                Letter::Facts(numbered(&Origin::ALL, origin)?, facts?)
            }
            Self::Untracked(transfer, origin) => {
                Letter::Untracked(read_key(transfer)?, numbered(&Origin::ALL, origin)?)
            }
            Self::Acknowledged([account, connector, transfer, path, code]) => {
                let connector = connector.map(|id| id.parse::<ConnectorId>());
                let transfer = transfer.map(|id| id.parse::<TransferId>());
                Letter::Acknowledged(FailureFilter {
                    account,
                    connector: connector.transpose().ok()?,
                    transfer: transfer.transpose().ok()?,
                    path,
                    code,
                })
            }
            Self::Listed(account, listed, complete) => {
                let listed = listed.into_iter().map(|(id, details)| {
                    let details = details.as_ref().map(ConnectorDetails::from);
                    Some((id.parse().ok()?, details.map(Arc::new)))
                });
                let listed: Option<ListedConnectors> = listed.collect();
                Letter::Listed(AccountName::new(&account), listed?, complete)
            }
            Self::Excluded(account, ids) => {
                let ids: Option<BTreeSet<_>> = ids.iter().map(|id| id.parse().ok()).collect();
                Letter::Excluded(AccountName::new(&account), ids?)
            }
        })
    }
}

impl From<&Fact> for FactRecord {
    fn from(fact: &Fact) -> Self {
        match fact {
            Fact::Started(start) => Self::Started {
                key: key(&start.key),
                started_at: start.started_at.map(time),
                reported_at: start.reported_at.map(time),
                files: start.files,
            },
            Fact::FileEnded(file) => Self::FileEnded {
                key: key(&file.key),
                file_transfer_id: file.file_transfer_id.clone(),
                direction: file.direction as u8,
                path: file.path.clone(),
                end: end(&file.end),
                message: file.message.clone(),
                bytes: file.bytes,
                duration: file.duration,
                ended_at: time(file.ended_at),
            },
            Fact::OperationEnded(ended) => Self::OperationEnded {
                connector: (
                    ended.connector.account.to_string(),
                    ended.connector.id.to_string(),
                ),
                operation: ended.operation as u8,
                id: ended.id.clone(),
                end: end(&ended.end),
                message: ended.message.clone(),
                listing: ended.listing.as_ref().map(|listing| {
                    let directory = listing.directory.clone();
                    let at = time(listing.at);
                    (directory, listing.items, listing.is_truncated, at)
                }),
            },
        }
    }
}

impl FactRecord {
    fn read(self) -> Option<Fact> {
        Some(match self {
            Self::Started {
                key,
                started_at,
                reported_at,
                files,
            } => Fact::Started(TransferStart {
                key: read_key(key)?,
                started_at: started_at.and_then(read_time),
                reported_at: reported_at.and_then(read_time),
                files,
            }),
            Self::FileEnded {
                key,
                file_transfer_id,
                direction,
                path,
                end,
                message,
                bytes,
                duration,
                ended_at,
            } => Fact::FileEnded(FileEnd {
                key: read_key(key)?,
                file_transfer_id,
                direction: numbered(&Direction::ALL, direction)?,
                path,
                end: read_end(end),
                message,
                bytes,
                duration,
                ended_at: read_time(ended_at)?,
            }),
            Self::OperationEnded {
                connector: (account, id_of_connector),
                operation,
                id,
                end,
                message,
                listing,
            } => Fact::OperationEnded(OperationEnd {
                connector: ConnectorKey {
                    account: AccountName::new(&account),
                    id: id_of_connector.parse().ok()?,
                },
                operation: numbered(&RemoteOperation::ALL, operation)?,
                id,
                end: read_end(end),
                message,
                listing: match listing {
                    None => None,
                    Some((directory, items, is_truncated, at)) => Some(Listing {
                        directory,
                        items,
                        is_truncated,
                        at: read_time(at)?,
                    }),
                },
            }),
        })
    }
}

#[cfg(test)]
mod tests {
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
        let (mut found, mut connectors, mut order) =
            (Vec::new(), ListedConnectors::new(), Vec::new());
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
}
