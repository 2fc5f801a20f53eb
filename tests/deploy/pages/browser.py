"""A headless Chromium, driven by its DevTools protocol."""

import contextlib
import itertools
import json
import os
import shutil
import subprocess
import time

import pytest
from websockets.sync.client import connect


def chromium():
    """Its path, from TOOLS_BIN first."""
    path = shutil.which("chromium", path=os.environ.get("TOOLS_BIN", "") + os.pathsep + os.environ["PATH"])
    if path is None:
        pytest.fail("chromium is missing: run tests/deploy/pages/install DIR and set TOOLS_BIN to DIR/bin")
    return path


class Browser:
    """One tab. What it complained of stands in `complaints`."""

    def __init__(self, folder):
        # Chromium refuses its sandbox to root.
        root = ["--no-sandbox"] if os.geteuid() == 0 else []
        self.process = subprocess.Popen(
            [
                chromium(), "--headless", "--disable-gpu", "--no-first-run", "--remote-debugging-port=0",
                f"--user-data-dir={folder}", *root, "about:blank",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        port = folder / "DevToolsActivePort"
        deadline = time.monotonic() + 60
        while not (port.exists() and len(port.read_text().splitlines()) == 2):
            assert time.monotonic() < deadline and self.process.poll() is None, "Chromium does not start"
            time.sleep(0.1)
        number, path = port.read_text().splitlines()
        self.open_sockets = contextlib.ExitStack()
        self.socket = self.open_sockets.enter_context(connect(f"ws://127.0.0.1:{number}{path}", max_size=64 << 20))
        self.numbers = itertools.count(1)
        self.session = None
        self.complaints = []
        self.events = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ["Page", "Runtime", "Log", "Network", "Accessibility"]:
            self.call(f"{domain}.enable")

    def close(self):
        self.open_sockets.close()
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def call(self, method, **parameters):
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.socket.send(json.dumps(message))
        while True:
            answer = self.receive(60)
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]

    def receive(self, timeout):
        answer = json.loads(self.socket.recv(timeout=timeout))
        method = answer.get("method", "")
        if method in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded", "Network.loadingFailed"):
            self.complaints.append(answer["params"])
        if method:
            self.events.append(answer)
        return answer

    def until(self, method):
        deadline = time.monotonic() + 60
        while not any(event["method"] == method for event in self.events):
            self.receive(deadline - time.monotonic())

    def view(self, width=1280, height=900, dark=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, url):
        self.events.clear()
        self.call("Page.navigate", url=url)
        self.until("Page.loadEventFired")

    def run(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def key(self, name, text=""):
        codes = {"Tab": 9, "Enter": 13, "ArrowDown": 40}
        key = {"key": name, "code": name, "windowsVirtualKeyCode": codes[name]}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **key)
        self.call("Input.dispatchKeyEvent", type="keyUp", **key)

    def type(self, text):
        self.call("Input.insertText", text=text)
