"""Tests of the ECS service: the Terraform module and the CloudFormation template create the same, with least privilege, and the
exporter accepts the command and the health check of the container."""

import json
import re
import subprocess
import time

import botocore.session
import botocore.validate
import pytest
from aws_helpers import AWS, TERRAFORM, as_list, document, exporter, free_port, grants, run
from cloudformation_helpers import declared, lower, resources
from terraform_helpers import arguments, blocks, evaluate, plain, terraform, without_provider
from test_aws_shared_storage import POLICY, STATE, environment

MODULE = TERRAFORM / "ecs"
TEMPLATE = AWS / "ecs-cloudformation.yaml"
CONNECTORS = sorted(resource for _, resource, _ in grants(document("policy.json")))
ROLES = sorted(resource for _, resource, _ in grants(document("policy-assume-role.json")))
SUBNETS = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
CLUSTER = "arn:aws:ecs:eu-central-1:123456789012:cluster/monitoring"
TABLE = "arn:aws:dynamodb:eu-central-1:123456789012:table/aws-transfer-exporter"
SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:external-id-AbCdEf"
PARAMETER = "arn:aws:ssm:eu-central-1:123456789012:parameter/external-id"
REQUIRED = {"cluster_arn": CLUSTER, "image": "exporter:0.1.0", "vpc_id": "vpc-0", "subnet_ids": SUBNETS, "table_arn": TABLE}
# Parameters of the template with the same values.
STACK = {"Cluster": "monitoring", "Image": "exporter:0.1.0", "VpcId": "vpc-0", "SubnetIds": SUBNETS}
FULL = REQUIRED | {
    "connector_arns": CONNECTORS, "assume_role_arns": ROLES, "scraper_security_group_ids": ["sg-1"], "cloud_map": {"namespace_id": "ns-1"},
    "name": "watch", "desired_count": 3, "shards": 5, "cpu": 512, "memory": 1024, "cpu_architecture": "ARM64", "lease_duration": "30s",
    "assign_public_ip": True, "log_retention_days": 30,
    "log_kms_key_arn": "arn:aws:kms:eu-central-1:123456789012:key/0123abcd-0000-4000-8000-000000000001",
}  # fmt: skip
FULL_STACK = STACK | {
    "ConnectorArns": ",".join(CONNECTORS), "AssumeRoleArns": ",".join(ROLES), "ScraperSecurityGroupId": "sg-1",
    "NamespaceId": "ns-1", "Name": "watch", "DesiredCount": 3, "Shards": 5, "Cpu": 512, "Memory": 1024, "CpuArchitecture": "ARM64",
    "LeaseDuration": "30s", "AssignPublicIp": "ENABLED", "LogRetentionDays": 30, "LogKmsKeyArn": FULL["log_kms_key_arn"],
}  # fmt: skip


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    return without_provider(MODULE, tmp_path_factory.mktemp("terraform") / "ecs")


@pytest.fixture(scope="module")
def made(module, tmp_path_factory):
    """Returns the resources of the module with the required variables only."""
    found = evaluate(module, tmp_path_factory.mktemp("values"), **REQUIRED)
    assert isinstance(found, dict), found
    return found["resources"]


def container(resources):
    (found,) = json.loads(resources["aws_ecs_task_definition.exporter"]["container_definitions"])
    return found


def test_module_is_valid(module):
    assert json.loads(terraform("validate", "-json", cwd=module).stdout)["valid"] is True


def test_there_is_an_owner_and_a_standby_on_fargate(made):
    service, task = made["aws_ecs_service.exporter"], made["aws_ecs_task_definition.exporter"]
    assert service["desired_count"] == 2 and service["launch_type"] == "FARGATE" and service["cluster"] == CLUSTER
    assert task["requires_compatibilities"] == ["FARGATE"] and task["network_mode"] == "awsvpc"
    assert service["network_configuration"]["subnets"] == SUBNETS and service["network_configuration"]["assign_public_ip"] is False
    # New tasks start before old ones stop, and a failing deployment is undone.
    assert (service["deployment_minimum_healthy_percent"], service["deployment_maximum_percent"]) == (100, 200)
    assert service["deployment_circuit_breaker"] == {"enable": True, "rollback": True}


