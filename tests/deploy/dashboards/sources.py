"""Access to the dashboards, their panels and queries, and METRICS.md."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import promql_parser as promql

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "dashboards"
RULES = ROOT / "deploy" / "prometheus" / "recording.rules.yml"
FILES = sorted(FOLDER.glob("*.json"))

# Series that Prometheus adds for every target.
TARGET = frozenset({"cluster", "job", "instance"})
OF_PROMETHEUS = {"up": TARGET, "scrape_duration_seconds": TARGET}

# Panels about shared storage, which the demo does not have.
OF_SHARED_STORAGE = {"Owner of each shard", "Lost shards and refused writes", "Oldest report in each inbox", "Capacity units per second"}
# Labels of aws_transfer_connector_info with `discovery.connectors`, which METRICS.md mentions in the description.
KNOWN_BY_LISTING = {"url", "egress_type", "status"}


def load(file):
    return json.loads(Path(file).read_text(encoding="utf-8"))


def panels(dashboard):
    """Yields every panel, including those in collapsed rows."""
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", [])


def targets(dashboard):
    """Yields each query with its panel."""
    for panel in panels(dashboard):
        for target in panel.get("targets", []):
            yield panel, target


def variables(dashboard):
    return {variable["name"]: variable for variable in dashboard["templating"]["list"]}


def query_of(variable):
    """Returns the query of a variable: a string, or {query, refId} in newer versions of Grafana."""
    query = variable["query"]
    return query["query"] if isinstance(query, dict) else query


def with_durations(expr, rate_interval="5m", range_="6h"):
    """Replaces Grafana variables by durations; those within quotes do not affect parsing."""
    for name, value in (("rate_interval", rate_interval), ("interval_ms", "60000"), ("interval", "1m"), ("range", range_)):
        expr = re.sub(r"\$__%s\b|\$\{__%s\}" % (name, name), value, expr)
    return expr


def parse(expr):
    """Returns the syntax tree. Raises ValueError for invalid PromQL."""
    return promql.parse(with_durations(expr))


def children(node):
    kind = type(node).__name__
    if kind == "AggregateExpr":
        return [n for n in (node.param, node.expr) if n is not None]
    if kind == "BinaryExpr":
        return [node.lhs, node.rhs]
    if kind == "Call":
        return list(node.args)
    if kind == "MatrixSelector":
        return [node.vector_selector]
    if kind in ("ParenExpr", "UnaryExpr", "SubqueryExpr"):
        return [node.expr]
    return []


def walk(node, parents=()):
    """Yields every node with its parents, outermost first."""
    yield node, parents
    for child in children(node):
        yield from walk(child, (*parents, node))


def selectors(node):
    """Returns every vector selector with its parents."""
    return [(n, parents) for n, parents in walk(node) if type(n).__name__ == "VectorSelector"]


def is_recorded(name):
    """Returns whether a series is the result of a rule, which has no labels of targets."""
    return ":" in name or name.startswith("ALERTS")


def op_of(aggregation):
    return str(aggregation.op).lower().rsplit(".", 1)[-1]


@dataclass(frozen=True)
class Family:
    name: str
    kind: str
    labels: frozenset

    @property
    def series(self):
        """Returns the names of its series."""
        if self.kind == "histogram":
            return [f"{self.name}_{end}" for end in ("bucket", "sum", "count")]
        return [self.name]


def families():
    """Returns the families of METRICS.md by name."""
    found = {}
    for line in (ROOT / "METRICS.md").read_text(encoding="utf-8").splitlines():
        row = re.match(r"\| `([a-z_]+)` \| (gauge|counter|histogram) \| (.*?) \|", line)
        if row:
            name, kind, labels = row.groups()
            sometimes = KNOWN_BY_LISTING if name == "aws_transfer_connector_info" else ()
            found[name] = Family(name, kind, frozenset(re.findall(r"`(\w+)`", labels)) | set(sometimes))
    return found


def rules():
    """Returns the syntax tree of each recorded series, in the order of the rules."""
    rule = re.compile(r"^      - record: (\S+)\n        expr: (?:'(.*)'|\|\n((?:          .*\n|\n)+))", re.MULTILINE)
    return {name: parse(line or block) for name, line, block in rule.findall(RULES.read_text(encoding="utf-8"))}


def recorded():
    """Returns the labels of each recorded series."""
    found = {}
    for name, tree in rules().items():
        aggregations = [node for node, _ in walk(tree) if type(node).__name__ == "AggregateExpr" and node.modifier]
        labels = {label for node in aggregations for label in node.modifier.labels}
        found[name] = labels.union(*(found.get(selector.name, ()) for selector, _ in selectors(tree)))
        # A price has the date when it was read.
        if name.startswith("price:"):
            found[name] = {"date"}
    return found


def exported(names):
    """Returns the series that an exporter exports among these and those that recorded ones are made of."""
    trees, found = rules(), set()
    new = set(names)
    while new:
        found |= new
        new = {selector.name for name in new & trees.keys() for selector, _ in selectors(trees[name])} - found
    return found - trees.keys()


def known_series():
    """Returns the labels in Prometheus of every known series."""
    known = {name: set(labels) for name, labels in OF_PROMETHEUS.items()} | recorded()
    alert = {"alertname", "severity", "alertstate", "instance", "target", *known["connector_name:aws_transfer_connector_info:max"], "failure_code", "flow"}
    known |= {"ALERTS": alert, "ALERTS_FOR_STATE": alert}
    for family in families().values():
        for name in family.series:
            labels = TARGET | family.labels
            known[name] = labels | {"le"} if name.endswith("_bucket") else labels
    return known


def excused():
    """Returns the families without a panel from dashboards/README.md, with the reasons."""
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    section = re.search(r"^## Families without a panel\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if section is None:
        raise AssertionError("dashboards/README.md has no section `Families without a panel`")
    return dict(re.findall(r"^\| `([a-z_]+)` \| (.+?) \|$", section[1], re.MULTILINE))
