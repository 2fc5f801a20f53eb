"""Tests of compose.high-availability.yml without a container engine: the commands of its services run as processes, with the names
of its network replaced by ports."""

import json
import re
import shutil
import subprocess
import urllib.parse

import pytest
import yaml
from conftest import REPOSITORY, eventually, free_port, get, run, tool
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


@pytest.fixture
def dynalite():
    if shutil.which("npm") is None:
        pytest.skip("no npm here")
    return tool("dynalite")


def test_health_check_of_dynamodb_follows_the_server(services, dynalite, processes):
    port = free_port()
    kind, *check = (word.replace(":4567", f":{port}") for word in services["dynamodb"]["healthcheck"]["test"])
    assert kind == "CMD"
    assert subprocess.run(check, timeout=20).returncode == 1
    processes(dynalite, "--port", port)
    eventually("dynalite is healthy", lambda: subprocess.run(check, timeout=20).returncode == 0)


def test_the_other_exporter_takes_over(services, dynalite, exporter, processes, tmp_path):
    ports = {name: free_port() for name in ("dynamodb:4567", "simulator:4777", *(f"{name}:10922" for name in EXPORTERS))}

    def here(text):
        for name, port in ports.items():
            text = text.replace(name, f"127.0.0.1:{port}")
        return text

    def command(name):
        return [here(word) for word in services[name]["command"]]

    logs = {name: tmp_path / f"{name}.log" for name in services}
    environment = services["exporter-1"]["environment"] | {"AWS_EC2_METADATA_DISABLED": "true", "HOME": str(tmp_path)}

    def start(name, program, *arguments, **more):
        with logs[name].open("w") as log:
            return processes(program, *arguments, stdout=log, stderr=log, **more)

    flag, port = services["dynamodb"]["command"]
    assert (flag, port) == ("--port", "4567")
    start("dynamodb", dynalite, flag, ports["dynamodb:4567"])
    eventually("dynalite answers", lambda: get(f"http://127.0.0.1:{ports['dynamodb:4567']}/"))
    listen = f"--simulator.listen-address=127.0.0.1:{ports['simulator:4777']}"
    assert services["simulator"]["command"][-1] == "--simulator.listen-address=:4777"
    start("simulator", exporter, *services["simulator"]["command"][:-1], listen)
    run(exporter, *command("table"), env=environment)

    (configuration,) = (source for source, _ in mounts(services["exporter-1"]))
    folder = tmp_path / "configuration"
    shutil.copytree(configuration, folder)
    for path in folder.glob("*.yml"):
        path.write_text(here(path.read_text()))
    started = {}
    for name in EXPORTERS:
        address = f"127.0.0.1:{ports[f'{name}:10922']}"
        # A shorter lease, so that the test is short.
        short = [word.replace("lease-duration=15s", "lease-duration=3s") for word in command(name)]
        started[name] = start(name, exporter, *short, f"--web.listen-address={address}", cwd=folder, env=environment)
        eventually(f"{name} is healthy", lambda address=address: get(f"http://{address}/-/healthy"))

    own = free_port()
    (tmp_path / "prometheus").mkdir()
    for source, target in mounts(services["prometheus"]):
        place = tmp_path / target.removeprefix("/etc/")
        (shutil.copytree if source.is_dir() else shutil.copy)(source, place)
    path = tmp_path / "prometheus/prometheus.yml"
    run(tool("promtool"), "check", "config", path)
    path.write_text(here(path.read_text()).replace("scrape_interval: 10s", "scrape_interval: 1s").replace("scrape_timeout: 8s", "scrape_timeout: 1s"))
    start("prometheus", tool("prometheus"), f"--config.file={path}", f"--storage.tsdb.path={tmp_path / 'data'}", f"--web.listen-address=127.0.0.1:{own}")

    def query(expression):
        answer = get(f"http://127.0.0.1:{own}/api/v1/query?query={urllib.parse.quote(expression)}")
        return {each["metric"].get("instance"): float(each["value"][1]) for each in json.loads(answer)["data"]["result"]} if answer else {}

    def owner():
        leaders = query("aws_transfer_exporter_leader")
        if len(leaders) == 2 and sum(leaders.values()) == 1:
            return next(name for name in EXPORTERS if leaders.get(f"127.0.0.1:{ports[f'{name}:10922']}") == 1)
        return None

    first = eventually("there is one owner", owner)
    counted = eventually("files are counted", lambda: sum(query("sum(aws_transfer_connector_files_finished_total)").values()), seconds=60)
    started[first].kill()
    (other,) = set(EXPORTERS) - {first}
    address = f"127.0.0.1:{ports[f'{other}:10922']}"
    eventually("the other takes over", lambda: get(f"http://{address}/-/ready"), seconds=30)
    # Counters continue.
    continued = eventually(
        "the other counts files", lambda: sum(query(f'sum(aws_transfer_connector_files_finished_total{{instance="{address}"}})').values())
    )
    assert continued >= counted
