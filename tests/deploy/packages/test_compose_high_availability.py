"""Tests of compose.high-availability.yml and compose.automatic-shards.yml without a container engine: the commands of their services
run as processes."""

import re
import subprocess

import pytest
import yaml
from compose_processes import Stack, dynalite
from conftest import REPOSITORY, eventually, free_port, get
from test_compose import mounts

DOCKER = REPOSITORY / "deploy/docker"
COMPOSE = DOCKER / "compose.high-availability.yml"
EXPORTERS = ["exporter-1", "exporter-2"]


@pytest.fixture(scope="module")
def services():
    return yaml.safe_load(COMPOSE.read_text())["services"]


def test_services_are_complete(services):
    assert set(services) == {*EXPORTERS, "table", "simulator", "dynamodb", "prometheus"}
    first, second = ({key: value for key, value in services[name].items() if key != "ports"} for name in EXPORTERS)
    assert first == second


def test_mounted_paths_exist_and_hold_no_state(services):
    for name, service in services.items():
        for source, target in mounts(service):
            assert source.exists(), source
            assert name == "prometheus" or target == "/etc/aws-transfer-exporter"
    assert (DOCKER / "high-availability/aws-transfer-exporter.yml").is_file()


def test_image_versions_are_pinned(services):
    assert re.fullmatch(r"prom/prometheus:v\d+\.\d+\.\d+", services["prometheus"]["image"])
    assert services["prometheus"]["image"] == yaml.safe_load((DOCKER / "compose.yml").read_text())["services"]["prometheus"]["image"]
    build = services["dynamodb"]["build"]
    assert re.search(r"^FROM node:\d+\.\d+\.\d+-alpine$", build["dockerfile_inline"], re.MULTILINE)
    folder = COMPOSE.parent / build["context"]
    copied = re.search(r"^COPY (.*) \./$", build["dockerfile_inline"], re.MULTILINE)[1].split()
    assert all((folder / name).is_file() for name in copied) and "package-lock.json" in copied
    for name in (*EXPORTERS, "table", "simulator"):
        build = services[name]["build"]
        assert (COMPOSE.parent / build["context"] / build["dockerfile"]).is_file()


def test_ports_are_distinct_and_on_the_loopback_interface(services):
    published = [port.split(":") for service in services.values() for port in service.get("ports", [])]
    assert {address for address, _, _ in published} == {"127.0.0.1"}
    assert sorted(port for _, port, _ in published) == ["10922", "10932", "9090"]


def test_programs_are_sandboxed(services):
    for name in services.keys() - {"prometheus"}:
        assert services[name]["read_only"] is True and services[name]["cap_drop"] == ["ALL"], name
        assert services[name]["security_opt"] == ["no-new-privileges:true"], name


def test_exporters_start_when_the_table_exists(services):
    for name in EXPORTERS:
        assert services[name]["depends_on"]["table"] == {"condition": "service_completed_successfully"}
        # The image of an exporter has a health check, which a standby passes.
        assert "healthcheck" not in services[name]
        assert services["prometheus"]["depends_on"][name] == {"condition": "service_healthy"}
    assert services["table"]["depends_on"] == {"dynamodb": {"condition": "service_healthy"}}
    assert "healthcheck" in services["dynamodb"]
    # That of the image would request an exporter.
    assert services["table"]["healthcheck"] == services["simulator"]["healthcheck"] == {"disable": True}


def test_health_check_of_dynamodb_follows_the_server(services, processes):
    server, port = dynalite(), free_port()
    kind, *check = (word.replace(":4567", f":{port}") for word in services["dynamodb"]["healthcheck"]["test"])
    assert kind == "CMD"
    assert subprocess.run(check, timeout=20).returncode == 1
    processes(server, "--port", port)
    eventually("dynalite is healthy", lambda: subprocess.run(check, timeout=20).returncode == 0)


def test_the_other_exporter_takes_over(services, exporter, processes, tmp_path):
    stack = Stack(services, exporter, processes, tmp_path)
    stack.start_all()

    def owner():
        leaders = stack.query("aws_transfer_exporter_leader")
        if len(leaders) == 2 and sum(leaders.values()) == 1:
            return next(name for name in EXPORTERS if leaders.get(stack.address(name)) == 1)
        return None

    first = eventually("there is one owner", owner)
    counted = eventually("files are counted", lambda: stack.total("aws_transfer_connector_files_finished_total"), seconds=60)
    stack.started[first].kill()
    (other,) = set(EXPORTERS) - {first}
    address = stack.address(other)
    eventually("the other takes over", lambda: get(f"http://{address}/-/ready"), seconds=30)
    # Counters continue.
    continued = eventually("the other counts files", lambda: stack.total(f'aws_transfer_connector_files_finished_total{{instance="{address}"}}'))
    assert continued >= counted


