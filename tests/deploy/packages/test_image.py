"""Tests of the image: its content, and how it runs in a sandboxed container."""

import datetime
import json
import pathlib

import pytest
from conftest import eventually, run
from container import SYSTEM_BUNDLE, Image, running, start
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

METRICS = "http://127.0.0.1:10922/metrics"
NAME = "transfer.example.test"
CONNECTOR, TRANSFER = "c-0123456789abcdef0", "4b1a8c1e-0000-4000-8000-000000000001"
CONFIGURATION = f"""
accounts: [{{name: prod, region: eu-central-1, endpoint_url: "https://{NAME}:4778"}}]
transfers: [{{connector_id: {CONNECTOR}, transfer_id: {TRANSFER}}}]
"""
KEYS = {"AWS_ACCESS_KEY_ID": "AKIASIMULATOR0000000", "AWS_SECRET_ACCESS_KEY": "simulator-secret-for-the-loopback-only"}


@pytest.fixture(scope="module")
def image(static_exporter, tmp_path_factory):
    image = Image(tmp_path_factory.mktemp("image"))
    image.build(static_exporter, VERSION="1.2.3", REVISION="0" * 40)
    yield image
    image.remove()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """Returns a directory with a private certificate authority and a certificate: ca.pem, server.pem, server.key."""
    folder = tmp_path_factory.mktemp("authority")
    now = datetime.datetime.now(datetime.timezone.utc)

    def certificate(name, key, issuer, issuer_key, *extensions):
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(issuer).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
        builder = builder.not_valid_after(now + datetime.timedelta(days=1))
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority of this test")])
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    constraints = (x509.BasicConstraints(ca=True, path_length=None), True)
    (folder / "ca.pem").write_bytes(certificate(ca_name, ca_key, ca_name, ca_key, constraints))
    alternatives = (x509.SubjectAlternativeName([x509.DNSName(NAME)]), False)
    (folder / "server.pem").write_bytes(certificate(name, key, ca_name, ca_key, alternatives))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.key").write_bytes(key.private_bytes(*form))
    return folder


def test_image_has_only_program_certificates_and_licenses(image):
    assert image.files() == {
        "/usr/bin/aws-transfer-exporter",
        "/etc/ssl/certs/ca-certificates.crt",
        "/usr/share/doc/aws-transfer-exporter/LICENSE",
        "/usr/share/doc/aws-transfer-exporter/THIRD-PARTY.txt",
    }


def test_image_is_small(image):
    assert image.size() < 30_000_000


def test_image_metadata(image):
    config = image.config
    assert config["User"] == "65532:65532"
    assert config["ExposedPorts"] == {"10922/tcp": {}}
    assert config["Entrypoint"] == ["/usr/bin/aws-transfer-exporter"]
    assert config["StopSignal"] == "SIGTERM"
    assert config["Healthcheck"]["Test"] == ["CMD", "/usr/bin/aws-transfer-exporter", "healthcheck"]
    labels = {name.removeprefix("org.opencontainers.image."): text for name, text in config["Labels"].items()}
    assert (labels["version"], labels["revision"], labels["licenses"]) == ("1.2.3", "0" * 40, "Apache-2.0")
    assert labels["title"] == "aws-transfer-exporter" and labels["description"]


def test_demo_runs_sandboxed_and_stops_on_sigterm(image, tmp_path):
    healthcheck = image.config["Healthcheck"]["Test"][1:]
    with running(image, tmp_path, "demo") as container:
        text = eventually("files are there", lambda: (t := container.get(METRICS)) and "aws_transfer_files{" in t and t)
        assert "aws_transfer_exporter_build_info{" in text
        container.exec(*healthcheck)
        deaf = container.exec(*healthcheck, "--web.listen-address=127.0.0.1:1", check=False)
        assert deaf.returncode == 1

        process = pathlib.Path(f"/proc/{container.pid}")
        status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines())
        assert status["Uid"].split() == ["65532"] * 4 and status["Gid"].split() == ["65532"] * 4
        assert status["NoNewPrivs"] == "1"
        assert {int(status[name], 16) for name in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]} == {0}
        mounts = [line.split() for line in (process / "mountinfo").read_text().splitlines()]
        assert "ro" in [mount for mount in mounts if mount[4] == "/"][-1][5].split(",")

        container.runc("kill", container.name, "TERM")
        assert container.process.wait(timeout=20) == 0


def test_image_has_no_shell(image, tmp_path):
    with running(image, tmp_path, "demo") as container:
        assert container.exec("/bin/sh", "-c", "true", check=False).returncode != 0


def test_missing_configuration_is_reported_with_its_path(image, tmp_path):
    container = start(image, tmp_path)
    assert container.process.wait(timeout=20) == 1
    assert "aws-transfer-exporter.yml" in container.log.read_text()


@pytest.mark.parametrize(
    ("bundle", "environment", "up"),
    [
        pytest.param(SYSTEM_BUNDLE, {}, 0, id="default bundle without the authority"),
        pytest.param("ca.pem", {}, 1, id="mounted bundle with the authority"),
        pytest.param("ca.pem", {"SSL_CERT_FILE": None}, 1, id="mounted bundle without SSL_CERT_FILE"),
    ],
)
def test_ca_bundle_is_used(image, authority, static_exporter, processes, tmp_path, bundle, environment, up):
    (tmp_path / "configuration.yml").write_text(CONFIGURATION)
    files = [
        (tmp_path / "configuration.yml", "/etc/aws-transfer-exporter/aws-transfer-exporter.yml"),
        (authority / bundle, "/etc/ssl/certs/ca-certificates.crt"),
    ]
    with running(image, tmp_path, files=files, environment={**KEYS, **environment}) as container:
        container.name_server(processes)
        processes(*container.beside(static_exporter, "simulate", "--simulator.listen-address=127.0.0.1:4777"))
        eventually("the simulator answers", lambda: container.get("http://127.0.0.1:4777/_simulator/"))
        script = f"http://127.0.0.1:4777/_simulator/transfers/{CONNECTOR}/{TRANSFER}"
        run(*container.beside("curl", "-sSf", "-X", "PUT", "--data", json.dumps([{"path": "/orders.csv"}]), script))
        with_tls = [pathlib.Path(__file__).with_name("tls.py"), authority / "server.pem", authority / "server.key", 4778, 4777]
        processes(*container.beside("python3", *with_tls))
        check = ["curl", "-sSf", "--cacert", authority / "ca.pem", "--resolve", f"{NAME}:4778:127.0.0.1", f"https://{NAME}:4778/_simulator/"]
        eventually("TLS is there", lambda: run(*container.beside(*check), check=False).returncode == 0)

        text = eventually("it answers", lambda: container.get(METRICS))
        [line] = [line for line in text.splitlines() if line.startswith("aws_transfer_results_up{")]
        assert line.endswith(f"}} {up}"), container.log.read_text()
        if not up:
            assert "certificate" in container.log.read_text()
