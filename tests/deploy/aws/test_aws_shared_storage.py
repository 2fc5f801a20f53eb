"""Tests of the table that exporters share: its policy, the Terraform module and the CloudFormation template, compared with what
the exporter creates and with the requests that it sends."""

import contextlib
import fnmatch
import io
import json
import os
import re
import subprocess
import threading
import time
import urllib.error
import urllib.request

import boto3
import botocore.session
import pytest
from aws_helpers import AWS, LOOPBACK, ROOT, TERRAFORM, as_list, document, exporter, free_port, grants, run, simulator
from cloudformation_helpers import declared, resources
from moto.server import DomainDispatcherApplication, create_backend_app
from terraform_helpers import blocks, evaluate, plain, terraform, without_provider
from test_aws_role_path import CONNECTOR, KEY, Quiet, one_completed_file
from werkzeug.serving import make_server

MODULE = TERRAFORM / "shared-storage"
TEMPLATE = AWS / "shared-storage-cloudformation.yaml"
POLICY = document("policy-shared-storage.json")
TABLE = "arn:aws:dynamodb:eu-central-1:123456789012:table/aws-transfer-exporter"
URL = "dynamodb://aws-transfer-exporter?region=eu-central-1"
# The first statement is for every exporter, the second for automatic shards.
STATE, SHARDS = POLICY["Statement"]


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    return without_provider(MODULE, tmp_path_factory.mktemp("terraform") / "shared-storage")


# The policy

def permits(policy, action, table, key=""):
    """Returns whether a policy allows an action on items with this partition key."""
    for statement in policy["Statement"]:
        ((test, condition),) = statement.get("Condition", {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["*"]}}).items()
        assert statement["Effect"] == "Allow" and test == "ForAllValues:StringLike" and set(condition) == {"dynamodb:LeadingKeys"}
        met = any(fnmatch.fnmatchcase(key, pattern) for pattern in condition["dynamodb:LeadingKeys"])
        if action in as_list(statement["Action"]) and table in as_list(statement["Resource"]) and met:
            return True
    return False


