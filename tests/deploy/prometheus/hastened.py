"""Speeds up the shipped rules and routes, so that tests need not wait for hours.

Every duration is divided by the same number: `for`, `keep_firing_for`, the ranges and offsets in expressions, and
intervals of Alertmanager. With a scrape interval of 60 s divided by the same number, the rules behave as in production.
see what they would see in the field.
"""

import copy
import re

UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
DURATION = r"(\d+(?:ms|s|m|h|d))"
RANGE = re.compile(rf"\[{DURATION}(?::{DURATION})?\]|offset {DURATION}\b")


def duration(text, factor):
    number, unit = re.fullmatch(r"(\d+)(ms|s|m|h|d)", text).groups()
    return f"{int(number) * UNITS[unit] // factor}ms"


def expression(text, factor):
    def faster(found):
        length, step, offset = (text and duration(text, factor) for text in found.groups())
        if offset:
            return f"offset {offset}"
        return f"[{length}:{step}]" if step else f"[{length}]"

    return RANGE.sub(faster, text)


def rules(groups, factor):
    groups = copy.deepcopy(groups)
    for group in groups:
        if "interval" in group:
            group["interval"] = duration(group["interval"], factor)
        for rule in group["rules"]:
            rule["expr"] = expression(rule["expr"], factor)
            for key in ("for", "keep_firing_for"):
                if key in rule:
                    rule[key] = duration(rule[key], factor)
    return {"groups": groups}


def routes(config, factor):
    config = copy.deepcopy(config)

    def visit(route):
        for key in ("group_wait", "group_interval", "repeat_interval"):
            if key in route:
                route[key] = duration(route[key], factor)
        for child in route.get("routes", []):
            visit(child)

    visit(config["route"])
    return config
