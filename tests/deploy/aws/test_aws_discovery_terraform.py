"""Tests of the Terraform module for discovery. Terraform evaluates it with resources replaced by modules that output their
arguments, since the AWS provider is not installed."""

import json
import shutil

import pytest
from aws_helpers import TERRAFORM, document, grants
from discovery_helpers import CONNECTOR, KEY, QUEUE, RULE, VARIABLES
from terraform_helpers import arguments, blocks, evaluate, plain, terraform, without_provider

DISCOVERY = TERRAFORM / "discovery"


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    return without_provider(DISCOVERY, tmp_path_factory.mktemp("terraform") / "discovery")


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    folder = tmp_path_factory.mktemp("terraform") / "documents"
    shutil.copytree(DISCOVERY / "documents", folder)
    terraform("init", "-input=false", "-no-color", cwd=folder)
    return folder


def test_module_is_valid(module, documents):
    for folder in (module, documents):
        assert json.loads(terraform("validate", "-json", cwd=folder).stdout)["valid"] is True


def test_defaults_are_sufficient(module, tmp_path):
    found = evaluate(module, tmp_path)
    assert found["queue_urls"] == {"transfer-events": "https://sqs.eu-central-1.amazonaws.com/123456789012/transfer-events"}
    assert found["dead_letter_queue_urls"] == {"transfer-events": found["queue_urls"]["transfer-events"] + "-dlq"}
    assert found["queue_arns"] == {"transfer-events": QUEUE}
    assert found["rule_arns"] == [RULE]
    assert "kms_key_arn" not in found
    assert found["resources"]["aws_iam_role_policy.exporter"] == []


def test_all_variables_together(module, tmp_path):
    found = evaluate(
        module, tmp_path, queue_names=["a", "b"], cloudtrail_rule=True, create_kms_key=True, role_names=["one", "two"],
        list_connectors=True, look_up_cloudtrail=True, connector_arns=[CONNECTOR], tags={"team": "edi"},
    )  # fmt: skip
    assert found["rule_arns"] == [RULE, f"{RULE}-cloudtrail"]
    resources = found["resources"]
    assert [policy["role"] for policy in resources["aws_iam_role_policy.exporter"]] == ["one", "two"]
    assert {policy["policy"] for policy in resources["aws_iam_role_policy.exporter"]} == {found["policy"]}
    queues = {resource for action, resource, _ in grants(json.loads(found["policy"])) if action == "sqs:ReceiveMessage"}
    assert queues == set(found["queue_arns"].values()) and len(queues) == 2
    for kind in ("aws_sqs_queue.events", "aws_sqs_queue.dead_letters"):
        for queue in resources[kind].values():
            assert queue["kms_master_key_id"] == found["kms_key_arn"] and queue["sqs_managed_sse_enabled"] is None
            assert queue["tags"] == {"team": "edi"}
    for kind in ("aws_cloudwatch_event_target.connectors", "aws_cloudwatch_event_target.cloudtrail"):
        assert sorted(resources[kind]) == ["a", "b"]
        assert all(target["arn"] == found["queue_arns"][name] for name, target in resources[kind].items())


def test_dead_letter_queues_accept_only_their_queue(module, tmp_path):
    found = evaluate(module, tmp_path, queue_names=["a", "b"])
    for name, each in found["resources"]["aws_sqs_queue_redrive_allow_policy.dead_letters"].items():
        assert each["queue_url"] == found["dead_letter_queue_urls"][name]
        assert json.loads(each["redrive_allow_policy"]) == {"redrivePermission": "byQueue", "sourceQueueArns": [found["queue_arns"][name]]}


def test_sender_policy_equals_the_json(module, tmp_path):
    assert json.loads(evaluate(module, tmp_path)["sender_policy"]) == document("policy-discovery-sender.json")
    found = grants(json.loads(evaluate(module, tmp_path, kms_key_arn=KEY)["sender_policy"]))
    assert found == grants(document("policy-discovery-sender.json")) | grants(document("policy-discovery-sender-kms.json"))


