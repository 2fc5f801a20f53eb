"""A fixture that starts the simulator, and points the AWS SDK at it."""

import json
import os
import subprocess
import urllib.request

import pytest

CONNECTOR = "c-0123456789abcdef0"


class Simulator:
    """A simulator that runs, by its URL."""

    def __init__(self, url):
        self.url = url

    def control(self, method, route, value=None):
        """Sends a request to the control API."""
        data = None if value is None else json.dumps(value).encode()
        request = urllib.request.Request(f"{self.url}/_simulator/{route}", data=data, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as answer:
            return answer.read().decode()

    def scenario(self, name):
        """Starts a scenario that the program contains."""
        self.control("PUT", f"scenario?name={name}")

    def next_transfer(self, **life):
        """Sets the life of the files of the next transfer."""
        self.control("POST", "rules", {"times": 1, **life})

    def advance(self, time):
        """Lets time pass, for example "12h"."""
        self.control("PUT", "time", {"advance": time})


@pytest.fixture(scope="session")
def simulator_process():
    program = os.environ.get("TRANSFER_SIMULATOR", "transfer-simulator")
    # Port 0 is a free one. A minute of the simulated account takes a second.
    arguments = [program, "--listen-address", "127.0.0.1:0", "--speed", "60", "--log-level", "warn"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        # The first line of the output is the URL.
        yield Simulator(process.stdout.readline().strip())
        process.terminate()


@pytest.fixture
def simulator(simulator_process, monkeypatch):
    """A simulator with one connector, in its initial state."""
    simulator_process.control("POST", "reset")
    simulator_process.control("PUT", f"connectors/{CONNECTOR}", {})
    simulator_process.control("PUT", "rules", [{"in_progress_for": "5s"}])
    for name, value in {
        "AWS_ENDPOINT_URL": simulator_process.url,
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)
    return simulator_process
