import html
import json
import re
import shutil
import subprocess
import time

from PIL import Image
from preview_stand import PREVIEW, ROOT, tool, wait_for

FIXTURES = PREVIEW / "fixtures"


def titles(path):
    """Returns the titles of visible panels and rows without variables."""
    panels = json.loads(path.read_text())["panels"]
    shown = [panel["title"] for panel in panels if panel.get("title")]
    assert shown, f"{path} has no titles"
    return [title for title in shown if "$" not in title]


def assert_pictured(picture, dashboard):
    with Image.open(picture) as image:
        assert image.format == "PNG"
        assert image.width == 1600
        assert image.height >= 400
        colours = image.convert("RGB").getcolors(maxcolors=1 << 24)
    assert len(colours) > 100, "almost a single color"
    assert max(count for count, _ in colours) < 0.97 * 1600 * image.height, "almost blank"
    page = html.unescape(re.sub(r"<[^>]+>", "\n", picture.with_suffix(".html").read_text()))
    lines = {line.strip() for line in page.splitlines()}
    missing = [title for title in titles(dashboard) if title not in lines]
    assert not missing, f"missing in the page: {missing}"


def test_packages_install_from_the_lock_file(tmp_path):
    for name in ["package.json", "package-lock.json", ".npmrc"]:
        shutil.copy(PREVIEW / name, tmp_path)
    subprocess.run(
        [tool("npm"), "ci", "--prefer-offline", "--no-progress", "--loglevel=error"],
        cwd=tmp_path,
        check=True,
        timeout=110,
    )
    lock = json.loads((PREVIEW / "package-lock.json").read_text())["packages"]
    assert lock[""]["dependencies"]["@grafana/ui"].startswith("13.2.")
    for package in lock[""]["dependencies"] | lock[""]["devDependencies"]:
        installed = json.loads((tmp_path / "node_modules" / package / "package.json").read_text())["version"]
        assert installed == lock[f"node_modules/{package}"]["version"]


def test_package_versions_are_exact_and_the_lock_file_has_no_registry():
    package = json.loads((PREVIEW / "package.json").read_text())
    for name, version in (package["dependencies"] | package["devDependencies"]).items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version), f"{name} {version}"
    lock = json.loads((PREVIEW / "package-lock.json").read_text())
    unlocked = [name for name, entry in lock["packages"].items() if name and "integrity" not in entry]
    assert not unlocked
    assert not [name for name, entry in lock["packages"].items() if "resolved" in entry]


def test_types_and_units(preview):
    for script in ["types", "test"]:
        result = subprocess.run(
            [tool("npm"), "run", "--silent", script], cwd=preview, capture_output=True, text=True, timeout=110
        )
        assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(r"Tests .*\d+ passed", result.stdout)


def test_every_feature_is_rendered(prometheus, screenshot):
    # Rates need scrapes over a whole step of 15 s.
    wait_for("a quarter of a minute", lambda: (prometheus.value("min(count_over_time(up[1m]))") or 0) >= 20, 40)
    result, folder = screenshot(prometheus.url, "--html", "fixtures/everything")
    assert result.returncode == 0, result.stderr
    assert "fixtures/everything: 17 panels drawn" in result.stdout
    assert_pictured(folder / "fixtures-everything.png", FIXTURES / "everything.json")
    page = (folder / "fixtures-everything.html").read_text()
    assert "In the closed row" not in page
    assert "reachable" in page, "the mapping of the value 1"
    assert "answering" in page, "the text of a period"
    assert "nothing here" in page, "the text for no value"
    assert "acme-inbound" in page, "a value of the merged table"
    assert "var-connector=c-" in page, "a link with a field of the row"


def test_rows_can_be_expanded_and_values_selected(prometheus, screenshot):
    result, folder = screenshot(prometheus.url, "--html", "--rows-open", "--var=mode=p", "fixtures/everything")
    assert result.returncode == 0, result.stderr
    page = (folder / "fixtures-everything.html").read_text()
    assert "In the closed row" in page
    assert "mode p." in re.sub(r"<[^>]+>", "", page)


def test_unsupported_features_are_reported(prometheus, screenshot):
    result, folder = screenshot(
        prometheus.url, "fixtures/refused-panel-type", "fixtures/refused-feature", "fixtures/refused-dashboard"
    )
    assert result.returncode == 1
    for line in [
        'refused: panel "Durations": panel type heatmap',
        'refused: panel "Repeated": repeat: job',
        'refused: panel "Sparklines": transformations[0].id: timeSeriesTable',
        'refused: panel "Values": targets[0].exemplar: true',
        "refused: annotations.list[0]: the annotation Restarts",
        "refused: templating.list[0].type: adhoc",
    ]:
        assert line in result.stderr
    assert not (folder / "fixtures-refused-panel-type.png").exists()
    with Image.open(folder / "fixtures-refused-panel-type.failed.png") as image:
        colours = image.convert("RGB").getcolors(maxcolors=1 << 24)
    red = sum(count for count, colour in colours if colour == (196, 22, 42))
    assert red > 50_000, "the error is visible"


def test_failed_queries_and_missing_data_are_failures(prometheus, screenshot):
    result, _ = screenshot(prometheus.url, "fixtures/failing")
    assert result.returncode == 1
    assert 'panel "Empty": No data' in result.stderr
    assert 'panel "Wrong query": bad_data: ' in result.stderr
    assert 'panel "Unknown variable": undefined variable `$nowhere`' in result.stderr
    assert 'panel "Good"' not in result.stderr


def test_unreachable_prometheus_is_a_failure(screenshot):
    result, _ = screenshot("http://127.0.0.1:1", "fixtures/everything")
    assert result.returncode == 1
    assert "Failed to fetch" in result.stderr


def test_usage_errors_are_reported(screenshot):
    result, _ = screenshot("http://127.0.0.1:1", "no-such-dashboard")
    assert result.returncode == 2
    assert "unknown dashboard `no-such-dashboard`; available: " in result.stderr


def test_shipped_dashboards_are_rendered(prometheus, screenshot):
    shipped = sorted((ROOT / "dashboards").glob("*.json"))
    # Falls back to a fixture.
    paths = shipped or [FIXTURES / "everything.json"]
    # Queries with a step of 1m need a full minute of scrapes.
    started = prometheus.value("min(min_over_time(timestamp(up)[10m:1s]))")
    time.sleep(max(0, started + 65 - time.time()))
    result, folder = screenshot(prometheus.url, "--html", *map(str, paths))
    assert result.returncode == 0, result.stderr
    for path in paths:
        assert_pictured(folder / f"{path.stem}.png", path)