def test_key_policy_equals_the_json(module, tmp_path):
    assert json.loads(evaluate(module, tmp_path)["key_policy"]) == document("discovery-key-policy.json")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"queue_names": []}, "1 to 5 queues"),
        ({"queue_names": ["a", "b", "c", "d", "e", "f"]}, "1 to 5 queues"),
        ({"queue_names": ["a.fifo"]}, "letters, digits"),
        ({"connector_arns": ["arn:aws:transfer:eu-central-1:123456789012:connector/*"]}, "no wildcards"),
        ({"sender_arns": ["*"]}, "no wildcards"),
        ({"kms_key_arn": "alias/aws/sqs"}, "no alias"),
        ({"max_receive_count": 1}, "from 2 to 1000"),
        ({"visibility_timeout_seconds": 5}, "from 30 to 43200"),
        ({"name": "a/b"}, "no wildcards"),
        ({"create_kms_key": True, "kms_key_arn": KEY}, "not both"),
    ],
)
def test_invalid_values_are_reported(module, tmp_path, changes, message):
    error = evaluate(module, tmp_path, **changes)
    assert isinstance(error, str), error
    # Terraform adds a vertical line and wraps the text.
    assert message in error.replace("│ ", ""), error


def test_module_passes_the_variables_of_the_documents():
    outer, inner = blocks(DISCOVERY / "variables.tf", "variable"), blocks(DISCOVERY / "documents/variables.tf", "variable")
    call = blocks(DISCOVERY / "main.tf", "module")["documents"]
    assert arguments(call) - {"source"} == set(inner)
    for name in set(inner) & set(outer) - {"kms_key_arn"}:
        assert call[name] == f"${{var.{name}}}"
        assert {key: inner[name][key] for key in ("type", "default")} == {key: outer[name][key] for key in ("type", "default")}


def test_template_has_a_parameter_per_variable():
    outer = set(blocks(DISCOVERY / "variables.tf", "variable"))
    assert outer - {variable for variable, _ in VARIABLES.values()} == {"name", "queue_names", "tags"}


def test_example_is_valid(module, tmp_path):
    """Evaluates the module call with the outputs of the role module replaced."""
    text = (TERRAFORM / "examples/discovery/main.tf").read_text()
    begin = text.index('module "discovery" {\n')
    call = text[begin : text.index("}\n", begin) + 2].replace('"../../discovery"', f'"{module}"')
    call = call.replace("module.exporter_role.role_name", '"aws-transfer-exporter"').replace("module.exporter_role.connector_arns", f'["{CONNECTOR}"]')
    assert arguments(blocks(TERRAFORM / "examples/discovery/main.tf", "module")["discovery"]) <= set(blocks(DISCOVERY / "variables.tf", "variable")) | {"source"}
    folder = tmp_path / "example"
    folder.mkdir()
    outputs = "".join(f'output "{name}" {{\n  value = module.discovery.{name}\n}}\n' for name in ("policy", "queue_urls", "rule_arns"))
    (folder / "main.tf").write_text(call + outputs)
    terraform("init", "-input=false", "-no-color", cwd=folder)
    found = evaluate(folder, tmp_path)
    assert isinstance(found, dict), found
    assert len(found["queue_urls"]) == 1 and len(found["rule_arns"]) == 2
    names = ["policy-discovery-queue.json", "policy-discovery-cloudtrail.json", "policy-discovery-connectors.json", "policy.json"]
    assert {action for action, *_ in grants(json.loads(found["policy"]))} == {
        action for name in names for action, *_ in grants(document(name))
    }


@pytest.mark.parametrize(("file", "kind"), [("variables.tf", "variable"), ("outputs.tf", "output")])
def test_readme_lists_every_variable_and_output(file, kind):
    readme = (DISCOVERY / "README.md").read_text()
    rows = {name for line in readme.splitlines() if line.startswith("| `") for name in line.split("|")[1].replace("`", "").split(",")}
    assert set(blocks(DISCOVERY / file, kind)) <= {plain(name.strip()) for name in rows}
