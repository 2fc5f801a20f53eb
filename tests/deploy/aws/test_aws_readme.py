"""Tests of the examples of deploy/aws/README.md for high availability and ECS."""

import re

import botocore.session
import pytest
import yaml
from aws_helpers import AWS, run
from cloudformation_helpers import declared
from terraform_helpers import blocks

README = (AWS / "README.md").read_text()


def section(heading):
    """Returns the text below a heading, up to the next heading of its level or above."""
    found = re.search(rf"^{re.escape(heading)}\n(.*?)(?=^#{{1,{heading.index(' ')}}} |\Z)", README, re.DOTALL | re.MULTILINE)
    assert found, heading
    return found[1]


def code(heading, language):
    found = re.findall(rf"^```{language}\n(.*?)^```$", section(heading), re.DOTALL | re.MULTILINE)
    assert found, (heading, language)
    return found


SCRAPES = code("### Scrape the tasks", "yaml")
(REMOTE_WRITE,) = code("## Amazon Managed Service for Prometheus", "yaml")


# Prometheus 2, which is the package of Debian, has no `aws_sd_configs`.
@pytest.mark.parametrize("text", [text for text in [*SCRAPES, REMOTE_WRITE] if "aws_sd_configs" not in text])
def test_prometheus_accepts_the_configuration(text, tmp_path):
    path = tmp_path / "prometheus.yml"
    path.write_text(text)
    run("promtool", "check", "config", path)


def test_ways_to_discover_tasks_scrape_the_same_port():
    by_api, by_name = (yaml.safe_load(text)["scrape_configs"][0] for text in SCRAPES)
    (found,) = by_api.pop("aws_sd_configs")
    (named,) = by_name.pop("dns_sd_configs")
    assert found["role"] == "ecs" and found["port"] == named["port"] == 10922
    # Every task of the service is a target: each exports the shards that it owns.
    assert set(found) == {"role", "region", "clusters", "port"}
    # The default name of the service, and of its name in Cloud Map.
    name = declared(AWS / "ecs-cloudformation.yaml")["Parameters"]["Name"]["Default"]
    (keep,) = by_api.pop("relabel_configs")
    assert (keep["regex"], keep["action"]) == (name, "keep") and named["names"][0].startswith(f"{name}.")
    assert by_api == by_name and by_api["job_name"] == "aws-transfer-exporter"


def test_actions_exist():
    text = section("### Scrape the tasks") + section("## Amazon Managed Service for Prometheus") + section("## High availability")
    actions = set(re.findall(r"`((?:ecs|ec2|dynamodb):\w+)`", text))
    assert len(actions) == 10
    session = botocore.session.get_session()
    for action in actions:
        service, operation = action.split(":")
        assert operation in session.get_service_model(service).operation_names, action


@pytest.mark.parametrize("heading, template", [
    ("## High availability", "shared-storage-cloudformation.yaml"), ("## ECS on Fargate", "ecs-cloudformation.yaml"),
])  # fmt: skip
def test_parameters_exist_in_the_template(heading, template):
    command = next(text for text in code(heading, "sh") if "cloudformation deploy" in text)
    assert f"--template-file {template}" in command
    parameters = declared(AWS / template)["Parameters"]
    given = dict(re.findall(r"\b([A-Z]\w+)=(\S+)", command))
    assert given and set(given) <= set(parameters)
    for name, value in given.items():
        assert re.fullmatch(parameters[name].get("AllowedPattern", ".*"), value), name
    required = {name for name, each in parameters.items() if "Default" not in each}
    assert required <= set(given)
    # A role with a name needs more than CAPABILITY_IAM.
    named = any("RoleName" in each["Properties"] for each in declared(AWS / template)["Resources"].values() if each["Type"] == "AWS::IAM::Role")
    assert ("CAPABILITY_NAMED_IAM" in command) == named


def test_module_arguments_exist():
    (text,) = code("## High availability", "hcl")
    given = set(re.findall(r"^  (\w+) +=", text, re.MULTILINE)) - {"source"}
    assert given and given <= set(blocks(AWS / "terraform/shared-storage/variables.tf", "variable"))


def test_image_has_the_configuration_where_the_program_reads_it():
    for text in (README, (AWS / "terraform/ecs/README.md").read_text()):
        (build,) = re.findall(r"^```dockerfile\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
        name, folder = re.search(r"^COPY (\S+) (\S+)/$", build, re.MULTILINE).groups()
        image = (AWS.parent / "docker/Dockerfile").read_text()
        assert f"WORKDIR {folder}\n" in image and name == "aws-transfer-exporter.yml"


def test_commands_of_the_aws_cli_exist():
    for command in re.findall(r"^aws (\S+) (\S+)", README, re.MULTILINE):
        service, operation = command
        if operation == "deploy":
            continue
        model = botocore.session.get_session().get_service_model(service)
        assert operation in {botocore.xform_name(name).replace("_", "-") for name in model.operation_names}, command


def test_rules_files_exist():
    files = re.findall(r"fileb://(\S+)", section("## Amazon Managed Service for Prometheus"))
    assert len(files) == 2 and all((AWS / file).is_file() for file in files)


def test_links_resolve():
    headings = re.findall(r"^#+ (.+)$", README, re.MULTILINE)
    slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for path in [AWS / "README.md", *AWS.glob("terraform/**/README.md")]:
        for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
            if target.startswith("https://"):
                continue
            file, _, anchor = target.partition("#")
            assert not file or (path.parent / file).exists(), (path, target)
            assert file or anchor in slugs, (path, target)
