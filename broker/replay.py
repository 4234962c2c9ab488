"""Files to Kafka at a rate: one alert an observation, in time order, as a telescope would have sent them."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from confluent_kafka import KafkaError, Producer

from broker.codec import encode
from broker.errors import StartupError
from model.observation import BANDS, FLUXCAL_NJY

Record = dict[str, Any]

REQUIRED = ("object_id", "mjd", "band", "flux", "flux_err", "detected")
OPTIONAL = {  # a file's column: the alert's field
    "ddf": "ddf", "hostgal_photoz": "hostgalPhotoz", "hostgal_photoz_err": "hostgalPhotozErr",
    "mwebv": "mwebv", "ra": "ra", "dec": "dec",
}  # fmt: skip
OTHER_NAMES = {"detected_bool": "detected", "ddf_bool": "ddf", "decl": "dec"}
ROWS = 512  # at a time: a longer pause would delay the alerts that are due
TELL_S = 0.1
BURST_S = 0.005  # alerts may leave so much early: fewer, fuller requests at high rates
FLUSH_S = 60.0


def read_alerts(path: Path) -> Iterator[Record]:
    """Native alerts of a file, in time order; alertId counts from 1 but for Avro, which has its own.

    CSV and parquet have the columns object_id, mjd, band, flux, flux_err [nJy], detected, and may have survey, ddf,
    hostgal_photoz, hostgal_photoz_err, mwebv, ra and dec. With `passband` (0 to 5) in place of band they are
    PLAsTiCC's own, with fluxes in FLUXCAL. Parquet is streamed and must be sorted by mjd; CSV is read whole and sorted.

    Raises:
        StartupError: names the file, what is wrong with it, and the remedy.
    """
    if not path.is_file():
        raise StartupError(f"{path} is no file; give a CSV, a parquet or an Avro container file")
    readers = {".csv": _csv, ".parquet": _parquet, ".avro": _avro}
    if (reader := readers.get(path.suffix)) is None:
        raise StartupError(f"{path} ends in {path.suffix!r}; give a file that ends in {', '.join(readers)}")
    try:
        yield from reader(path)
    except (ValueError, pa.ArrowException, EOFError, pd.errors.ParserError) as error:
        raise StartupError(f"{path} cannot be read ({error}); export it again") from error


def replay(
    records: Iterator[Record],
    producer: Producer,
    topic: str,
    rate_per_s: float | None = None,
    *,
    on_send: Callable[[Record], None] = lambda _: None,
    on_progress: Callable[[int], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Send alerts: number n leaves n / rate seconds after the first, or as fast as it goes. Returns how many were sent.

    Raises:
        StartupError: Kafka refused one.
    """
    refused: list[KafkaError] = []

    def delivered(error: KafkaError | None, _: object) -> None:
        if error is not None:
            refused.append(error)

    began = told = clock()
    sent = 0
    for record in records:
        while rate_per_s and (early := began + sent / rate_per_s - clock()) > BURST_S:
            producer.poll(early)
        value = encode(record, "observation")
        on_send(record)
        while True:
            try:
                producer.produce(topic, value, record["objectId"].encode(), on_delivery=delivered)
                break
            except BufferError:
                producer.poll(0.1)
        sent += 1
        if clock() - told > TELL_S:
            told = clock()
            on_progress(sent)
            producer.poll(0)
        if refused:
            break
    left = producer.flush(FLUSH_S)
    if refused or left:
        why = refused[0].str() if refused else f"{left} alerts were not acknowledged within {FLUSH_S:.0f} s"
        raise StartupError(f"Kafka did not take the alerts for {topic} ({why}); does the topic exist?")
    on_progress(sent)
    return sent


def _csv(path: Path) -> Iterator[Record]:
    frame = pd.read_csv(path, skipinitialspace=True, dtype={"object_id": str}).rename(columns=OTHER_NAMES)
    _require(path, list(frame.columns))
    frame = frame.sort_values("mjd", kind="stable")
    for start in range(0, len(frame), ROWS):
        yield from _records(frame.iloc[start : start + ROWS], start)


def _parquet(path: Path) -> Iterator[Record]:
    file = pq.ParquetFile(path)
    _require(path, [OTHER_NAMES.get(name, name) for name in file.schema_arrow.names])
    start, latest = 0, -np.inf
    for batch in file.iter_batches(ROWS):
        frame = batch.to_pandas().rename(columns=OTHER_NAMES)
        mjd = frame["mjd"].to_numpy()
        if mjd[0] < latest or (np.diff(mjd) < 0).any():
            raise StartupError(f"{path}: the rows are not in time order; sort them by mjd")
        latest = mjd[-1]
        yield from _records(frame, start)
        start += len(frame)


def _avro(path: Path) -> Iterator[Record]:
    with path.open("rb") as file:
        records: list[Any] = list(fastavro.reader(file))
    if records and not {"alertId", "objectId", "mjd"} <= set(records[0]):
        raise StartupError(f"{path} holds no native alerts; their schema is schemas/observation.1.avsc")
    yield from sorted(records, key=lambda r: r["mjd"])


def _require(path: Path, columns: list[str]) -> None:
    for name in REQUIRED:
        if name not in columns and not (name == "band" and "passband" in columns):
            raise StartupError(f"{path} has no column {name!r}, only {', '.join(columns)}; rename or add it")


def _records(frame: pd.DataFrame, start: int) -> Iterator[Record]:
    """Alerts of some rows; alertId is start + 1 for the first."""
    unit = FLUXCAL_NJY if "passband" in frame else 1.0
    bands = [BANDS[b] for b in frame["passband"]] if "passband" in frame else frame["band"]
    columns: dict[str, Any] = {
        "objectId": frame["object_id"].astype(str),
        "survey": frame["survey"] if "survey" in frame else ["plasticc"] * len(frame),
        "mjd": frame["mjd"].astype(float),
        "band": bands,
        "flux": frame["flux"].astype(float) * unit,
        "fluxErr": frame["flux_err"].astype(float) * unit,
        "detected": frame["detected"].astype(bool),
    }
    for column, name in OPTIONAL.items():
        if column in frame:
            values = frame[column].astype(bool if column == "ddf" else float)
            columns[name] = values.astype(object).where(frame[column].notna(), None)
    for i, row in enumerate(zip(*columns.values(), strict=True), start + 1):
        yield {"alertId": i, **dict(zip(columns, row, strict=True)), "history": []}
