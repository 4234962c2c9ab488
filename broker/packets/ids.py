"""What the schema ids of a topic's messages mean: ours, Rubin's or a registry's, as the topic's format says.

All topics with a registry's ids share the one registry that is configured.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf
from time import monotonic
from typing import Protocol

from broker.errors import PoisonMessage, TransientError
from broker.packets.tame import unknown
from broker.packets.writers import Writer, Writers
from schemas import catalogue

NATIVE = "observation"
ASKED_AGAIN_S = 60.0  # an id that nobody knew: the registry may have it by then
MOST_UNKNOWN = 10_000  # ids remembered as such
MOST_KNOWN = 256
HIGHEST = 2**31 - 1  # of a registry's ids: it answers a higher one as it does a wrong address

ById = Callable[[int], Writer]  # raises PoisonMessage, TransientError


class SchemaSource(Protocol):
    """Who may have a schema of an id."""

    @property
    def name(self) -> str:
        """As a dead letter names it."""

    def find(self, schema_id: int) -> bytes | None:
        """The schema's JSON, None where it has none. Raises TransientError, PoisonMessage."""


def our_schemas() -> dict[int, catalogue.Schema]:
    """The native alert's, in every version shipped, by id."""
    return {
        catalogue.confluent_id(name, version): catalogue.load(name, version)
        for name, version in catalogue.available()
        if name == NATIVE
    }


def our_ids(writers: Writers) -> ById:
    """Our own ids."""
    known = {schema_id: writers.of_schema(schema) for schema_id, schema in our_schemas().items()}

    def find(schema_id: int) -> Writer:
        if (writer := known.get(schema_id)) is None:
            raise unknown(
                f"schema id {schema_id} is not one of ours ({', '.join(map(str, known))}); "
                "MISWEEPER_PACKETS__FORMATS says what the ids of a topic mean"
            )
        return writer

    return find


@dataclass(slots=True)
class SourcedIds:
    """Ids whose schemas others have: each is asked for once, and later again where nobody had one that is read here.

    A source that answers with something else hides no other: the next is asked. Where one does not answer and no other
    has the schema, what is to be done waits for it: what the id means is not known to be unknown.
    """

    writers: Writers
    sources: Sequence[SchemaSource]
    clock: Callable[[], float] = monotonic
    _known: dict[int, Writer] = field(default_factory=dict, init=False, repr=False)
    _unknown: dict[int, tuple[float, PoisonMessage]] = field(  # when each was asked for, and what came of it
        default_factory=dict, init=False, repr=False
    )

    def __call__(self, schema_id: int) -> Writer:
        """The writer of an id. Raises PoisonMessage, TransientError."""
        if schema_id > HIGHEST:
            raise unknown(f"schema id {schema_id} is none: a registry's end at {HIGHEST}")
        if (writer := self._known.get(schema_id)) is not None:
            return writer
        asked_at, poison = self._unknown.get(schema_id, (-inf, None))
        if poison is None or self.clock() - asked_at > ASKED_AGAIN_S:
            found = self._asked(schema_id)
            if isinstance(found, Writer):
                if len(self._known) == MOST_KNOWN:
                    self._known.clear()
                self._known[schema_id] = found
                return found
            if len(self._unknown) == MOST_UNKNOWN:
                self._unknown.clear()
            self._unknown[schema_id] = self.clock(), (poison := found)
        raise PoisonMessage(poison.reason, poison.detail)

    def _asked(self, schema_id: int) -> Writer | PoisonMessage:
        """The writer, or why there is none. Raises TransientError."""
        away: TransientError | None = None
        bad: PoisonMessage | None = None
        for source in self.sources:
            try:
                if (text := source.find(schema_id)) is not None:
                    return self._read(schema_id, text)
            except TransientError as error:
                away = away or error
            except PoisonMessage as poison:
                bad = bad or poison
        if away is not None:
            raise away
        asked = " nor ".join(source.name for source in self.sources)
        return bad or unknown(
            f"schema id {schema_id} is not known to {asked}; add it there, then misweeper dead-letters replay"
            if asked
            else f"schema id {schema_id} can be looked up nowhere; set MISWEEPER_REGISTRY__URL or install "
            "misweeper[rubin], then misweeper dead-letters replay"
        )

    def _read(self, schema_id: int, text: bytes) -> Writer:
        try:
            return self.writers.of(text)
        except PoisonMessage as poison:
            raise PoisonMessage(poison.reason, f"schema id {schema_id}: {poison.detail}") from None
