"""Observations in, classifications out: tables of an archive, on one machine or on many.

It says what the service says of the same rows when they come as alerts, one by one, in the order of time: the same
checks, the same light curves (law 4), the same classifier (laws 2 and 5: one pass over a light curve gives what its
steps give). It knows no Kafka and no Redis, and keeps nothing from one call to the next.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from broker.archives.tables import Column, fields_of
from broker.errors import StartupError
from broker.surveys import native
from broker.surveys.checks import nothing
from broker.surveys.columns import DTYPES, NULLS, Columns, Rows, Told, Values, chosen
from broker.surveys.fields import Field, Kind
from model.alerts import Alerts
from model.observation import LightCurve
from model.runs import Runs
from model.taxonomy import CLASS_IDS, CLASS_NAMES

if TYPE_CHECKING:
    from model.classifier import Classifier

STEPS_AT_ONCE = 100_000  # observations in one call of the classifier: bounds its memory to some 200 MB
PROBABILITIES = tuple(f"class_{c}" for c in CLASS_IDS)
NAMES = np.array([CLASS_NAMES[c] for c in CLASS_IDS], dtype=object)
SCHEMA = pa.schema(
    [
        ("survey", pa.string()), ("object_id", pa.string()),
        ("mjd", pa.float64()), ("observations", pa.int64()),  # the last that was seen, and how many
        ("class", pa.string()), ("probability", pa.float32()),  # the most probable one
        *((name, pa.float32()) for name in PROBABILITIES),  # sum to 1
        ("p99", pa.float32()), ("anomaly_score", pa.float32()), ("anomaly", pa.bool_()),
        ("priors", pa.string()), ("classifier_version", pa.string()),
    ]
)  # fmt: skip


class Curves(NamedTuple):
    """The light curves of b objects, and what is known beside them."""

    keys: list[bytes]  # [b], b"survey/object"
    rows: list[NDArray[np.void]]  # b arrays [n_i] of dtype OBSERVATION, by time
    contexts: NDArray[np.void]  # [b] of dtype CONTEXT

    def part(self, start: int, end: int) -> "Curves":
        """Those from `start` up to `end`."""
        return Curves(self.keys[start:end], self.rows[start:end], self.contexts[start:end])


def classified(
    table: pd.DataFrame, classifier: "Classifier", *, every: bool = False, source: str = "the table"
) -> pd.DataFrame:
    """Classify each object of a table at its last observation.

    Args:
        table: observations, one a row, in any order, all there are of each object; its columns are those that
            `misweeper replay` reads: object_id, mjd, band, flux, flux_err [nJy], detected, and what may be there.
        classifier: an artefact at work.
        every: a row after each observation, not after the last alone.
        source: what to call the table in errors.

    Returns:
        a table with the columns of SCHEMA, by object, then by time.

    Raises:
        StartupError: a column is missing, or a value cannot be; the text names the object.
    """
    if not len(table):
        nothing: pd.DataFrame = SCHEMA.empty_table().to_pandas()
        return nothing
    curves = curves_of(alerts_of({name: table[name].to_numpy() for name in table.columns}, source))
    parts = [answers(classifier, some, every=every) for some in portions(curves)]
    return pd.concat(parts, ignore_index=True)


def alerts_of(columns: dict[str, Column], source: str) -> Alerts:
    """The rows of a table [n] as the service's own alerts would tell of them, checked alike. Raises StartupError."""
    fields = fields_of(source, columns)
    size = len(fields["mjd"])
    values: Values = {name: native_column(field, fields.get(name), size) for name, field in FIELDS.items()}
    values["alertId"] = np.arange(1, size + 1)
    none = {name: np.empty(0, np.int8 if f.choices else DTYPES[f.kind]) for name, f in native.OBSERVED.items()}
    history = Rows(np.zeros(size, np.int64), none, {}, {"band": nothing})
    every = np.arange(size)
    told: dict[str, Told] = {"band": lambda row: str(fields["band"][row])}
    found = native.alerts(Columns(every, values, {}, {"history": history}, told), every, np.zeros(size, np.int64))
    for row, poison in found.poisons.items():
        name = ascii(fields["objectId"][row])[:60]
        raise StartupError(f"{source}: of an observation of object {name} {poison}; mend it or leave it out")
    return found.alerts


