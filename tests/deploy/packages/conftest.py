"""Shared code of the package tests: tools, binaries, and running as root."""

import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
HERE = pathlib.Path(__file__).resolve().parent
# Mounts, chroots and machines require root.
AS_ROOT = [] if os.geteuid() == 0 else ["sudo", "-n"]

if os.environ.get("TOOLS_BIN"):
    os.environ["PATH"] = os.environ["TOOLS_BIN"] + os.pathsep + os.environ["PATH"]


def tool(name):
    """Returns the path of a tool that tests/deploy/packages/install installs; a missing tool fails the test."""
    path = shutil.which(name)
    if path is None:
        pytest.fail(f"{name} is missing: run tests/deploy/packages/install DIR and set TOOLS_BIN=DIR/bin")
    return path


def run(*command, check=True, **more):
    """Runs a command and reports its output on failure."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120, **more)
    if check and done.returncode != 0:
        pytest.fail(f"{' '.join(map(str, command))}\nexit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def eventually(what, probe, seconds=20):
    """Polls `probe` and returns its first truthy result."""
    deadline = time.monotonic() + seconds
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds} s: {what}")
        time.sleep(0.05)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def get(url):
    """Returns the body of a response, or None if there is none."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.read().decode()
    except OSError:
        return None


def binary_of(variable, fallback):
    path = os.environ.get(variable)
    return pathlib.Path(path).resolve() if path else fallback


@pytest.fixture(scope="session")
def static_exporter():
    """Returns the static binary for the image."""
    return pathlib.Path(tool("exporter-static")).resolve()


@pytest.fixture(scope="session")
def exporter(static_exporter):
    """Returns the binary for the package."""
    return binary_of("EXPORTER_RELEASE", binary_of("EXPORTER", static_exporter))


@pytest.fixture
def processes():
    """Starts processes and stops them after the test."""
    started = []

    def start(*command, **more):
        process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, **more)
        started.append(process)
        return process

    yield start
    for process in started:
        process.terminate()
    for process in started:
        process.wait(timeout=20)


PYTHON = sys.executable
