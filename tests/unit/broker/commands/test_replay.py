"""Files to alerts in time order, and alerts to Kafka when they are due."""

from itertools import pairwise
from types import SimpleNamespace

import fastavro
import pandas as pd
import pyarrow.parquet as pq
import pytest
from confluent_kafka import KafkaError, KafkaException

from broker.commands.replay import BURST_S, ROWS, read_alerts, send
from broker.errors import StartupError
from broker.kafka.message import Message
from broker.packets.reader import AlertReader
from broker.replays.native import native_packets
from schemas.catalogue import load
from tests.support.alerts import record
from tests.support.columns import read_alert


def frame(n: int) -> pd.DataFrame:
    """Rows of n observations, the latest first."""
    return pd.DataFrame(
        {
            "object_id": [str(i % 7) for i in range(n)],
            "mjd": [60000.0 - i for i in range(n)],
            "band": ["ugrizy"[i % 6] for i in range(n)],
            "flux": [float(i) for i in range(n)],
            "flux_err": [1.0] * n,
            "detected": [i % 2 for i in range(n)],
        }
    )


def write(path, rows: pd.DataFrame):
    rows.to_csv(path, index=False) if path.suffix == ".csv" else rows.to_parquet(path)
    return path


def write_avro(path, records, schema=None):
    with path.open("wb") as file:
        fastavro.writer(file, schema or load("observation"), records)
    return path


def test_csv_and_parquet_say_the_same(tmp_path):
    rows = frame(3 * ROWS + 1)
    from_csv = list(read_alerts(write(tmp_path / "a.csv", rows)))
    assert from_csv == list(read_alerts(write(tmp_path / "a.parquet", rows.sort_values("mjd"))))
    assert [r["alertId"] for r in from_csv] == list(range(1, len(rows) + 1))
    assert all(a["mjd"] < b["mjd"] for a, b in pairwise(from_csv))
    assert from_csv[0]["flux"] == len(rows) - 1


def test_a_native_container_keeps_its_alert_ids(tmp_path):
    path = write_avro(tmp_path / "a.avro", [record(alertId=8, mjd=2.0), record(alertId=9, mjd=1.0)])
    assert [r["alertId"] for r in read_alerts(path)] == [9, 8]


def test_a_container_of_an_older_writer_is_filled_up_with_defaults(tmp_path):
    schema = load("observation")
    old = {"type": "record", "name": "misweeper.Observation"} | {
        "fields": [f for f in schema["fields"] if f["name"] not in {"history", "ra"}]
    }
    (alert,) = read_alerts(write_avro(tmp_path / "a.avro", [record()], old))
    assert (alert["history"], alert["ra"]) == ([], None)


def test_parquet_must_be_in_time_order_from_batch_to_batch_too(tmp_path):
    rows = frame(2 * ROWS).sort_values("mjd")
    swapped = pd.concat([rows[ROWS:], rows[:ROWS]])
    with pytest.raises(StartupError, match="not in time order; sort them by mjd"):
        list(read_alerts(write(tmp_path / "a.parquet", swapped)))


def test_parquet_is_read_as_it_is_needed(tmp_path):
    rows = frame(10 * ROWS).sort_values("mjd")
    rows.iloc[-1, rows.columns.get_loc("flux")] = float("nan")
    alerts = read_alerts(write(tmp_path / "a.parquet", rows))
    assert next(alerts)["alertId"] == 1
    with pytest.raises(StartupError, match=f"flux of row {10 * ROWS} is "):
        list(alerts)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_file_without_rows(tmp_path, suffix):
    assert list(read_alerts(write(tmp_path / f"a{suffix}", frame(0)))) == []


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"", "cannot be read"),
        ("a.csv", b"\xff\xfe\xfd", "cannot be read"),
        ("a.csv", b"a,b\n1,2,3,4\n1\n", "has no column|cannot be read"),
        ("a.csv", b"object_id,mjd\n1,2\n", "has no column 'band'"),
        ("a.parquet", b"", "cannot be read"),
        ("a.parquet", b"PAR1 and no more", "cannot be read"),
        ("a.avro", b"", "cannot be read"),
        ("a.avro", b"Obj\x01", "cannot be read"),
        ("a.txt", b"", "ends in '.txt'; give a file that ends in .csv, .parquet, .avro"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StartupError, match=said) as caught:
        list(read_alerts(tmp_path / name))
    assert name in str(caught.value)


