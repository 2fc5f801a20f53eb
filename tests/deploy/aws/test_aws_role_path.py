"""End-to-end tests: the exporter assumes the role at an STS (moto) and reads results with it (from the simulator).

moto ignores trust policies, so a proxy in front of it evaluates the documents of deploy/aws and records the requests.
"""

import base64
import contextlib
import io
import json
import os
import subprocess
import threading
import urllib.parse

import pytest
from aws_helpers import admits, control, document, exporter, grants, simulator
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

CONNECTOR = "c-0123456789abcdef0"
TRANSFER = "4b1a8c1e-0000-4000-8000-000000000001"
EXTERNAL_ID = document("trust-cross-account.json")["Statement"][0]["Condition"]["StringEquals"]["sts:ExternalId"]
CALLER = ("AWS", "arn:aws:iam::210987654321:role/aws-transfer-exporter")
((_, ROLE, _),) = grants(document("policy-assume-role.json"))

# The key of the simulator; moto and the trust policies accept any.
KEY = {"AWS_ACCESS_KEY_ID": "AKIASIMULATOR0000000", "AWS_SECRET_ACCESS_KEY": "simulator-secret-for-the-loopback-only"}


class Sts:
    """moto behind a trust policy."""

    def __init__(self, trust):
        self.trust, self.asked = trust, []
        self.moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ, start_response):
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        asked = {name: values[0] for name, values in urllib.parse.parse_qs(body.decode()).items()}
        self.asked.append(asked)
        if not self.admits(asked):
            start_response("403 Forbidden", [("Content-Type", "text/xml")])
            return [b"<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>"
                    b"<Message>not authorized to perform this</Message></Error></ErrorResponse>"]  # fmt: skip
        environ["wsgi.input"] = io.BytesIO(body)
        return self.moto(environ, start_response)

    def admits(self, asked):
        if asked.get("Action") == "AssumeRole":
            return admits(self.trust, "sts:AssumeRole", CALLER, {"sts:ExternalId": asked.get("ExternalId")})
        if asked.get("Action") == "AssumeRoleWithWebIdentity":
            payload = asked["WebIdentityToken"].split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
            issuer = claims["iss"].removeprefix("https://")
            provider = ("Federated", f"arn:aws:iam::123456789012:oidc-provider/{issuer}")
            context = {f"{issuer}:sub": claims["sub"], f"{issuer}:aud": claims["aud"][0]}
            return admits(self.trust, "sts:AssumeRoleWithWebIdentity", provider, context)
        return False


class Quiet(WSGIRequestHandler):
    def log(self, *_):
        pass


@contextlib.contextmanager
def sts(trust):
    """Runs an STS with this trust policy and yields its application, with its URL as `endpoint`."""
    application = Sts(document(trust))
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Quiet)
    application.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield application
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def configuration(tmp_path, transfer_endpoint, role=""):
    path = tmp_path / "aws-transfer-exporter.yml"
    path.write_text(
        f"""accounts:
  - name: partner
    region: eu-central-1
    endpoint_url: {transfer_endpoint}
{role}
transfers:
  - connector_id: {CONNECTOR}
    transfer_id: {TRANSFER}
"""
    )
    return path


def assume(external_id):
    named = f"\n      external_id: {external_id}" if external_id else ""
    return f"    assume_role:\n      role_arn: {ROLE}{named}"


