"""The discovery resources of deploy/aws, created in moto from the shipped files, by CloudFormation or from the outputs of
Terraform."""

import contextlib
import dataclasses
import json

import boto3
from aws_helpers import AWS
from moto import mock_aws
from moto.cloudformation import parsing
from terraform_helpers import ANSWERS

TEMPLATE = AWS / "discovery-cloudformation.yaml"
ACCOUNT = "123456789012"
REGION = "eu-central-1"
ROLE = "aws-transfer-exporter"


def arn(service, rest):
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}"


QUEUE = arn("sqs", "transfer-events")
RULE = arn("events", "rule/transfer-events")
KEY = arn("kms", "key/0123abcd-0000-4000-8000-000000000001")
KEY_OF_TERRAFORM = ANSWERS["aws_kms_key"]["arn"]
CONNECTOR = arn("transfer", "connector/c-0123456789abcdef0")

# Equivalent parameters of the template and variables of the module.
VARIABLES = {
    "FilesOnly": ("files_only", bool),
    "CloudTrailRule": ("cloudtrail_rule", bool),
    "LookUpCloudTrail": ("look_up_cloudtrail", bool),
    "ListConnectors": ("list_connectors", bool),
    "TestConnections": ("test_connections", bool),
    "CreateKmsKey": ("create_kms_key", bool),
    "ConnectorArns": ("connector_arns", list),
    "SenderArns": ("sender_arns", list),
    "AlarmActions": ("alarm_actions", list),
    "RoleName": ("role_names", list),
    "KmsKeyArn": ("kms_key_arn", str),
    "MaxReceiveCount": ("max_receive_count", int),
    "VisibilityTimeout": ("visibility_timeout_seconds", int),
    "OldestMessageSeconds": ("oldest_message_seconds", int),
}


def as_variables(parameters):
    kinds = {bool: lambda text: text == "true", list: lambda text: text.split(","), str: str, int: int}
    return {VARIABLES[name][0]: kinds[VARIABLES[name][1]](value) for name, value in parameters.items()}


@dataclasses.dataclass
class Account:
    """An account in moto with its clients."""

    clients: dict
    endpoint: str | None = None

    def __getattr__(self, service):
        if service not in self.clients:
            self.clients[service] = boto3.client(
                service, region_name=REGION, aws_access_key_id="a", aws_secret_access_key="b", endpoint_url=self.endpoint
            )
        return self.clients[service]

    def stack(self, **parameters):
        """Creates a stack from the template."""
        self.cloudformation.create_stack(
            StackName=parameters.get("Name", "transfer-events"),
            TemplateBody=TEMPLATE.read_text(),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )

    def url(self, name="transfer-events"):
        return self.sqs.get_queue_url(QueueName=name)["QueueUrl"]

    def attributes(self, name="transfer-events"):
        return self.sqs.get_queue_attributes(QueueUrl=self.url(name), AttributeNames=["All"])["Attributes"]

    def receive(self, name="transfer-events", **options):
        return self.sqs.receive_message(QueueUrl=self.url(name), MaxNumberOfMessages=10, WaitTimeSeconds=0, **options).get("Messages", [])

    def drain(self, name="transfer-events"):
        """Returns the bodies of all messages and deletes them."""
        bodies = []
        while messages := self.receive(name):
            for message in messages:
                bodies.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=self.url(name), ReceiptHandle=message["ReceiptHandle"])
        return bodies

    def put(self, *events):
        for source, detail_type, detail in events:
            entry = {"Source": source, "DetailType": detail_type, "Detail": json.dumps(detail)}
            assert self.events.put_events(Entries=[entry])["FailedEntryCount"] == 0

    def key_policy(self, key):
        policy = self.kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]
        return policy if isinstance(policy, dict) else json.loads(policy)

    def state(self):
        """Returns all created resources, without time-dependent values."""
        changing = {"CreatedTimestamp", "LastModifiedTimestamp"}
        queues = {
            url.rsplit("/", 1)[1]: {
                key: json.loads(value) if value.startswith("{") else value
                for key, value in self.attributes(url.rsplit("/", 1)[1]).items()
                if key not in changing
            }
            for url in self.sqs.list_queues()["QueueUrls"]
        }
        rules = {
            rule["Name"]: (
                json.loads(rule["EventPattern"]), rule["State"], rule.get("Description"),
                self.events.list_targets_by_rule(Rule=rule["Name"])["Targets"],
            )
            for rule in self.events.list_rules()["Rules"]
        }  # fmt: skip
        shown = ("AlarmDescription", "Namespace", "MetricName", "Dimensions", "Statistic", "Period", "EvaluationPeriods", "ComparisonOperator",
                 "Threshold", "TreatMissingData", "AlarmActions", "OKActions")  # fmt: skip
        alarms = {
            alarm["AlarmName"]: {key: alarm.get(key) for key in shown}
            for alarm in self.cloudwatch.describe_alarms()["MetricAlarms"]
        }
        policies = {
            name: self.iam.get_role_policy(RoleName=ROLE, PolicyName=name)["PolicyDocument"]
            for name in self.iam.list_role_policies(RoleName=ROLE)["PolicyNames"]
        }
        keys = [
            (self.key_policy(key["KeyId"]), self.kms.get_key_rotation_status(KeyId=key["KeyId"])["KeyRotationEnabled"])
            for key in self.kms.list_keys()["Keys"]
        ]
        found = json.dumps({"queues": queues, "rules": rules, "alarms": alarms, "policies": policies, "keys": keys})
        for key in self.kms.list_keys()["Keys"]:
            found = found.replace(key["KeyArn"], "the key that was made")
        return json.loads(found)