def test_container_is_hardened_and_has_no_volume(made):
    task, each = made["aws_ecs_task_definition.exporter"], container(made)
    assert "volume" not in task and "mountPoints" not in each and "volumesFrom" not in each
    assert each["readonlyRootFilesystem"] is True
    assert each["linuxParameters"] == {"capabilities": {"drop": ["ALL"]}}
    # The user of the image, which is not root.
    assert "user" not in each and "privileged" not in each
    assert re.search(r"^USER 65532:65532$", (AWS.parent / "docker/Dockerfile").read_text(), re.MULTILINE)


def test_container_definition_has_the_members_of_the_api(made, module, tmp_path):
    session = botocore.session.get_session()
    shape = session.get_service_model("ecs").operation_model("RegisterTaskDefinition").input_shape
    for definition in (container(made), container(evaluate(module, tmp_path, **FULL, secrets={"A": SECRET})["resources"])):
        request = {"family": "a", "containerDefinitions": [definition]}
        report = botocore.validate.ParamValidator().validate(request, shape)
        assert not report.has_errors(), report.generate_report()


def test_fargate_has_the_cpu_and_memory(made):
    # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html
    task = made["aws_ecs_task_definition.exporter"]
    assert task["memory"] in {256: (512, 1024, 2048), 512: range(1024, 4097, 1024)}[task["cpu"]]


def test_logs_have_a_group(made):
    each, group = container(made), made["aws_cloudwatch_log_group.exporter"]
    assert each["logConfiguration"]["options"]["awslogs-group"] == group["name"] == "/ecs/aws-transfer-exporter"
    assert each["logConfiguration"]["options"]["awslogs-region"] == "eu-central-1"
    assert group["retention_in_days"] == 365


def test_security_group_admits_only_scrapers(made, module, tmp_path):
    assert made["aws_vpc_security_group_ingress_rule.scrapers"] == []
    found = evaluate(module, tmp_path, **REQUIRED, scraper_security_group_ids=["sg-1", "sg-2"])["resources"]
    rules = found["aws_vpc_security_group_ingress_rule.scrapers"]
    assert sorted(rule["referenced_security_group_id"] for rule in rules) == ["sg-1", "sg-2"]
    assert {(rule["ip_protocol"], rule["from_port"], rule["to_port"]) for rule in rules} == {("tcp", 10922, 10922)}
    out = found["aws_vpc_security_group_egress_rule.https"]
    assert (out["ip_protocol"], out["from_port"], out["to_port"]) == ("tcp", 443, 443)
    group = found["aws_ecs_service.exporter"]["network_configuration"]["security_groups"]
    assert group == [out["security_group_id"]] == list({rule["security_group_id"] for rule in rules})


def test_task_role_has_the_documented_policies(module, tmp_path):
    found = evaluate(module, tmp_path, **REQUIRED, connector_arns=CONNECTORS, assume_role_arns=ROLES, shards=2)
    names = ["policy.json", "policy-assume-role.json", "policy-shared-storage.json"]
    assert grants(json.loads(found["policy"])) == {grant for name in names for grant in grants(document(name))}
    assert found["resources"]["aws_iam_role_policy.task"]["policy"] == found["policy"]
    assert found["resources"]["aws_iam_role_policy.task"]["role"] == found["task_role_name"]
    # Without shards to share, nothing is deleted.
    assert json.loads(evaluate(module, tmp_path, **REQUIRED)["policy"]) == POLICY | {"Statement": [STATE]}


def test_tasks_share_the_shards_if_there_are_several(made, module, tmp_path):
    assert not [word for word in container(made)["command"] if "shard" in word]
    more = {"shards": 5, "desired_count": 3, "extra_arguments": ["--log.level=debug"]}
    found = evaluate(module, tmp_path, **REQUIRED, **more)["resources"]
    plain = evaluate(module, tmp_path, **REQUIRED, desired_count=3)["resources"]
    assert found["aws_ecs_service.exporter"] == plain["aws_ecs_service.exporter"]
    expected = container(made)
    expected["command"] += ["--shard.index=auto", "--shard.total=5", "--log.level=debug"]
    assert container(found) == expected


