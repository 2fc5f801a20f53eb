"""Helpers: clients of the simulator, and its control routes.

boto3 is a client that this project did not write. The caller starts a simulator and names it in SIMULATOR_ENDPOINT, for
example http://127.0.0.1:4777.
"""

import json
import os
import urllib.error
import urllib.request
import uuid

import boto3
from botocore.config import Config

ACCESS_KEY_ID = "AKIASIMULATOR0000000"
SECRET_ACCESS_KEY = "simulator-secret-for-the-loopback-only"
REGION = "eu-central-1"


def endpoint():
    """Returns the address of the simulator. A missing one is a failure."""
    address = os.environ.get("SIMULATOR_ENDPOINT")
    if not address:
        raise RuntimeError(
            "SIMULATOR_ENDPOINT is not set; start `aws-transfer-exporter simulate` and name its address, "
            "for example SIMULATOR_ENDPOINT=http://127.0.0.1:4777"
        )
    return address.rstrip("/")


def client(
    access_key_id=ACCESS_KEY_ID,
    secret_access_key=SECRET_ACCESS_KEY,
    token=None,
    attempts=1,
    service="transfer",
    **config,
):
    """Returns a client without parameter validation, so that the simulator validates."""
    settings = {
        "parameter_validation": False,
        "retries": {"total_max_attempts": attempts, "mode": "standard"},
        "connect_timeout": 5,
        "read_timeout": 10,
        "proxies": {},
    }
    return boto3.client(
        service,
        endpoint_url=endpoint(),
        region_name=REGION,
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret_access_key,
        aws_session_token=token,
        config=Config(**(settings | config)),
    )


def control(method, path, value=None):
    """Sends a control request. Returns the status and the body."""
    data = None if value is None else json.dumps(value).encode()
    request = urllib.request.Request(f"{endpoint()}/_simulator/{path}", data=data, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def put(path, value):
    """Sends a control request that must succeed."""
    status, text = control("PUT", path, value)
    assert status == 204, f"{status} {text}"


def set_faults(**faults):
    """Replaces the faults. Without arguments, removes them."""
    put("faults", faults)


def calls():
    """Returns the counts of calls since the last reset."""
    return json.loads(control("GET", "calls")[1])


def new_connector(**spec):
    """Adds a connector for one test."""
    connector = "c-" + uuid.uuid4().hex[:17]
    put(f"connectors/{connector}", spec)
    return connector


def new_transfer(connector, files, age=None):
    """Adds a transfer for one test."""
    transfer = str(uuid.uuid4())
    put(f"transfers/{connector}/{transfer}" + (f"?age={age}" if age else ""), files)
    return transfer
