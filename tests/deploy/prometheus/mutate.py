#!/usr/bin/env python3
"""Mutates every rule and lists the mutants that no unit test notices.

    TOOLS_BIN=target/test-tools/bin tests/deploy/prometheus/mutate.py [--minutes 60] [--jobs 1] [--only NAME]... [--kills FILE]

Each mutant changes one place of one rule: a comparison, a number, a label of `by`, `on` or `group_left`, a matcher, a range
or an offset, an aggregation, a set operator, `for` and `keep_firing_for`. It is killed if a test of test_rules.py
fails, or a unit test of deploy/prometheus/tests. Mutants that SURVIVORS lists with a reason are not run. The exit code is 1 if
another one survives.

Only the test cases that read the rule are run, on the rules that they need, and those first that have killed other mutants of
the rule. All mutants take some minutes. A run that is interrupted goes on where it was with the same `--kills`.
"""

import argparse
import collections
import concurrent.futures
import functools
import hashlib
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import time

import conftest
import test_rules
import yaml
from conftest import SHIPPED

FILES = ("recording.rules.yml", "alerting.rules.yml")
TESTS = SHIPPED / "tests"
NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
DURATION = re.compile(r"(\d+)(ms|s|m|h|d)")
CHECKS = ("alert_rule_test", "promql_expr_test")
# Cases that run alone for a mutant before the others run together, and how many of those in one process.
ALONE, AT_A_TIME = 4, 30
# Each process writes a database for each case: in memory where there is such a directory.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
# Processes run side by side with `--jobs`; a larger heap saves a tenth of the time.
ONE_CORE = {"GOMAXPROCS": "1", "GOGC": "400"}

