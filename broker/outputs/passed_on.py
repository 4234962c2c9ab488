"""The packet itself, passed on: its bytes as they came, and behind them what DESC and SkyPortal read.

An Avro record is its fields one after the other, and its bytes hold no names. So a packet's body with further bytes
behind it is a record of the writer's schema with further fields: nothing of a packet of 250 kB is read or written anew.

    brokerName, classifierName, classifierVersion, priors, quality,    FASTDB (DESC), beside Rubin's own fields
    classifications
    objectId, candid, candidate, prv_candidates, fp_hists,             SkyPortal, where the packet has no field of
    prv_nondetections                                                  that name

FASTDB takes the object's number from diaSource.diaObjectId, which stays as the packet has it. Where that is null, as of
the solar system, it cannot keep the packet: a condition on its route leaves those out, for they are declined.

A packet that comes from another broker may have the first six: they are renamed source_..., for ours are the answer.
One with prv_candidates of its own (ZTF's) keeps its history, and no other is added. Fluxes are true nJy, zero point
31.4.
"""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from math import nan
from struct import pack
from typing import Any

import numpy as np
from numpy.typing import NDArray

from broker.outputs.frames import named_types, schema_of
from broker.outputs.remembered import Remembered
from broker.outputs.shares import DECLINED, ELASTICC_IDS, shares
from broker.outputs.template import MARK, Templates, encoded, long, part
from broker.settings.predicates import PRIORS
from model.alerts import Alerts
from model.observation import BANDS
from model.runs import QUALITIES, Verdicts
from schemas.catalogue import Schema, load

NAME = "passed_on"
ANSWER = ("brokerName", "classifierName", "classifierVersion", "priors", "quality", "classifications")
HISTORY = ("prv_candidates", "fp_hists", "prv_nondetections")
SKY = ("objectId", "candid", "candidate", *HISTORY)
OTHERS = "source_"  # before the name of a field that another broker has added
NONE = long(0)  # an empty array
JD_OF_MJD = 2_400_000.5

POINT = np.dtype(
    [("jd", "<f8"), ("length", "u1"), ("band", "u1"), ("psfFlux", "<f4"), ("psfFluxErr", "<f4")]
)  # as Avro writes it: a text's length is a zig-zag varint
CANDIDATE = np.dtype([*POINT.descr, ("ra", "<f8"), ("dec", "<f8")])
LETTERS = np.frombuffer("".join(BANDS).encode(), np.uint8)


@dataclass(frozen=True, slots=True)
class Extension:
    """A writer's schema with our fields behind its own."""

    schema: Schema
    added: tuple[str, ...]  # those of SKY that it has not had
    with_history: bool  # whether what is added of HISTORY has anything in it


def extend(writer: Schema) -> Extension:
    """The schema of a writer's packets once they are passed on."""
    plain, ours = schema_of(writer), schema_of(load(NAME))
    present, taken = {field["name"] for field in plain["fields"]}, named_types(writer)
    theirs = [
        f | {"name": free(OTHERS + f["name"], present) if f["name"] in ANSWER else f["name"]} for f in plain["fields"]
    ]
    added = tuple(name for name in SKY if name not in present)
    types = {name: free(name, taken) for name in named_types(ours)}
    chosen = [field for field in ours["fields"] if field["name"] in (*ANSWER, *added)]
    more = renamed(chosen, types, {one["name"]: one for one in records(ours)}, set())
    return Extension(plain | {"fields": [*theirs, *more]}, added, "prv_candidates" not in present)


def free(name: str, taken: Container[str]) -> str:
    """A name that is in nobody's way."""
    while name in taken:
        name += "_"
    return name


def records(schema: Any) -> Iterator[Schema]:  # noqa: ANN401 - a schema is any JSON
    """Every record that a schema defines."""
    for one in schema if isinstance(schema, list) else [schema]:
        if isinstance(one, dict):
            if one.get("type") == "record":
                yield one
            yield from records([one.get("type"), one.get("items"), *one.get("fields", ())])


def renamed(schema: Any, names: dict[str, str], known: dict[str, Schema], defined: set[str]) -> Any:  # noqa: ANN401
    """A part of a schema with other names for its types, each defined where it first comes."""
    if isinstance(schema, list):
        return [renamed(one, names, known, defined) for one in schema]
    if isinstance(schema, str) and schema in known and schema not in defined:
        schema = known[schema]
    if isinstance(schema, str):
        return names.get(schema, schema)
    if schema.get("type") == "record":
        defined.add(schema["name"])
    own = {"name": names.get(schema["name"], schema["name"])} if "name" in schema else {}
    return (
        schema
        | own
        | {key: renamed(schema[key], names, known, defined) for key in ("type", "items", "fields") if key in schema}
    )


