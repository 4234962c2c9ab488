"""The demo's figures, and which settings of the shell it obeys."""

import time
from dataclasses import asdict

import pytest

from broker.commands.demo import require_progress, strangest_rows
from broker.commands.demoservice import environment
from broker.commands.tally import Tally
from broker.config import Settings
from broker.embedded import EmbeddedKafka, EmbeddedValkey, Servers
from broker.embedded.server import temporary_folder
from broker.errors import StartupError
from broker.replays.packet import Packet
from model.taxonomy import CLASS_IDS


def classification(alert_id, name, right, score=0.0, survey="plasticc"):
    classes = [{"classId": c, "probability": 0.87 if c == right else 0.01} for c in CLASS_IDS]
    return {"alertId": alert_id, "objectId": name, "survey": survey, "classifications": classes, "anomalyScore": score}


def test_what_came_back_is_counted_and_compared_with_the_truth():
    tally = Tally({"a": 90, "b": 67})
    now = time.monotonic()
    for alert_id, name, right in ((1, "a", 42), (2, "a", 90), (3, "b", 42)):
        tally.note(Packet(b"", None, "plasticc", name, alert_id, made_of=name))
        tally.sent_at["plasticc", alert_id] = now - 0.1 * alert_id
        tally.add("classifications", classification(alert_id, name, right))
    tally.add("dead_letters", {})
    tally.add("anomalies", classification(2, "a", 90, score=7.0) | {"nearestClass": 42})
    tally.add("anomalies", classification(3, "a", 42, score=5.0))
    found = asdict(tally.summary(4, 2.0))
    assert {k: found[k] for k in ("alerts", "published", "dead_letters", "objects", "alerts_per_s", "accuracy")} == {
        "alerts": 4, "published": 3, "dead_letters": 1, "objects": 2, "alerts_per_s": 1.5, "accuracy": 0.5,
    }  # fmt: skip
    assert 200 <= found["latency_ms"]["p50"] < 1_000
    ((label, text),) = strangest_rows(tally)
    assert (label, text.plain) == ("anomaly 1", "object plasticc/a: score 7.0, nearest SN II")


def test_each_survey_is_counted_and_scored_by_itself():
    tally = Tally({"a": 90})
    for survey, name, alert_id in (("plasticc", "a", 1), ("plasticc", "a", 2), ("ztf", "ZTF18aaaaaaa", 1)):
        tally.note(Packet(b"", None, survey, name, alert_id, made_of="a"))
    tally.add("classifications", classification(1, "a", 90))
    tally.add("classifications", classification(1, "ZTF18aaaaaaa", 42, survey="ztf"))
    tally.add("classifications", classification(2, "a", 90))
    assert tally.summary(3, 1.0).objects == 1, "of two surveys, but one of the file"
    found = asdict(tally.summary(3, 1.0))["surveys"]
    assert {name: (its["sent"], its["published"], its["objects"], its["accuracy"]) for name, its in found.items()} == {
        "plasticc": (2, 2, 1, 1.0),
        "ztf": (1, 1, 1, 0.0),
    }


def test_no_other_servers_of_the_shell_are_taken(monkeypatch):
    shell = {
        "MISWEEPER_KAFKA__USERNAME": "someone",
        "misweeper_kafka__topics": "theirs",
        "MISWEEPER_REDIS__CLUSTER": "true",
        "MISWEEPER_OUTPUTS__ANOMALIES": "theirs",
        "MISWEEPER_HTTP__HOST": "192.0.2.1",
        "MISWEEPER_LOG__FORM": "json",
        "MISWEEPER_CLASSIFIER__THREADS": "2",
        "HOME": "/root",
    }
    found = environment(Servers(EmbeddedKafka(), EmbeddedValkey()), shell, ["plasticc", "ztf"])
    assert found.keys() & shell.keys() == {"MISWEEPER_LOG__FORM", "MISWEEPER_CLASSIFIER__THREADS"}
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    settings = Settings.load()
    assert settings.kafka.topics == ("plasticc", "ztf")
    assert settings.http.disk == temporary_folder(), "where both servers have their data"


def test_a_demo_that_does_not_come_on_says_why():
    require_progress([], 10.0, 5, 10)
    with pytest.raises(StartupError, match="no classification came for 60 s \\(5 of 10 so far\\)"):
        require_progress([], 61.0, 5, 10)
    with pytest.raises(StartupError, match="refused"):
        require_progress([StartupError("refused")], 0.0, 5, 10)
