"""Tests CloudTrail's event history and the queue of the simulator with boto3."""

import datetime
import hashlib
import json
import re
import threading
import time

import pytest
from botocore.exceptions import ClientError

import judge

STARTS = [{"AttributeKey": "EventName", "AttributeValue": "StartFileTransfer"}]
UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


@pytest.fixture(autouse=True)
def healthy():
    """Starts each test without faults and with an empty queue."""
    judge.set_faults()
    judge.control("DELETE", "queue")
    judge.control("DELETE", "calls")
    yield
    judge.set_faults()


@pytest.fixture(scope="module")
def cloudtrail():
    return judge.client(service="cloudtrail")


@pytest.fixture(scope="module")
def sqs():
    return judge.client(service="sqs")


@pytest.fixture(scope="module")
def queue():
    return judge.control("GET", "queue")[1].strip()


@pytest.fixture
def transfer():
    return judge.client()


@pytest.fixture
def connector():
    return judge.new_connector(host="sftp.acme.example")


def receive(sqs, queue, **more):
    return sqs.receive_message(QueueUrl=queue, **more).get("Messages", [])


def code(error):
    return error.value.response["Error"]["Code"]


def events_of(cloudtrail, connector, **more):
    """Returns all events of one connector with their records."""
    pages = cloudtrail.get_paginator("lookup_events").paginate(LookupAttributes=STARTS, **more)
    events = [event for page in pages for event in page["Events"]]
    records = [(event, json.loads(event["CloudTrailEvent"])) for event in events]
    return [pair for pair in records if pair[1]["requestParameters"]["connectorId"] == connector]


# CloudTrail


@pytest.mark.parametrize("paths", ["SendFilePaths", "RetrieveFilePaths"])
def test_a_started_transfer_is_in_the_history(transfer, cloudtrail, connector, paths):
    started = transfer.start_file_transfer(ConnectorId=connector, **{paths: ["/bucket/a", "/bucket/b"]})
    [(event, record)] = events_of(cloudtrail, connector)
    assert (event["EventName"], event["EventSource"]) == ("StartFileTransfer", "transfer.amazonaws.com")
    assert event["Username"] and event["Resources"][0]["ResourceName"] == connector
    assert abs(event["EventTime"] - datetime.datetime.now(datetime.timezone.utc)) < datetime.timedelta(seconds=30)
    assert re.fullmatch(UUID, event["EventId"]) and record["eventID"] == event["EventId"]
    assert datetime.datetime.fromisoformat(record["eventTime"]) == event["EventTime"]
    assert record["requestParameters"] == {
        "connectorId": connector,
        paths[0].lower() + paths[1:]: ["/bucket/a", "/bucket/b"],
    }
    assert record["responseElements"] == {"transferId": started["TransferId"]}
    assert (record["awsRegion"], record["recipientAccountId"]) == (judge.REGION, "123456789012")


def test_the_paginator_reads_the_history_from_the_newest_to_the_oldest(cloudtrail, connector):
    started = [judge.new_transfer(connector, [{"path": "/a"}], f"{n}m") for n in range(130)]
    found = events_of(cloudtrail, connector, PaginationConfig={"PageSize": 50})
    assert [record["responseElements"]["transferId"] for _, record in found] == started
    times = [event["EventTime"] for event, _ in found]
    assert times == sorted(times, reverse=True)


def test_a_time_range_limits_the_events(cloudtrail, connector):
    started = [judge.new_transfer(connector, [{"path": "/a"}], f"{n}h") for n in range(4)]
    now = datetime.datetime.now(datetime.timezone.utc)
    hours = lambda n: now - datetime.timedelta(hours=n)
    found = events_of(cloudtrail, connector, StartTime=hours(2.5), EndTime=hours(0.5))
    assert [record["responseElements"]["transferId"] for _, record in found] == started[1:3]


def test_another_event_name_finds_nothing(transfer, cloudtrail, connector):
    transfer.start_file_transfer(ConnectorId=connector, SendFilePaths=["/a"])
    other = [{"AttributeKey": "EventName", "AttributeValue": "CreateServer"}]
    assert cloudtrail.lookup_events(LookupAttributes=other)["Events"] == []


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"MaxResults": 51}, "InvalidMaxResultsException"),
        ({"MaxResults": 0}, "InvalidMaxResultsException"),
        ({"NextToken": "garbage"}, "InvalidNextTokenException"),
        ({"StartTime": 2, "EndTime": 1}, "InvalidTimeRangeException"),
        ({"LookupAttributes": STARTS * 2}, "InvalidLookupAttributesException"),
        ({"LookupAttributes": [{"AttributeKey": "Colour", "AttributeValue": "x"}]}, "InvalidLookupAttributesException"),
    ],
)
def test_a_bad_lookup_has_the_error_of_its_kind(cloudtrail, members, expected):
    with pytest.raises(getattr(cloudtrail.exceptions, expected)):
        cloudtrail.lookup_events(**members)


