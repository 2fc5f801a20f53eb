"""Tests of the shipped rules: they are valid and complete, and use only documented metrics."""

import re

import pytest

from conftest import RUNBOOKS, SHIPPED, alerts, metrics, records, run

# `namespace` and `cluster` exist with Kubernetes service discovery, or with several Prometheus servers.
TARGET_LABELS = {"job", "instance", "namespace", "cluster"}
OWN_NAMES = {"up"}


def ids(rule):
    return rule.get("alert") or rule.get("record")


every_rule = pytest.mark.parametrize("rule", records() + alerts(), ids=ids)
every_alert = pytest.mark.parametrize("rule", alerts(), ids=ids)


def test_promtool_reports_no_error():
    code, output = run("promtool", "check", "rules", "--lint=all", "--lint-fatal", SHIPPED / "recording.rules.yml", SHIPPED / "alerting.rules.yml")
    assert code == 0, output


def test_names_are_unique():
    names = [ids(rule) for rule in records() + alerts()]
    assert len(names) == len(set(names))


@every_alert
def test_alert_has_a_severity_and_annotations(rule):
    assert rule["alert"].startswith("AwsTransfer")
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert all(text.strip() for text in rule["annotations"].values())


@every_alert
def test_texts_write_plurals_in_full(rule):
    for text in rule["annotations"].values():
        assert "(s)" not in text, "use a `countOf...` of the mixin"


@every_alert
def test_connector_alert_fires_with_and_without_a_name(rule):
    if "$labels.connector_id" not in rule["annotations"]["description"]:
        assert "connector_id" not in rule["expr"]
        return
    for text in (rule["annotations"]["summary"], rule["annotations"]["description"]):
        assert "{{ with $labels.name }}" in text and "{{ else }}{{ $labels.connector_id }}{{ end }}" in text
    join = (
        "\n)\n* on (cluster, aws_account, aws_region, connector_id) group_left (name)\n"
        "  connector_name:aws_transfer_connector_info:max\n"
    )
    assert rule["expr"].startswith("(\n") and rule["expr"].endswith(join)


@every_rule
def test_everything_is_evaluated_per_cluster(rule):
    """Aggregations and joins have the label of the cluster, except for those over one target or with all labels."""
    for keyword, text in re.findall(r"\b(by|on) ?\(([^)]*)\)", rule["expr"]):
        assert text.startswith("cluster") or (keyword, text) == ("on", ""), rule["expr"]


@every_rule
def test_labels_that_identify_something_stay_together(rule):
    """A connector belongs to an account and Region, a target to a set of shards: losing one merges or mismatches others."""
    for keyword, text in re.findall(r"\b(by|on) ?\(([^)]*)\)", rule["expr"]):
        labels = {label.strip() for label in text.split(",")}
        assert ("aws_account" in labels) == ("aws_region" in labels), text
        assert "connector_id" not in labels or "aws_account" in labels, text
        assert ("job" in labels) == ("namespace" in labels), text
        assert "instance" not in labels or "job" in labels, text


@every_alert
def test_runbook_has_four_parts(rule):
    base, anchor = rule["annotations"]["runbook_url"].split("#")
    assert base == "https://github.com/aws-transfer-exporter/aws-transfer-exporter/blob/main/docs/operate/runbooks.md"
    assert anchor == rule["alert"].lower()
    sections = re.split(r"^## ", RUNBOOKS.read_text(), flags=re.M)
    (section,) = [s for s in sections if s.splitlines()[0].lower() == anchor]
    for part in ("Meaning", "Impact", "Diagnosis", "Mitigation"):
        assert re.search(rf"^\*\*{part}\.\*\* \S", section, re.M), f"{part} of {rule['alert']}"


def test_every_runbook_belongs_to_an_alert():
    headings = set(re.findall(r"^## (AwsTransfer\w+)$", RUNBOOKS.read_text(), re.M))
    assert headings == {rule["alert"] for rule in alerts()}