def test_only_tasks_of_the_account_take_the_task_role(made):
    (statement,) = json.loads(made["aws_iam_role.task"]["assume_role_policy"])["Statement"]
    assert statement["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
    assert statement["Condition"] == {
        "ArnLike": {"aws:SourceArn": "arn:aws:ecs:eu-central-1:123456789012:*"},
        "StringEquals": {"aws:SourceAccount": "123456789012"},
    }
    task, execution = (made["aws_ecs_task_definition.exporter"][f"{name}_role_arn"] for name in ("task", "execution"))
    assert task.endswith("-task") and execution.endswith("-execution")


def test_execution_role_reads_only_the_secrets(made, module, tmp_path):
    assert made["aws_iam_role_policy.secrets"] == []
    secrets = {"A": SECRET, "B": f"{SECRET}:key::", "C": PARAMETER}
    found = evaluate(module, tmp_path, **REQUIRED, secrets=secrets, environment={"D": "e"})["resources"]
    (policy,) = found["aws_iam_role_policy.secrets"]
    assert policy["role"].endswith("-execution")
    allowed = {(each["Action"], resource) for each in json.loads(policy["policy"])["Statement"] for resource in as_list(each["Resource"])}
    assert allowed == {("secretsmanager:GetSecretValue", SECRET), ("ssm:GetParameters", PARAMETER)}
    assert {each["name"]: each["valueFrom"] for each in container(found)["secrets"]} == secrets
    assert container(found)["environment"] == [{"name": "D", "value": "e"}]
    only = evaluate(module, tmp_path, **REQUIRED, secrets={"C": PARAMETER})["resources"]["aws_iam_role_policy.secrets"][0]
    assert [each["Action"] for each in json.loads(only["policy"])["Statement"]] == ["ssm:GetParameters"]


def test_tasks_have_names_in_a_namespace(made, module, tmp_path):
    assert made["aws_ecs_service.exporter"]["service_registries"] == [] == made["aws_service_discovery_service.exporter"]
    found = evaluate(module, tmp_path, **REQUIRED, cloud_map={"namespace_id": "ns-1"})["resources"]
    (service,) = found["aws_service_discovery_service.exporter"]
    assert service["dns_config"]["dns_records"]["type"] == "A" and service["dns_config"]["routing_policy"] == "MULTIVALUE"
    (registry,) = found["aws_ecs_service.exporter"]["service_registries"]
    assert registry["registry_arn"].endswith(service["name"])


@pytest.mark.parametrize("partition, region", [("aws-cn", "cn-north-1"), ("aws-us-gov", "us-gov-west-1")])
def test_arns_are_of_the_partition_of_the_cluster(module, tmp_path, partition, region):
    def here(arn):
        return arn.replace("arn:aws:", f"arn:{partition}:").replace("eu-central-1", region)

    found = evaluate(module, tmp_path, **(REQUIRED | {"cluster_arn": here(CLUSTER), "table_arn": here(TABLE)}))["resources"]
    # Roles and the task definition are stubs, whose ARNs are those of the partition `aws`.
    managed, trust = found["aws_iam_role_policy_attachment.execution"]["policy_arn"], found["aws_iam_role.task"]["assume_role_policy"]
    assert managed.startswith(f"arn:{partition}:iam::aws:") and f"arn:{partition}:ecs:{region}:" in trust
    assert f"--storage.url=dynamodb://aws-transfer-exporter?region={region}" in container(found)["command"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cluster_arn": "monitoring"}, "cluster/NAME"),
        ({"image": "exporter"}, "a tag or a digest"),
        ({"subnet_ids": []}, "at least one subnet"),
        ({"table_arn": TABLE.replace("table/", "table/*")}, "no wildcards"),
        ({"connector_arns": ["arn:aws:transfer:eu-central-1:123456789012:connector/*"]}, "no wildcards"),
        ({"assume_role_arns": ["arn:aws:iam::123456789012:role/*"]}, "no wildcards"),
        ({"desired_count": 0}, "from 1 to 100"),
        ({"desired_count": 101}, "from 1 to 100"),
        ({"shards": 0}, "from 1 to 1000"),
        ({"shards": 1001}, "from 1 to 1000"),
        ({"shards": 1.5}, "a whole number"),
        ({"cpu_architecture": "arm"}, "`X86_64` or `ARM64`"),
        ({"lease_duration": "15"}, "such as `15s`"),
        ({"secrets": {"A": f"{SECRET}*"}}, "no wildcards"),
        ({"secrets": {"A": "external-id"}}, "secret:NAME"),
        ({"name": "a b"}, "1 to 54"),
    ],
)
def test_invalid_values_are_reported(module, tmp_path, changes, message):
    error = evaluate(module, tmp_path, **(REQUIRED | changes))
    assert isinstance(error, str), error
    # Terraform adds a vertical line and wraps the text.
    assert message in error.replace("│ ", ""), error


