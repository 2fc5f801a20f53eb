"""Runs Terraform and parses its files."""

import json
import re

import hcl2
from aws_helpers import run

QUIET = {"TF_CLI_CONFIG_FILE": "/dev/null", "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}


def terraform(*arguments, cwd, check=True):
    return run("terraform", *arguments, cwd=cwd, env=QUIET, check=check)


def evaluate(folder, tmp_path, **variables):
    """Returns the outputs of a module for these variables, or the error."""
    values = tmp_path / "values.tfvars.json"
    values.write_text(json.dumps(variables))
    state = f"-state={tmp_path / 'state'}"
    done = terraform("apply", "-auto-approve", "-input=false", "-no-color", state, f"-var-file={values}", cwd=folder, check=False)
    if done.returncode != 0:
        return " ".join(done.stderr.split())
    outputs = json.loads(terraform("output", "-json", "-no-color", state, cwd=folder).stdout)
    return {name: output["value"] for name, output in outputs.items()}


def parsed(path):
    """Returns the blocks of an HCL file by kind."""
    return hcl2.loads(path.read_text())


def plain(text):
    """Removes the quotes of a name from the parser."""
    return text.strip('"')


def blocks(path, kind):
    return {plain(name): body for block in parsed(path).get(kind, []) for name, body in block.items() if name != "__is_block__"}


def arguments(body):
    return {name for name in body if not name.startswith("__")}


# Attributes of created resources that the module uses.
ANSWERS = {
    "aws_cloudwatch_event_rule": {"arn": "arn:aws:events:eu-central-1:123456789012:rule/${var.name}", "name": "${var.name}"},
    "aws_sqs_queue": {
        "arn": "arn:aws:sqs:eu-central-1:123456789012:${var.name}",
        "id": "https://sqs.eu-central-1.amazonaws.com/123456789012/${var.name}",
        "url": "https://sqs.eu-central-1.amazonaws.com/123456789012/${var.name}",
        "name": "${var.name}",
    },
    "aws_dynamodb_table": {"arn": "arn:aws:dynamodb:eu-central-1:123456789012:table/${var.name}", "name": "${var.name}"},
    "aws_cloudwatch_log_group": {"name": "${var.name}"},
    "aws_iam_role": {"arn": "arn:aws:iam::123456789012:role/${var.name}", "name": "${var.name}"},
    "aws_security_group": {"id": "sg-of-${var.name}"},
    "aws_ecs_task_definition": {"arn": "arn:aws:ecs:eu-central-1:123456789012:task-definition/${var.family}:1"},
    "aws_ecs_service": {"name": "${var.name}"},
    "aws_service_discovery_service": {"arn": "arn:aws:servicediscovery:eu-central-1:123456789012:service/${var.name}"},
    "aws_kms_key": {"arn": "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-4333-8444-555555555555"},
}


def as_arguments(body):
    """Returns the body of a resource with nested blocks as arguments: an object, or a list if there are several or if the block
    is dynamic."""
    dynamic = r'^  dynamic "(\w+)" \{\n    for_each = (.*)\n\n    content \{\n(.*?)^    \}\n  \}\n'
    body = re.sub(dynamic, r"  \1 = [for \1 in [for value in \2 : { value = value }] : {\n\3  }]\n", body, flags=re.DOTALL | re.MULTILINE)
    nested = r"^  (\w+) \{\n(.*?)^  \}\n"
    found = {}
    for name, inner in re.findall(nested, body, re.DOTALL | re.MULTILINE):
        found.setdefault(name, []).append("{\n" + re.sub(r"^( +)(\w+) \{$", r"\1\2 = {", inner, flags=re.MULTILINE) + "  }")
    body = re.sub(nested, "", body, flags=re.DOTALL | re.MULTILINE)
    return body + "".join(f"  {name} = {each[0] if len(each) == 1 else '[' + ', '.join(each) + ']'}\n" for name, each in found.items())


def without_provider(source, folder):
    """Returns a copy of a module that Terraform can evaluate without the AWS provider.

    Each resource becomes a module that outputs its arguments. Everything else is unchanged: references, `count`,
    `for_each`, conditions, and the order of creation. An additional output `resources` has all arguments by
    `TYPE.NAME`.
    """
    text = (source / "main.tf").read_text()
    text = re.sub(r"^terraform \{\n.*?^\}\n", "", text, count=1, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(
        r'^(resource "\w+" "\w+" \{\n)(.*?)^\}\n',
        lambda match: f"{match[1]}{as_arguments(match[2])}}}\n",
        text,
        flags=re.DOTALL | re.MULTILINE,
    )
    found = re.findall(r'^resource "(\w+)" "(\w+)" \{\n(.*?)^\}\n', text, re.DOTALL | re.MULTILINE)
    assert found and len(found) == text.count("\nresource "), "a resource was not recognised"

    names, taken, outputs = {}, {}, []
    for kind, name, body in found:
        names[f"{kind}.{name}"] = f"{kind}__{name}"
        given = set(re.findall(r"^  (\w+) +=", body, re.MULTILINE))
        taken.setdefault(kind, set()).update(given - {"count", "for_each", "depends_on"})
        module = f"module.{kind}__{name}"
        all_of_it = {
            "for_each": f"{{ for key, each in {module} : key => each.arguments }}",
            "count": f"[for each in {module} : each.arguments]",
        }
        outputs.append(f'    "{kind}.{name}" = {next((text for key, text in all_of_it.items() if key in given), f"{module}.arguments")}\n')

    def rewritten(text):
        text = re.sub(r'^resource "(\w+)" "(\w+)" \{', r'module "\1__\2" {\n  source = "./stubs/\1"', text, flags=re.MULTILINE)
        return re.sub(r"\b(aws_\w+\.\w+)", lambda match: f"module.{names[match[1]]}", text)

    folder.mkdir()
    for path in source.rglob("*.tf"):
        copy = folder / path.relative_to(source)
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(path.read_text())
    (folder / "main.tf").write_text(rewritten(text))
    (folder / "outputs.tf").write_text(rewritten((source / "outputs.tf").read_text()))
    (folder / "resources.tf").write_text('output "resources" {\n  value = {\n' + "".join(outputs) + "  }\n}\n")
    for kind, names_of_kind in taken.items():
        stub = folder / "stubs" / kind
        stub.mkdir(parents=True)
        text = "".join(f'variable "{name}" {{\n  default = null\n}}\n' for name in sorted(names_of_kind))
        text += 'output "arguments" {\n  value = {\n' + "".join(f"    {name} = var.{name}\n" for name in sorted(names_of_kind)) + "  }\n}\n"
        text += "".join(f'output "{name}" {{\n  value = "{value}"\n}}\n' for name, value in ANSWERS.get(kind, {}).items())
        (stub / "main.tf").write_text(text)
    terraform("init", "-input=false", "-no-color", cwd=folder)
    return folder
