"""Tests of the table that exporters share: its policy, the Terraform module and the CloudFormation template, compared with what
the exporter creates and with the requests that it sends."""

import contextlib
import io
import json
import os
import re
import subprocess
import threading
import time
import urllib.error

import boto3
import botocore.session
import pytest
from aws_helpers import AWS, LOOPBACK, ROOT, TERRAFORM, document, exporter, free_port, grants, run, simulator
from cloudformation_helpers import declared, resources
from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.server import DomainDispatcherApplication, create_backend_app
from terraform_helpers import blocks, evaluate, plain, terraform, without_provider
from test_aws_role_path import CONNECTOR, KEY, Quiet, one_completed_file
from werkzeug.serving import make_server

MODULE = TERRAFORM / "shared-storage"
TEMPLATE = AWS / "shared-storage-cloudformation.yaml"
POLICY = document("policy-shared-storage.json")
TABLE = "arn:aws:dynamodb:eu-central-1:123456789012:table/aws-transfer-exporter"
URL = "dynamodb://aws-transfer-exporter?region=eu-central-1"


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    return without_provider(MODULE, tmp_path_factory.mktemp("terraform") / "shared-storage")


# The policy

def test_policy_allows_only_reading_and_writing_items():
    assert grants(POLICY) == {(f"dynamodb:{action}", TABLE, "{}") for action in ("GetItem", "PutItem", "Query")}


def test_policy_covers_every_operation_of_the_store():
    """Only `storage init` creates and describes the table."""
    operations = botocore.session.get_session().get_service_model("dynamodb").operation_names
    methods = {botocore.xform_name(operation): operation for operation in operations}
    code = "".join(path.read_text() for path in (ROOT / "src/store/dynamodb").glob("*.rs"))
    called = {f"dynamodb:{methods[name]}" for name in re.findall(r"\.([a-z_0-9]+)\(\)", code) if name in methods}
    assert called == {action for action, *_ in grants(POLICY)} | {"dynamodb:CreateTable", "dynamodb:DescribeTable"}


# Terraform and CloudFormation

def test_module_is_valid(module):
    assert json.loads(terraform("validate", "-json", cwd=module).stdout)["valid"] is True


def test_defaults_are_sufficient(module, tmp_path):
    found = evaluate(module, tmp_path)
    assert (found["storage_url"], found["table_arn"]) == (URL, TABLE)
    assert json.loads(found["policy"]) == POLICY
    assert found["resources"]["aws_iam_role_policy.exporter"] == []


def test_table_is_durable_and_needs_no_capacity(module, tmp_path):
    table = evaluate(module, tmp_path, tags={"team": "edi"})["resources"]["aws_dynamodb_table.state"]
    assert table["billing_mode"] == "PAY_PER_REQUEST"
    assert table["point_in_time_recovery"] == {"enabled": True}
    assert table["deletion_protection_enabled"] is True
    assert table["tags"] == {"team": "edi"}
    assert evaluate(module, tmp_path, deletion_protection=False)["resources"]["aws_dynamodb_table.state"]["deletion_protection_enabled"] is False


def test_policy_is_attached_to_each_role(module, tmp_path):
    found = evaluate(module, tmp_path, role_names=["one", "two"])
    policies = found["resources"]["aws_iam_role_policy.exporter"]
    assert [each["role"] for each in policies] == ["one", "two"]
    assert {each["policy"] for each in policies} == {found["policy"]}


@pytest.mark.parametrize("name", ["ab", "a b", "*", "x" * 101])
def test_invalid_names_are_reported(module, tmp_path, name):
    error = evaluate(module, tmp_path, name=name)
    assert isinstance(error, str) and "3 to 100" in error.replace("│ ", ""), error
    assert not re.fullmatch(declared(TEMPLATE)["Parameters"]["TableName"]["AllowedPattern"], name)


