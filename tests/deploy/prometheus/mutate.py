#!/usr/bin/env python3
"""Mutates every rule and lists the mutants that no unit test notices.

    TOOLS_BIN=target/test-tools/bin tests/deploy/prometheus/mutate.py [--minutes 60] [--jobs 1] [--only NAME]... [--kills FILE]

Each mutant changes one place of one rule: a comparison, a number, a label of `by`, `on` or `group_left`, a matcher, a range
or an offset, an aggregation, a set operator, `for` and `keep_firing_for`. It is killed if a test of test_rules.py
fails, or a unit test of deploy/prometheus/tests. Mutants that SURVIVORS lists with a reason are not run. The exit code is 1 if
another one survives.

Only the test cases that read the rule are run, on the rules that they need, and those first that have killed other mutants of
the rule. A run that is interrupted goes on where it was with the same `--kills`.
"""

import argparse
import collections
import concurrent.futures
import hashlib
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
    (r"connector_status_code:.*_finished:increase1h", r"^range 5m becomes 10m at 1811$", "differs for a gap of that length an hour ago"),
    (r"connector_status_code:.*_finished:increase", r"^max becomes min at 1014$", "a single series"),
    (r"instance_shard:.*", r"^> becomes >= at 152$", "a timestamp is above 0"),
    (r"connector_status_code:.*_finished:increase", r"^> becomes >= at 1222$", "differs at one instant"),
    (r"connector_status_code:.*_finished:increase", r"^range 5m becomes 10m at (1217|1403)$", "the failed files are gone after five minutes"),
    (r"connector_code:.*:new", r"^(> 0 is removed|> becomes >=) at (680|1157)$", "the last comparison of the rule has it"),
    (r"connector_operation_code:.*:new", r"^(> 0 is removed|> becomes >=) at 715$", "the last comparison of the rule has it"),
    (r"connector_(operation_)?code:.*:new", r'^matcher status="FAILED" is removed at 1\d\d$', "the recorded series has no other status"),
    (r"connector_code:aws_transfer_files_failed:new", r"^max_over_time becomes min_over_time at (585|1062)$", "only whether there is a series counts"),
    (r"connector_operation_code:aws_transfer_operations_failed:new", r"^max_over_time becomes min_over_time at 620$", "only whether there is a series counts"),
    (r"connector_status_code:.*_finished:increase", r"^last_over_time becomes min_over_time at (543|702|1355)$", "only whether there is a series counts"),
    (r"connector_status_code:.*_finished:increase1h", r"^last_over_time becomes min_over_time at (1734|1893)$", "only whether there is a series counts"),
    (r"AwsTransferQueueNotDraining", r"^range 1[05]m becomes", "`for` is as long as the window"),
    (r"AwsTransfer(FlowDueSoon|NothingStarted|NoFileCompleted)", r'^matcher \w+=~"\.\+" is removed', "the default selects everything"),
    (r"AwsTransferFlowUnknown", r'^(matcher state="unknown"|== 1) is removed at 1|^on loses flow at 64$', "one state is 1: the other side of the set operation has it"),
    (r"flow:aws_transfer_flow_(window_state:number|windows:worst1d)", r'^matcher \w+="missing" is removed', "the other sides of `or` have the others"),
    (r"flow:aws_transfer_flow_windows_on_time:ratio30d", r"^sum becomes max at (4|110)$", "a single series, or multiplied by 0"),
    (r"connector_name:.*", r"^last_over_time becomes min_over_time", "only whether there is a series counts"),
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
    """A test case, with the rules that it needs."""

    def __init__(self, file, content, interval, read):
        self.name, self.content, self.interval, self.read = f"{file}: {content.get('name', '')}", content, interval, frozenset(read)
        self.seconds = 0.0

    # Cases that can run together without a rule that one of them does not need.
    @property
    def group(self):
        return self.interval, self.read


