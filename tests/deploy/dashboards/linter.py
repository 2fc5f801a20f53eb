"""The rules of the Grafana dashboard-linter, as functions that yield the problems of a dashboard.

They implement the documented rules of https://github.com/grafana/dashboard-linter without running it. Rules that it applies
to some panel types apply to all panels with queries here.
"""

import re

from . import sources

RULES = {}
WITHOUT_QUERIES = ("row", "text")
UNITS = {
    "none", "string", "short", "percent", "percentunit", "bytes", "decbytes", "Bps", "bps", "s", "ms", "m", "h", "d",
    "dtdurations", "dthms", "dtdhms", "dateTimeAsIso", "dateTimeFromNow", "cps", "ops", "reqps", "rps", "mps", "cpm", "opm", "rpm",
    "bool", "bool_yes_no", "bool_on_off", "currencyUSD",
}


def rule(name):
    def register(function):
        RULES[name] = function
        return function
    return register


def query_panels(dashboard):
    return [panel for panel in sources.panels(dashboard) if panel["type"] not in WITHOUT_QUERIES]


def parsed(dashboard):
    """Yields each PromQL query with its panel and syntax tree. target-promql-rule reports the others."""
    for panel, target in sources.targets(dashboard):
        try:
            yield panel, target, sources.parse(target["expr"])
        except (KeyError, ValueError):
            continue


def where(panel, target=None):
    return f"panel `{panel.get('title')}`" + (f", query {target.get('refId')}" if target else "")


@rule("template-datasource-rule")
def template_datasource(dashboard):
    found = [v for v in dashboard["templating"]["list"] if v["type"] == "datasource"]
    if not found:
        yield "no variable for the data source"
    for variable in found:
        kind = variable.get("query", "")
        if variable["name"] not in ("datasource", f"{kind}_datasource"):
            yield f"the data source variable is named: {variable['name']}"
        if variable.get("label") not in ("Data source", f"{kind.title()} data source"):
            yield f"the data source variable is labelled: {variable.get('label')}"
        if kind != "prometheus":
            yield f"the data source variable is for: {kind}"


def required_variable(dashboard, name, label):
    variable = sources.variables(dashboard).get(name)
    if variable is None:
        yield f"no variable `{name}`"
        return
    if variable["type"] != "query":
        yield f"`{name}` is no query: {variable['type']}"
    if variable.get("datasource", {}).get("uid") not in ("$datasource", "${datasource}"):
        yield f"`{name}` does not use the data source variable"
    if variable.get("label") != label:
        yield f"`{name}` is labelled: {variable.get('label')}"
    if not variable.get("multi"):
        yield f"`{name}` takes one value only"
    if variable.get("allValue") != ".+":
        yield f"`{name}` has as value for all: {variable.get('allValue')}"


@rule("template-job-rule")
def template_job(dashboard):
    yield from required_variable(dashboard, "job", "Job")


@rule("template-instance-rule")
def template_instance(dashboard):
    yield from required_variable(dashboard, "instance", "Instance")


@rule("template-label-promql-rule")
def template_label_promql(dashboard):
    for variable in dashboard["templating"]["list"]:
        if variable["type"] != "query":
            continue
        call = re.fullmatch(r"(\w+)\((.+)\)", sources.query_of(variable))
        if call is None or call[1] not in ("label_names", "label_values", "metrics", "query_result"):
            yield f"`{variable['name']}` is no query for labels: {sources.query_of(variable)}"
            continue
        selector = re.sub(r",\s*\w+$", "", call[2]) if call[1] == "label_values" else call[2]
        try:
            sources.parse(selector)
        except ValueError as error:
            yield f"`{variable['name']}` holds no PromQL: {error}"


@rule("template-on-time-change-reload-rule")
def template_on_time_change_reload(dashboard):
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query" and variable.get("refresh") != 2:
            yield f"`{variable['name']}` is not read again when the time range changes"


