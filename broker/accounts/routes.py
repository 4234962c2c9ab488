"""What became of each alert on each route: two questions an offset, both answered from the topics alone.

Which routes there were when an alert was published its classification says, in the header `routes`. Whether one of them
takes it follows from the classification itself: the condition is asked again. So a route that was added yesterday is
not asked for what was published the day before, and one whose condition has changed for nothing from before.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from broker.kafka.batch import Place
from broker.kafka.message import Message
from broker.kafka.spans import Span
from broker.kafka.subscription import NOT_OURS, source
from broker.outputs.messages import ROUTES
from broker.packets.readback import ReadBack
from broker.settings.predicates import Asked
from broker.settings.routes import Route
from broker.surveys.fields import Field, Fields, Kind, Table
from model.taxonomy import CLASSES

IN_FORCE, WANTED, THERE, TWICE, ANSWERED = (np.uint8(1 << i) for i in range(5))
DEFECTS = {  # by name: what has these bits, and none of those
    "not on route {}": (WANTED, THERE),
    "twice on route {}": (TWICE, np.uint8(0)),
    "on route {} though not taken": (THERE | IN_FORCE, WANTED),
    "on route {} without its classification": (THERE, ANSWERED),
}
WORDS = {WANTED: "taken", THERE: "there", TWICE: "again", ANSWERED: "answered"}

NUMBERS = {
    "p99": "p99",
    "anomaly_score": "anomalyScore",
    "observations": "observations",
    "mjd": "mjd",
    "ra": "ra",
    "dec": "dec",
}
FIELDS: Fields = {
    **{name: Field((path,), Kind.DOUBLE) for name, path in NUMBERS.items()},
    "anomaly": Field(("anomaly",), Kind.BOOL),
    "survey": Field(("survey",), Kind.TEXT),
    "priors": Field(("priors",), Kind.TEXT),
    "quality": Field(("quality",), Kind.TEXT, required=False),  # since version 2
    "classes": Table(("classifications",), {"probability": Field(("probability",), Kind.DOUBLE)}, required=True),
}

At = tuple[Place, int]  # an offset of the input


class RouteLedger:
    """What is known of each offset of a span on one route, a byte each."""

    def __init__(self, span: Span) -> None:
        self.span = span
        self._seen = np.zeros(span.size, np.uint8)

    def note(self, bits: np.uint8, offset: int) -> None:
        """Take in what is known of an offset; one outside the span is passed over."""
        place = offset - self.span.start
        if 0 <= place < len(self._seen):
            again = bits == THERE and self._seen[place] & THERE
            self._seen[place] |= bits | (TWICE if again else np.uint8(0))

    def count(self, bits: np.uint8) -> int:
        """How many offsets have these bits."""
        return int(np.count_nonzero(self._seen & bits == bits))

    def defects(self) -> dict[str, NDArray[np.int64]]:
        """The offsets [n] of each kind of defect, by the name that it has of all routes."""
        return {
            name: np.flatnonzero((self._seen & bits == bits) & (self._seen & none == 0)) + self.span.start
            for name, (bits, none) in DEFECTS.items()
        }

    def seen(self, offset: int) -> str:
        """What is known of an offset, in words."""
        byte = self._seen[offset - self.span.start]
        return ", ".join(word for bit, word in WORDS.items() if byte & bit) or "nothing"


class RouteAccounts:
    """The ledgers of every route.

    Args:
        routes: by name.
        spans: of the input.
    """

    def __init__(self, routes: Mapping[str, Route], spans: Sequence[Span]) -> None:
        self._digests = {route.digest.encode(): route for route in routes.values()}
        self.ledgers = {route.topic: {span.place: RouteLedger(span) for span in spans} for route in routes.values()}
        self._readback = ReadBack("classification", FIELDS) if routes else None
        self.nameless = 0

    def published(self, messages: Sequence[Message]) -> None:
        """Some classifications: which routes must have them."""
        if self._readback is None:
            return
        columns = self._readback.read([m.value or b"" for m in messages], len(CLASSES))
        counts = np.diff(columns.tables["classes"].ends, prepend=0)
        whole = counts == len(CLASSES)  # others are none of ours, and counted with the fates
        chances = columns.tables["classes"].values["probability"][np.repeat(whole, counts)].reshape(-1, len(CLASSES))
        values = {name: column[whole] for name, column in columns.values.items()}
        asked = Asked(
            probabilities=chances,
            anomalies=values["anomaly"] > 0,
            numbers={"probability": chances.max(axis=1, initial=0.0)} | {name: values[name] for name in NUMBERS},
            surveys=values["survey"].tolist(),
            priors=[text.decode() for text in values["priors"].tolist()],
            qualities=[text.decode() for text in values["quality"].tolist()],
        )
        taken = {digest: route.predicate.matches(asked) for digest, route in self._digests.items()}
        self._expect([messages[i] for i in columns.which[whole].tolist()], taken)

    def declined(self, messages: Sequence[Message]) -> None:
        """Some records of alerts that were declined: which routes must say so."""
        said = {digest: np.full(len(messages), route.takes_declined) for digest, route in self._digests.items()}
        self._expect(messages, said)

    def there(self, topic: str, messages: Sequence[Message]) -> None:
        """Some messages on a route's topic."""
        for message in messages:
            if (at := answered(message)) is None:
                self.nameless += 1
            elif ledger := self.ledgers[topic].get(at[0]):
                ledger.note(THERE, at[1])

    def _expect(self, messages: Sequence[Message], taken: Mapping[bytes, NDArray[np.bool_]]) -> None:
        for i, message in enumerate(messages):
            if (at := answered(message)) is None:
                continue  # it is counted with the fates
            in_force = (dict(message.headers).get(ROUTES) or b"").split()
            for digest, route in self._digests.items():
                if ledger := self.ledgers[route.topic].get(at[0]):
                    ledger.note(ANSWERED | bits_of(digest in in_force, bool(taken[digest][i])), at[1])

    def each(self) -> Iterator[tuple[str, Place, RouteLedger]]:
        """Every ledger, with its route's topic and the input's partition."""
        for topic, of_one in self.ledgers.items():
            for place, ledger in of_one.items():
                yield topic, place, ledger


def bits_of(in_force: bool, taken: bool) -> np.uint8:
    """What is known of an alert once its classification has been read."""
    if not in_force:
        return np.uint8(0)
    return IN_FORCE | WANTED if taken else IN_FORCE


def answered(message: Message) -> At | None:
    """The offset that a message of ours answers; None of a stranger's."""
    try:
        topic, partition, offset = source(message.headers)
    except NOT_OURS:
        return None
    return (topic, partition), offset