def once(path, **env):
    """Runs `once` without the AWS settings of this machine."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_") and "proxy" not in name.lower()}
    nothing = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}
    return subprocess.run(
        [exporter(), "once", f"--config.file={path}"], env=kept | nothing | env, capture_output=True, text=True, timeout=60
    )


def one_completed_file(endpoint):
    # Backdated, so that it has completed.
    life = [{"path": "/outbox/orders-1.csv", "queued_for": 1, "in_progress_for": 1, "end": "completed"}]
    control(endpoint, "PUT", f"connectors/{CONNECTOR}", {"host": "sftp.example.com"})
    control(endpoint, "PUT", f"transfers/{CONNECTOR}/{TRANSFER}?age=1h", life)


def completed(done):
    return [line for line in done.stdout.splitlines() if line.startswith("aws_transfer_files{") and 'status="COMPLETED"' in line]


def calls(endpoint):
    return control(endpoint, "GET", "calls")["operations"].get("ListFileTransferResults", 0)


def test_exporter_assumes_the_role_with_the_external_id(tmp_path):
    with simulator("--simulator.accept-any-access-key") as transfer, sts("trust-cross-account.json") as application:
        one_completed_file(transfer)
        path = configuration(tmp_path, transfer, assume(EXTERNAL_ID))
        done = once(path, AWS_ENDPOINT_URL_STS=application.endpoint, **KEY)
        assert done.returncode == 0, done.stderr
        assert [line.endswith(" 1") for line in completed(done)] == [True], done.stdout
        assert calls(transfer) == 1
    (asked,) = application.asked
    assert asked["Action"] == "AssumeRole"
    assert asked["RoleArn"] == ROLE
    assert asked["ExternalId"] == EXTERNAL_ID
    assert asked["RoleSessionName"] == "aws-transfer-exporter"


@pytest.mark.parametrize("external_id", ["another-external-id", None])
def test_wrong_external_id_is_reported(tmp_path, external_id):
    with simulator("--simulator.accept-any-access-key") as transfer, sts("trust-cross-account.json") as application:
        one_completed_file(transfer)
        path = configuration(tmp_path, transfer, assume(external_id))
        done = once(path, AWS_ENDPOINT_URL_STS=application.endpoint, **KEY)
        assert done.returncode == 1, done.stderr
        assert calls(transfer) == 0
        # STS denies the role, so that nothing is sent to Transfer Family.
        assert 'outcome="not_sent"} 1' in done.stdout, done.stdout
    assert {asked.get("ExternalId") for asked in application.asked} == {external_id}


def test_results_are_read_with_the_key_of_the_role(tmp_path):
    """A simulator that accepts only the key of the caller rejects requests of the role."""
    with simulator() as transfer, sts("trust-cross-account.json") as application:
        one_completed_file(transfer)
        caller = once(configuration(tmp_path, transfer), **KEY)
        assert caller.returncode == 0, caller.stderr
        path = configuration(tmp_path, transfer, assume(EXTERNAL_ID))
        role = once(path, AWS_ENDPOINT_URL_STS=application.endpoint, **KEY)
        assert role.returncode == 1, role.stdout
        assert len(application.asked) == 1 and not completed(role)


def token(tmp_path, **changes):
    """Writes a service account token, unsigned, as a cluster does."""
    issuer = document("trust-irsa.json")["Statement"][0]["Principal"]["Federated"].split(":oidc-provider/")[1]
    claims = {
        "iss": f"https://{issuer}",
        "aud": ["sts.amazonaws.com"],
        "sub": "system:serviceaccount:monitoring:aws-transfer-exporter",
    } | changes
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({"alg": "RS256"}, claims)]
    path = tmp_path / "token"
    path.write_text(".".join([*parts, "c2lnbmF0dXJl"]))
    return path


def irsa(tmp_path, application, **changes):
    return {
        "AWS_ENDPOINT_URL_STS": application.endpoint,
        "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/aws-transfer-exporter",
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(token(tmp_path, **changes)),
    }


def test_exporter_assumes_the_role_with_a_service_account_token(tmp_path):
    with simulator("--simulator.accept-any-access-key") as transfer, sts("trust-irsa.json") as application:
        one_completed_file(transfer)
        done = once(configuration(tmp_path, transfer), **irsa(tmp_path, application))
        assert done.returncode == 0, done.stderr
        assert [line.endswith(" 1") for line in completed(done)] == [True], done.stdout
    assert [asked["Action"] for asked in application.asked] == ["AssumeRoleWithWebIdentity"]


def test_another_service_account_is_rejected(tmp_path):
    with simulator("--simulator.accept-any-access-key") as transfer, sts("trust-irsa.json") as application:
        one_completed_file(transfer)
        env = irsa(tmp_path, application, sub="system:serviceaccount:monitoring:default")
        done = once(configuration(tmp_path, transfer), **env)
        assert done.returncode == 1, done.stdout
        assert calls(transfer) == 0 and application.asked
