"""Tests of the discovery resources, created in moto by CloudFormation and by Terraform: which events arrive, who can send,
and where unparsable messages go."""

import functools
import json
import pathlib
import tempfile

import pytest
from aws_helpers import TERRAFORM, decides, document, grants
from discovery_helpers import CONNECTOR, KEY, QUEUE, ROLE, RULE, arn, as_variables, by_cloudformation, by_terraform
from moto.iam.access_control import IAMPolicy, PermissionResult
from terraform_helpers import evaluate, without_provider

# From the AWS reference of the events, not from the tested files:
# https://docs.aws.amazon.com/transfer/latest/userguide/events-detail-reference.html
FILES = [
    "SFTP Connector File Send Completed",
    "SFTP Connector File Send Failed",
    "SFTP Connector File Retrieve Completed",
    "SFTP Connector File Retrieve Failed",
]
OTHERS = [
    "SFTP Connector Directory Listing Completed",
    "SFTP Connector Directory Listing Failed",
    "SFTP Connector Remote Move Completed",
    "SFTP Connector Remote Move Failed",
    "SFTP Connector Remote Delete Completed",
    "SFTP Connector Remote Delete Failed",
]

# The example of the reference with other ids.
DETAIL = {
    "operation": "SEND",
    "connector-id": "c-0123456789abcdef0",
    "transfer-id": "4b1a8c1e-0000-4000-8000-000000000001",
    "file-transfer-id": "4b1a8c1e-0000-4000-8000-000000000001/1",
    "url": "sftp://s-21a23456789012a.server.transfer.us-east-1.amazonaws.com",
    "file-path": "/amzn-s3-demo-bucket/testfile.txt",
    "status-code": "FAILED",
    "failure-code": "CONNECTION_ERROR",
    "failure-message": "Unknown Host",
    "remote-directory-path": "",
    "bytes": 0,
    "start-timestamp": "2024-01-24T18:29:33.658729Z",
    "end-timestamp": "2024-01-24T18:29:33.993196Z",
    "local-file-location": {"domain": "S3", "bucket": "amzn-s3-demo-bucket", "key": "testfile.txt"},
}

# The expected CloudTrail record; no record of a real call is public.
STARTED = {
    "eventSource": "transfer.amazonaws.com",
    "eventName": "StartFileTransfer",
    "requestParameters": {"connectorId": "c-0123456789abcdef0", "sendFilePaths": ["/amzn-s3-demo-bucket/testfile.txt"]},
    "responseElements": {"transferId": "4b1a8c1e-0000-4000-8000-000000000001"},
}
CALL = "AWS API Call via CloudTrail"

FULL = {
    "RoleName": ROLE,
    "CloudTrailRule": "true",
    "LookUpCloudTrail": "true",
    "ListConnectors": "true",
    "ConnectorArns": f"{CONNECTOR},{CONNECTOR[:-1]}1",
    "SenderArns": "arn:aws:iam::210987654321:role/caller",
    "AlarmActions": arn("sns", "pager"),
}
WAYS = ["cloudformation", "terraform"]


@functools.cache
def module():
    return without_provider(TERRAFORM / "discovery", pathlib.Path(tempfile.mkdtemp()) / "discovery")


@functools.cache
def evaluated(variables):
    with tempfile.TemporaryDirectory() as folder:
        return evaluate(module(), pathlib.Path(folder), **json.loads(variables))


def answers(**variables):
    """Returns the cached outputs of Terraform for these variables, or the error."""
    return evaluated(json.dumps(variables, sort_keys=True))


