//! A queue of events: [`QueueApi`] over the SDK.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_config::Region;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::Builder;
use aws_sdk_sqs::config::retry::RetryPartition;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName, QueueAttributeName,
};

use super::interceptor::MetricsInterceptor;
use super::{send, with_endpoint};
use crate::config::is_region;
use crate::metrics::self_metrics::ApiMetrics;
use crate::transfer::observer::AttemptMetrics;
use crate::transfer::session::ClientBase;
use crate::transfer::{
    ApiFuture, ErrorKind, Operation, QUEUE_BATCH, QueueApi, QueueDepth, QueueMessage,
    TransferError, UndeletedMessage,
};
use model::{Account, Clock, QUEUE_LONG_POLL};

/// Client of one queue.
pub struct SdkQueue {
    client: Client,
    url: String,
    receive_timeouts: TimeoutConfig,
}

impl SdkQueue {
    /// Creates a client with the credentials of `base`, in the Region that the host of `url` names,
    /// else in that of the account. Makes no call.
    pub fn new(
        base: &ClientBase,
        url: &str,
        endpoint_url: Option<&str>,
        metrics: Arc<ApiMetrics>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let region =
            queue_region(url).map_or_else(|| base.account.region.to_string(), ToOwned::to_owned);
        let account = Account {
            name: base.account.name.clone(),
            region: region.as_str().into(),
        };
        let operations = [
            Operation::ReceiveMessage,
            Operation::DeleteMessageBatch,
            Operation::GetQueueAttributes,
        ];
        let observer = AttemptMetrics::new(account, metrics, &operations);
        // Its own retry quota: a failing queue must not use up the retries of others.
        let config = Builder::from(&base.sdk)
            .region(Region::new(region))
            .retry_partition(RetryPartition::custom(format!("{} {url}", base.account.name)).build())
            .interceptor(MetricsInterceptor::new(Arc::new(observer), clock));
        // A receive lasts up to the long poll, and the time-outs of the account are for single
        // responses.
        let attempt = QUEUE_LONG_POLL + base.attempt;
        let receive_timeouts = TimeoutConfig::builder()
            .read_timeout(attempt)
            .operation_attempt_timeout(attempt)
            .operation_timeout(2 * attempt)
            .build();
        Self {
            client: Client::from_conf(with_endpoint!(config, endpoint_url).build()),
            url: url.into(),
            receive_timeouts,
        }
    }
}

impl QueueApi for SdkQueue {
    fn receive(&self) -> ApiFuture<'_, Vec<QueueMessage>> {
        Box::pin(async {
            let wait = i32::try_from(QUEUE_LONG_POLL.as_secs()).unwrap_or(0);
            let batch = i32::try_from(QUEUE_BATCH).unwrap_or(1);
            let call = self.client.receive_message().queue_url(&self.url);
            let call = call
                .wait_time_seconds(wait)
                .max_number_of_messages(batch)
                .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
                .customize();
            let call = call
                .config_override(Builder::default().timeout_config(self.receive_timeouts.clone()));
            let output = send(call.send()).await?;
            let messages = output.messages.unwrap_or_default().into_iter();
            Ok(messages.map(message).collect())
        })
    }

    fn delete<'a>(&'a self, receipts: &'a [String]) -> ApiFuture<'a, Vec<UndeletedMessage>> {
        Box::pin(async move {
            let entry = |(id, receipt): (usize, &String)| {
                let entry = DeleteMessageBatchRequestEntry::builder()
                    .id(id.to_string())
                    .receipt_handle(receipt)
                    .build();
                entry.map_err(|error| TransferError::new(ErrorKind::InvalidRequest, error))
            };
            let entries = receipts
                .iter()
                .enumerate()
                .map(entry)
                .collect::<Result<Vec<_>, _>>()?;
            let call = self
                .client
                .delete_message_batch()
                .queue_url(&self.url)
                .set_entries(Some(entries));
            let output = send(call.send()).await?;
            let undeleted = output.failed.into_iter().filter_map(|failed| {
                let receipt = receipts.get(failed.id.parse::<usize>().ok()?)?.clone();
                Some(UndeletedMessage {
                    receipt,
                    retryable: !failed.sender_fault,
                    code: failed.code,
                })
            });
            Ok(undeleted.collect())
        })
    }

    fn depth(&self) -> ApiFuture<'_, QueueDepth> {
        Box::pin(async {
            let attributes = self
                .attributes(&self.url, &[QueueAttributeName::RedrivePolicy])
                .await?;
            let redrive = attributes.get(&QueueAttributeName::RedrivePolicy);
            Ok(QueueDepth {
                messages: message_count(&attributes)?,
                dead_letter_queue: redrive.and_then(|policy| dead_letter_queue(policy)),
            })
        })
    }

    fn dead_letters<'a>(&'a self, arn: &'a str) -> ApiFuture<'a, u64> {
        Box::pin(async move {
            let url = dead_letter_url(&self.url, arn).ok_or_else(|| {
                let detail = format_args!("no URL is known of the queue `{arn}`");
                TransferError::new(ErrorKind::InvalidRequest, detail)
            })?;
            message_count(&self.attributes(&url, &[]).await?)
        })
    }
}

