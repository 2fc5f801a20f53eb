//! Events of EventBridge.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};

use super::json::{count, text, time, timestamp};
use super::{EventFilter, IgnoredFields, MessageRouting, ParseError, ParsedMessage, cloudtrail};
use model::{
    ConnectorId, ConnectorKey, Direction, Fact, FileEnd, Finished, Listing, OperationEnd,
    RemoteOperation, TransferStart,
};

/// `source` of every event of Transfer Family, those from CloudTrail included.
const SOURCE: &str = "aws.transfer";
/// `detail-type` of a CloudTrail record.
const API_CALL: &str = "AWS API Call via CloudTrail";

/// Parses an event that was received at `now`.
pub(super) fn parse(
    event: &Map<String, Value>,
    routing: MessageRouting<'_>,
    now: SystemTime,
) -> Result<ParsedMessage, ParseError> {
    let member = |key: &str| event.get(key).and_then(Value::as_str);
    let (Some(source), Some(detail_type)) = (member("source"), member("detail-type")) else {
        return Err(ParseError::UnknownKind);
    };
    let detail = event
        .get("detail")
        .filter(|detail| detail.is_object())
        .ok_or(ParseError::InvalidField("detail"))?;
    if source != SOURCE {
        return Ok(ParsedMessage::Foreign);
    }
    let (at, account_id, region) = (
        member("time").and_then(timestamp),
        member("account"),
        member("region"),
    );
    if detail_type == API_CALL {
        if !cloudtrail::is_start(detail)? {
            return Ok(ParsedMessage::Foreign);
        }
        let non_empty = |key| Some(text(detail, key)).filter(|text| !text.is_empty());
        let route = routing.route(
            account_id.or_else(|| non_empty("recipientAccountId")),
            region.or_else(|| non_empty("awsRegion")),
        );
        return match route {
            Ok(filter) if cloudtrail::is_in_region(detail, filter.account) => {
                cloudtrail::parse(detail, filter, at)
            }
            Ok(_) => Ok(ParsedMessage::Foreign),
            Err(unrouted) => Ok(ParsedMessage::Unrouted(unrouted)),
        };
    }
    let Some((subject, completed)) = Subject::parse(detail_type) else {
        return Ok(ParsedMessage::Foreign);
    };
    let filter = match routing.route(account_id, region) {
        Ok(filter) => filter,
        Err(unrouted) => return Ok(ParsedMessage::Unrouted(unrouted)),
    };
    let event = ConnectorEvent {
        detail,
        id: member("id").unwrap_or_default(),
        at,
        completed,
        connector: text(detail, "connector-id")
            .parse()
            .map_err(|_| ParseError::InvalidField("detail.connector-id"))?,
    };
    if !filter.connectors.matches(event.connector.as_str()) {
        return Ok(ParsedMessage::Foreign);
    }
    let facts = match subject {
        Subject::File(direction) => event.file(direction, filter, now)?,
        Subject::Operation(operation) => vec![event.operation(operation, filter, now)?],
    };
    Ok(ParsedMessage::Facts(facts, IgnoredFields::default()))
}

/// What an event is about.
#[derive(Clone, Copy)]
enum Subject {
    File(Direction),
    Operation(RemoteOperation),
}

impl Subject {
    /// Parses a `detail-type`. Returns true for `Completed`, and `None` if it is none of the ten
    /// types of connector events.
    fn parse(detail_type: &str) -> Option<(Self, bool)> {
        let (subject, end) = detail_type
            .strip_prefix("SFTP Connector ")?
            .rsplit_once(' ')?;
        let completed = match end {
            "Completed" => true,
            "Failed" => false,
            _ => return None,
        };
        let subject = match subject {
            "File Send" => Self::File(Direction::Send),
            "File Retrieve" => Self::File(Direction::Retrieve),
            "Directory Listing" => Self::Operation(RemoteOperation::List),
            "Remote Move" => Self::Operation(RemoteOperation::Move),
            "Remote Delete" => Self::Operation(RemoteOperation::Delete),
            _ => return None,
        };
        Some((subject, completed))
    }
}

/// Size of a file above which an event is not believed. AWS transfers at most 150 GiB
/// (<https://docs.aws.amazon.com/transfer/latest/userguide/connectors.html>).
const MAX_BYTES: u64 = 1 << 42;
/// Duration of a file above which an event is not believed: AWS keeps results for 7 days.
const MAX_DURATION: Duration = Duration::from_hours(15 * 24);

