"""Files to Kafka at a rate: in time order, as a telescope would have sent them."""

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from broker.archives.tables import fields_of, naming, records_of
from broker.errors import StartupError
from broker.replays.makers import maker
from broker.replays.packet import Packet, Record
from broker.replays.recorded import is_recorded, recorded_packets
from schemas.catalogue import load

ROWS = 512  # at a time: a longer pause would delay the alerts that are due
TELL_S = 0.1
BURST_S = 0.005  # alerts may leave so much early: fewer, fuller requests at high rates
FLUSH_S = 60.0


def read_alerts(path: Path) -> Iterator[Record]:
    """Native alerts of a file, in time order; alertId counts from 1 but for Avro, which has its own.

    CSV and parquet have the columns object_id, mjd, band, flux, flux_err [nJy], detected, and may have survey, ddf,
    hostgal_photoz, hostgal_photoz_err, mwebv, ra and dec. With `passband` (0 to 5) in place of band they are
    PLAsTiCC's own, with fluxes in FLUXCAL. Parquet is streamed and must be sorted by mjd; the others are read whole
    and sorted.

    Raises:
        StartupError: names the file, what is wrong with it, and the remedy.
    """
    if not path.is_file():
        raise StartupError(f"{path} is no file; give a CSV, a parquet or an Avro container file")
    readers = {".csv": _csv, ".parquet": _parquet, ".avro": _avro}
    if (reader := readers.get(path.suffix)) is None:
        raise StartupError(f"{path} ends in {path.suffix!r}; give a file that ends in {', '.join(readers)}")
    with naming(path):
        yield from reader(path)


def packets_of(paths: Iterable[Path], survey: str | None = None, framing: str | None = None) -> Iterator[Packet]:
    """The packets of some files, one file after the other: light curves as a survey's, real packets as they are.

    Args:
        paths: as `read_alerts` takes them, or `.avro` files of a survey's packets.
        survey: whose packets to make of light curves; by default native ones.
        framing: of these; by default the survey's own.

    Raises:
        StartupError: names the file, what is wrong with it, and the remedy.
    """
    make = maker(survey or "native", framing)
    for path in paths:
        with naming(path):
            recorded = path.suffix == ".avro" and path.is_file() and is_recorded(path)
        if not recorded:
            yield from make(read_alerts(path))
        elif survey or framing:
            raise StartupError(f"{path} holds real packets, sent as they are; leave --survey and --framing out")
        else:
            with naming(path):
                yield from recorded_packets(path)


def send(
    packets: Iterable[tuple[str, Packet]],
    producer: Producer,
    rate_per_s: float | None = None,
    *,
    on_send: Callable[[Packet], None] = lambda _: None,
    on_progress: Callable[[int], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Send packets to their topics, and say how many.

    Number n leaves n / rate seconds after the first, or all as fast as it goes.

    Raises:
        StartupError: Kafka refused one.
    """
    refused: list[tuple[str, str]] = []
    topic = ""

    def delivered(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            refused.append((message.topic() or "", error.str()))

    began = told = clock()
    sent = 0
    for topic, packet in packets:
        while rate_per_s and (early := began + sent / rate_per_s - clock()) > BURST_S:
            producer.poll(early)
        on_send(packet)
        produce_packet(producer, topic, packet, delivered)
        sent += 1
        if clock() - told > TELL_S:
            told = clock()
            on_progress(sent)
            producer.poll(0)
        if refused:
            break
    left = producer.flush(FLUSH_S)
    if refused or left:
        lost = (topic, f"{left} alerts were not acknowledged within {FLUSH_S:.0f} s")
        which, why = refused[0] if refused else lost
        raise StartupError(f"Kafka did not take the alerts for {which} ({why}); does the topic exist?")
    on_progress(sent)
    return sent


def produce_packet(producer: Producer, topic: str, packet: Packet, delivered: Callable[..., None]) -> None:
    """Hand one packet over, as soon as there is room. Raises StartupError."""
    headers: list[tuple[str, str | bytes | None]] = [*packet.headers]
    if packet.stamped:
        headers.append(("producer_timestamp", repr(time.time() * 1000)))
    while True:
        try:
            producer.produce(
                topic,
                packet.value,
                packet.key,
                packet.partition,
                on_delivery=delivered,
                timestamp=packet.timestamp_ms,
                headers=headers,
            )
        except BufferError:
            producer.poll(0.1)
        except KafkaException as error:
            which = f"alert {packet.alert_id}" if packet.alert_id else f"a packet of {len(packet.value or b''):,} bytes"
            raise StartupError(f"{which} cannot be sent: {error.args[0].str()}") from error
        else:
            return


def _csv(path: Path) -> Iterator[Record]:
    text = {"object_id": str, "survey": str, "band": str}
    frame = pd.read_csv(path, skipinitialspace=True, dtype=text, low_memory=False)
    fields = fields_of(path, {name: frame[name].to_numpy() for name in frame.columns}, 0)
    order = np.argsort(fields["mjd"], kind="stable")
    for start in range(0, len(order), ROWS):
        rows = order[start : start + ROWS]
        yield from records_of({name: values[rows] for name, values in fields.items()}, start)


def _parquet(path: Path) -> Iterator[Record]:
    start, latest = 0, -np.inf
    for batch in pq.ParquetFile(path).iter_batches(ROWS):
        columns = {name: batch[name].to_numpy(zero_copy_only=False) for name in batch.schema.names}
        fields = fields_of(path, columns, start)
        if (np.diff(fields["mjd"], prepend=latest) < 0).any():
            raise StartupError(f"{path}: the rows are not in time order; sort them by mjd")
        yield from records_of(fields, start)
        start, latest = start + len(batch), fields["mjd"][-1]


def _avro(path: Path) -> Iterator[Record]:
    with path.open("rb") as file:
        records: list[Any] = list(fastavro.reader(file, load("observation")))
    yield from sorted(records, key=lambda r: r["mjd"])