type Attributes = HashMap<QueueAttributeName, String>;

impl SdkQueue {
    /// Returns the numbers of messages of a queue, and `further` attributes.
    async fn attributes(
        &self,
        url: &str,
        further: &[QueueAttributeName],
    ) -> Result<Attributes, TransferError> {
        let names = [&MESSAGE_COUNTS, further].concat();
        let call = self.client.get_queue_attributes().queue_url(url);
        let call = call.set_attribute_names(Some(names));
        let output = send(call.send()).await?;
        Ok(output.attributes.unwrap_or_default())
    }
}

const MESSAGE_COUNTS: [QueueAttributeName; 2] = [
    QueueAttributeName::ApproximateNumberOfMessages,
    QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
];

/// Returns the sum of [`MESSAGE_COUNTS`].
fn message_count(attributes: &Attributes) -> Result<u64, TransferError> {
    let count = |name| attributes.get(name)?.parse::<u64>().ok();
    let counts: Option<Vec<_>> = MESSAGE_COUNTS.iter().map(count).collect();
    let counts =
        counts.ok_or_else(|| TransferError::new(ErrorKind::Mistyped, "no number of messages"))?;
    Ok(counts.into_iter().fold(0, u64::saturating_add))
}

/// Returns `deadLetterTargetArn` of a redrive policy, which is JSON.
fn dead_letter_queue(policy: &str) -> Option<String> {
    let policy: serde_json::Value = serde_json::from_str(policy).ok()?;
    policy["deadLetterTargetArn"].as_str().map(Into::into)
}

/// Returns the URL of the dead-letter queue of the queue at `url`, which is in the same Region
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html>).
/// `GetQueueUrl` would need a further permission.
fn dead_letter_url(url: &str, arn: &str) -> Option<String> {
    let [_, _, "sqs", _, account, name] = arn.split(':').collect::<Vec<_>>()[..] else {
        return None;
    };
    let (path, _) = url.trim_end_matches('/').rsplit_once('/')?;
    let (host, _) = path.rsplit_once('/')?;
    let is_word = |text: &str| {
        let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        !text.is_empty() && text.bytes().all(is_safe)
    };
    let is_host = !host.ends_with('/') && host.contains("://");
    (is_host && is_word(account) && is_word(name)).then(|| format!("{host}/{account}/{name}"))
}

fn message(message: Message) -> QueueMessage {
    QueueMessage {
        sent_at: sent_at(&message),
        id: message.message_id.unwrap_or_default(),
        receipt: message.receipt_handle.unwrap_or_default(),
        body: message.body.unwrap_or_default(),
    }
}

/// Returns `SentTimestamp`, in milliseconds since the epoch.
fn sent_at(message: &Message) -> Option<SystemTime> {
    let attributes = message.attributes.as_ref()?;
    let milliseconds = attributes.get(&MessageSystemAttributeName::SentTimestamp)?;
    UNIX_EPOCH.checked_add(Duration::from_millis(milliseconds.parse().ok()?))
}

