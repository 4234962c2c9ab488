import re

import numpy as np
import pytest

from broker.web import live, pulse
from broker.web.crew import Crew, Waiting, Worker
from broker.web.index import Batch
from broker.web.live import News, account, artefacts, news
from broker.web.pulse import Pulse
from tests.support.said import as_told, said, written
from tests.support.webpage import site


@pytest.fixture
def clock(monkeypatch):
    now = [1_000.0]
    for module, name in ((pulse, "time"), (live, "monotonic")):
        monkeypatch.setattr(module, name, lambda: now[0])
    return now


def test_the_news_are_rates_classes_by_survey_and_workers(clock):
    made = Pulse()
    flags = np.array([True, False, False, False, False])
    made.beat(["ztf"] * 3 + ["rubin"] * 2, np.array([90, 90, 42, 15, 15]), flags, np.full(5, 0.02), np.full(5, 1_000))
    clock[0] += 1 + pulse.STILL_COMING_S
    told = news(made, Crew(1.0, (), 7, ""), "", 60.0)
    assert (told["rate"], told["total"], told["anomalies_hour"], told["lag"]) == (1.0, 5, 1, 7)
    assert told["surveys"]["ztf"] == [{"name": "SN Ia", "count": 2}, {"name": "SN II", "count": 1}]
    assert told["surveys"]["rubin"] == [{"name": "TDE", "count": 2}]
    assert told["trouble"] == ""


def test_what_keeps_the_feed_from_following_is_told_before_what_ails_the_crew_and_beside_what_ails_the_store(tmp_path):
    with site(tmp_path) as page:
        parts = page.parts

        def told():
            return parts._news()["trouble"]

        assert told() == "not asked yet"  # of the crew
        parts.feed.trouble = "Kafka is away"
        assert told() == "Kafka is away"
        parts.reach.trouble = "no light curves: redis: away"
        assert told() == "Kafka is away; no light curves: redis: away"


def test_the_objects_with_an_anomaly_are_told_of_once_each_as_text(tmp_path):
    with site(tmp_path) as page:
        written(page.index, *(said("a\u202e", i, anomaly=1, score=4.0 + i % 2) for i in range(4)), said("b", 9))
        (one,) = account(page.index, Crew(), artefacts(page.index))["anomalies"]
    assert (one["name"], one["score"], one["highest"], one["alerts"]) == ("plasticc/a\\u202e", 5.0, 5.0, 4)
    assert one["address"] == "/objects/plasticc/a%E2%80%AE"


def test_the_nearest_class_of_an_anomaly_is_the_records_own_and_not_the_most_probable(tmp_path):
    with site(tmp_path) as page:
        written(
            page.index,
            said("a", best=90, nearest="TDE", anomaly=1, published_ms=4_000_000_000_000),
            said("b", 1, best=90, anomaly=1, published_ms=4_000_000_000_000),
        )
        told = {
            one["name"]: (one["nearest"], one["best"])
            for one in account(page.index, Crew(), artefacts(page.index))["anomalies"]
        }
        assert told == {"plasticc/a": ("TDE", "SN Ia"), "plasticc/b": ("–", "SN Ia")}
        for path in ("/", "/lists/anomalies"):
            rows = re.findall(r"</th>\s*<td>([^<]+)</td>\s*<td>([^<]+)</td>", page.client.get(path).text)
            assert rows == [("–", "SN Ia"), ("TDE", "SN Ia")]


def test_however_many_listen_the_news_are_made_once_a_while(clock):
    made = []
    told = News(lambda: {"n": made.append(1) or len(made)})
    assert [told.latest()["n"] for _ in range(100)] == [1] * 100
    clock[0] += 1
    assert told.latest()["n"] == 2


def test_who_answers_is_looked_up_less_often_than_the_news_are_made(clock, tmp_path):
    with site(tmp_path) as page:
        parts = page.parts
        assert parts.news.latest()["models"] == []
        written(page.index, said("a", version="v1", anomaly=1))
        clock[0] += 1
        told = parts.news.latest()
        assert (told["models"], len(told["anomalies"])) == ([], 1)
        clock[0] += live.ANSWERING_S
        assert parts.news.latest()["models"] == ["default v1, natural priors"]


def test_models_and_nights_are_those_of_the_index_as_text(tmp_path):
    with site(tmp_path) as page:
        some = [said("a", version="v1"), said("a", 1, model="<b>\u202e", version="0123456789abcdef")]
        page.index.write(Batch(as_told(*some), {("2026-11-25", "c"): 2}, {}))
        told = account(page.index, Crew(), artefacts(page.index))
    assert sorted(told["models"]) == ["<b>\\u202e 0123456789ab, natural priors", "default v1, natural priors"]
    assert told["nights"] == [{"night": "2026-11-25", "topic": "c", "messages": 2}]


def test_each_worker_has_the_models_of_the_latest_answers_from_its_partitions(tmp_path):
    crew = Crew(1.0, (Worker("a", "h", ("alerts[0]", "alerts[1]")), Worker("b\u202e", "h", ("alerts[2]",))))
    with site(tmp_path) as page:
        written(
            page.index,
            said("x", 0, version="old"),
            said("x", 1, version="new"),
            said("y", 2, version="of ztf", survey="ztf", source_partition=1),
            said("z", 3, version="nobody's", source_partition=7),
        )
        told = account(page.index, crew, artefacts(page.index))["workers"]
        page.parts.roll._crew = crew
        assert "default new, natural priors; default of ztf, natural priors" in page.client.get("/").text
    assert told == [
        {
            "name": "a", "host": "h", "partitions": 2,
            "models": ["default new, natural priors", "default of ztf, natural priors"],
        },
        {"name": "b\\u202e", "host": "h", "partitions": 1, "models": []},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("crew", "text", "late"),
    [
        (Crew(), "–", False),
        (Crew(1.0), "nothing waits", False),
        (Crew(1.0, waiting=Waiting(12.4, at_least=False)), "12 s at most", False),
        (Crew(1.0, waiting=Waiting(4_000.0, at_least=True)), "4,000 s at least", True),
    ],
)
def test_how_long_alerts_wait_in_kafka_is_told_beside_the_latency_in_the_service(tmp_path, crew, text, late):
    told = news(Pulse(), crew, "", 60.0)
    assert (told["waited"], told["waits_long"]) == (text, late)
    with site(tmp_path) as page:
        page.parts.roll._crew = crew
        html = page.client.get("/").text
    assert f">{text}</span>" in html
    assert "Latency in the service" in html
