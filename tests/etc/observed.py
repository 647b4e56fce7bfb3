"""What the shipped rules, dashboard and runbook say, taken apart."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ETC = Path(__file__).resolve().parents[2] / "etc"
CONFIG = ETC / "prometheus" / "dsmil.yml"
RULES = ETC / "prometheus" / "dsmil.rules.yml"
DASHBOARD = ETC / "grafana" / "dsmil.json"
RUNBOOK = ETC / "runbook.md"
MATCH = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
OF_PROMETHEUS = {"job", "instance", "alertname", "alertstate", "severity", "le"}
"""Labels that no series of ours need have."""


class Alert(NamedTuple):
    name: str
    expr: str
    severity: str
    runbook: str
    words: str


class Selector(NamedTuple):
    """One use of a metric: its name, and (label, operator, value) of each matcher."""

    metric: str
    matchers: tuple[tuple[str, str, str], ...]


def alerts() -> list[Alert]:
    """The rules file is laid out by us, so it is read without a YAML parser; promtool reads it with one."""
    found = []
    for part in re.split(r"\n      - alert: ", RULES.read_text("utf-8"))[1:]:
        expr = re.search(r"        expr: (?:>-\n)?(.*?)\n        (?:for|labels):", part, re.S)
        severity = re.search(r"severity: (\w+)", part)
        runbook = re.search(r'runbook: "([^"]*)"', part)
        assert expr and severity and runbook, part
        words = " ".join(re.findall(r'(?:summary|description): (".*")', part))
        name = part.split("\n", 1)[0]
        found.append(Alert(name, " ".join(expr[1].split()), severity[1], runbook[1], words))
    return found


def dashboard() -> dict[str, Any]:
    told: dict[str, Any] = json.loads(DASHBOARD.read_text("utf-8"))
    return told


def panels() -> list[dict[str, Any]]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def queries() -> list[tuple[str, str, str]]:
    """Panel, expression, legend."""
    return [
        (panel["title"], target["expr"], target["legendFormat"])
        for panel in panels()
        for target in panel["targets"]
    ]


def selectors(expr: str) -> Iterator[Selector]:
    for name, braces in re.findall(r"\b(dsmil_\w+)(?:\{([^}]*)\})?", expr):
        yield Selector(name, tuple(MATCH.findall(braces)))


def grouped_by(expr: str) -> set[str]:
    """The labels an expression joins or sums by."""
    lists = re.findall(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)", expr)
    return {label.strip() for labels in lists for label in labels.split(",")}


def shown(text: str) -> set[str]:
    """The labels that words for people fill in."""
    return set(re.findall(r"\{\{\s*(?:\$labels\.)?([a-z_]+)\s*\}\}", text)) - {"value"}