def test_resources_may_be_created_in_the_same_run(module, tmp_path):
    """`count` must not depend on ids that are unknown before they exist."""
    folder = tmp_path / "caller"
    folder.mkdir()
    (folder / "main.tf").write_text(
        f"""
resource "terraform_data" "id" {{
  input = "id"
}}
resource "terraform_data" "table" {{
  input = "{TABLE}"
}}
module "exporter" {{
  source                     = "{module}"
  cluster_arn                = "{CLUSTER}"
  image                      = "exporter:0.1.0"
  vpc_id                     = terraform_data.id.output
  subnet_ids                 = [terraform_data.id.output]
  table_arn                  = terraform_data.table.output
  scraper_security_group_ids = [terraform_data.id.output]
  cloud_map                  = {{ namespace_id = terraform_data.id.output }}
}}
output "resources" {{
  value = module.exporter.resources
}}
"""
    )
    terraform("init", "-input=false", "-no-color", cwd=folder)
    found = evaluate(folder, tmp_path)
    assert isinstance(found, dict), found
    assert len(found["resources"]["aws_vpc_security_group_ingress_rule.scrapers"]) == 1
    assert len(found["resources"]["aws_service_discovery_service.exporter"]) == 1


# CloudFormation

def permissions(policy):
    return {(each["Sid"], action, resource) for each in policy["Statement"] for action in as_list(each["Action"]) for resource in as_list(each["Resource"])}


