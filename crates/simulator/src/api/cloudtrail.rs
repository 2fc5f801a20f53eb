//! CloudTrail's event history: `LookupEvents` of the transfers that were started.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::Call;
use super::error::ApiError;
use super::input::Input;
use crate::Simulator;
use crate::domain::{Position, SplitMix64, StartedTransfer};
use model::Direction;

/// Retention of CloudTrail's event history.
const RETENTION: Duration = Duration::from_hours(90 * 24);
/// Maximum and default number of events on a page.
const PAGE: usize = 50;
/// Maximum number of paths in a record: the limit of `StartFileTransfer`. A scripted transfer may
/// have more.
const PATHS: usize = 10;
/// The only attribute that finds events.
const EVENT: (&str, &str) = ("EventName", "StartFileTransfer");
/// `LookupAttributeKey`.
const KEYS: [&str; 8] = [
    "EventId",
    "EventName",
    "ReadOnly",
    "Username",
    "ResourceType",
    "ResourceName",
    "EventSource",
    "AccessKeyId",
];

impl Simulator {
    pub(crate) fn lookup_events(
        &self,
        call: &Call<'_>,
        mut input: Input,
    ) -> Result<Value, ApiError> {
        let asked = read(&mut input)?;
        let bound_to = format!("{:?} {:?} {:?}", asked.attribute, asked.start, asked.end);
        let behind = match &asked.token {
            Some(token) => Some(self.position_of(token, &bound_to).ok_or_else(|| {
                ApiError::front(
                    "InvalidNextTokenException",
                    "Invalid Token, or one of another request.",
                )
            })?),
            None => None,
        };
        if asked
            .attribute
            .as_ref()
            .is_some_and(|(key, value)| (key.as_str(), value.as_str()) != EVENT)
        {
            return Ok(json!({ "Events": [] }));
        }
        let until = call
            .now
            .checked_sub(self.0.settings.cloudtrail_delay)
            .unwrap_or(UNIX_EPOCH);
        let is_kept = |started: &StartedTransfer| {
            call.now
                .duration_since(started.started_at)
                .is_ok_and(|age| age < RETENTION)
        };
        let state = self.state();
        // One more than the page shows whether there is a next page.
        let mut found: Vec<_> = state
            .history
            .newest_first(until, behind)
            .filter(|started| is_kept(started) && asked.takes(seconds(started.started_at)))
            .take(asked.count + 1)
            .collect();
        let has_more = found.len() > asked.count;
        found.truncate(asked.count);
        let mut answer = json!({ "Events": found.iter().map(|started| self.event(call, started)).collect::<Vec<_>>() });
        if has_more && let Some(last) = found.last() {
            answer["NextToken"] = self
                .token_behind((last.started_at, last.serial), &bound_to)
                .into();
        }
        Ok(answer)
    }

    fn event(&self, call: &Call<'_>, started: &StartedTransfer) -> Value {
        let account = &self.0.settings.account_id;
        let mut ids = SplitMix64::keyed(self.0.settings.seed, started.transfer.as_str(), u64::MAX);
        let (event_id, request_id) = (ids.uuid(), ids.uuid());
        let (key, place) = match started.direction {
            Direction::Send => ("sendFilePaths", "remoteDirectoryPath"),
            Direction::Retrieve => ("retrieveFilePaths", "localDirectoryPath"),
        };
        let paths: Vec<_> = started
            .files
            .iter()
            .take(PATHS)
            .map(|file| file.path.as_str())
            .collect();
        let mut parameters = json!({ "connectorId": started.connector.as_str(), key: paths });
        if let Some(directory) = &started.directory {
            parameters[place] = directory.as_str().into();
        }
        let record = json!({
            "eventVersion": "1.09",
            "userIdentity": {
                "type": "IAMUser",
                "arn": format!("arn:aws:iam::{account}:user/simulator"),
                "accountId": account,
                "userName": "simulator",
            },
            "eventTime": humantime::format_rfc3339_seconds(started.started_at).to_string(),
            "eventSource": "transfer.amazonaws.com",
            "eventName": EVENT.1,
            "awsRegion": call.region,
            "sourceIPAddress": "192.0.2.1",
            "userAgent": "simulator",
            "requestParameters": parameters,
            "responseElements": { "transferId": started.transfer.as_str() },
            "requestID": request_id,
            "eventID": event_id,
            "readOnly": false,
            "eventType": "AwsApiCall",
            "managementEvent": true,
            "recipientAccountId": account,
            "eventCategory": "Management",
        });
        json!({
            "EventId": event_id,
            "EventName": EVENT.1,
            "ReadOnly": "false",
            "EventTime": seconds(started.started_at).as_secs(),
            "EventSource": "transfer.amazonaws.com",
            "Username": "simulator",
            "Resources": [{ "ResourceType": "AWS::Transfer::Connector", "ResourceName": started.connector.as_str() }],
            "CloudTrailEvent": record.to_string(),
        })
    }