# Mutants that no test can or should notice, as (rule, mutation): regular expressions, with the reason.
TIMES_AND_SHARES = (
    r"AwsTransfer(Stuck.*|UnfinishedPastAwsLimit|ResultsStale|DiscoveryStale|NothingStarted|DeliveryBurnRate.*|FailureShareHigh"
    r"|CertificateExpiresSoon|SweepIncomplete|Throttled)"
)
SURVIVORS = [
    (r".*", r"^\* is inverted", "the other factor is 1"),
    (r".*", r"^100 becomes (101|99)", "a threshold changes by a hundredth"),
    (r".*", r"^3600 becomes 3601", "a threshold of hours changes by seconds"),
    (r"AwsTransferFlowDueSoon", r"^60 becomes 61", "a threshold of minutes changes by seconds"),
    (r"AwsTransferResultsStale", r"^900 becomes 901", "a threshold of minutes changes by a second"),
    (TIMES_AND_SHARES, r"^(> becomes >=|< becomes <=)", "differs at one instant, or at one fraction"),
    (r"AwsTransferCertificateExpiresSoon", r"^86400 becomes 86401", "a threshold of days changes by seconds"),
    (r"AwsTransferThrottled", r"^sum becomes max at 0$", "a single series"),
    (r"AwsTransferThrottled", r"^> 0 is removed", "0 / 0 is above nothing"),
    (r"AwsTransferThrottled", r"^5 becomes 6", "a threshold changes by a hundredth"),
    (r"AwsTransferSweepIncomplete", r"^50 becomes 51", "a threshold changes by a hundredth"),
    (r"AwsTransferInboxNotDraining", r"^0 becomes 1 ", "a second is below the threshold"),
    (r"AwsTransferWebConfigUnconfirmed", r"^for is halved", "rules are evaluated every minute"),
    (r"AwsTransferDeadLettersOld", r"^for is halved", "its tests evaluate every five minutes"),
    (r"AwsTransfer(CertificateExpiresSoon|DiscoveryStale)", r"^max becomes min at [49]$", "a single series"),
    (r"AwsTransfer(AccessDenied|LimitExceeded|RequestsRefused|UnknownToAws)", r"^sum becomes max", "a single series"),
    (r"AwsTransfer(AccountDown|QueueNotDraining)", r"^sum becomes max", "only whether it is above 0 counts"),
    (r"AwsTransfer(FilesFailed|ConnectorAccessFailed|ExpectedFailures|RemoteOperationsFailed)", r"^(> becomes >=|> 0 is removed)", "the recorded series has no 0"),
    (r"AwsTransferConsecutiveFailures", r"^max_over_time becomes min_over_time", "only whether there is a series counts"),
    (r"AwsTransferExporter(Absent|ShardMissing|ShardsDisagree)", r"^(max|last)_over_time becomes min_over_time", "only whether there is a series counts"),
    (r"AwsTransferExporterAbsent", r"^(== 1 is removed at 268|range 5m becomes 10m at 263)$", "the other side of `or` has it"),
    (r"AwsTransferCredentialsFailing", r'^matcher outcome="denied" is removed', "the other side of the set operation has it"),
    (r"AwsTransferDeadLettersOld", r"^(> 0 is removed|> becomes >=|range 5m becomes \w+) at 1(98|82)$", "the other side of `and` has the value of 24 hours ago"),
    (r"AwsTransferCredentialsFailing", r"^sum becomes max", "only whether it is above 0 counts"),
    (r"AwsTransferConnector(Pending|Errored)", r"^(max becomes min|last_over_time becomes min_over_time)", "the series is always 1"),
    (r"connector_.*:increase.*", r'^matcher status="FAILED" is removed', "the other side of the set operation has it"),
    (r"connector:aws_transfer_connector_consecutive_failures:max", r"^(by|group_left) loses shards?", "a maximum of maxima"),
    (r"account_operation_le:.*:rate", r"^by loses connector_id at 142$", "differs while shards are added"),
    (r"connector:aws_transfer_files_completed:rise10m", r"^range 10m becomes 20m at 225$", "the other side of the difference has it"),
    (r"connector:aws_transfer_connector_files_failed:(ratio1h|ratio5m|increase1h)", r"^sum becomes max at (193|201)$", "multiplied by 0"),
    (r"connector:aws_transfer_connector_files_failed:ratio(1h|5m)", r"^matcher failure_code\S+ is removed at 328$", "the divisor has it"),
    (r"connector_code:aws_transfer_connector_files_failed:increase1h", r"^sum becomes max at 0$", "a single series"),
    (r"connector_status_code:.*_finished:increase1h", r"^range 5m becomes 10m at 1818$", "differs for a gap of that length an hour ago"),
    (r"connector_status_code:.*_finished:increase", r"^max becomes min at 1021$", "a single series"),
    (r"instance_shard:.*", r"^(>= becomes > at 145|0 becomes 1 at 153)$", "a timestamp is above 1"),
    (r"flow_outcome:aws_transfer_flow_windows:increase1h", r"^range 1h becomes 2h at (114|339|610|855|1121)$", "the value of an hour ago is needed besides"),
    (r"flow_outcome:aws_transfer_flow_windows:increase1d", r"^range 1d becomes 2d at (114|363|607)$", "the minimum of a day is needed besides"),
    (r"flow_outcome:aws_transfer_flow_windows:increase1h", r"^range 1h becomes 30m at (339|855)$", "the minimum is the same"),
    (r"flow_outcome:aws_transfer_flow_windows:increase30d", r"^range 5m becomes \S+ at 430$", "the counters of the other side are as new"),
    (r"flow_outcome:aws_transfer_flow_windows:increase(1h|1d|30d)", r"^last_over_time becomes min_over_time at (1057|543|366)$", "multiplied by 0"),
    (r"connector_status_code:.*_finished:increase", r"^> becomes >= at (1124|1229)$", "differs at one instant"),
    (r"connector_status_code:.*_finished:increase", r"^range 5m becomes 10m at (1224|1410)$", "the failed files are gone after five minutes"),
    (r"connector_code:.*:new", r"^(> 0 is removed|> becomes >=) at (680|1157)$", "the last comparison of the rule has it"),
    (r"connector_operation_code:.*:new", r"^(> 0 is removed|> becomes >=) at 715$", "the last comparison of the rule has it"),
    (r"connector_(operation_)?code:.*:new", r'^matcher status="FAILED" is removed at 1\d\d$', "the recorded series has no other status"),
    (r"connector_code:aws_transfer_files_failed:new", r"^max_over_time becomes min_over_time at (585|1062)$", "only whether there is a series counts"),
    (r"connector_operation_code:aws_transfer_operations_failed:new", r"^max_over_time becomes min_over_time at 620$", "only whether there is a series counts"),
    (r"connector_status_code:.*_finished:increase", r"^last_over_time becomes min_over_time at (543|709|1362)$", "only whether there is a series counts"),
    (r"connector_status_code:.*_finished:increase1h", r"^last_over_time becomes min_over_time at (1741|1907)$", "only whether there is a series counts"),
    (r"AwsTransferQueueNotDraining", r"^range 1[05]m becomes", "`for` is as long as the window"),
    (r"AwsTransfer(FlowDueSoon|NothingStarted|NoFileCompleted)", r'^matcher \w+=~"\.\+" is removed', "the default selects everything"),
    (r"AwsTransferFlowUnknown", r'^(matcher state="unknown"|== 1) is removed at 1|^on loses flow at 64$', "one state is 1: the other side of the set operation has it"),
    (r"flow:aws_transfer_flow_(window_state:number|windows:worst1d)", r'^matcher \w+="missing" is removed', "the other sides of `or` have the others"),
    (r"flow:aws_transfer_flow_windows_on_time:ratio30d", r"^sum becomes max at (4|110)$", "a single series, or multiplied by 0"),
    (r"connector_name:.*", r"^last_over_time becomes min_over_time", "only whether there is a series counts"),
    (r"connector:aws_transfer_files_completed:recent", r"^sum becomes max at 79$", "a single series"),
    (r"connector_status_code:.*_finished:increase1h", r'^matcher status!="FAILED" is removed at 1799$', "the other side of the set operation has it"),
    (r"(connector|flow):.*_cost_usd:increase1h", r'^matcher status=~\S+ is removed', "the default selects everything"),
    (r"connector:.*_cost_usd:increase1h", r"^max becomes min", "a price is a single series"),
    (r"flow:.*_cost_usd:increase1h", r"^max becomes min at (220|534)$", "a price is a single series"),
    (r"connector:aws_transfer_files_completed:rise10m", r'^matcher status="COMPLETED" is removed', "the other side of the difference has it"),
]