/// Returns the Region that the host of a queue's URL names: `sqs.<region>.amazonaws.com`, its FIPS,
/// dual-stack and VPC forms, and the older `<region>.queue.amazonaws.com`
/// (<https://docs.aws.amazon.com/general/latest/gr/sqs-service.html>).
pub fn queue_region(url: &str) -> Option<&str> {
    let host = url.split_once("://")?.1.split(['/', ':']).next()?;
    let labels: Vec<_> = host.split('.').collect();
    let pairs = labels.windows(2);
    let found = pairs.filter_map(|pair| match pair {
        ["sqs" | "sqs-fips", region] | [region, "queue"] => Some(*region),
        _ => None,
    });
    found.into_iter().find(|region| is_region(region))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_of_a_message_is_its_sent_timestamp() {
        let sent = |value: &str| {
            let name = MessageSystemAttributeName::SentTimestamp;
            sent_at(&Message::builder().attributes(name, value).build())
        };
        let expected = UNIX_EPOCH + Duration::from_millis(1_769_860_800_123);
        assert_eq!(sent("1769860800123"), Some(expected));
        for bad in ["", "-1", "yesterday"] {
            assert_eq!(sent(bad), None, "{bad}");
        }
        assert_eq!(sent_at(&Message::builder().build()), None);
    }

    #[test]
    fn region_of_a_queue_is_read_from_its_host() {
        for (url, region) in [
            (
                "https://sqs.eu-central-1.amazonaws.com/123456789012/q",
                Some("eu-central-1"),
            ),
            (
                "https://sqs.cn-north-1.amazonaws.com.cn/123456789012/q",
                Some("cn-north-1"),
            ),
            (
                "https://sqs-fips.us-gov-west-1.amazonaws.com/123456789012/q",
                Some("us-gov-west-1"),
            ),
            (
                "https://sqs.eu-west-1.api.aws/123456789012/q",
                Some("eu-west-1"),
            ),
            (
                "https://vpce-0a1b-2c.sqs.us-east-1.vpce.amazonaws.com/123456789012/q",
                Some("us-east-1"),
            ),
            (
                "https://us-west-2.queue.amazonaws.com/123456789012/q",
                Some("us-west-2"),
            ),
            ("https://queue.amazonaws.com/123456789012/q", None),
            ("http://localhost:4566/000000000000/q", None),
            ("http://sqs.internal.example/1/q", None),
            (
                "http://127.0.0.1:5000/123456789012/sqs.eu-central-1.q",
                None,
            ),
        ] {
            assert_eq!(queue_region(url), region, "{url}");
        }
    }
    #[test]
    fn dead_letter_queue_is_read_from_the_redrive_policy() {
        let arn = "arn:aws:sqs:eu-central-1:123456789012:q-dlq";
        let policy = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":5}}"#);
        assert_eq!(dead_letter_queue(&policy).as_deref(), Some(arn));
        for bad in ["", "{}", "[]", r#"{"deadLetterTargetArn":7}"#] {
            assert_eq!(dead_letter_queue(bad), None, "{bad}");
        }
    }

    #[test]
    fn url_of_a_dead_letter_queue_has_the_host_of_its_queue() {
        let arn = "arn:aws:sqs:eu-central-1:210987654321:q-dlq";
        for (url, expected) in [
            (
                "https://sqs.eu-central-1.amazonaws.com/123456789012/q",
                Some("https://sqs.eu-central-1.amazonaws.com/210987654321/q-dlq"),
            ),
            (
                "http://127.0.0.1:5000/base/123456789012/q/",
                Some("http://127.0.0.1:5000/base/210987654321/q-dlq"),
            ),
            ("http://127.0.0.1:5000/q", None),
            ("q", None),
        ] {
            assert_eq!(dead_letter_url(url, arn).as_deref(), expected, "{url}");
        }
        let url = "https://sqs.eu-central-1.amazonaws.com/123456789012/q";
        for bad in [
            "",
            "arn:aws:sns:eu-central-1:210987654321:q",
            "arn:aws:sqs:eu-central-1:210987654321:",
            "arn:aws:sqs:eu-central-1:210987654321:a/../b",
            "arn:aws:sqs:eu-central-1:210987654321:q:a",
        ] {
            assert_eq!(dead_letter_url(url, bad), None, "{bad}");
        }
    }
}