def made(way, **parameters):
    """Creates the resources in a separate account."""
    if way == "cloudformation":
        return by_cloudformation(**parameters)
    found = answers(**as_variables(parameters))
    assert isinstance(found, dict), found
    return by_terraform(found["resources"])


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        FULL,
        {"RoleName": ROLE},
        {"FilesOnly": "true", "CreateKmsKey": "true", "RoleName": ROLE},
        {"KmsKeyArn": KEY, "RoleName": ROLE, "MaxReceiveCount": "7", "VisibilityTimeout": "120", "OldestMessageSeconds": "60"},
    ],
)
def test_cloudformation_and_terraform_create_the_same(parameters):
    with made("cloudformation", **parameters) as account:
        one = account.state()
    with made("terraform", **parameters) as account:
        other = account.state()
    assert one == other
    assert one["queues"] and one["rules"] and len(one["alarms"]) == 2 and bool(one["policies"]) == ("RoleName" in parameters)


@pytest.mark.parametrize("way", WAYS)
def test_only_the_ten_event_types_arrive(way):
    with made(way) as account:
        account.put(*[("aws.transfer", detail_type, DETAIL | {"n": n}) for n, detail_type in enumerate(FILES + OTHERS)])
        bodies = account.drain()
        assert sorted((body["detail"]["n"], body["detail-type"]) for body in bodies) == list(enumerate(FILES + OTHERS))
        account.put(
            *[("aws.s3", detail_type, DETAIL) for detail_type in FILES + OTHERS],
            *[("acme.transfer", detail_type, DETAIL) for detail_type in FILES],
            *[
                ("aws.transfer", f"AS2 {what} {end}", DETAIL)
                for what in ("Payload Send", "Payload Receive", "MDN Send", "MDN Receive")
                for end in ("Completed", "Failed")
            ],
            *[("aws.transfer", f"{protocol} Server File Upload Completed", DETAIL) for protocol in ("SFTP", "FTPS", "FTP")],
            ("aws.transfer", "SFTP Connector File Send", DETAIL),
            ("aws.transfer", "SFTP Connector File Send Completed Twice", DETAIL),
            ("aws.transfer", CALL, STARTED),
        )
        assert account.drain() == []


@pytest.mark.parametrize("way", WAYS)
def test_message_body_is_the_whole_event(way):
    with made(way) as account:
        account.put(("aws.transfer", FILES[1], DETAIL))
        (body,) = account.drain()
    assert body["detail"] == DETAIL
    assert (body["source"], body["detail-type"], body["region"]) == ("aws.transfer", FILES[1], "eu-central-1")
    assert {"id", "time"} <= set(body)


@pytest.mark.parametrize("way", WAYS)
def test_files_only_excludes_events_without_transfer_id(way):
    with made(way, FilesOnly="true") as account:
        account.put(*[("aws.transfer", detail_type, DETAIL) for detail_type in FILES + OTHERS])
        assert sorted(body["detail-type"] for body in account.drain()) == sorted(FILES)


@pytest.mark.parametrize("way", WAYS)
def test_cloudtrail_rule_matches_only_started_transfers(way):
    with made(way, CloudTrailRule="true") as account:
        account.put(("aws.transfer", CALL, STARTED))
        (body,) = account.drain()
        assert body["detail"] == STARTED
        account.put(
            ("aws.transfer", CALL, STARTED | {"eventName": "ListFileTransferResults"}),
            ("aws.transfer", CALL, STARTED | {"eventName": "StartDirectoryListing"}),
            ("aws.transfer", CALL, STARTED | {"eventSource": "s3.amazonaws.com"}),
            ("aws.transfer", CALL, STARTED | {"errorCode": "AccessDenied", "responseElements": None}),
            ("aws.s3", CALL, STARTED),
        )
        assert account.drain() == []
        account.put(("aws.transfer", FILES[0], DETAIL))
        assert [body["detail-type"] for body in account.drain()] == [FILES[0]]


@pytest.mark.parametrize("way", WAYS)
def test_undeleted_message_moves_to_the_dead_letter_queue(way):
    with made(way) as account:
        account.sqs.send_message(QueueUrl=account.url(), MessageBody='{"what": "is this"}')
        for _ in range(5):
            (message,) = account.receive(VisibilityTimeout=0)
            assert account.receive("transfer-events-dlq") == []
        assert account.receive() == []
        (dead,) = account.receive("transfer-events-dlq")
        assert dead["Body"] == message["Body"]


