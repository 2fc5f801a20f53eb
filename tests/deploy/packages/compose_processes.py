"""Runs the services of a Compose file as processes, with the names of its network replaced by ports."""

import json
import shutil
import urllib.parse

import pytest
from conftest import eventually, free_port, get, run, tool
from test_compose import mounts


def dynalite():
    if shutil.which("npm") is None:
        pytest.skip("no npm here")
    return tool("dynalite")


class Stack:
    """The exporters of a stack, with a simulator of AWS, DynamoDB and Prometheus."""

    def __init__(self, services, exporter, processes, folder):
        self.services, self.exporter, self.processes, self.folder = services, exporter, processes, folder
        self.names = sorted(name for name in services if name.startswith("exporter-"))
        addresses = ("dynamodb:4567", "simulator:4777", *(f"{name}:10922" for name in self.names))
        self.ports = {name: free_port() for name in addresses}
        self.environment = services["exporter-1"]["environment"] | {"AWS_EC2_METADATA_DISABLED": "true", "HOME": str(folder)}
        self.prometheus, self.started = free_port(), {}

    def address(self, name):
        return f"127.0.0.1:{self.ports[f'{name}:10922']}"

    def here(self, text):
        for name, port in self.ports.items():
            text = text.replace(name, f"127.0.0.1:{port}")
        return text

    def command(self, name):
        return [self.here(word) for word in self.services[name]["command"]]

    def start(self, name, program, *arguments, **more):
        with (self.folder / f"{name}.log").open("a") as log:
            return self.processes(program, *arguments, stdout=log, stderr=log, **more)

    def start_all(self):
        flag, port = self.services["dynamodb"]["command"]
        assert (flag, port) == ("--port", "4567")
        self.start("dynamodb", dynalite(), flag, self.ports["dynamodb:4567"])
        eventually("dynalite answers", lambda: get(f"http://127.0.0.1:{self.ports['dynamodb:4567']}/"))
        simulator = self.services["simulator"]["command"]
        assert simulator[-1] == "--simulator.listen-address=:4777"
        listen = f"--simulator.listen-address=127.0.0.1:{self.ports['simulator:4777']}"
        self.start("simulator", self.exporter, *simulator[:-1], listen)
        run(self.exporter, *self.command("table"), env=self.environment)
        (configuration,) = {source for name in self.names for source, _ in mounts(self.services[name])}
        shutil.copytree(configuration, self.folder / "configuration")
        for path in (self.folder / "configuration").glob("*.yml"):
            path.write_text(self.here(path.read_text()))
        for name in self.names:
            self.start_exporter(name)
        self.start_prometheus()

    def start_exporter(self, name):
        # A shorter lease, so that the test is short.
        short = [word.replace("lease-duration=15s", "lease-duration=3s") for word in self.command(name)]
        address = self.address(name)
        listen = f"--web.listen-address={address}"
        folder = self.folder / "configuration"
        self.started[name] = self.start(name, self.exporter, *short, listen, cwd=folder, env=self.environment)
        eventually(f"{name} is healthy", lambda: get(f"http://{address}/-/healthy"))

    def start_prometheus(self):
        (self.folder / "prometheus").mkdir()
        for source, target in mounts(self.services["prometheus"]):
            place = self.folder / target.removeprefix("/etc/")
            (shutil.copytree if source.is_dir() else shutil.copy)(source, place)
        path = self.folder / "prometheus/prometheus.yml"
        run(tool("promtool"), "check", "config", path)
        text = self.here(path.read_text())
        path.write_text(text.replace("scrape_interval: 10s", "scrape_interval: 1s").replace("scrape_timeout: 8s", "scrape_timeout: 1s"))
        flags = (f"--config.file={path}", f"--storage.tsdb.path={self.folder / 'data'}", f"--web.listen-address=127.0.0.1:{self.prometheus}")
        self.start("prometheus", tool("prometheus"), *flags)

    def query(self, expression):
        """Returns the values by instance."""
        answer = get(f"http://127.0.0.1:{self.prometheus}/api/v1/query?query={urllib.parse.quote(expression)}")
        return {each["metric"].get("instance"): float(each["value"][1]) for each in json.loads(answer)["data"]["result"]} if answer else {}

    def total(self, expression):
        return sum(self.query(f"sum({expression})").values())
