"""Tests of compose.yml without a container engine: referenced files exist, and its Prometheus works."""

import json
import re
import shutil

import pytest
import yaml
from conftest import REPOSITORY, eventually, free_port, get, run, tool

COMPOSE = REPOSITORY / "deploy/docker/compose.yml"


@pytest.fixture(scope="module")
def services():
    return yaml.safe_load(COMPOSE.read_text())["services"]


def mounts(service):
    """Yields (path in the repository, path in the container) of each mount."""
    for mount in service.get("volumes", []):
        source, target, mode = mount.split(":")
        assert mode == "ro", mount
        yield (COMPOSE.parent / source).resolve(), target


def inside(services, name, path):
    """Returns the file of the repository that a service has at a path."""
    for source, target in mounts(services[name]):
        if path == target or path.startswith(target + "/"):
            return source / path[len(target):].lstrip("/") if path != target else source
    return pytest.fail(f"{name} has nothing at {path}")


def test_services_are_complete(services):
    assert set(services) == {"exporter", "prometheus", "alertmanager", "grafana"}
    assert services["exporter"]["command"] == ["demo"]


def test_mounted_paths_exist(services):
    missing = [str(source.relative_to(REPOSITORY)) for service in services.values() for source, _ in mounts(service) if not source.exists()]
    assert missing == []


def test_image_versions_are_pinned(services):
    for name, service in services.items():
        if name == "exporter":
            assert (COMPOSE.parent / service["build"]["context"] / service["build"]["dockerfile"]).exists()
        else:
            assert re.fullmatch(r"[a-z]+/[a-z]+:v?\d+\.\d+\.\d+", service["image"]), service["image"]


def test_ports_are_distinct_and_on_the_loopback_interface(services):
    published = [port.split(":") for service in services.values() for port in service["ports"]]
    assert {address for address, _, _ in published} == {"127.0.0.1"}
    assert sorted(port for _, port, _ in published) == ["10922", "3000", "9090", "9093"]


def test_dependencies_have_health_checks(services):
    # The image of the exporter defines one.
    healthy = {name for name, service in services.items() if "healthcheck" in service} | {"exporter"}
    assert healthy == set(services)
    for service in services.values():
        for name, condition in service.get("depends_on", {}).items():
            assert name in healthy and condition == {"condition": "service_healthy"}


def test_exporter_is_sandboxed(services):
    exporter = services["exporter"]
    assert exporter["read_only"] is True
    assert exporter["cap_drop"] == ["ALL"]
    assert exporter["security_opt"] == ["no-new-privileges:true"]


def test_grafana_has_data_source_and_dashboards(services):
    source = yaml.safe_load(inside(services, "grafana", "/etc/grafana/provisioning/datasources/aws-transfer-exporter.yml").read_text())
    [source] = source["datasources"]
    assert source["url"] == "http://prometheus:9090" and source["isDefault"]
    provider = yaml.safe_load(inside(services, "grafana", "/etc/grafana/provisioning/dashboards/aws-transfer-exporter.yml").read_text())
    folder = provider["providers"][0]["options"]["path"]
    shown = {source for source, target in mounts(services["grafana"]) if target.startswith(folder + "/")}
    assert shown == set((REPOSITORY / "dashboards").glob("*.json")) and shown
    dashboards = [json.loads(path.read_text()) for path in shown]
    assert all(dashboard["title"] and dashboard["uid"] for dashboard in dashboards)
    home = services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert inside(services, "grafana", home).exists()


@pytest.fixture
def prometheus_folder(services, tmp_path):
    """Returns a copy of /etc/prometheus of the container."""
    for source, target in mounts(services["prometheus"]):
        place = tmp_path / target.removeprefix("/etc/")
        place.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, place)
    return tmp_path / "prometheus"


def test_prometheus_scrapes_the_demo_and_loads_the_rules(services, prometheus_folder, exporter, processes):
    path = prometheus_folder / "prometheus.yml"
    run(tool("promtool"), "check", "config", path)
    config = yaml.safe_load(path.read_text())
    [alertmanager] = config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"]
    assert alertmanager in [f"{name}:{service['ports'][0].split(':')[-1]}" for name, service in services.items()]

    # Replace names of the compose network by ports of this host.
    port, own = free_port(), free_port()
    text = path.read_text().replace("exporter:10922", f"127.0.0.1:{port}").replace("scrape_interval: 10s", "scrape_interval: 2s")
    path.write_text(text.replace("scrape_timeout: 8s", "scrape_timeout: 2s"))
    processes(exporter, "demo", f"--web.listen-address=127.0.0.1:{port}")
    eventually("the demo answers", lambda: get(f"http://127.0.0.1:{port}/-/healthy"))
    log = (prometheus_folder / "log").open("w")
    flags = [f"--config.file={path}", f"--storage.tsdb.path={prometheus_folder / 'data'}", f"--web.listen-address=127.0.0.1:{own}"]
    processes(tool("prometheus"), *flags, stdout=log, stderr=log)

    def query(expression):
        answer = get(f"http://127.0.0.1:{own}/api/v1/query?query={expression}")
        return answer and json.loads(answer)["data"]["result"]

    eventually("the target is up", lambda: (r := query("up")) and r[0]["value"][1] == "1")
    eventually("files are there", lambda: query("aws_transfer_files"))
    groups = json.loads(get(f"http://127.0.0.1:{own}/api/v1/rules"))["data"]["groups"]
    kinds = {rule["type"] for group in groups for rule in group["rules"]}
    assert kinds == {"alerting", "recording"}


def test_tls_configurations_match(services, tmp_path):
    over = yaml.safe_load(COMPOSE.with_name("compose.tls.yml").read_text())["services"]
    assert set(over) <= set(services)
    made = COMPOSE.parent / "tls/made"
    sources = {target: source for service in over.values() for source, target in mounts(service)}
    assert sources["/etc/aws-transfer-exporter/web"] == made
    script = (made.parent / "make").read_text()
    for source in sources.values():
        # Files exist or are created by the script.
        assert source == made or source.exists() or (source.parent == made and source.name in script), source
    flags = dict(flag.split("=", 1) for flag in over["exporter"]["command"][1:])
    assert flags["--web.config.file"] == "/etc/aws-transfer-exporter/web/web.yml" and "> web.yml" in script
    # The probe uses the port without authentication.
    assert over["exporter"]["healthcheck"]["test"][-1] == f"--web.health-listen-address={flags['--web.health-listen-address']}"
    plain, tls = (yaml.safe_load(COMPOSE.with_name(f"prometheus{kind}.yml").read_text()) for kind in ("", ".tls"))
    [scrape] = tls["scrape_configs"]
    used = [scrape.pop("tls_config")["ca_file"], scrape["basic_auth"]["password_file"]]
    assert all(f"/etc/prometheus/{path}" in sources for path in used)
    assert scrape.pop("scheme") == "https" and scrape.pop("basic_auth")["username"] == "prometheus"
    # Everything else is unchanged.
    assert tls == plain
