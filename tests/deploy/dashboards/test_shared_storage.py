"""The queries about shared storage return data on a Prometheus that scrapes a standby. Its table cannot be reached: no DynamoDB
is needed."""

import json

import pytest

from . import live, sources

BOARD = sources.FOLDER / "exporter.json"
CASES = [pytest.param(panel["id"], target["refId"], id=f"{panel['title']}, {target['refId']}")
         for panel, target in sources.targets(sources.load(BOARD)) if panel["title"] in sources.OF_SHARED_STORAGE]


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared")
    port, api, table = live.free_port(), live.free_port(), live.free_port()
    (folder / "exporter.yml").write_text(
        f"accounts: [{{name: prod, region: eu-central-1, endpoint_url: 'http://127.0.0.1:{table}'}}]\n"
        "discovery: {connectors: [{account: prod}]}\n", encoding="utf-8")
    scrape = {"job_name": live.JOB, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
    config = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": [scrape]}
    (folder / "prometheus.yml").write_text(json.dumps(config), encoding="utf-8")
    url = f"dynamodb://state?region=eu-central-1&endpoint=http://127.0.0.1:{table}"
    with (
        live.running([live.exporter(), f"--config.file={folder}/exporter.yml", f"--storage.url={url}",
                      f"--web.listen-address=127.0.0.1:{port}"], folder / "exporter.log") as process,
        live.running([live.tool("prometheus"), f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                      f"--web.listen-address=127.0.0.1:{api}"], folder / "prometheus.log"),
    ):
        live.wait_until(live.answers(f"http://127.0.0.1:{port}/-/healthy"), 60, "the standby does not answer")
        live.wait_until(live.answers(f"http://127.0.0.1:{api}/-/ready"), 60, "Prometheus is not ready")
        yield live.Prometheus(f"http://127.0.0.1:{api}", process)


def test_panels_exist():
    assert {case.id.rsplit(",", 1)[0] for case in CASES} == sources.OF_SHARED_STORAGE


@pytest.mark.parametrize(("panel_id", "ref"), CASES)
def test_query_returns_data(prometheus, panel_id, ref):
    dashboard = sources.load(BOARD)
    target = next(t for p, t in sources.targets(dashboard) if (p["id"], t["refId"]) == (panel_id, ref))

    def found():
        choices = live.choices(dashboard, prometheus)
        answers = [live.ask(prometheus, target, choice) for choice in choices]
        return [series for answer in answers for series in answer if live.numbers(series)]

    live.wait_until(found, 30, target["expr"])
    assert all(value == 0 for series in found() for value in live.numbers(series)), "a standby that has owned nothing"
