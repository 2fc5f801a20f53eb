use super::*;
use crate::testing::{now, perform_at, simulator};
use crate::{ApiOperation, Faults, Settings};

const URL: &str = "http://127.0.0.1:4777/123456789012/transfer-events";

fn ask_at(
    simulator: &Simulator,
    operation: ApiOperation,
    more: &Value,
    seconds: u64,
) -> Result<Value, ApiError> {
    let mut body = json!({ "QueueUrl": URL });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    let at = now().wall + Duration::from_secs(seconds);
    perform_at(simulator, operation, &body, at, &Faults::default())
}

fn ask(simulator: &Simulator, operation: ApiOperation, more: &Value) -> Result<Value, ApiError> {
    ask_at(simulator, operation, more, 0)
}

fn filled(messages: usize) -> Simulator {
    let simulator = simulator(Settings::default());
    (0..messages).for_each(|n| simulator.send(format!("body {n}")));
    simulator
}

fn receive(simulator: &Simulator, more: &Value) -> Vec<Value> {
    let answer = ask(simulator, ApiOperation::ReceiveMessage, more).unwrap();
    answer
        .get("Messages")
        .map(|messages| messages.as_array().unwrap().clone())
        .unwrap_or_default()
}

fn counts(simulator: &Simulator, seconds: u64) -> (String, String) {
    let answer = ask_at(
        simulator,
        ApiOperation::GetQueueAttributes,
        &json!({ "AttributeNames": ["All"] }),
        seconds,
    );
    let attributes = answer.unwrap()["Attributes"].clone();
    let text = |name: &str| attributes[name].as_str().unwrap().to_owned();
    (
        text("ApproximateNumberOfMessages"),
        text("ApproximateNumberOfMessagesNotVisible"),
    )
}

fn both(available: u32, in_flight: u32) -> (String, String) {
    (available.to_string(), in_flight.to_string())
}

#[test]
fn a_message_is_received_with_the_attributes_that_are_asked_for() {
    let simulator = filled(1);
    let asked = json!({ "AttributeNames": ["ApproximateReceiveCount"], "MessageSystemAttributeNames": ["SentTimestamp"] });
    let message = &receive(&simulator, &asked)[0];
    // RFC 1321 has sums of other texts only; this is what `printf 'body 0' | md5sum` says.
    assert_eq!(
        (&message["Body"], &message["MD5OfBody"]),
        (&"body 0".into(), &"2c2f1edb5aac06c6c201d1fe8916de7d".into())
    );
    let attributes = json!({ "ApproximateReceiveCount": "1", "SentTimestamp": "1767225600000" });
    assert_eq!(message["Attributes"], attributes);
    assert_eq!(receive(&filled(1), &json!({}))[0].get("Attributes"), None);
}

#[test]
fn messages_are_received_deleted_and_come_back() {
    let simulator = filled(3);
    let messages = receive(
        &simulator,
        &json!({ "MaxNumberOfMessages": 2, "VisibilityTimeout": 60 }),
    );
    assert_eq!((messages.len(), counts(&simulator, 0)), (2, both(1, 2)));
    let handle = &messages[0]["ReceiptHandle"];
    for _ in 0..2 {
        ask(
            &simulator,
            ApiOperation::DeleteMessage,
            &json!({ "ReceiptHandle": handle }),
        )
        .unwrap();
    }
    assert_eq!(
        (counts(&simulator, 59), counts(&simulator, 60)),
        (both(1, 1), both(2, 0))
    );
    assert_eq!(counts(&simulator, RETENTION.as_secs() - 1), both(2, 0));
}

#[test]
fn a_batch_reports_a_result_per_entry() {
    let simulator = filled(2);
    let messages = receive(&simulator, &json!({ "MaxNumberOfMessages": 10 }));
    let entries = json!([
        { "Id": "good", "ReceiptHandle": messages[0]["ReceiptHandle"] },
        { "Id": "bad", "ReceiptHandle": "garbage" },
    ]);
    let answer = ask(
        &simulator,
        ApiOperation::DeleteMessageBatch,
        &json!({ "Entries": entries }),
    )
    .unwrap();
    assert_eq!(answer["Successful"], json!([{ "Id": "good" }]));
    let failed = &answer["Failed"][0];
    assert_eq!(
        (&failed["Id"], &failed["Code"], &failed["SenderFault"]),
        (
            &"bad".into(),
            &"ReceiptHandleIsInvalid".into(),
            &true.into()
        )
    );
    assert_eq!(counts(&simulator, 0), both(0, 1));
}

