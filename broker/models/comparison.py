"""The shadow's answers beside those that were published, from the topics alone.

Each names the offset that it answers, so they are brought together by that. Some 100 bytes an alert are kept: of a long
time, compare one night after the other.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from confluent_kafka.admin import AdminClient
from numpy.typing import NDArray

from broker.config import Settings
from broker.kafka import spans
from broker.kafka.message import Message
from broker.kafka.spans import Span
from broker.kafka.subscription import NOT_OURS, source
from broker.models.agreement import Agreement
from broker.packets.framings import WIRE
from broker.packets.projection import Projection, compile_projection
from broker.surveys.fields import Field, Fields, Kind, Table
from model.taxonomy import CLASSES
from schemas.catalogue import load

AT_ONCE = 1000  # messages
FIELDS: Fields = {
    "anomaly": Field(("anomaly",), Kind.BOOL),
    "version": Field(("classifierVersion",), Kind.TEXT),
    "classes": Table(("classifications",), {"probability": Field(("probability",), Kind.DOUBLE)}, required=True),
}
ANSWERS = np.dtype(
    [("place", "i4"), ("offset", "i8"), ("version", "i4"), ("flag", "?"), ("chances", "f4", (len(CLASSES),))]
)


@dataclass(slots=True)
class Comparison:
    """What was found."""

    answers: int = 0  # published in that time
    shadowed: int = 0  # by the shadow
    pairs: dict[tuple[str, str], Agreement] = field(default_factory=dict)  # by the digests of ours and the shadow's

    def summary(self) -> dict[str, Any]:
        """For people and programs."""
        whole = sum(self.pairs.values(), Agreement())
        each = [{"answers": ours, "shadow": theirs} | one.shares() for (ours, theirs), one in self.pairs.items()]
        return {"answers": self.answers, "shadow_answers": self.shadowed, **whole.shares(), "artefacts": each}


class Numbers(dict[Any, int]):
    """A number for each thing, by first appearance."""

    def __missing__(self, key: object) -> int:
        self[key] = len(self)
        return self[key]


def compare(
    admin: AdminClient,
    settings: Settings,
    since_ms: int | None = None,
    until_ms: int | None = None,
    *,
    expect: Callable[[int], None] = lambda _: None,
    advanced: Callable[[int], None] = lambda _: None,
) -> Comparison:
    """Compare what was published in some time. Raises StartupError.

    Args:
        admin: of the servers.
        settings: where the topics are; the shadow has one.
        since_ms: outputs from this time on [ms since 1970].
        until_ms: outputs before this time [ms since 1970].
        expect: told how many more offsets there are to read.
        advanced: told how many were read.
    """
    shadow = settings.outputs.shadow
    assert shadow is not None
    projection, places, versions = compile_projection(load("classification"), FIELDS), Numbers(), Numbers()
    both = []
    for topic in (shadow, settings.outputs.classifications):  # in this order: of each pair both
        wanted = list(spans_of(admin, topic, since_ms, until_ms))
        expect(sum(span.size for span in wanted))
        read = spans.read(settings.kafka.consumer(), wanted, AT_ONCE, advanced=advanced)
        found = [answers(projection, messages, places, versions) for messages in read]
        both.append(np.concatenate([np.empty(0, ANSWERS), *found]))
    theirs, ours = (once(one) for one in both)
    _, which, their_which = np.intersect1d(keys(ours), keys(theirs), assume_unique=True, return_indices=True)
    ours_too, theirs_too = ours[which], theirs[their_which]
    comparison, names = Comparison(len(ours), len(theirs)), list(versions)
    for pair in np.unique(np.stack([ours_too["version"], theirs_too["version"]]), axis=1).T.tolist():
        chosen = (ours_too["version"] == pair[0]) & (theirs_too["version"] == pair[1])
        a, b = ours_too[chosen], theirs_too[chosen]
        agreement = Agreement.of(a["chances"], b["chances"], a["flag"], b["flag"])
        comparison.pairs[names[pair[0]], names[pair[1]]] = agreement
    return comparison


def spans_of(admin: AdminClient, topic: str, since_ms: int | None, until_ms: int | None) -> Iterator[Span]:
    """A topic's outputs of some time. Raises StartupError."""
    places = spans.partitions(admin, [topic])
    first = spans.oldest(admin, places) if since_ms is None else spans.at_time(admin, places, since_ms)
    last = spans.newest(admin, places) if until_ms is None else spans.at_time(admin, places, until_ms)
    for place in places:
        yield Span(*place, first[place], last[place])


def answers(
    projection: Projection, messages: Sequence[Message], places: Numbers, versions: Numbers
) -> NDArray[np.void]:
    """Some classifications as rows of ANSWERS; a stranger's are left out."""
    columns, _ = projection.read([(m.value or b"")[WIRE.size :] for m in messages], len(CLASSES))
    table = columns.tables["classes"]
    counts = np.diff(table.ends, prepend=0)
    whole = counts == len(CLASSES)
    rows = np.zeros(int(whole.sum()), ANSWERS)
    rows["chances"] = table.values["probability"][np.repeat(whole, counts)].reshape(-1, len(CLASSES))
    rows["flag"] = columns.values["anomaly"][whole] > 0
    rows["version"] = [versions[one.decode(errors="replace")] for one in columns.values["version"][whole].tolist()]
    ours = np.ones(len(rows), np.bool_)
    for i, number in enumerate(columns.which[whole].tolist()):
        try:
            topic, partition, offset = source(messages[number].headers)
            rows["place"][i], rows["offset"][i] = places[topic, partition], offset
        except NOT_OURS:
            ours[i] = False
    return rows[ours]


def keys(rows: NDArray[np.void]) -> NDArray[np.void]:
    """What each row answers, [n] in an order of its own."""
    found = np.zeros(len(rows), [("place", "i4"), ("offset", "i8")])
    found["place"], found["offset"] = rows["place"], rows["offset"]
    return found


def once(rows: NDArray[np.void]) -> NDArray[np.void]:
    """Each answer once, should one be there twice."""
    _, first = np.unique(keys(rows), return_index=True)
    return rows[first]
