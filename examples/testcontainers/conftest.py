"""A fixture that runs the image of the simulator with Testcontainers, and points the AWS SDK at it."""

import json
import os
import urllib.request

import pytest
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import HttpWaitStrategy

IMAGE = os.environ.get("TRANSFER_SIMULATOR_IMAGE", "transfer-simulator")
PORT = 4777
CONNECTOR = "c-0123456789abcdef0"


class SimulatorContainer(DockerContainer):
    """A container with a simulator, on a free port of this machine."""

    def __init__(self, image=IMAGE, scenario="nightly-batch"):
        super().__init__(image)
        self.with_exposed_ports(PORT)
        self.with_env("TRANSFER_SIMULATOR_SCENARIO", scenario)
        self.with_env("TRANSFER_SIMULATOR_SPEED", "60")
        self.waiting_for(HttpWaitStrategy(PORT, "/_simulator/time").for_status_code(200))

    @property
    def url(self):
        return f"http://{self.get_container_host_ip()}:{self.get_exposed_port(PORT)}"

    def control(self, method, route, value=None):
        """Sends a request to the control API."""
        data = None if value is None else json.dumps(value).encode()
        request = urllib.request.Request(f"{self.url}/_simulator/{route}", data=data, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read().decode()


@pytest.fixture(scope="session")
def container():
    with SimulatorContainer() as container:
        yield container


@pytest.fixture
def simulator(container, monkeypatch):
    """A simulator in its initial state."""
    container.control("POST", "reset")
    for name, value in {
        "AWS_ENDPOINT_URL": container.url,
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)
    return container
