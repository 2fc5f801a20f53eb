"""Tests of the Terraform module. Terraform evaluates its documents. The two resources need the AWS provider, which is not
installed, so a parser and checkov check them."""

import json
import shutil

import pytest
from aws_helpers import TERRAFORM, document, grants, run, trusts
from terraform_helpers import arguments, blocks, evaluate, plain, terraform

POLICY = document("policy.json")
CONNECTORS = sorted(resource for _, resource, _ in grants(POLICY))
CROSS_ACCOUNT = {
    "principal_arns": ["arn:aws:iam::210987654321:role/aws-transfer-exporter"],
    "external_id": "2f8d1c70-example-external-id",
}
IRSA = {
    "oidc_provider_arn": "arn:aws:iam::123456789012:oidc-provider/"
    "oidc.eks.eu-central-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF",
    "namespace": "monitoring",
}


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    """Returns an initialized copy of terraform/documents, which has no provider."""
    folder = tmp_path_factory.mktemp("terraform") / "documents"
    shutil.copytree(TERRAFORM / "documents", folder)
    terraform("init", "-input=false", "-no-color", cwd=folder)
    return folder


def test_files_are_formatted():
    terraform("fmt", "-check", "-recursive", "-diff", cwd=TERRAFORM)


def test_documents_are_valid(documents):
    assert json.loads(terraform("validate", "-json", cwd=documents).stdout)["valid"] is True


def test_policy_from_arns_equals_the_json(documents, tmp_path):
    found = evaluate(documents, tmp_path, connector_arns=CONNECTORS, cross_account=CROSS_ACCOUNT)
    assert grants(json.loads(found["policy"])) == grants(POLICY)


def test_policy_from_ids_equals_the_json(documents, tmp_path):
    ids = [arn.rsplit("/", 1)[1] for arn in CONNECTORS]
    found = evaluate(
        documents, tmp_path, connector_ids=ids, account_id="123456789012", region="eu-central-1", irsa=IRSA
    )  # fmt: skip
    assert grants(json.loads(found["policy"])) == grants(POLICY)
    assert found["connector_arns"] == CONNECTORS


def test_policy_that_tests_connections_equals_the_json(documents, tmp_path):
    found = evaluate(documents, tmp_path, connector_arns=CONNECTORS, irsa=IRSA, test_connections=True)
    assert grants(json.loads(found["policy"])) == grants(POLICY) | grants(document("policy-connections.json"))
    found = evaluate(documents, tmp_path, connector_arns=CONNECTORS, irsa=IRSA, test_connections=False)
    assert grants(json.loads(found["policy"])) == grants(POLICY)


def test_cross_account_trust_equals_the_json(documents, tmp_path):
    found = evaluate(documents, tmp_path, connector_arns=CONNECTORS, cross_account=CROSS_ACCOUNT)
    assert trusts(json.loads(found["trust_policy"])) == trusts(document("trust-cross-account.json"))


def test_irsa_trust_equals_the_json(documents, tmp_path):
    found = evaluate(documents, tmp_path, connector_arns=CONNECTORS, irsa=IRSA)
    assert trusts(json.loads(found["trust_policy"])) == trusts(document("trust-irsa.json"))


def test_assuming_policy_equals_the_json(documents, tmp_path):
    roles = ["arn:aws:iam::123456789012:role/transfer-read"]
    found = evaluate(documents, tmp_path, assume_role_arns=roles, irsa=IRSA)
    assert grants(json.loads(found["policy"])) == grants(document("policy-assume-role.json"))


def test_both_trusts_can_be_combined(documents, tmp_path):
    found = evaluate(documents, tmp_path, connector_arns=CONNECTORS, irsa=IRSA, cross_account=CROSS_ACCOUNT)
    both = trusts(document("trust-cross-account.json")) | trusts(document("trust-irsa.json"))
    assert trusts(json.loads(found["trust_policy"])) == both


GOOD = {"connector_arns": CONNECTORS, "cross_account": CROSS_ACCOUNT}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"connector_arns": ["arn:aws:transfer:eu-central-1:123456789012:connector/*"]}, "no wildcards"),
        ({"connector_arns": ["*"]}, "no wildcards"),
        ({"connector_arns": []}, "Set `connector_arns`"),
        ({"connector_ids": ["c-0123456789abcdef0"]}, "`connector_ids` requires `account_id` and `region`"),
        ({"connector_ids": ["c-0123"]}, "17 of `0-9a-f`"),
        ({"connector_arns": [], "assume_role_arns": ["arn:aws:iam::123456789012:role/a"], "test_connections": True}, "`test_connections` requires"),
        ({"account_id": "1234"}, "12 digits"),
        ({"assume_role_arns": ["arn:aws:iam::123456789012:role/*"]}, "no wildcards"),
        ({"cross_account": None}, "no principal could assume the role"),
        ({"cross_account": CROSS_ACCOUNT | {"principal_arns": ["*"]}}, "no wildcards"),
        ({"cross_account": CROSS_ACCOUNT | {"principal_arns": []}}, "at least one of"),
        ({"cross_account": CROSS_ACCOUNT | {"external_id": ""}}, "2 to 1224"),
        ({"cross_account": CROSS_ACCOUNT | {"external_id": "x" * 1225}}, "2 to 1224"),
        ({"irsa": IRSA | {"oidc_provider_arn": "https://oidc.eks.eu-central-1.amazonaws.com/id/AB"}}, "without `https://`"),
        ({"irsa": IRSA | {"service_account": "*"}}, "no wildcards"),
    ],
)
def test_invalid_values_are_reported(documents, tmp_path, changes, message):
    assert isinstance(evaluate(documents, tmp_path, **GOOD), dict)
    error = evaluate(documents, tmp_path, **(GOOD | changes))
    assert isinstance(error, str), error
    # Terraform adds a vertical line and wraps the text.
    assert message in error.replace("│ ", ""), error