@pytest.mark.parametrize("variables, parameters", [(REQUIRED, STACK), (FULL, FULL_STACK)], ids=["required", "full"])
def test_template_creates_the_same_as_terraform(module, tmp_path, variables, parameters):
    ours = evaluate(module, tmp_path, **variables)["resources"]
    theirs = resources(declared(TEMPLATE), **parameters)
    name = variables.get("name", "aws-transfer-exporter")

    (definition,) = lower(theirs["TaskDefinition"]["ContainerDefinitions"])
    # Options of the log driver are names, not members of the API.
    options = {key: value for key, value in definition["logConfiguration"].pop("options").items()}
    assert options.pop("awslogs-group") == "LogGroup"
    expected = container(ours)
    group = expected["logConfiguration"].pop("options")
    assert group.pop("awslogs-group") == theirs["LogGroup"]["LogGroupName"] == f"/ecs/{name}"
    assert options == group
    # Only Terraform has a map for these.
    assert (expected.pop("environment"), expected.pop("secrets")) == ([], [])
    assert definition == expected

    task = ours["aws_ecs_task_definition.exporter"]
    assert {key: theirs["TaskDefinition"][key] for key in ("Family", "RequiresCompatibilities", "NetworkMode", "Cpu", "Memory")} == {
        "Family": task["family"], "RequiresCompatibilities": task["requires_compatibilities"],
        "NetworkMode": task["network_mode"], "Cpu": task["cpu"], "Memory": task["memory"],
    }  # fmt: skip
    assert theirs["TaskDefinition"]["RuntimePlatform"] == {
        "OperatingSystemFamily": task["runtime_platform"]["operating_system_family"],
        "CpuArchitecture": task["runtime_platform"]["cpu_architecture"],
    }
    assert (theirs["TaskDefinition"]["TaskRoleArn"], theirs["TaskDefinition"]["ExecutionRoleArn"]) == ("TaskRole.Arn", "ExecutionRole.Arn")

    service, expected = theirs["Service"], ours["aws_ecs_service.exporter"]
    assert service["DesiredCount"] == expected["desired_count"] and service["LaunchType"] == expected["launch_type"]
    assert service["DeploymentConfiguration"] == {
        "MinimumHealthyPercent": expected["deployment_minimum_healthy_percent"],
        "MaximumPercent": expected["deployment_maximum_percent"],
        "DeploymentCircuitBreaker": {"Enable": True, "Rollback": True},
    }
    network = service["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert network["Subnets"] == expected["network_configuration"]["subnets"]
    assert (network["AssignPublicIp"] == "ENABLED") == expected["network_configuration"]["assign_public_ip"]
    assert len(service.get("ServiceRegistries", [])) == len(expected["service_registries"])

    assert permissions(theirs["TaskPolicy"]["PolicyDocument"]) == permissions(json.loads(ours["aws_iam_role_policy.task"]["policy"]))
    for role, kind in (("TaskRole", "task"), ("ExecutionRole", "execution")):
        assert theirs[role]["RoleName"] == ours[f"aws_iam_role.{kind}"]["name"]
        assert theirs[role]["AssumeRolePolicyDocument"] == json.loads(ours[f"aws_iam_role.{kind}"]["assume_role_policy"])
    assert theirs["ExecutionRole"]["ManagedPolicyArns"] == [ours["aws_iam_role_policy_attachment.execution"]["policy_arn"]]

    out = ours["aws_vpc_security_group_egress_rule.https"]
    assert theirs["SecurityGroup"]["SecurityGroupEgress"] == [{
        "Description": out["description"], "IpProtocol": out["ip_protocol"], "FromPort": out["from_port"],
        "ToPort": out["to_port"], "CidrIp": out["cidr_ipv4"],
    }]  # fmt: skip
    assert theirs["SecurityGroup"].get("SecurityGroupIngress", []) == [
        {"Description": rule["description"], "IpProtocol": rule["ip_protocol"], "FromPort": rule["from_port"],
         "ToPort": rule["to_port"], "SourceSecurityGroupId": rule["referenced_security_group_id"]}
        for rule in ours["aws_vpc_security_group_ingress_rule.scrapers"]
    ]  # fmt: skip
    logs = ours["aws_cloudwatch_log_group.exporter"]
    assert (theirs["LogGroup"]["RetentionInDays"], theirs["LogGroup"].get("KmsKeyId")) == (logs["retention_in_days"], logs["kms_key_id"])
    assert ("DiscoveryService" in theirs) == bool(ours["aws_service_discovery_service.exporter"])


def test_linters_report_nothing():
    assert run("cfn-lint", "--include-checks", "I", "--", TEMPLATE).stdout == ""
    done = run("checkov", "-f", TEMPLATE, "--framework", "cloudformation", "--skip-download", "--compact", "--quiet", "-o", "json")
    summary = json.loads(done.stdout)["summary"]
    assert summary["failed"] == 0 and summary["parsing_errors"] == 0 and summary["passed"] > 0, done.stdout


@pytest.mark.parametrize(
    ("parameter", "good", "bad"),
    [
        ("Name", ["a", "aws-transfer-exporter"], ["", "a b", "*", "x" * 55]),
        ("Image", ["exporter:1", "123456789012.dkr.ecr.eu-central-1.amazonaws.com/a@sha256:0"], ["exporter", "exporter:", "a b:1"]),
        ("ConnectorArns", ["", ",".join(CONNECTORS)], ["*", CONNECTORS[0][:-1] + "*", CONNECTORS[0] + ","]),
        ("AssumeRoleArns", ["", ",".join(ROLES)], ["arn:aws:iam::123456789012:role/*"]),
        ("TableName", ["aws-transfer-exporter"], ["", "ab", "*"]),
        ("LeaseDuration", ["15s", "1m30s"], ["", "15"]),
        ("ScraperSecurityGroupId", ["", "sg-0123456789abcdef0"], ["*", "prometheus"]),
        ("NamespaceId", ["", "ns-0123456789abcdef"], ["local", "*"]),
        ("LogKmsKeyArn", ["", FULL["log_kms_key_arn"]], ["alias/logs", "*"]),
    ],
)
def test_patterns_accept_valid_values_and_reject_wildcards(parameter, good, bad):
    pattern = re.compile(declared(TEMPLATE)["Parameters"][parameter]["AllowedPattern"])
    assert all(pattern.fullmatch(value) for value in good)
    assert not [value for value in bad if pattern.fullmatch(value)]


def test_every_parameter_has_a_group():
    template = declared(TEMPLATE)
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert sorted(name for group in groups for name in group["Parameters"]) == sorted(template["Parameters"])


# The example and the README

def test_example_is_valid(module, tmp_path):
    """Evaluates the call of the module with the output of the storage module replaced."""
    path = TERRAFORM / "examples/ecs/main.tf"
    calls = blocks(path, "module")
    assert arguments(calls["exporter"]) - {"source"} <= set(blocks(MODULE / "variables.tf", "variable"))
    assert plain(calls["shared_storage"]["source"]) == "../../shared-storage"
    assert "table_arn" in blocks(TERRAFORM / "shared-storage/outputs.tf", "output")
    text = path.read_text()
    begin = text.index('module "exporter" {\n')
    call = text[begin : text.index("\n}\n", begin) + 3].replace('"../../ecs"', f'"{module}"')
    call = call.replace("module.shared_storage.table_arn", f'"{TABLE}"')
    folder = tmp_path / "example"
    folder.mkdir()
    (folder / "main.tf").write_text(call + 'output "policy" {\n  value = module.exporter.policy\n}\n')
    terraform("init", "-input=false", "-no-color", cwd=folder)
    found = evaluate(folder, tmp_path)
    assert isinstance(found, dict), found
    assert grants(json.loads(found["policy"])) == grants(document("policy.json")) | grants(POLICY | {"Statement": [STATE]})


@pytest.mark.parametrize(("file", "kind"), [("variables.tf", "variable"), ("outputs.tf", "output")])
def test_readme_lists_every_variable_and_output(file, kind):
    rows = re.findall(r"^\| `(\w+)` \|", (MODULE / "README.md").read_text(), re.MULTILINE)
    assert set(blocks(MODULE / file, kind)) <= {plain(name) for name in rows}


# The exporter

@pytest.mark.parametrize("shards", [1, 5])
def test_exporter_accepts_the_command_and_the_health_check(module, tmp_path, shards):
    """Runs the command of the container as a standby, since there is no table."""
    each = container(evaluate(module, tmp_path, **REQUIRED, shards=shards)["resources"])
    web, health = free_port(), free_port()
    (tmp_path / "aws-transfer-exporter.yml").write_text(
        "transfers:\n  - connector_id: c-0123456789abcdef0\n    transfer_id: 4b1a8c1e-0000-4000-8000-000000000001\n"
    )

    def here(words):
        return [word.replace(":10922", f"127.0.0.1:{web}").replace("127.0.0.1:10924", f"127.0.0.1:{health}") for word in words]

    command = [word + f"&endpoint=http://127.0.0.1:{free_port()}" if word.startswith("--storage.url=") else word for word in here(each["command"])]
    kind, program, *check = here(each["healthCheck"]["command"])
    assert kind == "CMD" and f'ENTRYPOINT ["{program}"]' in (AWS.parent / "docker/Dockerfile").read_text()
    # Fargate sets the Region.
    process = subprocess.Popen([exporter(), *command], cwd=tmp_path, env=environment() | {"AWS_REGION": "eu-central-1"}, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 20
        while subprocess.run([exporter(), *check], capture_output=True, timeout=10).returncode != 0:
            assert process.poll() is None and time.monotonic() < deadline, process.stderr.read()
            time.sleep(0.1)
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert process.returncode == 0