def test_the_quota_of_two_a_second_is_enforced_on_request(cloudtrail):
    for _ in range(5):
        cloudtrail.lookup_events(MaxResults=1)
    judge.set_faults(cloudtrail_quota=True)
    with pytest.raises(ClientError) as error:
        for _ in range(5):
            cloudtrail.lookup_events(MaxResults=1)
    assert code(error) == "ThrottlingException"


def test_the_credential_scope_must_name_the_service(sqs, cloudtrail, queue):
    for client, call in [
        (judge.client(service="cloudtrail"), lambda client: client.lookup_events()),
        (judge.client(service="sqs"), lambda client: client.receive_message(QueueUrl=queue)),
    ]:
        client.meta.events.register(
            "before-sign.*", lambda request, **_: request.context.update(signing={"signing_name": "transfer"})
        )
        with pytest.raises(ClientError) as error:
            call(client)
        assert code(error) == "InvalidSignatureException"


# The queue


def test_a_finished_file_has_an_event(sqs, queue, connector):
    failed = {"failed": {"code": "TIMEOUT_ERROR", "message": "late"}}
    files = [{"path": "/in/a.csv", "bytes": 275}, {"path": "/in/b.csv", "end": failed}, {"path": "/c", "end": "never"}]
    transfer_id = judge.new_transfer(connector, files)
    messages = receive(sqs, queue, MaxNumberOfMessages=10, AttributeNames=["All"])
    events = {event["detail"]["file-path"]: event for event in (json.loads(message["Body"]) for message in messages)}
    assert sorted(events) == ["/in/a.csv", "/in/b.csv"]
    good, bad = events["/in/a.csv"], events["/in/b.csv"]
    assert good["detail-type"] == "SFTP Connector File Retrieve Completed"
    assert (good["source"], good["region"], good["account"]) == ("aws.transfer", judge.REGION, "123456789012")
    assert good["detail"]["bytes"] == 275 and good["detail"]["transfer-id"] == transfer_id
    assert good["detail"]["file-transfer-id"].startswith(transfer_id + "/")
    assert bad["detail-type"] == "SFTP Connector File Retrieve Failed"
    assert (bad["detail"]["failure-code"], bad["detail"]["failure-message"]) == ("TIMEOUT_ERROR", "late")
    for message in messages:
        assert hashlib.md5(message["Body"].encode()).hexdigest() == message["MD5OfBody"]
        attributes = message["Attributes"]
        assert attributes["ApproximateReceiveCount"] == "1"
        assert abs(int(attributes["SentTimestamp"]) / 1000 - time.time()) < 30


def test_a_message_that_is_not_deleted_comes_back(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="again")
    first = receive(sqs, queue, VisibilityTimeout=1)[0]
    assert receive(sqs, queue) == []
    begin = time.monotonic()
    second = receive(sqs, queue, WaitTimeSeconds=10, MessageSystemAttributeNames=["ApproximateReceiveCount"])[0]
    assert 0.5 < time.monotonic() - begin < 5
    assert (second["MessageId"], second["Attributes"]) == (first["MessageId"], {"ApproximateReceiveCount": "2"})
    assert second["ReceiptHandle"] != first["ReceiptHandle"]
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=second["ReceiptHandle"])
    assert receive(sqs, queue, WaitTimeSeconds=2) == []


def test_a_long_poll_ends_when_a_message_arrives(sqs, queue):
    timer = threading.Timer(0.5, lambda: judge.client(service="sqs").send_message(QueueUrl=queue, MessageBody="now"))
    begin = time.monotonic()
    timer.start()
    [message] = receive(sqs, queue, WaitTimeSeconds=9)
    assert message["Body"] == "now" and 0.4 < time.monotonic() - begin < 5
    timer.join()


def test_a_long_poll_ends_when_a_file_finishes(sqs, queue, connector):
    begin = time.monotonic()
    judge.new_transfer(connector, [{"path": "/a", "queued_for": "300ms", "in_progress_for": "300ms"}])
    [message] = receive(sqs, queue, WaitTimeSeconds=9)
    assert json.loads(message["Body"])["detail"]["file-path"] == "/a" and 0.5 < time.monotonic() - begin < 5


def test_a_batch_of_deletions_reports_a_result_per_entry(sqs, queue):
    for n in range(3):
        sqs.send_message(QueueUrl=queue, MessageBody=str(n))
    handles = [message["ReceiptHandle"] for message in receive(sqs, queue, MaxNumberOfMessages=10)]
    entries = [{"Id": str(n), "ReceiptHandle": handle} for n, handle in enumerate([*handles, "garbage"])]
    answer = sqs.delete_message_batch(QueueUrl=queue, Entries=entries)
    assert sorted(entry["Id"] for entry in answer["Successful"]) == ["0", "1", "2"]
    [failed] = answer["Failed"]
    assert (failed["Id"], failed["Code"], failed["SenderFault"]) == ("3", "ReceiptHandleIsInvalid", True)
    attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert attributes["ApproximateNumberOfMessagesNotVisible"] == "0"


def test_queue_attributes_report_the_depth(sqs, queue):
    for n in range(4):
        sqs.send_message(QueueUrl=queue, MessageBody=str(n))
    receive(sqs, queue)
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
    assert attributes == {"ApproximateNumberOfMessages": "3", "ApproximateNumberOfMessagesNotVisible": "1"}


