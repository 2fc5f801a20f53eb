"""Shared code of the preview tests."""

import json
import os
import shutil
import socket
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PREVIEW = ROOT / "dashboards" / "preview"


def tool(name):
    """Returns the path of a tool, from TOOLS_BIN first; a missing tool fails the test."""
    path = shutil.which(name, path=os.environ.get("TOOLS_BIN", "") + os.pathsep + os.environ["PATH"])
    if path is None:
        pytest.fail(f"{name} is missing: run tests/deploy/preview/install DIR and set TOOLS_BIN=DIR/bin")
    return path


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def answer(url):
    with urllib.request.urlopen(url, timeout=5) as response:
        return json.load(response)


def wait_for(what, condition, seconds):
    """Polls until the condition holds; exceptions count as not yet."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if condition():
                return
        except (OSError, urllib.error.URLError):
            pass
        time.sleep(0.2)
    pytest.fail(f"not within {seconds} s: {what}")


class Prometheus:
    def __init__(self, url):
        self.url = url

    def value(self, query):
        found = answer(f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': query})}")["data"]["result"]
        return float(found[0]["value"][1]) if found else None