def test_longest_external_id_is_accepted(documents, tmp_path):
    found = evaluate(documents, tmp_path, connector_arns=CONNECTORS, cross_account=CROSS_ACCOUNT | {"external_id": "x" * 1224})
    assert isinstance(found, dict), found


def test_module_passes_every_variable():
    outer, inner = blocks(TERRAFORM / "variables.tf", "variable"), blocks(TERRAFORM / "documents/variables.tf", "variable")
    call = blocks(TERRAFORM / "main.tf", "module")["documents"]
    assert arguments(call) - {"source"} == set(inner)
    assert all(call[name] == f"${{var.{name}}}" for name in inner)
    assert set(outer) - set(inner) == {"name", "path", "permissions_boundary", "tags"}
    for name, body in inner.items():
        assert {key: body[key] for key in ("type", "default")} == {key: outer[name][key] for key in ("type", "default")}


def test_role_uses_the_documents():
    role, policy = (blocks(TERRAFORM / "main.tf", "resource")[kind] for kind in ("aws_iam_role", "aws_iam_role_policy"))
    role, policy = ({plain(name): body for name, body in kind.items()} for kind in (role, policy))
    assert role["exporter"]["assume_role_policy"] == "${module.documents.trust_policy}"
    assert policy["exporter"]["policy"] == "${module.documents.policy}"
    assert policy["exporter"]["role"] == "${aws_iam_role.exporter.id}"


def with_role(path):
    return "exporter_role" in blocks(path / "main.tf", "module")


@pytest.mark.parametrize("example", sorted(path.name for path in (TERRAFORM / "examples").iterdir() if with_role(path)))
def test_examples_use_existing_variables_and_outputs(documents, tmp_path, example):
    """Evaluates the values of the example with the documents module, with values for its variables."""
    path = TERRAFORM / "examples" / example / "main.tf"
    call = blocks(path, "module")["exporter_role"]
    assert plain(call["source"]) == "../.."
    known = blocks(TERRAFORM / "variables.tf", "variable")
    assert arguments(call) - {"source"} <= set(known)
    outputs = blocks(TERRAFORM / "outputs.tf", "output")
    used = {text.split(".")[2].strip("}\" ") for text in path.read_text().split() if text.startswith("module.exporter_role.")}
    assert used and used <= set(outputs)

    folder = tmp_path / "example"
    folder.mkdir()
    lines = path.read_text().splitlines(keepends=True)
    begin = lines.index('module "exporter_role" {\n')
    end = lines.index("}\n", begin)
    # The module call, with the documents module instead.
    text = "".join(lines[begin : end + 1]).replace('source = "../.."', f'source = "{documents}"')
    text = "\n".join(line for line in text.splitlines() if not line.strip().startswith("name "))
    text += '\noutput "policy" {\n  value = module.exporter_role.policy\n}\n'
    text += '\nvariable "external_id" {\n  default = "an-external-id"\n}\n'
    (folder / "main.tf").write_text(text)
    terraform("init", "-input=false", "-no-color", cwd=folder)
    found = evaluate(folder, tmp_path)
    assert isinstance(found, dict), found
    assert grants(json.loads(found["policy"]))


def test_checkov_reports_nothing():
    done = run(
        "checkov", "-d", TERRAFORM, "--framework", "terraform", "--skip-download", "--compact", "--quiet", "-o", "json"
    )  # fmt: skip
    summary = json.loads(done.stdout)["summary"]
    assert summary["failed"] == 0 and summary["parsing_errors"] == 0, done.stdout
    assert summary["passed"] > 0, done.stdout


@pytest.mark.parametrize(("file", "kind"), [("variables.tf", "variable"), ("outputs.tf", "output")])
def test_readme_lists_every_variable_and_output(file, kind):
    readme = (TERRAFORM / "README.md").read_text()
    rows = {name for line in readme.splitlines() if line.startswith("| `") for name in line.split("|")[1].replace("`", "").split(",")}
    names = set(blocks(TERRAFORM / file, kind))
    assert names <= {name.strip() for name in rows}
