"""A night's report on a real Kafka: which answers are the night's is told by the alerts that they answer."""

from datetime import UTC, datetime, timedelta

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from broker.commands.moments import night
from broker.lightcurves.store import InMemoryLightCurves
from broker.packets.framings import encode
from broker.web.lightcurve import LightCurves
from broker.web.night import night_of
from tests.support.alerts import record, wire
from tests.support.said import classification
from tests.support.service import Service

HOUR_MS = 3_600_000


@pytest.fixture
def service(kafka, redis_url, topic_prefix, tmp_path):
    service = Service(kafka, redis_url, topic_prefix, tmp_path)
    yield service
    service.close()


def test_a_night_is_the_answers_to_its_alerts_also_late_ones_and_not_those_of_the_next_nights_first_hour(
    service, monkeypatch
):
    begin_ms, end_ms = night((datetime.now(UTC) - timedelta(days=3)).date().isoformat())
    service.create_topics(monkeypatch, 1)
    settings = service.settings(monkeypatch)
    producer = Producer(settings.kafka.client())
    alerts = [  # when it was sent, how much later it was answered, its object
        (begin_ms - 2 * HOUR_MS, 1, "before"),
        (begin_ms + HOUR_MS, 1, "a"),
        (begin_ms + 2 * HOUR_MS, 1, "a"),
        (end_ms - HOUR_MS, 10 * HOUR_MS, "late"),  # after an outage
        (end_ms + HOUR_MS // 2, 1, "next"),
        (end_ms + HOUR_MS // 2 + 1, 1, "next"),
    ]
    for sent_ms, *_ in alerts:
        producer.produce(service.input, wire(record()), partition=0, timestamp=sent_ms)
        producer.flush()
    answers = sorted((sent_ms + later_ms, offset, name) for offset, (sent_ms, later_ms, name) in enumerate(alerts))
    for at_ms, offset, name in answers:
        named = classification(objectId=name, alertId=offset, ingestTimestamp=at_ms - 20, publishTimestamp=at_ms)
        headers = [("source_topic", service.input), ("source_partition", "0"), ("source_offset", str(offset))]
        value = encode(named, "classification")
        producer.produce(settings.outputs.classifications, value, partition=0, headers=headers, timestamp=at_ms)
        producer.flush()
    consumer = Consumer({**settings.kafka.consumer(), "enable.auto.commit": False})
    consumer.commit(offsets=[TopicPartition(service.input, 0, len(alerts))], asynchronous=False)
    consumer.close()

    curves = LightCurves(InMemoryLightCurves())
    found = night_of(settings, curves, begin_ms, end_ms, expect=lambda _: None, advanced=lambda _: None)
    assert found.recount["totals"]["published"] == found.classes.total() == 3
    assert (found.before.total(), found.objects) == (1, 2)
