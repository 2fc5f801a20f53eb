//! The operations of SQS on a single queue, in AWS JSON 1.0. Errors also carry the code of the
//! query protocol.

use std::fmt::{Display, Write as _};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use md5::{Digest, Md5};
use serde_json::{Map, Value, json};

use super::Call;
use super::error::ApiError;
use super::input::Input;
use crate::Simulator;
use crate::domain::{
    Body, EventSource, Message, QUEUE, QUEUE_RETENTION as RETENTION, Receipt, SplitMix64,
};

/// Default of SQS, in seconds.
const VISIBILITY_TIMEOUT: u64 = 30;
const MAX_MESSAGE_SIZE: usize = 1024 * 1024;
/// Maximum number of entries of a batch.
const BATCH: usize = 10;
/// Supported values of `AttributeNames` and `MessageSystemAttributeNames`.
const MESSAGE_ATTRIBUTES: [&str; 4] = [
    "SenderId",
    "SentTimestamp",
    "ApproximateReceiveCount",
    "ApproximateFirstReceiveTimestamp",
];

impl Simulator {
    pub(crate) fn receive_message(
        &self,
        call: &Call<'_>,
        mut input: Input,
    ) -> Result<Value, ApiError> {
        self.check_queue(&mut input)?;
        let max = bounded(&mut input, "MaxNumberOfMessages", 1..=10, ", if provided")?.unwrap_or(1);
        bounded(&mut input, "WaitTimeSeconds", 0..=20, ", if provided")?;
        let visibility =
            bounded(&mut input, "VisibilityTimeout", 0..=43_200, "")?.unwrap_or(VISIBILITY_TIMEOUT);
        let wanted = message_attributes(&mut input)?;
        let mut state = self.state();
        state.advance(call.now, call.faults);
        let max = usize::try_from(max).unwrap_or(1);
        let receipts = state.queue.receive(max, self.span(visibility), call.now);
        let received = receipts.iter().filter_map(|receipt| {
            let message = state.queue.message(*receipt)?;
            Some(self.received(call, *receipt, message, &wanted))
        });
        let messages: Vec<Value> = received.collect();
        Ok(if messages.is_empty() {
            json!({})
        } else {
            json!({ "Messages": messages })
        })
    }

    /// Returns the time of the account in which `seconds` of a client pass.
    fn span(&self, seconds: u64) -> Duration {
        self.0.clock.on_the_account(Duration::from_secs(seconds))
    }

    pub(crate) fn delete_message(&self, mut input: Input) -> Result<Value, ApiError> {
        self.check_queue(&mut input)?;
        let receipt = self.receipt(&required(&mut input, "ReceiptHandle")?)?;
        self.state().queue.delete(receipt);
        Ok(json!({}))
    }

    pub(crate) fn delete_message_batch(&self, mut input: Input) -> Result<Value, ApiError> {
        self.check_queue(&mut input)?;
        let entries = input.list("Entries")?.unwrap_or_default();
        let ids: Vec<&str> = entries
            .iter()
            .map(|entry| entry["Id"].as_str().unwrap_or_default())
            .collect();
        check_batch(&ids)?;
        let (mut successful, mut failed) = (Vec::new(), Vec::new());
        let mut state = self.state();
        for (id, entry) in ids.iter().zip(&entries) {
            match self.receipt(entry["ReceiptHandle"].as_str().unwrap_or_default()) {
                Ok(receipt) => {
                    state.queue.delete(receipt);
                    successful.push(json!({ "Id": id }));
                }
                Err(error) => failed.push(json!({
                    "Id": id,
                    "SenderFault": true,
                    "Code": error.kind,
                    "Message": error.body()["message"],
                })),
            }
        }
        let mut answer = Map::new();
        for (member, entries) in [("Successful", successful), ("Failed", failed)] {
            if !entries.is_empty() {
                answer.insert(member.to_owned(), entries.into());
            }
        }
        Ok(answer.into())
    }