def name_of(rule):
    return rule.get("record") or rule["alert"]


def without_strings(expr):
    """Returns the expression with the content of strings replaced by blanks, at the same places."""
    return re.sub(r'"[^"]*"', lambda found: '"' + " " * (len(found[0]) - 2) + '"', expr)


def halved(duration):
    """Returns a duration of about half the length, in the next smaller unit."""
    number, unit = DURATION.fullmatch(duration).groups()
    smaller = {"d": ("h", 24), "h": ("m", 60), "m": ("s", 60), "s": ("ms", 1000)}[unit]
    return f"{int(number) * smaller[1] // 2}{smaller[0]}"


def doubled(duration):
    number, unit = DURATION.fullmatch(duration).groups()
    return f"{int(number) * 2}{unit}"


def seconds(duration):
    """Returns the seconds of a duration such as 1h30m."""
    units = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)(ms|[smhdw])", str(duration)))


def expressions(expr):
    """Yields (description, mutated expression)."""
    blank = without_strings(expr)

    def replace(found, text, what):
        return f"{what} at {found.start()}", expr[: found.start()] + text + expr[found.end():]

    swaps = {">": [">=", "<"], "<": ["<=", ">"], ">=": [">", "<"], "<=": ["<", ">"], "==": ["!="], "!=": ["=="]}
    # Not the operators of matchers, which have no blanks around them.
    for found in re.finditer(r"(?<= )(>=|<=|==|!=|>|<)(?=[ \n])", blank):
        for text in swaps[found[1]]:
            yield replace(found, text, f"{found[1]} becomes {text}")
        # The whole filter, where it compares with a number.
        if number := re.match(r" (bool )?[\d.]+", blank[found.end():]):
            if not number[1]:
                yield f"{found[1]}{number[0]} is removed at {found.start()}", expr[: found.start()] + expr[found.end() + number.end():]
    for found in re.finditer(r"(?<![\w.:])\d+(?:\.\d+)?(?![\w.:])", blank):
        value = float(found[0])
        for text in {f"{value * 2:g}", f"{value / 2:g}", f"{value + 1:g}"} - {f"{value:g}"}:
            yield replace(found, text, f"{found[0]} becomes {text}")
    for found in re.finditer(r"\b(by|on|ignoring|without|group_left) \(([^)]*)\)", blank):
        labels = [label.strip() for label in found[2].split(",") if label.strip()]
        for label in labels:
            text = f"{found[1]} ({', '.join(other for other in labels if other != label)})"
            yield replace(found, text, f"{found[1]} loses {label}")
    for found in re.finditer(r"\{([^}]*)\}", expr):
        matchers = re.findall(r'\w+(?:=~|!~|!=|=)"[^"]*"', found[1])
        for matcher in matchers:
            rest = ",".join(other for other in matchers if other != matcher)
            yield replace(found, f"{{{rest}}}" if rest else "", f"matcher {matcher} is removed")
            operator = re.search(r"=~|!~|!=|=", matcher)
            opposite = {"=~": "!~", "!~": "=~", "=": "!=", "!=": "="}[operator[0]]
            changed = matcher[: operator.start()] + opposite + matcher[operator.end():]
            yield replace(found, "{" + ",".join(changed if other == matcher else other for other in matchers) + "}", f"matcher {matcher} is inverted")
    for found in re.finditer(r"(?<=\[)\d+[smhd]|(?<=offset )\d+[smhd]", blank):
        for text in (halved(found[0]), doubled(found[0])):
            yield replace(found, text, f"range {found[0]} becomes {text}")
    for found in re.finditer(r" offset \d+[smhd]", blank):
        yield replace(found, "", f"{found[0].strip()} is removed")
    operations = {"max": "min", "min": "max", "sum": "max", "max_over_time": "min_over_time", "min_over_time": "max_over_time",
                  "last_over_time": "min_over_time", "increase": "delta"}
    for found in re.finditer(r"\b(max|min|sum|max_over_time|min_over_time|last_over_time|increase)(?= by|\()", blank):
        yield replace(found, operations[found[1]], f"{found[1]} becomes {operations[found[1]]}")
    for found in re.finditer(r"\b(and|unless)\b", blank):
        yield replace(found, {"and": "unless", "unless": "and"}[found[1]], f"{found[1]} becomes its opposite")
    for found in re.finditer(r"(?<![\w=]) ([-+*/]) (?!-)|^([-+*/]) ", blank, re.M):
        sign = found[1] or found[2]
        yield f"{sign} is inverted at {found.start()}", expr[: found.start()] + found[0].replace(sign, {"-": "+", "+": "-", "*": "/", "/": "*"}[sign]) + expr[found.end():]


