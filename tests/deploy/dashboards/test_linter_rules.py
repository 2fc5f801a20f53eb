"""Every dashboard follows the rules of the dashboard-linter, and every rule detects a violation."""

import copy

import pytest

from . import linter, sources


def variable(dashboard, name):
    return sources.variables(dashboard)[name]


def first_target(dashboard):
    return next(target for _, target in sources.targets(dashboard))


def first_panel(dashboard):
    return next(panel for panel in sources.panels(dashboard) if panel["type"] == "stat")


def drop_variables(dashboard, kind):
    dashboard["templating"]["list"] = [v for v in dashboard["templating"]["list"] if v["type"] != kind]


def replace_in_exprs(dashboard, old, new):
    for _, target in sources.targets(dashboard):
        target["expr"] = target["expr"].replace(old, new)


# Violations that each rule must detect.
BREAKS = {
    "template-datasource-rule": lambda d: drop_variables(d, "datasource"),
    "template-job-rule": lambda d: variable(d, "job").update(multi=False),
    "template-instance-rule": lambda d: variable(d, "instance").update(allValue=".*"),
    "template-label-promql-rule": lambda d: variable(d, "job").update(query="label_values(up{, job)"),
    "template-on-time-change-reload-rule": lambda d: variable(d, "job").update(refresh=1),
    "panel-datasource-rule": lambda d: first_panel(d)["datasource"].update(uid="P1809F7CD0C75ACF3"),
    "panel-title-description-rule": lambda d: first_panel(d).update(description=""),
    "panel-units-rule": lambda d: first_panel(d)["fieldConfig"]["defaults"].pop("unit"),
    "panel-no-targets-rule": lambda d: first_panel(d).update(targets=[]),
    "target-logql-rule": lambda d: first_target(d)["datasource"].update(type="loki"),
    "target-logql-auto-rule": lambda d: first_target(d).update(datasource={"type": "loki"}, expr='rate({a="b"}[5m])'),
    "target-promql-rule": lambda d: first_target(d).update(expr="sum(up"),
    "target-rate-interval-rule": lambda d: first_target(d).update(expr="rate(process_cpu_seconds_total[5m])"),
    "target-job-rule": lambda d: replace_in_exprs(d, 'job=~"$job"', 'job="transfer"'),
    "target-instance-rule": lambda d: replace_in_exprs(d, 'instance=~"$instance"', 'instance!=""'),
    "target-counter-agg-rule": lambda d: first_target(d).update(expr="max(process_cpu_seconds_total)"),
    "uneditable-dashboard-rule": lambda d: d.update(editable=True),
}


def test_all_17_rules_are_implemented():
    assert len(linter.RULES) == 17
    assert set(BREAKS) == set(linter.RULES)


@pytest.mark.parametrize("name", linter.RULES)
@pytest.mark.parametrize("file", sources.FILES, ids=lambda file: file.stem)
def test_dashboard_follows_the_rule(file, name):
    assert list(linter.RULES[name](sources.load(file))) == []


@pytest.mark.parametrize("name", linter.RULES)
@pytest.mark.parametrize("file", sources.FILES, ids=lambda file: file.stem)
def test_rule_detects_a_violation(file, name):
    broken = copy.deepcopy(sources.load(file))
    BREAKS[name](broken)
    assert list(linter.RULES[name](broken)) != []