@rule("panel-datasource-rule")
def panel_datasource(dashboard):
    for panel in query_panels(dashboard):
        for holder in (panel, *panel.get("targets", [])):
            if holder.get("datasource", {}).get("uid") not in ("$datasource", "${datasource}"):
                yield f"{where(panel)} does not use the data source variable"


@rule("panel-title-description-rule")
def panel_title_description(dashboard):
    for panel in sources.panels(dashboard):
        # Rows have no description in Grafana.
        if not panel.get("title") or not (panel.get("description") or panel["type"] == "row"):
            yield f"{where(panel)} lacks its title or description"


@rule("panel-units-rule")
def panel_units(dashboard):
    for panel in query_panels(dashboard):
        config = panel["fieldConfig"]
        units = [config["defaults"].get("unit")]
        units += [p["value"] for o in config["overrides"] for p in o["properties"] if p["id"] == "unit"]
        for unit in units:
            if unit not in UNITS:
                yield f"{where(panel)} has the unit: {unit}"


@rule("panel-no-targets-rule")
def panel_no_targets(dashboard):
    for panel in query_panels(dashboard):
        if not panel.get("targets"):
            yield f"{where(panel)} has no query"


def is_loki(target):
    return target.get("datasource", {}).get("type") == "loki"


@rule("target-logql-rule")
def target_logql(dashboard):
    # LogQL is not supported here, so such a query could not be checked.
    for panel, target in sources.targets(dashboard):
        if is_loki(target):
            yield f"{where(panel, target)} is LogQL, which these tests cannot read"


@rule("target-logql-auto-rule")
def target_logql_auto(dashboard):
    for panel, target in sources.targets(dashboard):
        ranges = re.findall(r"\[([^\]]+)\]", target["expr"]) if is_loki(target) else []
        if any(r != "$__auto" for r in ranges):
            yield f"{where(panel, target)} has a range that is not $__auto"


@rule("target-promql-rule")
def target_promql(dashboard):
    for panel, target in sources.targets(dashboard):
        try:
            sources.parse(target["expr"])
        except (KeyError, ValueError) as error:
            yield f"{where(panel, target)} is no PromQL: {error}"


@rule("target-rate-interval-rule")
def target_rate_interval(dashboard):
    for panel, target, _ in parsed(dashboard):
        # Variables are replaced by durations, so that only the expected one has this length.
        tree = sources.promql.parse(sources.with_durations(target["expr"], rate_interval="77d", range_="78d"))
        for node, parents in sources.walk(tree):
            if type(node).__name__ != "MatrixSelector" or node.range.days == 77:
                continue
            call = parents[-1] if parents else None
            if type(call).__name__ != "Call" or call.func.name in ("rate", "irate"):
                yield f"{where(panel, target)} has a range that is not $__rate_interval"


def required_matcher(dashboard, label):
    for panel, target, tree in parsed(dashboard):
        for selector, _ in sources.selectors(tree):
            if sources.is_recorded(selector.name):
                continue
            wanted = [m for m in selector.matchers.matchers
                      if m.name == label and m.op == sources.promql.MatchOp.Re and m.value == f"${label}"]
            if not wanted:
                yield f'{where(panel, target)}: {selector.name} is not matched with {label}=~"${label}"'


@rule("target-job-rule")
def target_job(dashboard):
    yield from required_matcher(dashboard, "job")


@rule("target-instance-rule")
def target_instance(dashboard):
    yield from required_matcher(dashboard, "instance")


@rule("target-counter-agg-rule")
def target_counter_agg(dashboard):
    for panel, target, tree in parsed(dashboard):
        for selector, parents in sources.selectors(tree):
            if not selector.name.endswith("_total"):
                continue
            call = parents[-2] if len(parents) > 1 else None
            if type(call).__name__ != "Call" or call.func.name not in ("rate", "irate", "increase"):
                yield f"{where(panel, target)}: the counter {selector.name} is read without rate or increase"


@rule("uneditable-dashboard-rule")
def uneditable_dashboard(dashboard):
    if dashboard.get("editable") is not False:
        yield "the dashboard can be edited where it is provisioned"
