"""Fixtures: a Prometheus that scrapes the demo, and the screenshot command."""

import os
import subprocess

import pytest
from preview_stand import PREVIEW, ROOT, Prometheus, free_port, tool, wait_for


# Started first, so that it scrapes while other tests run.
@pytest.fixture(scope="session", autouse=True)
def prometheus(tmp_path_factory):
    """A Prometheus with a few scrapes of the demo and the shipped rules."""
    exporter = os.environ.get("EXPORTER")
    if not exporter:
        pytest.fail("EXPORTER is not set to the path of the exporter")
    folder = tmp_path_factory.mktemp("prometheus")
    demo, port = free_port(), free_port()
    # With TLS and storage, every family is exported.
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
         "-subj", "/CN=demo", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True, capture_output=True,
    )
    (folder / "web.yml").write_text("tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n")
    # The fleet overview reads recorded series: they are evaluated as often as the demo is scraped.
    for rules in sorted((ROOT / "deploy" / "prometheus").glob("*.rules.yml")):
        text = rules.read_text()
        assert "interval: 1m\n" in text, f"{rules.name} has no interval"
        (folder / rules.name).write_text(text.replace("interval: 1m\n", "interval: 1s\n"))
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
        "rule_files: ['*.rules.yml']\n"
        "scrape_configs:\n"
        "  - job_name: aws-transfer-exporter\n"
        "    scheme: https\n"
        f"    tls_config: {{ca_file: {folder}/cert.pem}}\n"
        f"    static_configs: [{{targets: ['127.0.0.1:{demo}']}}]\n"
    )
    commands = [
        [
            exporter,
            "demo",
            f"--storage.path={folder}/storage",
            f"--web.config.file={folder}/web.yml",
            f"--web.listen-address=127.0.0.1:{demo}",
        ],
        [
            tool("prometheus"),
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
    ]
    processes = []
    try:
        for number, command in enumerate(commands):
            with open(folder / f"{number}.log", "w") as log:
                processes.append(subprocess.Popen(command, stdout=log, stderr=log))
        server = Prometheus(f"http://127.0.0.1:{port}")
        wait_for("a third scrape", lambda: (server.value("min(count_over_time(up[1m]) * up)") or 0) >= 3, 30)
        yield server
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


@pytest.fixture(scope="session")
def preview():
    if not (PREVIEW / "node_modules" / "vite").is_dir():
        pytest.fail("npm packages are missing: run tests/deploy/preview/install DIR")
    return PREVIEW


@pytest.fixture
def screenshot(preview, tmp_path):
    """Runs the command; returns its result and the output directory."""

    def run(url, *arguments):
        command = [tool("node"), str(preview / "screenshot"), url, str(tmp_path), *arguments]
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=110,
            env={**os.environ, "CHROMIUM": tool("chromium")},
        ), tmp_path

    return run