def test_template_creates_the_same_table_as_terraform(module, tmp_path):
    ours = evaluate(module, tmp_path, role_names=["exporter"])["resources"]
    table = ours["aws_dynamodb_table.state"]
    theirs = resources(declared(TEMPLATE), RoleName="exporter")
    assert theirs["Table"] == {
        "TableName": table["name"],
        "BillingMode": table["billing_mode"],
        "AttributeDefinitions": [{"AttributeName": each["name"], "AttributeType": each["type"]} for each in table["attribute"]],
        "KeySchema": [{"AttributeName": table["hash_key"], "KeyType": "HASH"}, {"AttributeName": table["range_key"], "KeyType": "RANGE"}],
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": table["point_in_time_recovery"]["enabled"]},
        "DeletionProtectionEnabled": str(table["deletion_protection_enabled"]).lower(),
    }
    (policy,) = ours["aws_iam_role_policy.exporter"]
    assert theirs["ExporterPolicy"]["PolicyName"] == policy["name"] and theirs["ExporterPolicy"]["Roles"] == ["exporter"]
    (statement,) = theirs["ExporterPolicy"]["PolicyDocument"]["Statement"]
    assert statement.pop("Resource") == ["Table.Arn"]
    assert statement == {key: value for key, value in POLICY["Statement"][0].items() if key != "Resource"}
    assert set(resources(declared(TEMPLATE))) == {"Table"}


def test_table_outlives_the_stack():
    table = declared(TEMPLATE)["Resources"]["Table"]
    assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_linters_report_nothing():
    assert run("cfn-lint", "--include-checks", "I", "--", TEMPLATE).stdout == ""
    done = run("checkov", "-f", TEMPLATE, "--framework", "cloudformation", "--skip-download", "--compact", "--quiet", "-o", "json")
    summary = json.loads(done.stdout)["summary"]
    assert summary["failed"] == 0 and summary["parsing_errors"] == 0 and summary["passed"] > 0, done.stdout


def test_every_parameter_has_a_group():
    template = declared(TEMPLATE)
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert sorted(name for group in groups for name in group["Parameters"]) == sorted(template["Parameters"])


@pytest.mark.parametrize(("file", "kind"), [("variables.tf", "variable"), ("outputs.tf", "output")])
def test_readme_lists_every_variable_and_output(file, kind):
    rows = re.findall(r"^\| `(\w+)` \|", (MODULE / "README.md").read_text(), re.MULTILINE)
    assert set(blocks(MODULE / file, kind)) <= {plain(name) for name in rows}


# The exporter

class Guarded:
    """moto behind a policy, which refuses other requests to DynamoDB."""

    def __init__(self):
        self.policy, self.asked = None, set()
        self.moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ, start_response):
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        action = f"dynamodb:{environ.get('HTTP_X_AMZ_TARGET', '').rpartition('.')[2]}"
        self.asked.add(action)
        table = f"{TABLE.rpartition('/')[0]}/{json.loads(body or b'{}').get('TableName')}"
        if self.policy and IAMPolicy(json.dumps(self.policy)).is_action_permitted(action, table) != PermissionResult.PERMITTED:
            start_response("400 Bad Request", [("Content-Type", "application/x-amz-json-1.0")])
            return [b'{"__type": "com.amazon.coral.service#AccessDeniedException", "Message": "not authorized"}']
        environ["wsgi.input"] = io.BytesIO(body)
        return self.moto(environ, start_response)


@pytest.fixture
def dynamodb():
    application = Guarded()
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Quiet)
    application.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield application
    finally:
        application.policy = None
        LOOPBACK.open(f"{application.endpoint}/moto-api/reset", data=b"", timeout=10).close()
        server.shutdown()
        thread.join(10)
        server.server_close()


def environment():
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_") and "proxy" not in name.lower()}
    nothing = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}
    return kept | nothing | KEY


def init(application):
    url = f"{URL}&endpoint={application.endpoint}"
    return subprocess.run([exporter(), "storage", "init", f"--storage.url={url}"], env=environment(), capture_output=True, text=True, timeout=60)