def selectors(expression):
    """Returns the labels in matchers by name of the series."""
    found = {}
    bare = re.sub(r"\b(?:by|on|without|ignoring|group_left|group_right) ?\([^)]*\)|\[[^]]*\]", " ", expression)
    for name, matchers in re.findall(r"([a-zA-Z_:][\w:]*)(\{[^}]*\})?(?!\w*\s*\()", re.sub(r'"[^"]*"', '""', bare)):
        found.setdefault(name, set()).update(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
    # Exclude labels in braces and keywords.
    language = {"and", "or", "unless", "offset", "bool", "by", "on"}
    units = {name for name in found if re.fullmatch(r"[smhd]", name)}
    inside = {label for labels in found.values() for label in labels}
    return {name: labels for name, labels in found.items() if name not in language | units | inside}


def grouping(expression):
    lists = re.findall(r"\b(?:by|on|group_left) ?\(([^)]*)\)", expression)
    return {label.strip() for text in lists for label in text.split(",") if label.strip()}


def ignored(expression):
    lists = re.findall(r"\bignoring ?\(([^)]*)\)", expression)
    return {label.strip() for text in lists for label in text.split(",") if label.strip()}


def test_selectors_are_parsed():
    found = selectors('sum by (a) (x_total{l="v",m=~"w"}) > 0 and on (b) max_over_time(r:y:z[5m] offset 2h)')
    assert found == {"x_total": {"l", "m"}, "r:y:z": set()}
    assert selectors("topk without (a) (1, max_over_time(timestamp(x)[1h:1m])) or ignoring (b) y") == {"x": set(), "y": set()}
    assert grouping("sum by (a, b) (x) and on (c) y * on (d) group_left (e) z") == {"a", "b", "c", "d", "e"}


@every_rule
def test_every_series_and_label_is_documented(rule):
    known = metrics()
    recorded = {rule["record"]: grouping(rule["expr"]) for rule in records()}
    everything = set().union(*known.values()) | {"le"}
    used = selectors(rule["expr"])
    assert used or rule["record"].startswith("price:"), "a price is a setting"
    for name, labels in used.items():
        if ":" in name:
            assert name in recorded, f"{name} is not recorded"
            assert labels <= recorded[name], f"labels of {name}"
        elif name in OWN_NAMES:
            assert labels <= TARGET_LABELS
        else:
            family = re.sub("_(bucket|sum|count)$", "", name)
            assert family in known, f"{name} is not in METRICS.md"
            assert labels <= known[family], f"labels of {name}"
    assert grouping(rule["expr"]) <= everything | TARGET_LABELS
    # `count` distinguishes several counts of the same events within a rule.
    assert ignored(rule["expr"]) <= everything | {"count"}
    texts = " ".join(rule.get("annotations", {}).values())
    assert set(re.findall(r"\$labels\.(\w+)", texts)) <= everything | TARGET_LABELS


SUMMED = ["aws_transfer_connector_files", "aws_transfer_connector_transfers", "aws_transfer_connector_files_finished_total",
          "aws_transfer_connector_bytes_total", "aws_transfer_connector_operations_total"]


@every_rule
def test_partial_series_are_summed_over_shards(rule):
    """The maximum over shards is not the total. Only a comparison with 0 gives the same result."""
    read = {name for name in selectors(rule["expr"]) if name in SUMMED}
    if rule.get("record") == "connector_name:aws_transfer_connector_info:max":
        assert read == {"aws_transfer_connector_transfers"}, "only whether a series exists"
        return
    if read:
        assert "instance_shard:aws_transfer_exporter_shard_info:newest1h" in selectors(rule["expr"])
        labels = set().union(*(metrics()[name] for name in read))
        assert ignored(rule["expr"]) - {"count"} == labels - {"shard"} | {"shards"}, "a remaining label silently breaks the join"


INCREASE = "connector_status_code:aws_transfer_connector_files_finished:increase"
INCREASE_OF_OPERATIONS = "connector_operation_status_code:aws_transfer_connector_operations:increase"


def plain(record):
    return " ".join(next(rule["expr"] for rule in records() if rule["record"] == record).split())


@every_rule
def test_increases_are_counted_alike(rule):
    """The unit tests are about one of four rules that count failures, and one of two that also count completed files."""
    expr = " ".join(rule["expr"].split())
    if rule.get("record") == INCREASE_OF_OPERATIONS:
        of_files = plain(INCREASE).replace("files_finished_total", "operations_total").replace(" status, failure_code", " operation, status, failure_code")
        assert expr == of_files
    if rule.get("record") == INCREASE + "1h":
        failures = re.search(r"shard, shards\) \( \( (\( .* \)) \) \* ignoring", plain(INCREASE))[1]
        assert re.sub(r"\b15m\b", "1h", failures) in expr
    if rule.get("record") == INCREASE + "5m":
        assert expr == re.sub(r"\b1h\b", "5m", plain(INCREASE + "1h"))
