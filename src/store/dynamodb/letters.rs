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
mod tests;
