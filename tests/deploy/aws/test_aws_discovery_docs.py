"""Tests of docs/operate/discovery.md and discovery-aws.md: runs the commands and the code, and compares names."""

import json
import pathlib
import re
import subprocess
import tempfile
import types
import urllib.request

import boto3
import pytest
import yaml
from aws_helpers import AWS, LOOPBACK, ROOT, free_port, grants, tool
from discovery_helpers import ROLE, Account, by_terraform
from moto.server import ThreadedMotoServer
from terraform_helpers import evaluate, without_provider
from test_aws_discovery import DETAIL, FILES, OTHERS

PAGES = {name: (ROOT / "docs/operate" / name).read_text() for name in ("discovery.md", "discovery-aws.md")}
TEXT = "\n".join(PAGES.values())
CONNECTOR, TRANSFER = "c-0123456789abcdef0", "4b1a8c1e-0000-4000-8000-000000000001"


def section(heading):
    """Returns the text below a heading, up to the next heading of its level or above."""
    level = heading.index(" ")
    found = re.search(rf"^{re.escape(heading)}\n(.*?)(?=^#{{1,{level}}} |\Z)", TEXT, re.DOTALL | re.MULTILINE)
    assert found, heading
    return found[1]


def code(heading, language):
    """Returns the code blocks below a heading without indentation."""
    blocks = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", section(heading), re.DOTALL | re.MULTILINE)
    assert blocks, (heading, language)
    return [re.sub(rf"^{indentation}", "", block, flags=re.MULTILINE) for indentation, block in blocks]


@pytest.fixture
def account():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=free_port(), verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        found = Account({}, f"http://{host}:{port}")
        found.iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": []}))
        yield found
    finally:
        LOOPBACK.open(urllib.request.Request(f"{found.endpoint}/moto-api/reset", method="POST"), timeout=10).close()
        server.stop()