@pytest.mark.parametrize("way", WAYS)
def test_deleted_message_does_not_move_to_the_dead_letter_queue(way):
    with made(way) as account:
        account.put(("aws.transfer", FILES[0], DETAIL))
        for _ in range(4):
            assert account.receive(VisibilityTimeout=0)
        assert len(account.drain()) == 1
        assert account.receive() == [] and account.receive("transfer-events-dlq") == []


@pytest.mark.parametrize("way", WAYS)
def test_received_message_is_invisible_for_the_timeout(way):
    with made(way) as account:
        account.put(("aws.transfer", FILES[0], DETAIL))
        assert len(account.receive()) == 1
        assert account.receive() == []
        assert account.attributes()["VisibilityTimeout"] == "60"


@pytest.mark.parametrize("way", WAYS)
def test_messages_are_encrypted_and_retained_for_14_days(way):
    with made(way) as account:
        for name in ("transfer-events", "transfer-events-dlq"):
            assert account.attributes(name)["MessageRetentionPeriod"] == str(14 * 24 * 3600)
            assert account.attributes(name)["SqsManagedSseEnabled"] == "true"
            assert "KmsMasterKeyId" not in account.attributes(name)
        assert account.kms.list_keys()["Keys"] == []


EVENTBRIDGE = ("Service", "events.amazonaws.com")
SECURE = {"aws:SecureTransport": "true"}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("principal", "action", "context", "allowed"),
    [
        (EVENTBRIDGE, "sqs:SendMessage", SECURE | {"aws:SourceArn": RULE}, True),
        (EVENTBRIDGE, "sqs:SendMessage", SECURE | {"aws:SourceArn": f"{RULE}-cloudtrail"}, False),
        (EVENTBRIDGE, "sqs:SendMessage", SECURE | {"aws:SourceArn": f"{RULE}2"}, False),
        (EVENTBRIDGE, "sqs:SendMessage", SECURE | {"aws:SourceArn": RULE.replace("123456789012", "210987654321")}, False),
        (EVENTBRIDGE, "sqs:SendMessage", SECURE, False),
        (EVENTBRIDGE, "sqs:SendMessage", {"aws:SecureTransport": "false", "aws:SourceArn": RULE}, False),
        (EVENTBRIDGE, "sqs:ReceiveMessage", SECURE | {"aws:SourceArn": RULE}, False),
        (("Service", "sns.amazonaws.com"), "sqs:SendMessage", SECURE | {"aws:SourceArn": RULE}, False),
        (("AWS", "arn:aws:iam::210987654321:role/caller"), "sqs:SendMessage", SECURE, False),
    ],
)
def test_only_the_rule_can_send_and_only_over_tls(way, principal, action, context, allowed):
    with made(way) as account:
        for name in ("transfer-events", "transfer-events-dlq"):
            policy = json.loads(account.attributes(name)["Policy"])
            assert decides(policy, principal, action, arn("sqs", name), context) == allowed


@pytest.mark.parametrize("way", WAYS)
def test_cloudtrail_rule_and_senders_can_send(way):
    with made(way, **FULL) as account:
        policy, dead = (json.loads(account.attributes(name)["Policy"]) for name in ("transfer-events", "transfer-events-dlq"))
    for rule in (RULE, f"{RULE}-cloudtrail"):
        for each, queue in ((policy, QUEUE), (dead, f"{QUEUE}-dlq")):
            assert decides(each, EVENTBRIDGE, "sqs:SendMessage", queue, SECURE | {"aws:SourceArn": rule})
    sender = ("AWS", "arn:aws:iam::210987654321:role/caller")
    assert decides(policy, sender, "sqs:SendMessage", QUEUE, SECURE)
    assert not decides(policy, sender, "sqs:SendMessage", QUEUE, {"aws:SecureTransport": "false"})
    assert not decides(policy, sender, "sqs:ReceiveMessage", QUEUE, SECURE)
    assert not decides(dead, sender, "sqs:SendMessage", f"{QUEUE}-dlq", SECURE)