def mutants(rule):
    """Yields (description, mutated rule)."""
    for what, expr in expressions(rule["expr"]):
        if expr != rule["expr"]:
            yield what, rule | {"expr": expr}
    for key in ("for", "keep_firing_for"):
        if key in rule:
            yield f"{key} is removed", {k: v for k, v in rule.items() if k != key}
            yield f"{key} is halved", rule | {key: halved(rule[key])}
            yield f"{key} is doubled", rule | {key: doubled(rule[key])}


class Case:
    """A test case, or the part of it that depends on one rule, with the rules that it needs."""

    def __init__(self, name, content, interval, read):
        self.name, self.content, self.interval, self.read = name, content, interval, frozenset(read)

    def cost(self):
        """Returns about how many times rules are evaluated."""
        ends = [check["eval_time"] for kind in CHECKS for check in self.content.get(kind) or []]
        return max(map(seconds, ends)) / seconds(self.interval) * len(self.read)


class Suite:
    """The rule files and the test cases."""

    def __init__(self):
        # Of both files, since a case is run with one.
        self.groups = [group for name in FILES for group in conftest.groups(name)]
        self.rules = {name_of(rule): rule for group in self.groups for rule in group["rules"]}
        self.records = {name for name in self.rules if ":" in name}
        self.needs = {name: self.records & set(NAME.findall(rule["expr"])) for name, rule in self.rules.items()}
        self.cases = []
        for file in sorted(TESTS.glob("*.yml")):
            content = yaml.load(file.read_text(), Loader=LOADER)
            for case in content["tests"]:
                read = self.closure(self.asked(case))
                self.cases.append(Case(f"{file.name}: {case.get('name', '')}", case, content["evaluation_interval"], read))
        # How many mutants of a rule each case has killed.
        self.kills = collections.defaultdict(collections.Counter)
        self.cases_of = functools.cache(self.reduced)
        self.passes_unchanged = functools.cache(lambda case: self.failed([case]) is None)

    def asked(self, case):
        """Returns the rules that a test case asserts."""
        return set().union(*(self.asked_by(check) for kind in CHECKS for check in case.get(kind) or []))

    def asked_by(self, check):
        if "alertname" in check:
            return {check["alertname"]} & self.rules.keys()
        # Also those of ALERTS.
        return (set(NAME.findall(check["expr"])) & self.rules.keys()) | {name for name in self.rules if name in check["expr"]}

    def closure(self, names):
        known, new = set(), set(names)
        while new:
            known |= new
            new = {need for name in new for need in self.needs[name]} - known
        return known

    def reduced(self, name):
        """Returns the cases that read a rule, each without the checks and rules that do not depend on it, in the order of promise:
        those that assert the rule itself before those that read it through others, short ones first."""
        found = []
        for case in self.cases:
            if name not in case.read:
                continue
            content = {key: value for key, value in case.content.items() if key not in CHECKS}
            for kind in CHECKS:
                if checks := [check for check in case.content.get(kind) or [] if name in self.closure(self.asked_by(check))]:
                    content[kind] = checks
            asked = self.asked(content)
            found.append((name not in asked, Case(case.name, content, case.interval, self.closure(asked))))
        return [case for _, case in sorted(found, key=lambda one: (one[0], one[1].cost()))]

    def write(self, folder, number, case, changed):
        """Writes a test case with the rules that it needs, one of them changed, and returns the name of the file."""
        groups = []
        for group in self.groups:
            rules = [rule for rule in group["rules"] if name_of(rule) in case.read]
            rules = [changed if changed and name_of(rule) == name_of(changed) else rule for rule in rules]
            if rules:
                groups.append(group | {"rules": rules})
        tests = {
            "rule_files": [f"rules{number}.json"], "evaluation_interval": case.interval,
            "group_eval_order": [group["name"] for group in groups], "tests": [case.content],
        }
        # JSON is YAML, and is written faster.
        (folder / f"rules{number}.json").write_text(json.dumps({"groups": groups}))
        (folder / f"test{number}.json").write_text(json.dumps(tests))
        return f"test{number}.json"

    def failed(self, cases, changed=None):
        """Returns the first case that fails and the output, or None."""
        with tempfile.TemporaryDirectory(dir=MEMORY) as name:
            folder = pathlib.Path(name)
            files = [self.write(folder, number, case, changed) for number, case in enumerate(cases)]
            done = subprocess.run(
                [conftest.tool("promtool"), "test", "rules", *files], cwd=folder, env=os.environ | {"TMPDIR": name} | ONE_CORE,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=1800,
            )
        if done.returncode == 0:
            return None
        outputs = done.stdout.split("Unit Testing:  ")[1:]
        assert len(outputs) == len(cases), done.stdout
        return next((case, output) for case, output in zip(cases, outputs, strict=True) if "FAILED:" in output)

    def batches(self, name):
        """Yields the cases that read a rule: alone those that have killed most mutants of it, and the most promising of the others;
        then the rest, many at a time."""
        kills, cases = self.kills[name], self.cases_of(name)
        killers = sorted((case for case in cases if kills[case]), key=lambda case: -kills[case])
        others = [case for case in cases if not kills[case]]
        alone = killers + others[:ALONE]
        yield from ([case] for case in alone)
        rest = others[ALONE:]
        yield from (rest[start : start + AT_A_TIME] for start in range(0, len(rest), AT_A_TIME))

    def survives(self, mutant):
        """Returns whether no test fails, or None for a mutant that is not a valid rule."""
        for check in FORM + FORM_OF_ALERTS * ("alert" in mutant):
            try:
                check(mutant)
            except AssertionError:
                return False
        name = name_of(mutant)
        for cases in self.batches(name):
            if found := self.failed(cases, mutant):
                case, output = found
                if "could not parse" in output or "parse error" in output:
                    return None
                if not self.passes_unchanged(case):
                    raise SystemExit(f"{case.name} fails without a mutant")
                self.kills[name][case] += 1
                return False
        return True