# The override for automatic shards

AUTOMATIC = DOCKER / "compose.automatic-shards.yml"


def merged(base, override):
    """Returns a service as `docker compose -f FILE -f OVERRIDE` merges it."""
    service = base | override
    for key in ("environment", "depends_on"):
        if key in service:
            service[key] = base.get(key, {}) | override.get(key, {})
    for key, name in (("volumes", lambda mount: mount.split(":")[1]), ("ports", lambda port: port)):
        if key in service:
            service[key] = list({name(each): each for each in [*base.get(key, []), *override.get(key, [])]}.values())
    return service


@pytest.fixture(scope="module")
def automatic(services):
    override = yaml.safe_load(AUTOMATIC.read_text())["services"]
    return {name: merged(services.get(name, {}), override.get(name, {})) for name in services | override}


def test_automatic_shards_add_an_exporter_as_the_others(services, automatic):
    assert set(automatic) == {*services, "exporter-3"}
    first, *others = ({key: value for key, value in automatic[name].items() if key != "ports"} for name in (*EXPORTERS, "exporter-3"))
    assert others == [first, first]
    assert first["command"] == [*services["exporter-1"]["command"], "--shard.index=auto", "--shard.total=4"]
    assert {name: automatic[name] for name in automatic if "exporter" not in name and name != "prometheus"} == {
        name: services[name] for name in services if "exporter" not in name and name != "prometheus"
    }


def test_prometheus_waits_for_and_scrapes_every_exporter_of_automatic_shards(automatic):
    names = {name for name in automatic if name.startswith("exporter-")}
    assert automatic["prometheus"]["depends_on"] == {name: {"condition": "service_healthy"} for name in names}
    configuration = {target: source for source, target in mounts(automatic["prometheus"])}["/etc/prometheus/prometheus.yml"]
    ours, theirs = (yaml.safe_load(path.read_text()) for path in (configuration, DOCKER / "prometheus.high-availability.yml"))
    assert set(ours["scrape_configs"][0].pop("static_configs")[0]["targets"]) == {f"{name}:10922" for name in names}
    theirs["scrape_configs"][0].pop("static_configs")
    assert ours == theirs


def test_ports_of_automatic_shards_are_distinct_and_on_the_loopback_interface(automatic):
    published = [port.split(":") for service in automatic.values() for port in service.get("ports", [])]
    assert {address for address, _, _ in published} == {"127.0.0.1"}
    assert sorted(port for _, port, _ in published) == ["10922", "10932", "10942", "9090"]


def test_shards_move_to_the_exporters_that_run(automatic, exporter, processes, tmp_path):
    stack = Stack(automatic, exporter, processes, tmp_path)
    stack.start_all()

    def owned():
        """Returns the number of shards of each exporter, if each shard has one owner."""
        owners = stack.query("count by (instance) (aws_transfer_exporter_leader == 1)")
        total = stack.query("count(count by (shard) (aws_transfer_exporter_leader == 1))")
        return owners if sum(owners.values()) == sum(total.values()) == 4 else {}

    eventually("the shards are spread", lambda: sorted(owned().values()) == [1, 1, 2], seconds=60)
    finished = "aws_transfer_connector_files_finished_total"
    counted = eventually("files are counted", lambda: stack.total(finished), seconds=60)
    shards = eventually("each shard has an owner", owned)
    address = max(shards, key=shards.get)
    killed = next(name for name in stack.names if stack.address(name) == address)
    stack.started[killed].kill()
    eventually("the others own all shards", lambda: sorted(owned().values()) == [2, 2], seconds=60)
    # Counters continue.
    eventually("the others count files", lambda: stack.total(f'{finished}{{instance!="{address}"}}') >= counted, seconds=30)
    stack.start_exporter(killed)
    eventually("the shards are spread again", lambda: sorted(owned().values()) == [1, 1, 2], seconds=60)