@pytest.mark.parametrize("way", WAYS)
def test_queue_policy_equals_the_json(way):
    with made(way, CloudTrailRule="true") as account:
        assert json.loads(account.attributes()["Policy"]) == document("discovery-queue-policy.json")


@pytest.mark.parametrize("way", WAYS)
def test_event_patterns_equal_the_json(way):
    with made(way, CloudTrailRule="true") as account:
        for name, file in [("", "discovery-event-pattern.json"), ("-cloudtrail", "discovery-event-pattern-cloudtrail.json")]:
            assert json.loads(account.events.describe_rule(Name=f"transfer-events{name}")["EventPattern"]) == document(file)


@pytest.mark.parametrize("way", WAYS)
def test_target_has_no_role_and_a_dead_letter_queue(way):
    with made(way, CloudTrailRule="true") as account:
        for rule in ("transfer-events", "transfer-events-cloudtrail"):
            (target,) = account.events.list_targets_by_rule(Rule=rule)["Targets"]
            assert target == {"Id": "transfer-events", "Arn": QUEUE, "DeadLetterConfig": {"Arn": f"{QUEUE}-dlq"}}


def attached(way, **parameters):
    with made(way, RoleName=ROLE, **parameters) as account:
        (name,) = account.iam.list_role_policies(RoleName=ROLE)["PolicyNames"]
        return account.iam.get_role_policy(RoleName=ROLE, PolicyName=name)["PolicyDocument"]


@pytest.mark.parametrize("way", WAYS)
def test_exporter_policy_equals_the_json(way):
    connectors = {"ConnectorArns": FULL["ConnectorArns"]}
    queue, read = grants(document("policy-discovery-queue.json")), grants(document("policy.json"))
    assert grants(attached(way, **connectors)) == queue | read
    assert grants(attached(way, **connectors, LookUpCloudTrail="true")) == queue | read | grants(document("policy-discovery-cloudtrail.json"))
    assert grants(attached(way, **connectors, ListConnectors="true")) == queue | read | grants(document("policy-discovery-connectors.json"))
    assert grants(attached(way, **connectors, TestConnections="true")) == queue | read | grants(document("policy-connections.json"))
    assert grants(attached(way, **connectors, KmsKeyArn=KEY)) == queue | read | grants(document("policy-discovery-queue-kms.json"))


@pytest.mark.parametrize("way", WAYS)
def test_exporter_can_read_all_connectors_by_default(way):
    every = arn("transfer", "connector/*")
    read = {(action, resource) for action, resource, _ in grants(attached(way, ListConnectors="true")) if action.startswith("transfer:")}
    assert read == {
        ("transfer:ListConnectors", "*"),
        ("transfer:DescribeConnector", every),
        ("transfer:ListFileTransferResults", every),
    }
    tests = {(action, resource) for action, resource, _ in grants(attached(way, TestConnections="true"))} - read
    assert {each for each in tests if each[0].startswith("transfer:")} == {("transfer:TestConnection", every)}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("action", "resource", "allowed"),
    [
        ("sqs:ReceiveMessage", QUEUE, True),
        ("sqs:DeleteMessage", QUEUE, True),
        ("sqs:GetQueueAttributes", QUEUE, True),
        ("sqs:SendMessage", QUEUE, False),
        ("sqs:PurgeQueue", QUEUE, False),
        ("sqs:SetQueueAttributes", QUEUE, False),
        ("sqs:GetQueueAttributes", f"{QUEUE}-dlq", True),
        ("sqs:ReceiveMessage", f"{QUEUE}-dlq", False),
        ("sqs:DeleteMessage", f"{QUEUE}-dlq", False),
        ("sqs:ReceiveMessage", QUEUE.replace("eu-central-1", "us-east-1"), False),
        ("cloudtrail:LookupEvents", "*", True),
        ("cloudtrail:DescribeTrails", "*", False),
        ("transfer:ListConnectors", "*", True),
        ("transfer:DescribeConnector", CONNECTOR, True),
        ("transfer:ListFileTransferResults", CONNECTOR, True),
        ("transfer:DescribeConnector", CONNECTOR[:-1] + "2", False),
        ("transfer:StartFileTransfer", CONNECTOR, False),
        ("transfer:TestConnection", CONNECTOR, False),
        ("transfer:DeleteConnector", CONNECTOR, False),
    ],
)
def test_moto_evaluates_the_policies_equally(way, action, resource, allowed):
    parameters = {key: value for key, value in FULL.items() if key != "RoleName"}
    answer = IAMPolicy(json.dumps(attached(way, **parameters))).is_action_permitted(action, resource)
    assert (answer == PermissionResult.PERMITTED) == allowed


