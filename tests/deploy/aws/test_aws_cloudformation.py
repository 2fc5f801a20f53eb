"""Tests of the CloudFormation template: linters, and a comparison of the role that moto creates with the JSON."""

import json
import re

import boto3
import pytest
import yaml
from aws_helpers import AWS, document, grants, run, trusts
from moto import mock_aws

TEMPLATE = AWS / "cloudformation.yaml"
CONNECTORS = ",".join(sorted(resource for _, resource, _ in grants(document("policy.json"))))
CROSS_ACCOUNT = {
    "TrustedPrincipalArns": "arn:aws:iam::210987654321:role/aws-transfer-exporter",
    "ExternalId": "2f8d1c70-example-external-id",
}
IRSA = {
    "OidcProviderArn": "arn:aws:iam::123456789012:oidc-provider/"
    "oidc.eks.eu-central-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF"
}


def role(**parameters):
    """Returns the trust policy, the permissions and the ARN of the role that the template creates."""
    account = {"region_name": "eu-central-1", "aws_access_key_id": "a", "aws_secret_access_key": "b"}
    with mock_aws():
        stacks, iam = boto3.client("cloudformation", **account), boto3.client("iam", **account)
        stacks.create_stack(
            StackName="exporter",
            TemplateBody=TEMPLATE.read_text(),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        outputs = stacks.describe_stacks(StackName="exporter")["Stacks"][0]["Outputs"]
        arn = {output["OutputKey"]: output["OutputValue"] for output in outputs}["RoleArn"]
        name = arn.rsplit("/", 1)[1]
        trust = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
        allowed = set()
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            allowed |= grants(iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"])
        assert iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"] == []
    return trusts(trust), allowed, arn


def test_irsa_role_equals_the_json():
    trust, allowed, _ = role(ConnectorArns=CONNECTORS, **IRSA)
    assert trust == trusts(document("trust-irsa.json"))
    assert allowed == grants(document("policy.json"))


def test_cross_account_role_equals_the_json():
    trust, allowed, arn = role(ConnectorArns=CONNECTORS, RoleName="transfer-read", **CROSS_ACCOUNT)
    assert trust == trusts(document("trust-cross-account.json"))
    assert allowed == grants(document("policy.json"))
    assert arn.endswith(":role/transfer-read")


def test_assuming_role_equals_the_json():
    _, allowed, _ = role(AssumeRoleArns="arn:aws:iam::123456789012:role/transfer-read", **IRSA)
    assert allowed == grants(document("policy-assume-role.json"))


def test_role_that_tests_connections_equals_the_json():
    _, allowed, _ = role(ConnectorArns=CONNECTORS, TestConnections="true", **IRSA)
    assert allowed == grants(document("policy.json")) | grants(document("policy-connections.json"))
    assert role(ConnectorArns=CONNECTORS, TestConnections="false", **IRSA)[1] == grants(document("policy.json"))


def test_role_can_read_and_assume():
    _, allowed, _ = role(ConnectorArns=CONNECTORS, AssumeRoleArns="arn:aws:iam::123456789012:role/transfer-read", **IRSA)
    assert allowed == grants(document("policy.json")) | grants(document("policy-assume-role.json"))


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


class Loader(yaml.SafeLoader):
    """Loads YAML with short forms of CloudFormation functions: `!Ref X` becomes `{"Ref": "X"}`."""

    def function(self, name, node):
        if isinstance(node, yaml.SequenceNode):
            return {name: self.construct_sequence(node, deep=True)}
        return {name: self.construct_scalar(node)}


Loader.add_multi_constructor("!", Loader.function)


@pytest.mark.parametrize(
    ("parameter", "good", "bad"),
    [
        (
            "ConnectorArns",
            ["", CONNECTORS, CONNECTORS.split(",")[0]],
            ["*", CONNECTORS.split(",")[0][:-1] + "*", CONNECTORS + ",", CONNECTORS.replace(",", ", "), "," + CONNECTORS],
        ),
        ("AssumeRoleArns", ["", "arn:aws:iam::123456789012:role/a,arn:aws:iam::123456789012:role/p/b"], ["arn:aws:iam::123456789012:role/*"]),
        ("OidcProviderArn", ["", IRSA["OidcProviderArn"]], ["https://oidc.example.com", "arn:aws:iam::123456789012:oidc-provider/*"]),
        ("TrustedPrincipalArns", ["", "arn:aws:iam::210987654321:root"], ["*", "210987654321", 'arn:aws:iam::210987654321:role/a"']),
        ("ExternalId", ["", "ab"], ["a", 'a"b', "a b"]),
        ("Namespace", ["monitoring"], ["*", "", "a:b"]),
        ("ServiceAccount", ["aws-transfer-exporter"], ["*", "", "a:b"]),
        ("RoleName", ["", "transfer-read"], ["a/b", "*"]),
    ],
)
def test_patterns_accept_valid_values_and_reject_wildcards(parameter, good, bad):
    declared = yaml.load(TEMPLATE.read_text(), Loader)["Parameters"][parameter]
    assert declared["Type"] == "String"
    pattern = re.compile(declared["AllowedPattern"])
    assert pattern.fullmatch(declared["Default"])
    assert all(pattern.fullmatch(value) for value in good)
    assert not [value for value in bad if pattern.fullmatch(value)]


def rule_holds(rule, given):
    """Evaluates the Rules of the template, which moto ignores."""

    def value(term):
        if not isinstance(term, dict):
            return term
        ((function, of),) = term.items()
        if function == "Ref":
            return given.get(of, "")
        if function == "Equals":
            return value(of[0]) == value(of[1])
        if function == "Not":
            return not value(of[0])
        raise AssertionError(f"unknown function: {function}")

    return not value(rule.get("RuleCondition", True)) or all(value(each["Assert"]) for each in rule["Assertions"])


@pytest.mark.parametrize(
    ("given", "broken"),
    [
        ({"ConnectorArns": CONNECTORS, **IRSA}, set()),
        ({"ConnectorArns": CONNECTORS, **CROSS_ACCOUNT}, set()),
        ({"AssumeRoleArns": "arn:aws:iam::123456789012:role/a", **IRSA}, set()),
        ({"ConnectorArns": CONNECTORS, "TestConnections": "true", **IRSA}, set()),
        ({"AssumeRoleArns": "arn:aws:iam::123456789012:role/a", "TestConnections": "true", **IRSA}, {"TestsKnownConnectors"}),
        ({**IRSA}, {"MayDoSomething"}),
        ({"ConnectorArns": CONNECTORS}, {"SomebodyMayTakeIt"}),
        ({"ConnectorArns": CONNECTORS, **IRSA, **CROSS_ACCOUNT}, {"OneWayToTakeIt"}),
        ({"ConnectorArns": CONNECTORS, **CROSS_ACCOUNT, "ExternalId": ""}, {"PrincipalsNameAnExternalId"}),
    ],
)
def test_rules_reject_an_unusable_role(given, broken):
    rules = yaml.load(TEMPLATE.read_text(), Loader)["Rules"]
    assert {name for name, rule in rules.items() if not rule_holds(rule, given)} == broken