    fn token_behind(&self, (at, serial): Position, bound_to: &str) -> String {
        let nanos = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let position = format!("{nanos:032x}{serial:016x}");
        let seal = self.seal(&format!("{position} {bound_to}"));
        position + &seal
    }

    fn position_of(&self, token: &str, bound_to: &str) -> Option<Position> {
        let nanos = u128::from_str_radix(token.get(..32)?, 16).ok()?;
        let serial = u64::from_str_radix(token.get(32..48)?, 16).ok()?;
        let since = Duration::new(
            u64::try_from(nanos / 1_000_000_000).ok()?,
            u32::try_from(nanos % 1_000_000_000).ok()?,
        );
        let position = (UNIX_EPOCH.checked_add(since)?, serial);
        (self.token_behind(position, bound_to) == token).then_some(position)
    }
}

/// A `LookupEvents` request.
struct Asked {
    attribute: Option<(String, String)>,
    /// Unix timestamp in seconds.
    start: Option<f64>,
    end: Option<f64>,
    count: usize,
    token: Option<String>,
}

impl Asked {
    fn takes(&self, at: Duration) -> bool {
        let at = at.as_secs_f64();
        self.start.is_none_or(|start| start <= at) && self.end.is_none_or(|end| at <= end)
    }
}

fn read(input: &mut Input) -> Result<Asked, ApiError> {
    let attribute = match input.list("LookupAttributes")?.as_deref() {
        None | Some([]) => None,
        Some([Value::Object(attribute)]) => {
            let text = |key| {
                attribute
                    .get(key)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
            };
            let (key, value) = (text("AttributeKey"), text("AttributeValue"));
            if !KEYS.contains(&key) || value.is_empty() {
                return Err(invalid_attributes(
                    "The attribute has no known key, or no value.",
                ));
            }
            Some((key.to_owned(), value.to_owned()))
        }
        Some(_) => {
            return Err(invalid_attributes(
                "One attribute is the most that can be looked up.",
            ));
        }
    };
    let (start, end) = (input.number("StartTime")?, input.number("EndTime")?);
    if let (Some(start), Some(end)) = (start, end)
        && start > end
    {
        return Err(ApiError::front(
            "InvalidTimeRangeException",
            "The start time is after the end time.",
        ));
    }
    let count = match input.integer("MaxResults")? {
        None => PAGE,
        Some(count) => usize::try_from(count)
            .ok()
            .filter(|count| (1..=PAGE).contains(count))
            .ok_or_else(|| {
                let message = format!("MaxResults is {count}, and not between 1 and {PAGE}.");
                ApiError::front("InvalidMaxResultsException", &message)
            })?,
    };
    Ok(Asked {
        attribute,
        start,
        end,
        count,
        token: input.string("NextToken")?,
    })
}

fn invalid_attributes(message: &str) -> ApiError {
    ApiError::front("InvalidLookupAttributesException", message)
}

/// CloudTrail reports times in whole seconds.
fn seconds(at: SystemTime) -> Duration {
    Duration::from_secs(at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
}

#[cfg(test)]
mod tests;
