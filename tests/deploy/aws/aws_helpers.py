"""Shared code of the tests of deploy/aws: paths, tools, normalized documents, and evaluation of policies."""

import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[3]
AWS = ROOT / "deploy/aws"
TERRAFORM = AWS / "terraform"

LOOPBACK = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def document(name):
    """Returns a JSON document of deploy/aws."""
    return json.loads((AWS / name).read_text())


def as_list(value):
    return value if isinstance(value, list) else [value]


def grants(policy):
    """Returns the (action, resource, condition) tuples that a policy allows. Fails on other elements."""
    assert policy["Version"] == "2012-10-17"
    found = set()
    for statement in as_list(policy["Statement"]):
        assert set(statement) <= {"Sid", "Effect", "Action", "Resource", "Condition"}, statement
        assert statement["Effect"] == "Allow", statement
        condition = json.dumps(statement.get("Condition", {}), sort_keys=True)
        for action in as_list(statement["Action"]):
            for resource in as_list(statement["Resource"]):
                found.add((action, resource, condition))
    return found


def trusts(policy):
    """Returns the (kind of principal, principal, action, condition) tuples that a trust policy allows."""
    assert policy["Version"] == "2012-10-17"
    found = set()
    for statement in as_list(policy["Statement"]):
        assert set(statement) <= {"Sid", "Effect", "Principal", "Action", "Condition"}, statement
        assert statement["Effect"] == "Allow", statement
        condition = json.dumps(statement.get("Condition", {}), sort_keys=True)
        for kind, principals in statement["Principal"].items():
            for principal in as_list(principals):
                for action in as_list(statement["Action"]):
                    found.add((kind, principal, action, condition))
    return found


def admits(trust, action, principal, context):
    """Returns whether a trust policy admits the principal. Supports exact principals and StringEquals."""
    for kind, trusted, allowed, condition in trusts(trust):
        condition = json.loads(condition)
        assert set(condition) <= {"StringEquals"}, condition
        wanted = condition.get("StringEquals", {})
        if (kind, trusted, allowed) == (*principal, action) and all(context.get(k) == v for k, v in wanted.items()):
            return True
    return False


def tool(name):
    """Returns the path of a tool; a missing tool fails the test."""
    path = os.environ["PATH"]
    if os.environ.get("TOOLS_BIN"):
        path = os.environ["TOOLS_BIN"] + os.pathsep + path
    found = shutil.which(name, path=path)
    assert found, f"`{name}` is missing: run tests/deploy/aws/install DIR and set TOOLS_BIN=DIR/bin"
    return found


def run(name, *arguments, cwd=ROOT, env=None, check=True, timeout=100):
    """Runs a tool and reports its output on failure."""
    environment = dict(os.environ) | (env or {})
    if os.environ.get("TOOLS_BIN"):
        environment["PATH"] = os.environ["TOOLS_BIN"] + os.pathsep + environment["PATH"]
    done = subprocess.run(
        [tool(name), *map(str, arguments)], cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout
    )
    if check:
        assert done.returncode == 0, f"{name} {arguments}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def exporter():
    """Returns the path of the exporter."""
    path = os.environ.get("EXPORTER")
    assert path and os.access(path, os.X_OK), "EXPORTER is not set to an executable, such as target/debug/aws-transfer-exporter"
    return os.path.abspath(path)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def simulator(*flags):
    """Runs a simulated Transfer Family endpoint and yields its URL."""
    address = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [exporter(), "simulate", f"--simulator.listen-address={address}", *flags],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(100):
            assert process.poll() is None, "the simulator ended"
            try:
                control(f"http://{address}", "GET", "calls")
                break
            except OSError:
                time.sleep(0.05)
        else:
            raise AssertionError("the simulator does not respond")
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(10)


def control(endpoint, method, path, value=None):
    """Requests a control route of the simulator."""
    data = None if value is None else json.dumps(value).encode()
    request = urllib.request.Request(f"{endpoint}/_simulator/{path}", data=data, method=method)
    with LOOPBACK.open(request, timeout=10) as answer:
        body = answer.read().decode()
    return json.loads(body) if body.startswith(("{", "[")) else body


def decides(policy, principal, action, resource, context):
    """Returns whether a resource policy allows the action. `Deny` takes precedence and the default is to deny; supports
    exact names, `*`, and the conditions ArnEquals, StringEquals and Bool."""
    allowed = False
    for statement in as_list(policy["Statement"]):
        assert set(statement) <= {"Sid", "Effect", "Principal", "Action", "Resource", "Condition"}, statement
        condition = statement.get("Condition", {})
        assert set(condition) <= {"ArnEquals", "StringEquals", "Bool"}, condition
        kind, name = principal
        trusted = statement["Principal"]
        named = trusted == "*" or name in as_list(trusted.get(kind, []))
        acted = any(each in ("*", action.split(":")[0] + ":*", action) for each in as_list(statement["Action"]))
        met = all(
            context.get(key) in as_list(wanted) for test in condition.values() for key, wanted in test.items()
        )  # fmt: skip
        if named and acted and met and resource in as_list(statement["Resource"]):
            if statement["Effect"] == "Deny":
                return False
            allowed = True
    return allowed