def test_no_file_at_all(tmp_path):
    with pytest.raises(StartupError, match="is no file"):
        list(read_alerts(tmp_path / "a.csv"))


def test_a_container_of_something_else(tmp_path):
    other = {"type": "record", "name": "misweeper.Other", "fields": [{"name": "a", "type": "long"}]}
    with pytest.raises(StartupError, match="holds no native alerts"):
        list(read_alerts(write_avro(tmp_path / "a.avro", [{"a": 1}], other)))


def test_a_truncated_parquet(tmp_path):
    path = write(tmp_path / "a.parquet", frame(100))
    assert pq.ParquetFile(path).metadata.num_rows == 100
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(StartupError, match="cannot be read"):
        list(read_alerts(path))


class Kafka:
    """Takes what a producer is given, and keeps the time: a poll lasts as long as it may, or is cut short."""

    def __init__(self, *, room: int = 10**9, refuse: int | None = None, poll_share: float = 1.0) -> None:
        self.now_s = 100.0
        self.sent: list[tuple[float, str, bytes, bytes]] = []
        self._room, self._free = room, room
        self._refuse = refuse
        self._poll_share = poll_share

    def clock(self) -> float:
        return self.now_s

    def produce(self, topic, value, key, partition, on_delivery, timestamp, headers):
        if self._free == 0:
            raise BufferError("Local: Queue full")
        self._free -= 1
        self.sent.append((self.now_s, topic, key, value))
        refused = len(self.sent) == self._refuse
        error = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, "no such topic") if refused else None
        on_delivery(error, SimpleNamespace(topic=lambda: topic))

    def poll(self, seconds):
        self.now_s += seconds * self._poll_share
        self._free = self._room

    def flush(self, seconds):
        return 0


def alerts(n: int):
    packets = native_packets(record(alertId=i + 1, objectId=f"o{i}") for i in range(n))
    return (("alerts", packet) for packet in packets)


@pytest.mark.parametrize("rate_per_s", [0.5, 7.0, 100.0])
@pytest.mark.parametrize("poll_share", [1.0, 0.3])
def test_every_alert_leaves_when_it_is_due(rate_per_s, poll_share):
    kafka = Kafka(poll_share=poll_share)
    assert send(alerts(50), kafka, rate_per_s, clock=kafka.clock) == 50
    for i, (at_s, *_) in enumerate(kafka.sent):
        assert -BURST_S <= at_s - (100.0 + i / rate_per_s) <= 1e-6


def test_without_a_rate_nothing_waits():
    kafka = Kafka()
    assert send(alerts(50), kafka, clock=kafka.clock) == 50
    assert {at_s for at_s, *_ in kafka.sent} == {100.0}


def test_what_is_sent_is_keyed_by_object_and_in_wire_framing():
    kafka = Kafka()
    send(alerts(1), kafka, clock=kafka.clock)
    ((_, topic, key, value),) = kafka.sent
    assert (topic, key) == ("alerts", b"o0")
    assert read_alert(Message("alerts", 0, 0, 0, value=value), AlertReader(10**6)).alert_id == 1


def test_a_full_queue_is_waited_for():
    kafka = Kafka(room=10)
    assert send(alerts(95), kafka, clock=kafka.clock) == 95
    assert kafka.now_s == pytest.approx(100.0 + 9 * 0.1)


def test_progress_is_told_and_ends_with_the_count():
    kafka, told, sent = Kafka(), [], []
    send(alerts(30), kafka, 10.0, clock=kafka.clock, on_progress=told.append, on_send=sent.append)
    assert told[-1] == 30
    assert told == sorted(told)
    assert len(told) > 3
    assert [packet.alert_id for packet in sent] == list(range(1, 31))


def test_a_refused_alert_ends_the_replay_with_what_to_do():
    kafka = Kafka(refuse=5)
    with pytest.raises(
        StartupError, match=r"did not take the alerts for alerts \(no such topic\); does the topic exist"
    ):
        send(alerts(50), kafka, clock=kafka.clock)
    assert len(kafka.sent) == 5


def test_an_alert_that_is_too_large_is_named():
    class Small(Kafka):
        def produce(self, topic, value, key, partition, on_delivery, timestamp, headers):
            raise KafkaException(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE, "message too large"))

    with pytest.raises(StartupError, match="alert 1 cannot be sent: message too large"):
        send(alerts(3), Small())
