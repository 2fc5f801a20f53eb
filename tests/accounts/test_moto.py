"""moto's STS, an independent implementation, assumes roles and identifies callers for `check --live`."""

import os
import pathlib
import re
import socket
import subprocess
import sys
import time
import urllib.request

import boto3
import pytest

EXPORTER = os.environ["EXPORTER"]
CONNECTOR = "c-0123456789abcdef0"
ROLE = "arn:aws:iam::123456789012:role/transfer-read"


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def environment(sts):
    """Returns credentials that moto accepts, and no AWS variable of the caller's environment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return kept | {
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "none",
        "AWS_SHARED_CREDENTIALS_FILE": "none",
        "AWS_ENDPOINT_URL_STS": sts,
    }


def answers(url):
    for _ in range(300):
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"{url} does not respond")


@pytest.fixture(scope="module")
def sts():
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    answers(url + "/moto-api/")
    yield url
    server.terminate()
    server.wait()


@pytest.fixture(scope="module")
def transfer_api():
    """The simulator, which accepts the keys that moto generates."""
    port = free_port()
    server = subprocess.Popen(
        [EXPORTER, "simulate", f"--simulator.listen-address=127.0.0.1:{port}", "--simulator.accept-any-access-key"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    answers(url + "/_simulator/")
    yield url
    server.terminate()
    server.wait()


def configuration(tmp_path: pathlib.Path, accounts: str):
    file = tmp_path / "exporter.yml"
    file.write_text(f"{accounts}transfers:\n  - {{account: a, connector_id: {CONNECTOR}, transfer_id: t}}\n")
    return f"--config.file={file}"


def run(sts, *args):
    return subprocess.run([EXPORTER, *args], env=environment(sts), capture_output=True, text=True, timeout=60)


def account(name, region, url, role=True):
    assumed = f", assume_role: {{role_arn: '{ROLE}', external_id: abc}}" if role else ""
    return f"  - {{name: {name}, region: {region}, endpoint_url: '{url}'{assumed}}}\n"


def test_caller_is_the_role_session_in_each_region(tmp_path, sts, transfer_api):
    accounts = "accounts:\n" + account("a", "eu-central-1", transfer_api) + account("b", "us-east-1", transfer_api)
    accounts += account("c", "us-west-2", transfer_api, role=False)
    checked = run(sts, "check", "--live", configuration(tmp_path, accounts))
    callers = re.findall(r"ok +sts:GetCallerIdentity +(\S+)", checked.stdout)
    assert len(callers) == 3, checked.stdout + checked.stderr
    session = "arn:aws:sts::123456789012:assumed-role/transfer-read/aws-transfer-exporter"
    assert callers[:2] == [session, session]
    assert "assumed-role" not in callers[2]
    # The simulator has no such connector; a 404 shows that it accepted the credentials.
    assert f"problem  connector                         {CONNECTOR}: not in this AWS account" in checked.stdout
    assert f"ok       transfer:ListFileTransferResults  {CONNECTOR}" in checked.stdout
    assert checked.returncode == 1


def test_role_credentials_sign_requests(tmp_path, sts, transfer_api):
    accounts = "accounts:\n" + account("a", "eu-central-1", transfer_api)
    once = run(sts, "once", configuration(tmp_path, accounts))
    up = re.findall(r'^aws_transfer_exporter_account_up\{aws_account="a",aws_region="eu-central-1"\} (\d)', once.stdout, re.M)
    assert up == ["1"], once.stdout + once.stderr


def test_without_sts_only_the_account_with_a_role_is_down(tmp_path, transfer_api):
    accounts = "accounts:\n" + account("a", "eu-central-1", transfer_api)
    accounts += account("c", "us-west-2", transfer_api, role=False)
    file = configuration(tmp_path, accounts)
    text = pathlib.Path(file.split("=", 1)[1])
    text.write_text(text.read_text() + f"  - {{account: c, connector_id: {CONNECTOR}, transfer_id: t}}\n")
    once = run("http://127.0.0.1:1", "once", file)
    up = dict(re.findall(r'^aws_transfer_exporter_account_up\{aws_account="(.)".*\} (\d)', once.stdout, re.M))
    assert up == {"a": "0", "c": "1"}, once.stdout + once.stderr


def test_moto_is_the_sts_endpoint(sts):
    client = boto3.client("sts", endpoint_url=sts, region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="y")
    assert client.get_caller_identity()["Account"] == "123456789012"