FIELDS = {name: field for name, field in native.FIELDS.items() if isinstance(field, Field)}


def native_column(field: Field, values: Column | None, size: int) -> NDArray[np.generic]:
    """A field of native alerts [n] as the decoder would give it; null where a file has no such column."""
    if values is None:
        return np.full(size, NULLS[field.kind], DTYPES[field.kind])
    if field.kind is Kind.TEXT:
        texts = np.fromiter((text.encode() for text in values), object, size)
        return chosen(texts, field.choices) if field.choices else texts
    if field.kind is Kind.BOOL:
        return np.where(pd.isna(values), NULLS[field.kind], values).astype(np.int8)
    return np.asarray(values, DTYPES[field.kind])


def curves_of(alerts: Alerts) -> Curves:
    """The light curves of alerts; of each object the newest one's context counts, as it does in the service."""
    keys, owner = alerts.grouped()
    order = np.lexsort((alerts.own["mjd_tai"], owner))
    ends = np.cumsum(np.bincount(owner))
    rows = [LightCurve.of(some).observations for some in np.split(alerts.own[order], ends[:-1])]
    by_name = sorted(range(len(keys)), key=keys.__getitem__)
    contexts = alerts.contexts[order[ends - 1]]
    return Curves([keys[o] for o in by_name], [rows[o] for o in by_name], contexts[by_name])


def portions(curves: Curves) -> Iterator[Curves]:
    """Whole objects that go through the classifier together."""
    start, steps = 0, 0
    for place, rows in enumerate(curves.rows):
        if steps + len(rows) > STEPS_AT_ONCE and place > start:
            yield curves.part(start, place)
            start, steps = place, 0
        steps += len(rows)
    yield curves.part(start, len(curves.rows))


def answers(classifier: "Classifier", curves: Curves, *, every: bool) -> pd.DataFrame:
    """What the classifier says of light curves [b]: a row each, or one after each observation."""
    lengths = np.fromiter(map(len, curves.rows), np.int64, len(curves.rows))
    rows, ends = np.concatenate(curves.rows), np.cumsum(lengths)
    readouts = np.arange(len(rows)) if every else ends - 1
    start = np.tile(classifier.start_state, (len(ends), 1))
    verdicts, _ = classifier.classify(Runs(start, rows, ends, curves.contexts, readouts))
    names = [key.decode().partition("/") for key in curves.keys]
    owner = np.repeat(np.arange(len(ends)), lengths) if every else np.arange(len(ends))
    finite = np.isfinite(verdicts.probabilities).all(axis=1) & np.isfinite(verdicts.anomaly_scores)
    if not finite.all():
        strange = ascii(curves.keys[owner[np.argmin(finite)]].decode())
        raise StartupError(f"object {strange} has no answer that is a number; leave it out, and tell us of it")
    best = verdicts.probabilities.argmax(axis=1)
    return pd.DataFrame(
        {
            "survey": np.array([survey for survey, _, _ in names], object)[owner],
            "object_id": np.array([name for _, _, name in names], object)[owner],
            "mjd": rows["mjd_tai"][readouts],
            "observations": readouts - (ends - lengths)[owner] + 1,
            "class": NAMES[best],
            "probability": verdicts.probabilities[np.arange(len(best)), best],
            **dict(zip(PROBABILITIES, verdicts.probabilities.T, strict=True)),
            "p99": verdicts.p99,
            "anomaly_score": verdicts.anomaly_scores,
            "anomaly": verdicts.anomalies,
            "priors": classifier.priors,
            "classifier_version": classifier.digest,
        }
    )