def test_policy_allows_only_reading_and_writing_items():
    keys = json.dumps({"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["*inbox-*", "*members"]}})
    state = {(f"dynamodb:{action}", TABLE, "{}") for action in ("GetItem", "PutItem", "Query")}
    assert grants(POLICY | {"Statement": [STATE]}) == state
    assert grants(POLICY) == state | {("dynamodb:DeleteItem", TABLE, keys)}


@pytest.mark.parametrize("prefix", ["", "prod-", "a/b."])
def test_policy_allows_deleting_reports_and_entries_of_exporters_but_no_state(prefix):
    for key, allowed in (("inbox-0", True), ("inbox-999", True), ("members", True), ("shard-0", False), ("shard-999", False)):
        assert permits(POLICY, "dynamodb:DeleteItem", TABLE, prefix + key) == allowed, key
        assert permits(POLICY, "dynamodb:PutItem", TABLE, prefix + key)
    code = "".join(path.read_text() for path in (ROOT / "src/store/dynamodb").glob("*.rs"))
    assert all(part in code for part in ('"inbox-{', '"members"', '"shard-{'))


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
    assert theirs["ExporterPolicy"]["PolicyDocument"] == POLICY | {
        "Statement": [statement | {"Resource": ["Table.Arn"]} for statement in POLICY["Statement"]]
    }
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
        self.policy, self.asked, self.deleted = None, set(), set()
        self.moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ, start_response):
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        request = json.loads(body or b"{}")
        action = f"dynamodb:{environ.get('HTTP_X_AMZ_TARGET', '').rpartition('.')[2]}"
        self.asked.add(action)
        table = f"{TABLE.rpartition('/')[0]}/{request.get('TableName')}"
        key = (request.get("Key") or request.get("Item") or {}).get("shard", {}).get("S", "")
        if self.policy and not permits(self.policy, action, table, key):
            start_response("400 Bad Request", [("Content-Type", "application/x-amz-json-1.0")])
            return [b'{"__type": "com.amazon.coral.service#AccessDeniedException", "Message": "not authorized"}']
        if action == "dynamodb:DeleteItem":
            self.deleted.add(key)
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
    nothing = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", "AWS_AUTOMATIC_CREDENTIALS_FILE": "/dev/null"}
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

    def __init__(self, application, endpoint, folder, *more, prefix=""):
        folder.mkdir()
        self.url, self.log = f"http://127.0.0.1:{free_port()}", folder / "log"
        config = folder / "aws-transfer-exporter.yml"
        config.write_text(
            f"accounts:\n  - name: partner\n    region: eu-central-1\n    endpoint_url: {endpoint}\n"
            f"transfers:\n  - connector_id: {CONNECTOR}\n    transfer_id: 4b1a8c1e-0000-4000-8000-000000000001\n"
        )
        arguments = [
            f"--config.file={config}", f"--web.listen-address={self.url.removeprefix('http://')}",
            f"--storage.url={URL}&endpoint={application.endpoint}&prefix={prefix}", "--storage.lease-duration=3s", *more,
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

    def shards(self):
        """Returns the shards that it owns."""
        return set(re.findall(r'^aws_transfer_exporter_leader\{shard="(\d+)"\} 1$', self.get("/metrics")[1], re.MULTILINE))

    def report(self, transfer):
        request = urllib.request.Request(f"{self.url}/api/v1/transfers/{CONNECTOR}/{transfer}", method="PUT")
        with LOOPBACK.open(request, timeout=10) as answer:
            return answer.status

    def stop(self):
        self.process.kill()
        self.process.wait(10)


COMPLETED = re.compile(r'^aws_transfer_files\{.*status="COMPLETED".*\} 1$', re.MULTILINE)
LEADER = 'aws_transfer_exporter_leader{shard="0"} '
AUTOMATIC = ("--shard.index=auto", "--shard.total=2", "--web.enable-write-api")


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
    assert dynamodb.asked == set(STATE["Action"])


@pytest.mark.parametrize("prefix", ["", "prod-"])
def test_exporters_with_automatic_shards_need_exactly_the_policy(dynamodb, tmp_path, prefix):
    assert init(dynamodb).returncode == 0
    dynamodb.policy, dynamodb.asked = POLICY, set()
    with simulator("--simulator.accept-any-access-key") as transfer, contextlib.ExitStack() as stack:
        first, second = (Process(dynamodb, transfer, tmp_path / name, *AUTOMATIC, prefix=prefix) for name in ("first", "second"))
        for process in (first, second):
            stack.callback(process.stop)
        first.eventually(lambda: (first.shards(), second.shards()) in (({"0"}, {"1"}), ({"1"}, {"0"})), seconds=30)
        for number in range(16):
            first.report(f"4b1a8c1e-0000-4000-8000-{number:012}")
        inbox = f"{prefix}inbox-{''.join(second.shards())}"
        second.eventually(lambda: inbox in dynamodb.deleted)
        second.process.terminate()
        assert second.process.wait(20) == 0
        first.eventually(lambda: first.shards() == {"0", "1"})
        assert "not authorized" not in first.log.read_text() + second.log.read_text()
    assert dynamodb.asked == {action for action, *_ in grants(POLICY)}
    assert f"{prefix}members" in dynamodb.deleted


def test_exporters_with_automatic_shards_report_that_they_may_not_delete(dynamodb, tmp_path):
    assert init(dynamodb).returncode == 0
    dynamodb.policy = POLICY | {"Statement": [STATE]}
    with simulator("--simulator.accept-any-access-key") as transfer, contextlib.ExitStack() as stack:
        processes = [Process(dynamodb, transfer, tmp_path / name, *AUTOMATIC) for name in ("first", "second")]
        for process in processes:
            stack.callback(process.stop)
        first, second = processes
        first.eventually(lambda: len(first.shards()) == len(second.shards()) == 1, seconds=30)
        for number in range(16):
            first.report(f"4b1a8c1e-0000-4000-8000-{number:012}")
        second.eventually(lambda: "event=inbox_failed" in second.log.read_text() and "not authorized" in second.log.read_text())


@pytest.mark.parametrize("action", sorted(STATE["Action"]))
def test_an_exporter_without_a_permission_does_not_become_the_owner(dynamodb, tmp_path, action):
    assert init(dynamodb).returncode == 0
    with simulator("--simulator.accept-any-access-key") as transfer, contextlib.ExitStack() as stack:
        # Leaves a state to read.
        one_completed_file(transfer)
        former = Process(dynamodb, transfer, tmp_path / "former")
        stack.callback(former.stop)
        former.eventually(lambda: COMPLETED.search(former.get("/metrics")[1]))
        former.stop()
        allowed = [each for each in STATE["Action"] if each != action]
        dynamodb.policy, dynamodb.asked = POLICY | {"Statement": [STATE | {"Action": allowed}]}, set()
        process = Process(dynamodb, transfer, tmp_path / "only")
        stack.callback(process.stop)
        process.eventually(lambda: action in dynamodb.asked)
        process.eventually(lambda: "not authorized" in process.log.read_text())
        assert not process.is_ready() and process.get("/-/healthy")[0] == 200