# Tests of the form of a rule.
FORM = [
    test_rules.test_everything_is_evaluated_per_cluster,
    test_rules.test_labels_that_identify_something_stay_together,
    test_rules.test_every_series_and_label_is_documented,
    test_rules.test_partial_series_are_summed_over_shards,
    test_rules.test_increases_are_counted_alike,
]
FORM_OF_ALERTS = [test_rules.test_connector_alert_fires_with_and_without_a_name]
# They read these for each mutant.
test_rules.metrics, test_rules.records = functools.cache(conftest.metrics), functools.cache(conftest.records)
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def matches(entry, name, what):
    rule, mutation, _ = entry
    return re.fullmatch(rule, name) and re.search(mutation, what)


def excused(name, what):
    return any(matches(entry, name, what) for entry in SURVIVORS)


def identity(name, mutant):
    """Returns a text that is the same for a mutant that another run has killed."""
    return f"{name} {hashlib.sha256(repr(sorted(mutant.items(), key=str)).encode()).hexdigest()[:16]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--minutes", type=float, default=60, help="stops after this time")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", action="append", help="mutates this rule; repeatable")
    parser.add_argument("--excused", action="store_true", help="runs also those that SURVIVORS lists")
    parser.add_argument("--kills", type=pathlib.Path, help="keeps the mutants that were killed; they are not run again")
    parser.add_argument("--sample", type=float, default=1, help="share of the mutants, drawn at random with a fixed seed")
    options = parser.parse_args()
    suite, end = Suite(), time.monotonic() + options.minutes * 60
    work = [(name, *mutant) for name, rule in suite.rules.items() if not options.only or name in options.only for mutant in mutants(rule)]
    total = len(work)
    for entry in SURVIVORS if not options.only else ():
        assert any(matches(entry, *one[:2]) for one in work), f"SURVIVORS has an entry without a mutant: {entry}"
    if not options.excused:
        work = [one for one in work if not excused(*one[:2])]
    not_run = total - len(work)
    killed_before = set(options.kills.read_text().splitlines()) if options.kills and options.kills.exists() else set()
    work = [one for one in work if identity(one[0], one[2]) not in killed_before]
    before = total - not_run - len(work)
    # At random, so that a bounded run sees a part of every rule.
    random.Random(1).shuffle(work)
    work = work[: int(len(work) * options.sample)]
    counts = {False: before, True: 0, None: 0, "late": 0}
    unknown = 0

    def judge(one):
        verdict = "late" if time.monotonic() > end else suite.survives(one[2])
        return one, verdict

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for number, done in enumerate(concurrent.futures.as_completed([pool.submit(judge, one) for one in work]), 1):
            (name, what, mutant), verdict = done.result()
            counts[verdict] += 1
            if sys.stderr.isatty():
                print(f"\r{number} of {len(work)}", end="", file=sys.stderr)
            if verdict in (False, None) and options.kills:
                with options.kills.open("a") as kills:
                    kills.write(identity(name, mutant) + "\n")
            if verdict is True:
                known = excused(name, what)
                unknown += not known
                print(f"{'excused ' if known else 'SURVIVES'} {name}: {what}", flush=True)
    print(f"{total} mutants: {counts[False]} killed, {counts[True]} survive, {unknown} of them without a reason; "
          f"{counts[None]} are not valid, {not_run} have a reason and were not run, {counts['late']} were not reached")
    return int(bool(unknown))


if __name__ == "__main__":
    sys.exit(main())
