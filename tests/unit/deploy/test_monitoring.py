"""What operators are shown is there: every metric that a rule or a screen names, every alert in the runbook."""

import re
from itertools import combinations

import pytest
import yaml

from broker.metrics import Metrics
from tests.support.screens import DASHBOARDS, DEPLOY, RULE_TESTS, alerts, expressions, panels, rules

RUNBOOK = (DEPLOY / "runbook.md").read_text()
NAME = re.compile(r"(?<![:\w])(?:misweeper|process)_[a-z0-9_]+")
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}


def known() -> set[str]:
    """The series that a worker has."""
    return {f"{f.name}{end}" for f in Metrics().registry.collect() for end in SUFFIXES[f.type]}


def test_every_alert_has_the_runbook_entry_of_its_name_and_no_entry_is_of_none():
    assert set(re.findall(r"^### (Misweeper\w+)$", RUNBOOK, re.MULTILINE)) == set(alerts())


def test_every_alert_has_a_severity_a_summary_and_a_test_in_which_it_fires():
    tested = yaml.safe_load(RULE_TESTS.read_text())["tests"]
    fires = {t["alertname"] for test in tested for t in test["alert_rule_test"] if t.get("exp_alerts")}
    assert fires == set(alerts())
    for name, rule in alerts().items():
        assert rule["labels"]["severity"] in ("warning", "critical"), name
        assert rule["annotations"]["summary"], name


@pytest.mark.parametrize(
    ("where", "expression"), [*expressions(), *((r.get("alert", r.get("record")), r["expr"]) for r in rules())]
)
def test_every_metric_that_a_rule_or_a_screen_asks_for_exists(where, expression):
    assert set(NAME.findall(expression)) <= known(), where


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda d: d.stem)
def test_no_panel_lies_on_another_and_each_has_a_name_of_its_own(dashboard):
    placed = [(p["gridPos"], p["title"]) for p in panels(dashboard)]
    assert len({title for _, title in placed}) == len(placed)
    for (a, one), (b, other) in combinations(placed, 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        apart = beside or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert apart, (one, other)
    assert all(grid["x"] + grid["w"] <= 24 for grid, _ in placed)


def test_the_pipelines_screen_goes_from_left_to_right_as_the_data_flow():
    (dashboard,) = (d for d in DASHBOARDS if d.stem == "pipeline")
    first = sorted((p for p in panels(dashboard) if p["gridPos"]["y"] == 0), key=lambda p: p["gridPos"]["x"])
    words = [p["title"].partition(" ")[0] for p in first]
    assert words == ["read", "decode", "remember", "classify", "commit", "answers"]
