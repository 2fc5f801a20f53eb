"""Linters, parameters and rules of the discovery template. test_aws_discovery.py covers the created resources."""

import json
import re

import pytest
import yaml
from aws_helpers import run
from discovery_helpers import CONNECTOR, KEY, TEMPLATE, by_cloudformation
from test_aws_cloudformation import Loader, rule_holds

DECLARED = yaml.load(TEMPLATE.read_text(), Loader)


def test_cfn_lint_reports_nothing():
    done = run("cfn-lint", "--include-checks", "I", "--", TEMPLATE)
    assert done.stdout == "", done.stdout


def test_checkov_reports_nothing():
    done = run(
        "checkov", "-f", TEMPLATE, "--framework", "cloudformation", "--skip-download", "--compact", "--quiet", "-o", "json"
    )  # fmt: skip
    summary = json.loads(done.stdout)["summary"]
    assert summary["failed"] == 0 and summary["parsing_errors"] == 0, done.stdout
    assert summary["passed"] > 0, done.stdout


@pytest.mark.parametrize(
    ("parameter", "good", "bad"),
    [
        ("Name", ["a", "transfer-events", "x" * 53], ["", "a.b", "*", "a b", "x" * 54]),
        ("ConnectorArns", ["", CONNECTOR, f"{CONNECTOR},{CONNECTOR}"], ["*", CONNECTOR[:-1] + "*", CONNECTOR + ",", f"{CONNECTOR}, {CONNECTOR}"]),
        ("SenderArns", ["", "arn:aws:iam::210987654321:root"], ["*", "210987654321", "arn:aws:iam::210987654321:role/*"]),
        ("KmsKeyArn", ["", KEY], ["alias/aws/sqs", KEY.replace("key/", "alias/"), "*"]),
        ("AlarmActions", ["", "arn:aws:sns:eu-central-1:123456789012:pager"], ["pager", "*"]),
        ("RoleName", ["", "transfer-read"], ["a/b", "*"]),
    ],
)
def test_patterns_accept_valid_values_and_reject_wildcards(parameter, good, bad):
    declared = DECLARED["Parameters"][parameter]
    assert declared["Type"] == "String"
    pattern = re.compile(declared["AllowedPattern"])
    assert pattern.fullmatch(declared["Default"])
    assert all(pattern.fullmatch(value) for value in good)
    assert not [value for value in bad if pattern.fullmatch(value)]


@pytest.mark.parametrize(
    ("given", "broken"),
    [
        ({"CreateKmsKey": "false", "KmsKeyArn": ""}, set()),
        ({"CreateKmsKey": "true", "KmsKeyArn": ""}, set()),
        ({"CreateKmsKey": "false", "KmsKeyArn": KEY}, set()),
        ({"CreateKmsKey": "true", "KmsKeyArn": KEY}, {"OneKey"}),
    ],
)
def test_rules_reject_two_keys(given, broken):
    assert {name for name, rule in DECLARED["Rules"].items() if not rule_holds(rule, given)} == broken


def test_dead_letter_queue_accepts_only_its_queue():
    """moto does not support RedriveAllowPolicy."""
    allowed = DECLARED["Resources"]["DeadLetterQueue"]["Properties"]["RedriveAllowPolicy"]
    name = {"Sub": "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:${Name}"}
    assert allowed == {"redrivePermission": "byQueue", "sourceQueueArns": [name]}
    assert DECLARED["Resources"]["Queue"]["Properties"]["QueueName"] == {"Ref": "Name"}


def test_outputs_include_the_values_for_the_configuration():
    with by_cloudformation() as account:
        outputs = account.cloudformation.describe_stacks(StackName="transfer-events")["Stacks"][0]["Outputs"]
        found = {output["OutputKey"]: output["OutputValue"] for output in outputs}
        assert found["QueueUrl"] == account.url()
        assert found["DeadLetterQueueUrl"] == account.url("transfer-events-dlq")
        assert found["QueueArn"] == account.attributes()["QueueArn"]
        assert found["RuleArn"] == account.events.describe_rule(Name="transfer-events")["Arn"]


def test_every_parameter_has_a_group():
    groups = DECLARED["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert sorted(name for group in groups for name in group["Parameters"]) == sorted(DECLARED["Parameters"])