def test_a_sent_body_is_received_unchanged(sqs, queue):
    body = json.dumps({"ConnectorId": "c-1", "name": "äöü \n"}, ensure_ascii=False)
    sent = sqs.send_message(QueueUrl=queue, MessageBody=body)
    assert sent["MD5OfMessageBody"] == hashlib.md5(body.encode()).hexdigest()
    [message] = receive(sqs, queue)
    assert (message["Body"], message["MessageId"]) == (body, sent["MessageId"])


def test_the_queue_is_found_by_its_name(sqs, queue):
    assert sqs.get_queue_url(QueueName="transfer-events")["QueueUrl"] == queue
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        sqs.get_queue_url(QueueName="other")


@pytest.mark.parametrize(
    ("call", "members", "expected"),
    [
        ("receive_message", {"MaxNumberOfMessages": 11}, "InvalidParameterValue"),
        ("receive_message", {"WaitTimeSeconds": 21}, "InvalidParameterValue"),
        ("receive_message", {"AttributeNames": ["Colour"]}, "InvalidAttributeName"),
        ("receive_message", {"QueueUrl": "http://h/123456789012/o"}, "AWS.SimpleQueueService.NonExistentQueue"),
        ("delete_message", {"ReceiptHandle": "x"}, "ReceiptHandleIsInvalid"),
        ("delete_message", {}, "MissingParameter"),
        ("delete_message_batch", {"Entries": []}, "AWS.SimpleQueueService.EmptyBatchRequest"),
        ("send_message", {"MessageBody": "\x01"}, "InvalidMessageContents"),
    ],
)
def test_an_error_of_sqs_has_its_code(sqs, queue, call, members, expected):
    with pytest.raises(ClientError) as error:
        getattr(sqs, call)(**({"QueueUrl": queue} | members))
    assert code(error) == expected


def test_sqs_errors_are_modelled_exceptions(sqs, queue):
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        sqs.receive_message(QueueUrl=queue + "-other")
    with pytest.raises(sqs.exceptions.ReceiptHandleIsInvalid):
        sqs.delete_message(QueueUrl=queue, ReceiptHandle="x")


def test_a_denied_receive_names_the_queue(sqs, queue):
    judge.set_faults(access_denied_operations=["ReceiveMessage"])
    with pytest.raises(ClientError) as error:
        receive(sqs, queue)
    assert code(error) == "AccessDeniedException" and "sqs:ReceiveMessage on resource: arn:aws:sqs" in str(error.value)


# Faults


def test_events_can_be_duplicated_or_lost(sqs, queue, connector):
    judge.set_faults(event_duplicate_rate=1)
    judge.new_transfer(connector, [{"path": "/a"}])
    copies = receive(sqs, queue, MaxNumberOfMessages=10)
    assert len(copies) == 2 and copies[0]["Body"] == copies[1]["Body"]
    assert copies[0]["MessageId"] != copies[1]["MessageId"]
    judge.set_faults(event_loss_rate=1)
    judge.new_transfer(connector, [{"path": "/a"}])
    assert receive(sqs, queue) == []


def test_a_delay_shuffles_events(sqs, queue, connector):
    judge.set_faults(event_delay="500ms")
    files = [{"path": f"/{n:02}", "queued_for": n / 1000} for n in range(10)]
    judge.new_transfer(connector, files)
    time.sleep(0.6)
    messages = receive(sqs, queue, MaxNumberOfMessages=10)
    paths = [json.loads(message["Body"])["detail"]["file-path"] for message in messages]
    assert sorted(paths) == [file["path"] for file in files] and paths != sorted(paths)


# Listings, moves and deletes


@pytest.mark.parametrize(
    ("call", "members", "answered", "member", "kind"),
    [
        (
            "start_directory_listing",
            {"RemoteDirectoryPath": "/in", "OutputDirectoryPath": "/bucket/out"},
            "ListingId",
            "listing-id",
            "Directory Listing",
        ),
        ("start_remote_move", {"SourcePath": "/a", "TargetPath": "/b"}, "MoveId", "move-id", "Remote Move"),
        ("start_remote_delete", {"DeletePath": "/a"}, "DeleteId", "delete-id", "Remote Delete"),
    ],
)
def test_an_operation_ends_with_an_event(transfer, sqs, queue, connector, call, members, answered, member, kind):
    started = getattr(transfer, call)(ConnectorId=connector, **members)
    # The default profile: 5 s on average, 15 at most.
    messages = receive(sqs, queue, WaitTimeSeconds=9) or receive(sqs, queue, WaitTimeSeconds=9)
    event = json.loads(messages[0]["Body"])
    assert re.fullmatch(rf"SFTP Connector {kind} (Completed|Failed)", event["detail-type"])
    assert (event["detail"][member], event["detail"]["connector-id"]) == (started[answered], connector)
    with pytest.raises(transfer.exceptions.InvalidRequestException):
        getattr(transfer, call)(ConnectorId=connector)