#[test]
fn a_sent_message_has_a_checksum_and_may_be_delayed() {
    let simulator = filled(0);
    let sent = ask(
        &simulator,
        ApiOperation::SendMessage,
        &json!({ "MessageBody": "abc", "DelaySeconds": 5 }),
    )
    .unwrap();
    // RFC 1321, A.5.
    assert_eq!(sent["MD5OfMessageBody"], "900150983cd24fb0d6963f7d28e17f72");
    assert_eq!(receive(&simulator, &json!({})), Vec::<Value>::new());
    let later = ask_at(&simulator, ApiOperation::ReceiveMessage, &json!({}), 5).unwrap();
    assert_eq!(later["Messages"][0]["MessageId"], sent["MessageId"]);
}

#[test]
fn the_queue_url_has_the_host_of_the_request() {
    let url = |name: &str| {
        ask(
            &filled(0),
            ApiOperation::GetQueueUrl,
            &json!({ "QueueName": name }),
        )
    };
    assert_eq!(url("transfer-events").unwrap()["QueueUrl"], URL);
    assert_eq!(url("other").unwrap_err().kind, "QueueDoesNotExist");
}

#[test]
fn errors_have_the_codes_of_sqs() {
    use ApiOperation::{
        DeleteMessage, DeleteMessageBatch, GetQueueAttributes, ReceiveMessage, SendMessage,
    };

    let entries = |ids: &[&str]| {
        let entries: Vec<_> = ids
            .iter()
            .map(|id| json!({ "Id": id, "ReceiptHandle": "x" }))
            .collect();
        json!({ "Entries": entries })
    };
    for (operation, more, query_error) in [
        (
            ReceiveMessage,
            json!({ "QueueUrl": null }),
            "MissingParameter",
        ),
        (
            ReceiveMessage,
            json!({ "QueueUrl": "http://h/123456789012/q" }),
            "AWS.SimpleQueueService.NonExistentQueue",
        ),
        (
            ReceiveMessage,
            json!({ "MaxNumberOfMessages": 0 }),
            "InvalidParameterValue",
        ),
        (
            ReceiveMessage,
            json!({ "MaxNumberOfMessages": 11 }),
            "InvalidParameterValue",
        ),
        (
            ReceiveMessage,
            json!({ "WaitTimeSeconds": 21 }),
            "InvalidParameterValue",
        ),
        (
            ReceiveMessage,
            json!({ "VisibilityTimeout": -1 }),
            "InvalidParameterValue",
        ),
        (
            ReceiveMessage,
            json!({ "AttributeNames": ["Colour"] }),
            "InvalidAttributeName",
        ),
        (
            GetQueueAttributes,
            json!({ "AttributeNames": ["Colour"] }),
            "InvalidAttributeName",
        ),
        (DeleteMessage, json!({}), "MissingParameter"),
        (
            DeleteMessage,
            json!({ "ReceiptHandle": "äöü" }),
            "ReceiptHandleIsInvalid",
        ),
        (
            DeleteMessageBatch,
            entries(&[]),
            "AWS.SimpleQueueService.EmptyBatchRequest",
        ),
        (
            DeleteMessageBatch,
            entries(&["a"; 11]),
            "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
        ),
        (
            DeleteMessageBatch,
            entries(&["a", "b", "a"]),
            "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
        ),
        (
            DeleteMessageBatch,
            entries(&["a b"]),
            "AWS.SimpleQueueService.InvalidBatchEntryId",
        ),
        (SendMessage, json!({}), "MissingParameter"),
        (
            SendMessage,
            json!({ "MessageBody": "\u{1}" }),
            "InvalidMessageContents",
        ),
        (
            SendMessage,
            json!({ "MessageBody": "a".repeat(MAX_MESSAGE_SIZE + 1) }),
            "InvalidParameterValue",
        ),
    ] {
        let error = ask(&filled(1), operation, &more).unwrap_err();
        assert_eq!(
            error.query_error,
            Some(query_error),
            "{operation:?} {}",
            error.body()
        );
    }
}

#[test]
fn a_visibility_time_out_is_in_the_time_of_the_client() {
    let simulator = simulator(Settings {
        speed: 60.0,
        ..Settings::default()
    });
    simulator.send("body");
    let visibility = json!({ "VisibilityTimeout": 10 });
    ask(&simulator, ApiOperation::ReceiveMessage, &visibility).unwrap();
    let more = json!({ "MessageBody": "later", "DelaySeconds": 20 });
    ask(&simulator, ApiOperation::SendMessage, &more).unwrap();
    assert_eq!(counts(&simulator, 599), both(0, 1));
    assert_eq!(counts(&simulator, 600), both(1, 0));
    assert_eq!(counts(&simulator, 1200), both(2, 0));
}
