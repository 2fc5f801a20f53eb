"""What the tests share: clients of the simulator, and its control routes.

boto3 is the judge of the simulator's wire, since nobody of this project wrote it. The caller starts a simulator and
names it in SIMULATOR_ENDPOINT, for example http://127.0.0.1:4777.
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
    """The simulator's address; without one nothing can be judged, and that is a failure."""
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
    """A client that does not check parameters itself, so that the simulator has to."""
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
    """Asks a control route; the answer is its status and its body."""
    data = None if value is None else json.dumps(value).encode()
    request = urllib.request.Request(f"{endpoint()}/_simulator/{path}", data=data, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def put(path, value):
    """Puts something that must be taken."""
    status, text = control("PUT", path, value)
    assert status == 204, f"{status} {text}"


def set_faults(**faults):
    """Replaces the faults; without arguments there are none."""
    put("faults", faults)


def calls():
    """What the simulator was asked since the last reset."""
    return json.loads(control("GET", "calls")[1])


def new_connector(**spec):
    """A connector of its own for one test."""
    connector = "c-" + uuid.uuid4().hex[:17]
    put(f"connectors/{connector}", spec)
    return connector


def new_transfer(connector, files, age=None):
    """A transfer of its own for one test."""
    transfer = str(uuid.uuid4())
    put(f"transfers/{connector}/{transfer}" + (f"?age={age}" if age else ""), files)
    return transfer