class Suite:
    """The rule files and the test cases."""

    def __init__(self):
        self.groups = {name: conftest.groups(name) for name in FILES}
        self.rules = {}
        for name in FILES:
            for group in self.groups[name]:
                for rule in group["rules"]:
                    self.rules[name_of(rule)] = rule
        self.records = {name for name in self.rules if ":" in name}
        self.needs = {name: self.records & set(NAME.findall(rule["expr"])) for name, rule in self.rules.items()}
        self.cases = []
        for file in sorted(TESTS.glob("*.yml")):
            content = yaml.load(file.read_text(), Loader=LOADER)
            for case in content["tests"]:
                self.cases.append(Case(file.name, case, content["evaluation_interval"], self.closure(self.asked(case))))
        # How many mutants of a rule each case has killed.
        self.kills = collections.defaultdict(collections.Counter)

    def asked(self, case):
        """Returns the rules that a test case asserts."""
        found = {check["alertname"] for check in case.get("alert_rule_test") or []}
        for check in case.get("promql_expr_test") or []:
            # Also those of ALERTS.
            found |= set(NAME.findall(check["expr"])) | {name for name in self.rules if name in check["expr"]}
        return found & self.rules.keys()

    def closure(self, names):
        known, new = set(), set(names)
        while new:
            known |= new
            new = {need for name in new for need in self.needs[name]} - known
        return known

    def write(self, folder, cases, changed=None):
        """Writes test cases of one group with the rules that they need, one of them changed."""
        interval, read = cases[0].group
        order = []
        for name in FILES:
            groups = []
            for group in self.groups[name]:
                rules = [rule for rule in group["rules"] if name_of(rule) in read]
                rules = [changed if changed and name_of(rule) == name_of(changed) else rule for rule in rules]
                groups.append(group | {"rules": rules})
                order.append(group["name"])
            (folder / name).write_text(yaml.dump({"groups": groups}, Dumper=DUMPER, width=10_000, sort_keys=False))
        tests = {"rule_files": list(FILES), "evaluation_interval": interval, "group_eval_order": order, "tests": [case.content for case in cases]}
        (folder / "test.yml").write_text(yaml.dump(tests, Dumper=DUMPER, width=10_000, sort_keys=False))

    def passes(self, cases, changed=None):
        """Returns whether test cases of one group pass, and the output."""
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            self.write(folder, cases, changed)
            done = subprocess.run([conftest.tool("promtool"), "test", "rules", "test.yml"], cwd=folder, capture_output=True, text=True, timeout=1800)
            return done.returncode == 0, done.stdout + done.stderr

    def batches(self, name):
        """Yields the cases that read a rule: first those that have killed mutants of it, then whole groups."""
        cases = [case for case in self.cases if name in case.read]
        for case in (killers := sorted((case for case in cases if self.kills[name][case]), key=lambda case: -self.kills[name][case])[:4]):
            yield [case]
        groups = collections.defaultdict(list)
        for case in sorted(cases, key=lambda case: case.seconds):
            if case not in killers:
                groups[case.group].append(case)
        for group in sorted(groups.values(), key=lambda group: sum(case.seconds for case in group)):
            # Alone for the first mutants, to learn which ones kill.
            yield from [group] if self.kills[name] else [[case] for case in group]

    def survives(self, mutant):
        """Returns whether no test fails, or None for a mutant that is not a valid rule."""
        for check in FORM + FORM_OF_ALERTS * ("alert" in mutant):
            try:
                check(mutant)
            except AssertionError:
                return False
        name = name_of(mutant)
        for cases in self.batches(name):
            passed, output = self.passes(cases, mutant)
            if not passed:
                if "could not parse" in output or "parse error" in output:
                    return None
                for case in cases:
                    if len(cases) == 1 or f"name: {case.content.get('name')}," in output:
                        self.kills[name][case] += 1
                        break
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
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def excused(name, what):
    return any(re.fullmatch(rule, name) and re.search(mutation, what) for rule, mutation, _ in SURVIVORS)


def measure(suite, names, jobs):
    """Checks that the cases that read one of the rules pass without a mutant, and measures each."""
    def run(case):
        began = time.monotonic()
        passed, output = suite.passes([case])
        case.seconds = time.monotonic() - began
        if not passed:
            raise SystemExit(f"{case.name} fails without a mutant:\n{output}")

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        list(pool.map(run, [case for case in suite.cases if case.read & names]))


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
    if not options.excused:
        work = [one for one in work if not excused(*one[:2])]
    not_run = total - len(work)
    killed_before = set(options.kills.read_text().splitlines()) if options.kills and options.kills.exists() else set()
    work = [one for one in work if identity(one[0], one[2]) not in killed_before]
    before = total - not_run - len(work)
    # At random, so that a bounded run sees a part of every rule.
    random.Random(1).shuffle(work)
    work = work[: int(len(work) * options.sample)]
    measure(suite, {name for name, *_ in work}, options.jobs)
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