@pytest.mark.parametrize("way", WAYS)
def test_created_key_is_used_by_both_queues_and_eventbridge(way):
    with made(way, CreateKmsKey="true", RoleName=ROLE) as account:
        (key,) = account.kms.list_keys()["Keys"]
        assert {account.attributes(name)["KmsMasterKeyId"] for name in ("transfer-events", "transfer-events-dlq")} == {key["KeyArn"]}
        assert account.key_policy(key["KeyId"]) == document("discovery-key-policy.json")
        policy = account.iam.get_role_policy(RoleName=ROLE, PolicyName="transfer-events")["PolicyDocument"]
    wanted = ("kms:Decrypt", key["KeyArn"], json.dumps({"StringEquals": {"kms:ViaService": "sqs.eu-central-1.amazonaws.com"}}))
    assert wanted in grants(policy)


@pytest.mark.parametrize("way", WAYS)
def test_alarms_cover_both_queues(way):
    with made(way, AlarmActions=arn("sns", "pager")) as account:
        alarms = {alarm["AlarmName"]: alarm for alarm in account.cloudwatch.describe_alarms()["MetricAlarms"]}
    oldest, dead = alarms.pop("transfer-events-oldest-message"), alarms.pop("transfer-events-dead-letters")
    assert alarms == {}
    assert (oldest["MetricName"], oldest["Threshold"]) == ("ApproximateAgeOfOldestMessage", 900)
    assert (dead["MetricName"], dead["Threshold"]) == ("ApproximateNumberOfMessagesVisible", 0)
    for alarm, queue in ((oldest, "transfer-events"), (dead, "transfer-events-dlq")):
        assert alarm["Namespace"] == "AWS/SQS" and alarm["ComparisonOperator"] == "GreaterThanThreshold"
        assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": queue}]
        assert alarm["AlarmActions"] == alarm["OKActions"] == [arn("sns", "pager")]


def test_both_queues_of_the_module_receive_every_event():
    found = answers(queue_names=["transfer-events-a", "transfer-events-b"], cloudtrail_rule=True)
    with by_terraform(found["resources"]) as account:
        account.put(("aws.transfer", FILES[0], DETAIL), ("aws.transfer", CALL, STARTED))
        for name in ("transfer-events-a", "transfer-events-b"):
            assert sorted(body["detail-type"] for body in account.drain(name)) == [CALL, FILES[0]]
            redrive = json.loads(account.attributes(name)["RedrivePolicy"])
            assert redrive == {"deadLetterTargetArn": arn("sqs", f"{name}-dlq"), "maxReceiveCount": 5}
            policy = json.loads(account.attributes(name)["Policy"])
            assert decides(policy, EVENTBRIDGE, "sqs:SendMessage", arn("sqs", name), SECURE | {"aws:SourceArn": RULE})


def test_queues_of_two_stacks_both_receive_every_event():
    with by_cloudformation(Name="transfer-events-a") as account:
        account.stack(Name="transfer-events-b")
        account.put(("aws.transfer", FILES[0], DETAIL))
        for name in ("transfer-events-a", "transfer-events-b"):
            assert [body["detail-type"] for body in account.drain(name)] == [FILES[0]]
