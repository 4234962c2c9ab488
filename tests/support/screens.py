"""What deploy/ says of metrics: rules, their tests, dashboards."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "rules.yml"
RULE_TESTS = DEPLOY / "prometheus" / "rules.test.yml"
DASHBOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
DURATION = r"[0-9]+[smh]"


def rules() -> list[dict]:
    """Every rule."""
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def alerts() -> dict[str, dict]:
    """The rules that are alerts, by name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def panels(dashboard: Path) -> list[dict]:
    """A dashboard's panels."""
    return json.loads(dashboard.read_text())["panels"]


def expressions() -> Iterator[tuple[str, str]]:
    """Every query of every dashboard, with the name of its panel."""
    for dashboard in DASHBOARDS:
        for panel in panels(dashboard):
            for target in panel["targets"]:
                yield f"{dashboard.stem}: {panel['title']}", target["expr"]


def hurried(text: str, seconds: int) -> str:
    """Rules or a query as in production, but that windows and waiting times have so many seconds."""
    text = text.replace("$__rate_interval", f"{seconds}s")
    text = re.sub(rf"\[{DURATION}\]", f"[{seconds}s]", text)
    return re.sub(rf"for: {DURATION}", "for: 1s", text)
