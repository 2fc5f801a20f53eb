"""The exporter's demo, scraped a few times, and a browser."""

import os
import re
import subprocess
import time
import urllib.request

import pytest
from browser import Browser


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """The address of a demo that has failed files."""
    exporter = os.environ.get("EXPORTER")
    if not exporter:
        pytest.fail("EXPORTER is not set: it names the exporter's binary")
    log = tmp_path_factory.mktemp("demo") / "log"
    with open(log, "w") as out:
        process = subprocess.Popen([exporter, "demo", "--web.listen-address=127.0.0.1:0"], stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + 60
        while not (found := re.search(r"event=listening message=listening address=(\S+)", log.read_text(errors="replace"))):
            assert time.monotonic() < deadline and process.poll() is None, log.read_text(errors="replace")
            time.sleep(0.1)
        url = f"http://{found[1]}"
        while True:
            urllib.request.urlopen(f"{url}/metrics", timeout=30).read()
            page = urllib.request.urlopen(f"{url}/transfers", timeout=30).read().decode()
            if "No failed file matches" not in page and 'rel="next"' in page:
                break
            assert time.monotonic() < deadline + 60, "the demo has no failed file, or no second page"
            time.sleep(1)
        yield url
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("profile"))
    try:
        yield browser
    finally:
        browser.close()