/// An event of a connector.
struct ConnectorEvent<'a> {
    detail: &'a Value,
    id: &'a str,
    at: Option<SystemTime>,
    completed: bool,
    connector: ConnectorId,
}

impl ConnectorEvent<'_> {
    /// Returns two facts: the transfer exists, and its file has ended.
    fn file(
        self,
        direction: Direction,
        filter: EventFilter<'_>,
        now: SystemTime,
    ) -> Result<Vec<Fact>, ParseError> {
        let transfer = text(self.detail, "transfer-id")
            .parse()
            .map_err(|_| ParseError::InvalidField("detail.transfer-id"))?;
        let started_at = time(self.detail, "start-timestamp");
        let ended_at = time(self.detail, "end-timestamp");
        let duration = started_at
            .zip(ended_at)
            .and_then(|(start, end)| end.duration_since(start).ok());
        if duration.is_some_and(|duration| duration > MAX_DURATION) {
            return Err(ParseError::InvalidField("detail.start-timestamp"));
        }
        let bytes = self.detail.get("bytes").map_or(0, count);
        if bytes > MAX_BYTES {
            return Err(ParseError::InvalidField("detail.bytes"));
        }
        let (end, message, file_transfer_id) =
            (self.end(), self.failure_message(), self.file_transfer_id());
        let key = filter.key(self.connector, transfer);
        let file = FileEnd {
            key: key.clone(),
            file_transfer_id,
            direction,
            path: text(self.detail, "file-path").to_owned(),
            end,
            message,
            bytes,
            duration,
            // Never in the future: such a time would remain the newest for long.
            ended_at: ended_at.or(self.at).map_or(now, |at| at.min(now)),
        };
        Ok(vec![
            Fact::Started(TransferStart {
                key,
                started_at: None,
                reported_at: None,
                files: None,
            }),
            Fact::FileEnded(file),
        ])
    }

    fn operation(
        self,
        operation: RemoteOperation,
        filter: EventFilter<'_>,
        now: SystemTime,
    ) -> Result<Fact, ParseError> {
        let name = match operation {
            RemoteOperation::List => "listing-id",
            RemoteOperation::Move => "move-id",
            RemoteOperation::Delete => "delete-id",
        };
        // All copies of an event share its id.
        let id = [text(self.detail, name), self.id]
            .into_iter()
            .find(|id| !id.is_empty())
            .ok_or(ParseError::InvalidField("id"))?
            .to_owned();
        let (end, message) = (self.end(), self.failure_message());
        let items = self.detail.get("item-count").and_then(Value::as_u64);
        let is_listing = operation == RemoteOperation::List && end == Finished::Completed;
        let listing = items.filter(|_| is_listing).map(|items| Listing {
            directory: text(self.detail, "remote-directory-path").to_owned(),
            items,
            is_truncated: self.detail.get("truncated") == Some(&Value::Bool(true)),
            at: time(self.detail, "end-timestamp")
                .or(self.at)
                .map_or(now, |at| at.min(now)),
        });
        let connector = ConnectorKey {
            account: filter.account.name.clone(),
            id: self.connector,
        };
        Ok(Fact::OperationEnded(OperationEnd {
            connector,
            operation,
            id,
            end,
            message,
            listing,
        }))
    }

    /// Returns the end that `status-code` names, else that of the `detail-type`.
    fn end(&self) -> Finished {
        let code = text(self.detail, "failure-code");
        let of_type = if self.completed {
            "COMPLETED"
        } else {
            "FAILED"
        };
        Finished::from_wire(text(self.detail, "status-code"), Some(code))
            .or_else(|| Finished::from_wire(of_type, Some(code)))
            .unwrap_or(Finished::Completed)
    }

    fn failure_message(&self) -> Option<String> {
        let message = text(self.detail, "failure-message");
        (!message.is_empty()).then(|| message.to_owned())
    }

    /// Returns `file-transfer-id`. If it is absent, the transfer and the path stand for it, which
    /// all copies of the event share: then the same path twice in a transfer is one file. Without a
    /// path, the event's own id stands for the path.
    fn file_transfer_id(&self) -> String {
        let id = text(self.detail, "file-transfer-id");
        if !id.is_empty() {
            return id.to_owned();
        }
        let path = text(self.detail, "file-path");
        // No `file-transfer-id` contains a line break.
        format!(
            "{}\n{}",
            text(self.detail, "transfer-id"),
            if path.is_empty() { self.id } else { path }
        )
    }
}
