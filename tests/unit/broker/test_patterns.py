"""Expressions that mean the same to Kafka's client and to us; every other is refused."""

import pytest

from broker.errors import StartupError
from broker.patterns import check_pattern, matching, never_input

NAMES = ["ztf_20251125_programid1", "ztf_1", "lsst-alerts", "__consumer_offsets", "misweeper.anomalies", "b"]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("^ztf_[0-9]+", ["ztf_1", "ztf_20251125_programid1"]),
        ("^ztf_[0-9]{8}_programid(1|2)$", ["ztf_20251125_programid1"]),
        ("^(ztf|lsst)[_-].*", ["lsst-alerts", "ztf_1", "ztf_20251125_programid1"]),
        ("^nothing|b$", ["b"]),
        ("^", ["b", "lsst-alerts", "ztf_1", "ztf_20251125_programid1"]),
        (r"^misweeper\..*", []),
        ("^__consumer_offsets", []),
        ("^[^a-z]*$", []),
    ],
)
def test_what_an_expression_means(pattern, names):
    assert check_pattern(pattern) == pattern
    assert matching(pattern, NAMES, never=["misweeper.anomalies"]) == names


@pytest.mark.parametrize(
    "pattern",
    [
        r"^ztf_\d+",
        r"^\w",
        r"^a\b",
        r"^a\s",
        "^(?:a)",
        "^(?i)a",
        "^a*?",
        "^a+?",
        "^a**",
        "^a{1}{2}",
        "^[[:digit:]]",
        r"^[\d]",
    ],
)
def test_what_means_different_things_is_refused_with_the_remedy(pattern):
    with pytest.raises(StartupError, match=r"MISWEEPER_KAFKA__TOPICS .*write \[0-9\] for"):
        check_pattern(pattern)


@pytest.mark.parametrize("pattern", ["^(", "^a)", "^[z-a]", "^a{5,2}", "^*", "^a|*"])
def test_what_is_no_expression_is_refused(pattern):
    with pytest.raises(StartupError, match="MISWEEPER_KAFKA__TOPICS"):
        check_pattern(pattern)


@pytest.mark.parametrize("name", ["", "a b", "a/b", "é", "x" * 250, "[link]"])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(StartupError, match="is no topic's name"):
        check_pattern(name)


def test_a_name_is_taken_as_it_is():
    assert check_pattern("a.b-c_9") == "a.b-c_9"
    assert matching("misweeper.anomalies", NAMES) == ["misweeper.anomalies"]
    assert matching("ztf", NAMES) == []


def test_librdkafka_is_told_to_leave_out_internal_topics_and_outputs():
    assert never_input(["misweeper.anomalies"]) == "^__,^misweeper[.]anomalies$"