    pub(crate) fn send_message(
        &self,
        call: &Call<'_>,
        mut input: Input,
    ) -> Result<Value, ApiError> {
        self.check_queue(&mut input)?;
        let body = required(&mut input, "MessageBody")?;
        let delay = bounded(&mut input, "DelaySeconds", 0..=900, "")?.unwrap_or(0);
        if input.has("MessageAttributes") {
            let message = "The simulator takes no message attributes.";
            return Err(ApiError::of_sqs(
                "UnsupportedOperation",
                "AWS.SimpleQueueService.UnsupportedOperation",
                message,
            ));
        }
        if body.len() > MAX_MESSAGE_SIZE {
            let reason = format!(
                "One or more parameters are invalid. Reason: Message must be shorter than {MAX_MESSAGE_SIZE} bytes."
            );
            return Err(invalid(&reason));
        }
        if body.chars().any(|c| {
            (c < ' ' && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{fffe}' | '\u{ffff}')
        }) {
            let message = "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF";
            return Err(ApiError::of_sqs(
                "InvalidMessageContents",
                "InvalidMessageContents",
                message,
            ));
        }
        let md5 = md5_of(&body);
        let message = self.put_message(body, call.now + self.span(delay));
        Ok(json!({ "MessageId": self.message_id(message), "MD5OfMessageBody": md5 }))
    }

    pub(crate) fn get_queue_attributes(
        &self,
        call: &Call<'_>,
        mut input: Input,
    ) -> Result<Value, ApiError> {
        self.check_queue(&mut input)?;
        let wanted = texts(&mut input, "AttributeNames")?;
        let mut state = self.state();
        state.advance(call.now, call.faults);
        let depth = state.queue.depth(call.now);
        let all = [
            ("ApproximateNumberOfMessages", depth.available.to_string()),
            (
                "ApproximateNumberOfMessagesNotVisible",
                depth.in_flight.to_string(),
            ),
            (
                "ApproximateNumberOfMessagesDelayed",
                depth.delayed.to_string(),
            ),
            ("QueueArn", self.queue_arn(call.region)),
            ("VisibilityTimeout", VISIBILITY_TIMEOUT.to_string()),
            ("MaximumMessageSize", MAX_MESSAGE_SIZE.to_string()),
            ("MessageRetentionPeriod", RETENTION.as_secs().to_string()),
            ("DelaySeconds", "0".to_owned()),
            ("ReceiveMessageWaitTimeSeconds", "0".to_owned()),
        ];
        // The queue has no redrive policy: SQS leaves the attribute out.
        let is_known = |name: &str| {
            name == "All" || name == "RedrivePolicy" || all.iter().any(|(known, _)| *known == name)
        };
        let is_wanted = |name: &str| {
            wanted
                .iter()
                .any(|wanted| wanted == name || wanted == "All")
        };
        if let Some(unknown) = wanted.iter().find(|name| !is_known(name)) {
            return Err(unknown_attribute(unknown));
        }
        let attributes: Map<_, _> = all
            .into_iter()
            .filter(|(name, _)| is_wanted(name))
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        Ok(if attributes.is_empty() {
            json!({})
        } else {
            json!({ "Attributes": attributes })
        })
    }

    pub(crate) fn get_queue_url(
        &self,
        call: &Call<'_>,
        mut input: Input,
    ) -> Result<Value, ApiError> {
        let name = required(&mut input, "QueueName")?;
        let owner = input.string("QueueOwnerAWSAccountId")?;
        if name != QUEUE || owner.is_some_and(|owner| owner != self.0.settings.account_id) {
            return Err(no_queue());
        }
        Ok(json!({ "QueueUrl": format!("http://{}{}", call.host, self.queue_path()) }))
    }

    pub(crate) fn queue_arn(&self, region: &str) -> String {
        format!(
            "arn:aws:sqs:{region}:{}:{QUEUE}",
            self.0.settings.account_id
        )
    }

    /// Checks the path of the queue URL. The host is ignored, as SQS does.
    fn check_queue(&self, input: &mut Input) -> Result<(), ApiError> {
        let url = required(input, "QueueUrl")?;
        let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
        let path = rest.find('/').map_or("", |at| &rest[at..]);
        if path == self.queue_path() {
            Ok(())
        } else {
            Err(no_queue())
        }
    }

    fn received(
        &self,
        call: &Call<'_>,
        receipt: Receipt,
        message: &Message,
        wanted: &[&str],
    ) -> Value {
        let settings = &self.0.settings;
        let body = match &message.body {
            Body::Text(text) => text.clone(),
            Body::Event(event) => event.render(&EventSource {
                seed: settings.seed,
                account_id: &settings.account_id,
                region: call.region,
            }),
        };
        let millis = |at: SystemTime| {
            at.duration_since(UNIX_EPOCH)
                .unwrap_or_default()
                .as_millis()
                .to_string()
        };
        let attribute = |name: &str| match name {
            "SenderId" => settings.account_id.clone(),
            "SentTimestamp" => millis(message.sent_at),
            "ApproximateReceiveCount" => message.receives.to_string(),
            _ => millis(message.first_received_at.unwrap_or(call.now)),
        };
        let mut received = json!({
            "MessageId": self.message_id(receipt.message),
            "ReceiptHandle": self.handle(receipt),
            "MD5OfBody": md5_of(&body),
            "Body": body,
        });
        if !wanted.is_empty() {
            let attributes: Map<_, _> = wanted
                .iter()
                .map(|name| ((*name).to_owned(), attribute(name).into()))
                .collect();
            received["Attributes"] = attributes.into();
        }
        received
    }

    fn message_id(&self, message: u64) -> String {
        SplitMix64::keyed(self.0.settings.seed, QUEUE, message).uuid()
    }

    fn handle(&self, receipt: Receipt) -> String {
        let text = format!("{:016x}{:08x}", receipt.message, receipt.receive);
        let seal = self.seal(&text);
        text + &seal
    }

    fn receipt(&self, handle: &str) -> Result<Receipt, ApiError> {
        let part = |range| u64::from_str_radix(handle.get(range)?, 16).ok();
        let read = || {
            Some(Receipt {
                message: part(0..16)?,
                receive: u32::try_from(part(16..24)?).ok()?,
            })
        };
        read()
            .filter(|receipt| self.handle(*receipt) == handle)
            .ok_or_else(|| {
                let message =
                    format!("The input receipt handle \"{handle}\" is not a valid receipt handle.");
                ApiError::of_sqs("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", &message)
            })
    }
}

/// Returns `WaitTimeSeconds` of a `ReceiveMessage`.
pub(crate) fn wait_time(body: &[u8]) -> Duration {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    Duration::from_secs(body["WaitTimeSeconds"].as_u64().unwrap_or(0))
}

fn md5_of(text: &str) -> String {
    Md5::digest(text)
        .iter()
        .fold(String::with_capacity(32), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

fn required(input: &mut Input, name: &str) -> Result<String, ApiError> {
    input
        .string(name)?
        .filter(|text| !text.is_empty())
        .ok_or_else(|| {
            let message = format!("The request must contain the parameter {name}.");
            ApiError::of_sqs(
                "MissingRequiredParameterException",
                "MissingParameter",
                &message,
            )
        })
}

fn bounded(
    input: &mut Input,
    name: &str,
    range: std::ops::RangeInclusive<u64>,
    ending: &str,
) -> Result<Option<u64>, ApiError> {
    let Some(number) = input.integer(name)? else {
        return Ok(None);
    };
    let (least, most) = (range.start(), range.end());
    let found = u64::try_from(number)
        .ok()
        .filter(|number| range.contains(number));
    found.map(Some).ok_or_else(|| {
        invalid(&format!(
            "Value {number} for parameter {name} is invalid. Reason: Must be between {least} and {most}{ending}."
        ))
    })
}

fn message_attributes(input: &mut Input) -> Result<Vec<&'static str>, ApiError> {
    let mut asked = texts(input, "AttributeNames")?;
    asked.extend(texts(input, "MessageSystemAttributeNames")?);
    if let Some(unknown) = asked
        .iter()
        .find(|name| *name != "All" && !MESSAGE_ATTRIBUTES.contains(&name.as_str()))
    {
        return Err(unknown_attribute(unknown));
    }
    let is_asked = |name: &&str| asked.iter().any(|asked| asked == name || asked == "All");
    Ok(MESSAGE_ATTRIBUTES.into_iter().filter(is_asked).collect())
}

fn texts(input: &mut Input, name: &str) -> Result<Vec<String>, ApiError> {
    let values = input.list(name)?.unwrap_or_default();
    Ok(values
        .iter()
        .map(|value| value.as_str().unwrap_or_default().to_owned())
        .collect())
}

fn check_batch(ids: &[&str]) -> Result<(), ApiError> {
    let error = |kind, query: &'static str, message: &dyn Display| {
        Err(ApiError::of_sqs(kind, query, &message.to_string()))
    };
    if ids.is_empty() {
        let message = "There should be at least one DeleteMessageBatchRequestEntry in the request.";
        return error(
            "EmptyBatchRequest",
            "AWS.SimpleQueueService.EmptyBatchRequest",
            &message,
        );
    }
    if ids.len() > BATCH {
        let message = format!(
            "Maximum number of entries per request are {BATCH}. You have sent {}.",
            ids.len()
        );
        return error(
            "TooManyEntriesInBatchRequest",
            "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
            &message,
        );
    }
    let is_good = |id: &str| {
        (1..=80).contains(&id.len())
            && id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if ids.iter().any(|id| !is_good(id)) {
        let message = "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.";
        return error(
            "InvalidBatchEntryId",
            "AWS.SimpleQueueService.InvalidBatchEntryId",
            &message,
        );
    }
    if let Some((_, id)) = ids
        .iter()
        .enumerate()
        .find(|(at, id)| ids[..*at].contains(id))
    {
        let message = format!("Id {id} repeated.");
        return error(
            "BatchEntryIdsNotDistinct",
            "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
            &message,
        );
    }
    Ok(())
}

fn no_queue() -> ApiError {
    let message = "The specified queue does not exist.";
    ApiError::of_sqs(
        "QueueDoesNotExist",
        "AWS.SimpleQueueService.NonExistentQueue",
        message,
    )
}

fn invalid(message: &str) -> ApiError {
    ApiError::of_sqs(
        "InvalidParameterValueException",
        "InvalidParameterValue",
        message,
    )
}

fn unknown_attribute(name: &str) -> ApiError {
    ApiError::of_sqs(
        "InvalidAttributeName",
        "InvalidAttributeName",
        &format!("Unknown Attribute {name}."),
    )
}

#[cfg(test)]
mod tests;