def test_exporter_creates_the_table_of_the_module(dynamodb, module, tmp_path):
    for _ in range(2):
        done = init(dynamodb)
        assert done.returncode == 0, done.stderr
    assert dynamodb.asked <= {"dynamodb:CreateTable", "dynamodb:DescribeTable"}
    client = boto3.client(
        "dynamodb", region_name="eu-central-1", endpoint_url=dynamodb.endpoint, aws_access_key_id=KEY["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=KEY["AWS_SECRET_ACCESS_KEY"],
    )  # fmt: skip
    made = client.describe_table(TableName="aws-transfer-exporter")["Table"]
    table = evaluate(module, tmp_path)["resources"]["aws_dynamodb_table.state"]
    keys = {each["KeyType"]: each["AttributeName"] for each in made["KeySchema"]}
    assert keys == {"HASH": table["hash_key"], "RANGE": table["range_key"]}
    assert sorted((each["AttributeName"], each["AttributeType"]) for each in made["AttributeDefinitions"]) == sorted(
        (each["name"], each["type"]) for each in table["attribute"]
    )
    assert made["BillingModeSummary"]["BillingMode"] == table["billing_mode"]


class Process:
    """An exporter that shares its state."""

    def __init__(self, application, endpoint, folder):
        folder.mkdir()
        self.url, self.log = f"http://127.0.0.1:{free_port()}", folder / "log"
        config = folder / "aws-transfer-exporter.yml"
        config.write_text(
            f"accounts:\n  - name: partner\n    region: eu-central-1\n    endpoint_url: {endpoint}\n"
            f"transfers:\n  - connector_id: {CONNECTOR}\n    transfer_id: 4b1a8c1e-0000-4000-8000-000000000001\n"
        )
        arguments = [
            f"--config.file={config}", f"--web.listen-address={self.url.removeprefix('http://')}",
            f"--storage.url={URL}&endpoint={application.endpoint}", "--storage.lease-duration=3s",
        ]  # fmt: skip
        with self.log.open("w") as output:
            self.process = subprocess.Popen([exporter(), *arguments], env=environment(), stdout=output, stderr=output)

    def get(self, path):
        try:
            with LOOPBACK.open(self.url + path, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def eventually(self, probe, seconds=20):
        deadline = time.monotonic() + seconds
        while not probe():
            assert self.process.poll() is None and time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)

    def is_ready(self):
        return self.get("/-/ready")[0] == 200

    def stop(self):
        self.process.kill()
        self.process.wait(10)


COMPLETED = re.compile(r'^aws_transfer_files\{.*status="COMPLETED".*\} 1$', re.MULTILINE)
LEADER = 'aws_transfer_exporter_leader{shard="0"} '


def test_exporters_need_exactly_the_policy(dynamodb, tmp_path):
    assert init(dynamodb).returncode == 0
    dynamodb.policy, dynamodb.asked = POLICY, set()
    with simulator("--simulator.accept-any-access-key") as transfer, contextlib.ExitStack() as stack:
        one_completed_file(transfer)
        first = Process(dynamodb, transfer, tmp_path / "first")
        stack.callback(first.stop)
        first.eventually(first.is_ready)
        first.eventually(lambda: COMPLETED.search(first.get("/metrics")[1]))

        second = Process(dynamodb, transfer, tmp_path / "second")
        stack.callback(second.stop)
        second.eventually(lambda: second.get("/-/healthy")[0] == 200)
        assert not second.is_ready()
        assert LEADER + "0\n" in second.get("/metrics")[1] and LEADER + "1\n" in first.get("/metrics")[1]

        first.stop()
        # 1.5 lease durations, and time for a busy machine.
        second.eventually(second.is_ready, seconds=15)
        second.eventually(lambda: COMPLETED.search(second.get("/metrics")[1]))
    assert dynamodb.asked == {action for action, *_ in grants(POLICY)}


@pytest.mark.parametrize("action", sorted(action for action, *_ in grants(POLICY)))
def test_an_exporter_without_a_permission_does_not_become_the_owner(dynamodb, tmp_path, action):
    assert init(dynamodb).returncode == 0
    statement = POLICY["Statement"][0]
    with simulator("--simulator.accept-any-access-key") as transfer, contextlib.ExitStack() as stack:
        # Leaves a state to read.
        one_completed_file(transfer)
        former = Process(dynamodb, transfer, tmp_path / "former")
        stack.callback(former.stop)
        former.eventually(lambda: COMPLETED.search(former.get("/metrics")[1]))
        former.stop()
        allowed = [each for each in statement["Action"] if each != action]
        dynamodb.policy, dynamodb.asked = POLICY | {"Statement": [statement | {"Action": allowed}]}, set()
        process = Process(dynamodb, transfer, tmp_path / "only")
        stack.callback(process.stop)
        process.eventually(lambda: action in dynamodb.asked)
        process.eventually(lambda: "not authorized" in process.log.read_text())
        assert not process.is_ready() and process.get("/-/healthy")[0] == 200
