"""Tests of the JSON documents: least privilege, no wildcards, valid names."""

import json
import re

import botocore
import botocore.session
import pytest
from aws_helpers import AWS, ROOT, admits, as_list, document, grants, trusts
from moto.iam.access_control import IAMPolicy, PermissionResult

PERMISSIONS = ["policy.json", "policy-assume-role.json", "policy-connections.json", "policy-shared-storage.json"]
TRUSTS = ["trust-cross-account.json", "trust-irsa.json"]
# Additional policies for discovery. Those of senders are not for the exporter.
DISCOVERY = [f"policy-discovery-{name}.json" for name in ("cloudtrail", "connectors", "queue", "queue-kms")]
SENDERS = ["policy-discovery-sender.json", "policy-discovery-sender-kms.json"]
# Not policies of a role.
OTHERS = [f"discovery-{name}.json" for name in ("event-pattern", "event-pattern-cloudtrail", "key-policy", "queue-policy")]
# Operations without resource-level permissions:
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awstransferfamily.html and list_awscloudtrail.html
WITHOUT_RESOURCE = {"cloudtrail:LookupEvents", "transfer:ListConnectors"}
CONNECTOR = "arn:aws:transfer:eu-central-1:123456789012:connector/c-0123456789abcdef0"
ISSUER = "oidc.eks.eu-central-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF"


def test_every_document_is_covered():
    assert {path.name for path in AWS.glob("*.json")} == {*PERMISSIONS, *TRUSTS, *DISCOVERY, *SENDERS, *OTHERS}


def test_policy_allows_only_reading_results_of_the_connectors():
    assert grants(document("policy.json")) == {
        ("transfer:ListFileTransferResults", CONNECTOR, "{}"),
        ("transfer:ListFileTransferResults", CONNECTOR[:-1] + "1", "{}"),
    }


def actions(*names):
    return {action for name in names for action, *_ in grants(document(name))}


def test_policies_cover_every_operation_of_the_exporter():
    """A new operation needs a new permission. Without discovery, policy.json is sufficient."""
    operations = botocore.session.get_session().get_service_model("transfer").operation_names
    methods = {botocore.xform_name(operation): operation for operation in operations}
    code = "".join(path.read_text() for path in (ROOT / "src/transfer").rglob("*.rs"))
    called = {f"transfer:{methods[name]}" for name in re.findall(r"\.([a-z_0-9]+)\(\)", code) if name in methods}
    assert actions("policy.json") <= called <= actions("policy.json", "policy-discovery-connectors.json", "policy-connections.json")


@pytest.mark.parametrize("name", PERMISSIONS + TRUSTS + DISCOVERY + SENDERS)
def test_actions_exist(name):
    session = botocore.session.get_session()
    for statement in document(name)["Statement"]:
        for action in as_list(statement["Action"]):
            service, operation = action.split(":")
            assert operation in session.get_service_model(service).operation_names, action


@pytest.mark.parametrize("name", PERMISSIONS + TRUSTS + DISCOVERY + SENDERS)
def test_policies_have_no_wildcards(name):
    for statement in document(name)["Statement"]:
        if set(as_list(statement["Action"])) <= WITHOUT_RESOURCE:
            assert statement["Resource"] == ["*"]
            continue
        assert "NotAction" not in statement and "NotResource" not in statement and "NotPrincipal" not in statement
        values = as_list(statement["Action"]) + as_list(statement.get("Resource", []))
        for principals in statement.get("Principal", {}).values():
            values += as_list(principals)
        assert values
        assert not [value for value in values if "*" in value or "?" in value]


@pytest.mark.parametrize(
    ("action", "resource", "allowed"),
    [
        ("transfer:ListFileTransferResults", CONNECTOR, True),
        ("transfer:ListFileTransferResults", CONNECTOR[:-1] + "2", False),
        ("transfer:ListFileTransferResults", CONNECTOR.replace("eu-central-1", "us-east-1"), False),
        ("transfer:ListFileTransferResults", "*", False),
        ("transfer:StartFileTransfer", CONNECTOR, False),
        ("transfer:DescribeConnector", CONNECTOR, False),
        ("transfer:TestConnection", CONNECTOR, False),
        ("transfer:ListConnectors", "*", False),
        ("sts:AssumeRole", "arn:aws:iam::123456789012:role/transfer-read", False),
    ],
)
def test_moto_evaluates_the_policies_equally(action, resource, allowed):
    answer = IAMPolicy(json.dumps(document("policy.json"))).is_action_permitted(action, resource)
    assert (answer == PermissionResult.PERMITTED) == allowed