class PassedOn:
    """What is written behind packets.

    Args:
        classifier_name: of the artefact.
        classifier_version: its digest.
        priors: those of the classifier, which packets of declined alerts name.
    """

    def __init__(self, *, classifier_name: str, classifier_version: str, priors: str) -> None:
        said = {
            "brokerName": "misweeper",
            "classifierName": classifier_name,
            "classifierVersion": classifier_version,
        }
        schema = part(load(NAME), "Answer", ANSWER)
        classes = [{"classId": number, "probability": MARK} for number in ELASTICC_IDS]
        words = [{"priors": word, "quality": quality} for word in PRIORS for quality in QUALITIES]
        self._answers = Templates([encoded(schema, said | one | {"classifications": classes}) for one in words])
        nothing = {"priors": priors, "quality": QUALITIES[0]}
        self._declined = encoded(schema, said | nothing | {"classifications": DECLINED})
        self.extension = Remembered(extend)

    def behind(
        self,
        alerts: Alerts,
        which: NDArray[np.int64],
        verdicts: Verdicts,
        priors: NDArray[np.int64],
        extensions: Sequence[Extension],
    ) -> list[bytes]:
        """What stands behind the packets of some alerts [k], in the order of the extended schemas' fields.

        Args:
            alerts: with all their rows.
            which: [k], of them.
            verdicts: [k].
            priors: [k], which of PRIORS their probabilities assume.
            extensions: [k], of their writers' schemas.
        """
        words = priors * len(QUALITIES) + verdicts.qualities
        answers = self._answers.filled(words, shares(verdicts.probabilities))
        places = alerts.places_deg[which]
        candidates = points(alerts.own[which], CANDIDATE)
        candidates["ra"], candidates["dec"] = places[:, 0], places[:, 1]
        seen, forced = history(alerts, which)
        found = []
        for k, (i, extension) in enumerate(zip(which.tolist(), extensions, strict=True)):
            name = alerts.objects[i].partition(b"/")[2]
            past = (seen[k], forced[k], NONE) if extension.with_history else (NONE, NONE, NONE)
            values = (long(len(name)) + name, long(int(alerts.alert_ids[i])), candidates[k].tobytes(), *past)
            sky = dict(zip(SKY, values, strict=True))
            found.append(b"".join((answers[k], *(sky[field] for field in extension.added))))
        return found

    def behind_declined(self, name: bytes, number: int, place_deg: tuple[float, float], extension: Extension) -> bytes:
        """What stands behind a packet that is declined: it has no light curve, and is not classified."""
        candidate = pack("<dxffdd", nan, nan, nan, *place_deg)  # the text between has no letter
        values = (long(len(name)) + name, long(number), candidate, NONE, NONE, NONE)
        sky = dict(zip(SKY, values, strict=True))
        return b"".join((self._declined, *(sky[field] for field in extension.added)))


def points(rows: NDArray[np.void], dtype: np.dtype[np.void]) -> NDArray[np.void]:
    """Observations [n] as SkyPortal reads them."""
    found = np.zeros(len(rows), dtype)
    found["jd"] = rows["mjd_tai"] + JD_OF_MJD
    found["length"], found["band"] = 2, LETTERS[rows["band"]]  # 1 as a zig-zag varint
    found["psfFlux"], found["psfFluxErr"] = rows["flux_njy"], rows["flux_err_njy"]
    return found


def history(alerts: Alerts, which: NDArray[np.int64]) -> tuple[list[bytes], list[bytes]]:
    """The detections of some alerts [k], the own one among them, and their other points: an Avro array each."""
    detected = alerts.rows["detected"].astype(bool)
    return tuple(  # type: ignore[return-value]  # of two
        arrays(points(alerts.rows[chosen], POINT), np.cumsum(chosen)[alerts.ends - 1], which)
        for chosen in (detected, ~detected)
    )


def arrays(rows: NDArray[np.void], ends: NDArray[np.int64], which: NDArray[np.int64]) -> list[bytes]:
    """Rows of n alerts, of which each alert's end at ends [n], as the arrays of some of them [k]."""
    raw, size = rows.tobytes(), rows.dtype.itemsize
    starts = np.concatenate([np.zeros(1, np.int64), ends[:-1]])[: len(ends)]
    found = []
    for start, end in zip(starts[which].tolist(), ends[which].tolist(), strict=True):
        found.append(b"".join((long(end - start), raw[start * size : end * size], NONE)) if end > start else NONE)
    return found
