"""The capacity page follows from its own figures, and names parts of the benchmark and settings that there are."""

import math
import re

import pytest

from broker.config import Redis, variables
from tests.support.deployed import DEPLOY

PAGE = (DEPLOY / "CAPACITY.md").read_text()
BENCHMARK = "".join(path.read_text() for path in (DEPLOY.parent / "tests" / "benchmark").glob("*.py"))
ROWS = [[cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.splitlines() if line.startswith("|")]
MEASURED = {row[0]: row[1] for row in ROWS if ", " in row[0] and "part" not in row[0]}
NIGHTS = [row for row in ROWS if row[0].startswith("10^")]
NIGHT_S, PEAK, NIGHTS_KEPT = 36_000, 4, 330
BYTES = {"native": 200, "ztf": 70_000, "rubin": 258_000}


def number(text: str) -> float:
    """The first number of a cell."""
    return float(re.search(r"[\d,.]*\d", text).group().replace(",", ""))


def workers(alerts: float, of: str) -> int:
    """By the rule of the page."""
    figure = "end to end, 1 worker" if of == "native" else f"surveys, {of}, 1 worker"
    return max(2, math.ceil(2 * PEAK * alerts / NIGHT_S / number(MEASURED[figure])))


@pytest.mark.parametrize("row", NIGHTS, ids=lambda row: row[0])
def test_a_row_follows_from_what_was_measured(row):
    alerts, of = 10.0 ** int(row[0][3:]), row[1].split(";")[0]
    mean, peak = (number(text) for text in row[2].split(", "))
    assert (mean, peak) == (round(alerts / NIGHT_S), round(PEAK * alerts / NIGHT_S))
    assert number(row[3]) == workers(alerts, of)
    assert number(row[4]) == (45 if of == "rubin" else max(6, 3 * workers(alerts, of)))
    kept = NIGHTS_KEPT * number(MEASURED["Redis, an observation"]) + number(MEASURED["Redis, a state"])
    assert number(row[5]) == math.ceil(alerts * kept / 1e9)
    assert number(row[7]) == pytest.approx(alerts * BYTES[of] / 1e9)


def test_there_are_rows_from_a_laptop_to_a_billion():
    assert [row[0] for row in NIGHTS] == ["10^5", "10^6", "10^7", "10^8", "10^9"]


def test_the_sentences_follow_too():
    short = 25 * number(MEASURED["Redis, an observation"]) + number(MEASURED["Redis, a state"])
    assert f"{10**9 * short / 1e12:.1f} TB" in PAGE
    assert f"workers would be\n{workers(10**9, 'rubin')}," in PAGE


def test_every_part_of_the_benchmark_and_every_setting_is_there():
    for figure in MEASURED:
        assert f'"{figure.split(",")[0]}"' in BENCHMARK, figure
    assert set(re.findall(r"MISWEEPER_[A-Z0-9_]+", PAGE)) <= set(variables())
    assert (Redis().curve_ttl_days, Redis().state_ttl_days) == (400, 60)