class Made:
    """A resource type that CloudFormation in moto does not support. moto resolves its properties; this creates it."""

    def __init__(self, name):
        self.physical_resource_id = name

    @staticmethod
    def cloudformation_name_type():
        return ""

    @classmethod
    def has_cfn_attr(cls, attr):
        return False

    def is_created(self):
        return True

    @classmethod
    def create_from_cloudformation_json(cls, resource_name, cloudformation_json, account_id, region_name, **_):
        cls.make(Account({}), cloudformation_json["Properties"])
        return cls(resource_name)


class QueuePolicy(Made):
    @staticmethod
    def cloudformation_type():
        return "AWS::SQS::QueuePolicy"

    @staticmethod
    def make(account, properties):
        for url in properties["Queues"]:
            account.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(properties["PolicyDocument"])})


class Alarm(Made):
    @staticmethod
    def cloudformation_type():
        return "AWS::CloudWatch::Alarm"

    @staticmethod
    def make(account, properties):
        account.cloudwatch.put_metric_alarm(**properties | {"Threshold": float(properties["Threshold"])})


for model in (QueuePolicy, Alarm):
    assert model.cloudformation_type() not in parsing.get_model_map(), "moto supports it now"
    parsing.get_model_map()[model.cloudformation_type()] = model
    parsing.get_name_type_map()[model.cloudformation_type()] = ""


moto_clean_json = parsing.clean_json


def clean_json(value, resources):
    """CloudFormation removes list elements that are AWS::NoValue; moto would keep None."""
    cleaned = moto_clean_json(value, resources)
    return [each for each in cleaned if each is not None] if isinstance(value, list) else cleaned


parsing.clean_json = clean_json


@contextlib.contextmanager
def account():
    with mock_aws():
        found = Account({})
        found.iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": []}))
        yield found


@contextlib.contextmanager
def by_cloudformation(**parameters):
    with account() as made:
        made.stack(**parameters)
        yield made


def present(values):
    return {key: value for key, value in values.items() if value is not None}


QUEUE_ATTRIBUTES = {
    "message_retention_seconds": "MessageRetentionPeriod",
    "receive_wait_time_seconds": "ReceiveMessageWaitTimeSeconds",
    "visibility_timeout_seconds": "VisibilityTimeout",
    "redrive_policy": "RedrivePolicy",
    "sqs_managed_sse_enabled": "SqsManagedSseEnabled",
    "kms_master_key_id": "KmsMasterKeyId",
}


def text(value):
    return str(value).lower() if isinstance(value, bool) else str(value)


@contextlib.contextmanager
def by_terraform(resources):
    """Creates the resources in the output `resources` of `without_provider`."""
    with account() as made:
        for key in resources["aws_kms_key.queues"]:
            created = made.kms.create_key(Description=key["description"], Policy=key["policy"])["KeyMetadata"]
            if key["enable_key_rotation"]:
                made.kms.enable_key_rotation(KeyId=created["KeyId"])
            resources = json.loads(json.dumps(resources).replace(KEY_OF_TERRAFORM, created["Arn"]))
        for kind in ("aws_sqs_queue.dead_letters", "aws_sqs_queue.events"):
            for queue in resources[kind].values():
                attributes = present({QUEUE_ATTRIBUTES[key]: value for key, value in queue.items() if key in QUEUE_ATTRIBUTES})
                assert set(queue) <= {*QUEUE_ATTRIBUTES, "name", "tags"}
                made.sqs.create_queue(QueueName=queue["name"], Attributes={key: text(value) for key, value in attributes.items()})
        # moto does not support RedriveAllowPolicy.
        for kind in ("aws_sqs_queue_policy.events", "aws_sqs_queue_policy.dead_letters"):
            for each in resources[kind].values():
                url = made.url(each["queue_url"].rsplit("/", 1)[1])
                made.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": each["policy"]})
        for rule in [resources["aws_cloudwatch_event_rule.connectors"], *resources["aws_cloudwatch_event_rule.cloudtrail"]]:
            made.events.put_rule(Name=rule["name"], EventPattern=rule["event_pattern"], Description=rule["description"])
        for kind in ("aws_cloudwatch_event_target.connectors", "aws_cloudwatch_event_target.cloudtrail"):
            for target in resources[kind].values():
                made.events.put_targets(
                    Rule=target["rule"],
                    Targets=[{"Id": target["target_id"], "Arn": target["arn"], "DeadLetterConfig": {"Arn": target["dead_letter_config"]["arn"]}}],
                )
        for kind in ("aws_cloudwatch_metric_alarm.oldest_message", "aws_cloudwatch_metric_alarm.dead_letters"):
            for alarm in resources[kind].values():
                made.cloudwatch.put_metric_alarm(
                    AlarmName=alarm["alarm_name"], AlarmDescription=alarm["alarm_description"], Namespace=alarm["namespace"],
                    MetricName=alarm["metric_name"], Dimensions=[{"Name": key, "Value": value} for key, value in alarm["dimensions"].items()],
                    Statistic=alarm["statistic"], Period=alarm["period"], EvaluationPeriods=alarm["evaluation_periods"],
                    ComparisonOperator=alarm["comparison_operator"], Threshold=alarm["threshold"], TreatMissingData=alarm["treat_missing_data"],
                    AlarmActions=alarm["alarm_actions"], OKActions=alarm["ok_actions"],
                )  # fmt: skip
        for policy in resources["aws_iam_role_policy.exporter"]:
            made.iam.put_role_policy(RoleName=policy["role"], PolicyName=policy["name"], PolicyDocument=policy["policy"])
        yield made
