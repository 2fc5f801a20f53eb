"""ARNs and conditions of every partition and Region, compared with the partition data of botocore."""

import functools
import json
import pathlib
import re

import botocore
import botocore.session
import pytest
import yaml
from aws_helpers import AWS, TERRAFORM
from terraform_helpers import evaluate, terraform

CONNECTOR = "c-0123456789abcdef0"
ACCOUNT = "123456789012"


@functools.cache
def partitions():
    """Returns botocore's data of each partition by name."""
    path = pathlib.Path(botocore.__file__).parent / "data/partitions.json"
    return {partition["id"]: partition for partition in json.loads(path.read_text())["partitions"]}


@functools.cache
def regions():
    """Returns the partition of each Region of Transfer Family, and of each Region of the isolated partitions, for which
    botocore lists no services."""
    session = botocore.session.get_session()
    found = {}
    for partition, data in partitions().items():
        listed = session.get_available_regions("transfer", partition_name=partition)
        for region in listed or [name for name in data["regions"] if not name.endswith("-global")]:
            found[region] = partition
    return found


def one_region_each():
    return {partition: region for region, partition in regions().items()}


def test_botocore_lists_regions_in_every_partition():
    assert len(regions()) >= 45
    assert set(one_region_each()) == set(partitions()) >= {"aws", "aws-cn", "aws-us-gov", "aws-eusc", "aws-iso", "aws-iso-b"}


def assignments(path, name):
    """Returns the pairs of strings of a map in a Terraform file."""
    body = re.search(rf"^  {name} *= \{{\n(.*?)^  \}}\n", path.read_text(), re.MULTILINE | re.DOTALL)[1]
    return dict(re.findall(r'^ +"([^"]+)" += "([^"]+)"$', body, re.MULTILINE))


def test_each_region_starts_as_its_partition_says():
    starts = assignments(TERRAFORM / "documents/main.tf", "partitions")
    for region, partition in regions().items():
        of = [name for start, name in starts.items() if region.startswith(start)]
        assert (of or ["aws"]) == [partition], region


def test_domains_are_those_of_the_endpoints():
    domains = assignments(TERRAFORM / "discovery/documents/main.tf", "domains")
    for partition, data in partitions().items():
        assert domains.get(partition, "amazonaws.com") == data["outputs"]["dnsSuffix"], partition


@pytest.fixture(scope="module")
def documents():
    for module in ("documents", "discovery/documents"):
        terraform("init", "-input=false", "-no-color", cwd=TERRAFORM / module)


@pytest.mark.parametrize("partition", sorted(partitions()))
def test_terraform_names_connectors_and_keys_of_the_partition(partition, documents, tmp_path):
    region = one_region_each()[partition]
    made = evaluate(
        TERRAFORM / "documents",
        tmp_path,
        connector_ids=[CONNECTOR],
        account_id=ACCOUNT,
        region=region,
        cross_account={"principal_arns": [f"arn:{partition}:iam::{ACCOUNT}:role/exporter"], "external_id": "an-external-id"},
    )
    assert isinstance(made, dict), made
    connector = f"arn:{partition}:transfer:{region}:{ACCOUNT}:connector/{CONNECTOR}"
    assert connector in json.dumps(made)

    def arn(service, rest):
        return f"arn:{partition}:{service}:{region}:{ACCOUNT}:{rest}"

    made = evaluate(
        TERRAFORM / "discovery/documents",
        tmp_path,
        rule_arn=arn("events", "rule/transfer"),
        queue_arns={"exporter": arn("sqs", "transfer-events")},
        dead_letter_queue_arns={"exporter": arn("sqs", "transfer-events-dlq")},
        kms=True,
        kms_key_arn=arn("kms", "key/0123abcd-0000-4000-8000-000000000001"),
        connector_arns=[connector],
    )
    assert isinstance(made, dict), made
    suffix = partitions()[partition]["outputs"]["dnsSuffix"]
    assert f"sqs.{region}.{suffix}" in json.dumps(made)


@pytest.mark.parametrize("template", ["cloudformation.yaml", "discovery-cloudformation.yaml", "ecs-cloudformation.yaml"])
def test_cloudformation_accepts_arns_of_every_region(template):
    class Loader(yaml.SafeLoader):
        pass

    Loader.add_multi_constructor("!", lambda loader, suffix, node: None)
    parameters = yaml.load((AWS / template).read_text(), Loader)["Parameters"]
    checked = 0
    for name, parameter in parameters.items():
        pattern = parameter.get("AllowedPattern", "")
        service = re.search(r"arn:aws\[a-z-\]\*:(\w+):", pattern)
        if not service:
            continue
        for region, partition in regions().items():
            place = f"arn:{partition}:{service[1]}:{'' if service[1] == 'iam' else region}:{ACCOUNT}:"
            rest = {
                "transfer": [f"connector/{CONNECTOR}"],
                "kms": ["key/0123abcd-0000-4000-8000-000000000001"],
                "sns": ["alarms"],
                "iam": ["role/a", f"oidc-provider/oidc.eks.{region}.amazonaws.com/id/0123"],
            }[service[1]]
            assert any(re.fullmatch(pattern, place + name) for name in rest), (name, place)
            checked += 1
    assert checked >= len(regions())