def test_only_probes_of_connections_may_open_them():
    """`TestConnection` is a write action, so it has a document of its own."""
    tests = {("transfer:TestConnection", connector, "{}") for connector in (CONNECTOR, CONNECTOR[:-1] + "1")}
    assert grants(document("policy-connections.json")) - tests == {("transfer:DescribeConnector", connector, "{}") for _, connector, _ in tests}
    assert tests < grants(document("policy-connections.json"))
    for name in ["policy.json", "policy-assume-role.json", *DISCOVERY, *SENDERS]:
        assert "transfer:TestConnection" not in actions(name), name


def test_discovery_policies_are_minimal():
    queue = "arn:aws:sqs:eu-central-1:123456789012:transfer-events"
    key = "arn:aws:kms:eu-central-1:123456789012:key/0123abcd-0000-4000-8000-000000000001"
    through_sqs = json.dumps({"StringEquals": {"kms:ViaService": "sqs.eu-central-1.amazonaws.com"}})
    assert grants(document("policy-discovery-queue.json")) == {
        (f"sqs:{action}", queue, "{}") for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
    } | {("sqs:GetQueueAttributes", f"{queue}-dlq", "{}")}
    assert grants(document("policy-discovery-queue-kms.json")) == {("kms:Decrypt", key, through_sqs)}
    assert grants(document("policy-discovery-cloudtrail.json")) == {("cloudtrail:LookupEvents", "*", "{}")}
    assert grants(document("policy-discovery-connectors.json")) == {
        ("transfer:ListConnectors", "*", "{}"),
        ("transfer:DescribeConnector", CONNECTOR, "{}"),
        ("transfer:DescribeConnector", CONNECTOR[:-1] + "1", "{}"),
    }
    assert grants(document("policy-discovery-sender.json")) == {("sqs:SendMessage", queue, "{}")}
    assert grants(document("policy-discovery-sender-kms.json")) == {
        (action, key, through_sqs) for action in ("kms:GenerateDataKey", "kms:Decrypt")
    }


def test_key_policy_allows_eventbridge_and_delegates_to_iam():
    first, second = document("discovery-key-policy.json")["Statement"]
    assert first["Principal"] == {"AWS": "arn:aws:iam::123456789012:root"} and first["Action"] == "kms:*"
    assert second["Principal"] == {"Service": "events.amazonaws.com"}
    assert sorted(second["Action"]) == ["kms:Decrypt", "kms:GenerateDataKey"]


def test_cross_account_trust_requires_the_external_id():
    trust = document("trust-cross-account.json")
    principal = ("AWS", "arn:aws:iam::210987654321:role/aws-transfer-exporter")
    right = trust["Statement"][0]["Condition"]["StringEquals"]["sts:ExternalId"]
    assert admits(trust, "sts:AssumeRole", principal, {"sts:ExternalId": right})
    assert not admits(trust, "sts:AssumeRole", principal, {"sts:ExternalId": "another"})
    assert not admits(trust, "sts:AssumeRole", principal, {})
    assert not admits(trust, "sts:AssumeRole", ("AWS", "arn:aws:iam::210987654321:role/x"), {"sts:ExternalId": right})


def test_irsa_trust_admits_only_the_service_account():
    trust = document("trust-irsa.json")
    principal = ("Federated", f"arn:aws:iam::123456789012:oidc-provider/{ISSUER}")
    sub = "system:serviceaccount:monitoring:aws-transfer-exporter"
    action = "sts:AssumeRoleWithWebIdentity"
    assert admits(trust, action, principal, {f"{ISSUER}:aud": "sts.amazonaws.com", f"{ISSUER}:sub": sub})
    for context in [
        {f"{ISSUER}:aud": "sts.amazonaws.com", f"{ISSUER}:sub": "system:serviceaccount:monitoring:default"},
        {f"{ISSUER}:aud": "another", f"{ISSUER}:sub": sub},
        {f"{ISSUER}:aud": "sts.amazonaws.com"},
    ]:
        assert not admits(trust, action, principal, context)


@pytest.mark.parametrize("name", TRUSTS)
def test_every_trust_has_a_condition(name):
    assert all(condition != "{}" for *_, condition in trusts(document(name)))