def shell(account, *blocks, folder, **environment):
    """Runs code blocks as a script in a copy of deploy/aws, without access to the real AWS."""
    # As a flag: for SQS, the CLI resolves the endpoint before it reads the environment.
    script = 'set -euo pipefail\naws() { command aws --endpoint-url "$ENDPOINT" "$@"; }\n' + "\n".join(blocks)
    tools = pathlib.Path(tool("aws")).parent
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, capture_output=True, text=True, timeout=300,
        env={"PATH": f"{tools}:/usr/bin:/bin", "HOME": str(folder), "ENDPOINT": account.endpoint, "AWS_PAGER": "", "NO_PROXY": "*",
             "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "eu-central-1", **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def folder(tmp_path):
    for path in AWS.glob("*.json"):
        (tmp_path / path.name).write_text(path.read_text())
    return tmp_path


def without_words(state):
    """Removes descriptions, and merges the policies that are created individually by hand."""
    for alarm in state["alarms"].values():
        alarm["AlarmDescription"] = None
    rules = {name: (pattern, enabled, targets) for name, (pattern, enabled, _, targets) in state["rules"].items()}
    return state["queues"], rules, state["alarms"]


def test_manual_commands_create_the_same_as_terraform(account, folder, tmp_path_factory):
    shell(account, *code("## With the AWS CLI", "sh"), folder=folder)
    state = account.state()
    # No temporary files remain.
    assert {path.name for path in folder.iterdir() if path.is_file()} == {path.name for path in AWS.glob("*.json")}

    module = without_provider(AWS / "terraform/discovery", tmp_path_factory.mktemp("terraform") / "discovery")
    found = evaluate(module, pathlib.Path(tempfile.mkdtemp()), cloudtrail_rule=True)
    with by_terraform(found["resources"]) as other:
        assert without_words(state) == without_words(other.state())
    actions = {action for policy in state["policies"].values() for action, *_ in grants(policy)}
    assert actions == {
        "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes",
        "cloudtrail:LookupEvents", "transfer:ListConnectors", "transfer:DescribeConnector",
    }  # fmt: skip


def test_events_reach_the_manually_created_queue(account, folder):
    shell(account, *code("## With the AWS CLI", "sh"), folder=folder)
    account.put(*[("aws.transfer", detail_type, DETAIL) for detail_type in FILES + OTHERS], ("aws.transfer", "AS2 Payload Send Failed", DETAIL))
    assert sorted(body["detail-type"] for body in account.drain()) == sorted(FILES + OTHERS)


def test_topic_forwards_bodies_unchanged(account, folder):
    shell(account, *code("## With the AWS CLI", "sh"), *code("## Several queues", "sh"), folder=folder)
    (target,) = account.events.list_targets_by_rule(Rule="transfer-events")["Targets"]
    (topic,) = account.sns.list_topics()["Topics"]
    assert target["Arn"] == topic["TopicArn"]
    account.sns.publish(TopicArn=topic["TopicArn"], Message=json.dumps({"detail": DETAIL}))
    assert account.drain() == [{"detail": DETAIL}]


PLAIN = {"ConnectorId": CONNECTOR, "TransferId": TRANSFER}


def test_shell_example_reports_a_transfer(account, folder):
    """moto does not support StartFileTransfer, so the output of the CLI is replaced."""
    url = account.sqs.create_queue(QueueName="transfer-events")["QueueUrl"]
    block, put = code("## Report transfers from the caller", "sh")
    assert "curl" in put
    stub = f'aws() {{ if [ "$1" = transfer ]; then echo {TRANSFER}; else command aws --endpoint-url "$ENDPOINT" "$@"; fi; }}\n'
    shell(account, stub, block, folder=folder, QUEUE_URL=url)
    assert account.drain() == [PLAIN]


def test_lambda_example_reports_a_transfer(account, monkeypatch):
    url = account.sqs.create_queue(QueueName="transfer-events")["QueueUrl"]
    (block,) = code("## Report transfers from the caller", "python")
    monkeypatch.setenv("TRANSFER_EVENTS_QUEUE_URL", url)
    asked = []
    transfer = types.SimpleNamespace(start_file_transfer=lambda **given: asked.append(given) or {"TransferId": TRANSFER})
    names = {}
    exec(compile(block, "docs/operate/discovery.md", "exec"), names)  # noqa: S102
    names["boto3"] = types.SimpleNamespace(client=lambda service: {"transfer": transfer, "sqs": account.sqs}[service])
    assert names["handler"]({"connector_id": CONNECTOR, "paths": ["/bucket/a"]}, None) == {"transfer_id": TRANSFER}
    assert asked == [{"ConnectorId": CONNECTOR, "SendFilePaths": ["/bucket/a"]}]
    assert account.drain() == [PLAIN | {"Files": 1}]


def test_state_machine_example_reports_a_transfer():
    """Without Step Functions: checks the transitions, and builds the body from the paths."""
    (block,) = code("## Report transfers from the caller", "json")
    machine = json.loads(block)
    start = machine["States"][machine["StartAt"]]
    send = machine["States"][start["Next"]]
    assert (start["Resource"], send["Resource"]) == ("arn:aws:states:::aws-sdk:transfer:startFileTransfer", "arn:aws:states:::sqs:sendMessage")
    members = boto3.client("transfer", region_name="eu-central-1").meta.service_model.operation_model("StartFileTransfer")
    assert {name.removesuffix(".$") for name in start["Parameters"]} <= set(members.input_shape.members)
    state = {"connector_id": CONNECTOR, "paths": ["/bucket/a"]}
    assert start["ResultPath"] == "$.started"
    state["started"] = {name: TRANSFER for name in members.output_shape.members}

    def at(path):
        value = state
        for step in path.removeprefix("$.").split("."):
            value = value[step]
        return value

    body = send["Parameters"]["MessageBody"]
    assert {name.removesuffix(".$"): at(path) for name, path in body.items()} == PLAIN
    assert send["End"] is True


def test_example_event_matches_the_pattern():
    """moto does not support TestEventPattern, so its matcher is called."""
    from moto.events.models import EventPattern

    block = code("## Verify", "sh")[0]
    event = json.loads(re.search(r"--event '(.*?)'", block, re.DOTALL)[1])
    pattern = re.search(r"file://(\S+)", block)[1]
    assert EventPattern.load((AWS / pattern).read_text()).matches_event(event)
    assert not EventPattern.load((AWS / pattern).read_text()).matches_event(event | {"source": "acme.transfer"})


def test_example_configuration_has_the_documented_keys():
    (block,) = code("## Configure the exporter", "yaml")
    discovery = yaml.safe_load(block)["discovery"]
    assert {source: set(entries[0]) for source, entries in discovery.items()} == {
        "files": {"paths", "refresh_interval"},
        "events": {"account", "queue_url"},
        "cloudtrail": {"account", "lookback", "refresh_interval"},
        "connectors": {"account", "refresh_interval", "include"},
    }


def test_stack_parameters_exist_in_the_template():
    from test_aws_discovery_cloudformation import DECLARED

    given = set(re.findall(r"(?<=[ ])([A-Z]\w+)=", code("## With CloudFormation", "sh")[0]))
    assert len(given) == 5 and given <= set(DECLARED["Parameters"])


def test_module_arguments_exist():
    from terraform_helpers import blocks

    given = set(re.findall(r"^  (\w+) +=", code("## With Terraform", "hcl")[0], re.MULTILINE)) - {"source", "value"}
    assert given and given <= set(blocks(AWS / "terraform/discovery/variables.tf", "variable"))


def slugs(text):
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_links_resolve(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]):
        if target.startswith("https://"):
            continue
        file, _, anchor = target.partition("#")
        other = (ROOT / "docs/operate" / (file or page)).resolve()
        assert other.exists(), target
        assert not anchor or anchor in slugs(other.read_text()), target


def test_metrics_exist():
    reference = (ROOT / "METRICS.md").read_text()
    names = set(re.findall(r"^\| `(aws_transfer_exporter_\w+)`", section("## Metrics"), re.MULTILINE))
    exported = set(re.findall(r"^\| `(aws_transfer_exporter_discovery_\w+)`", reference, re.MULTILINE))
    assert names - exported == {"aws_transfer_exporter_transfers"}
    assert exported <= names


def test_configuration_keys_exist():
    reference = (ROOT / "CONFIGURATION.md").read_text()
    (block,) = code("## Configure the exporter", "yaml")
    keys = {key for entries in yaml.safe_load(block)["discovery"].values() for key in entries[0]}
    assert {key for key in keys if f"{key}: <" not in reference} == set()
