"""What the schema ids of a topic's messages mean. Each topic has a table of its own: two registries count alike."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
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
    """Ids whose schemas others have: each is asked for once.

    Where one of the sources does not answer and no other has the schema, what is to be done waits for it: what the id
    means is not known to be unknown.
    """

    writers: Writers
    sources: Sequence[SchemaSource]
    clock: Callable[[], float] = monotonic
    _known: dict[int, Writer | PoisonMessage] = field(default_factory=dict, init=False, repr=False)
    _unknown: dict[int, float] = field(default_factory=dict, init=False, repr=False)  # and when it was asked for

    def __call__(self, schema_id: int) -> Writer:
        """The writer of an id. Raises PoisonMessage, TransientError."""
        if schema_id > HIGHEST:
            raise unknown(f"schema id {schema_id} is none: a registry's end at {HIGHEST}")
        if (known := self._known.get(schema_id)) is None:
            known = self._asked(schema_id)
            if len(self._known) == MOST_KNOWN:
                self._known.clear()
            self._known[schema_id] = known
        if isinstance(known, PoisonMessage):
            raise PoisonMessage(known.reason, known.detail)
        return known

    def _asked(self, schema_id: int) -> Writer | PoisonMessage:
        """The writer, or why none can be. Raises PoisonMessage where no source has it, TransientError."""
        asked_at = self._unknown.get(schema_id)
        if asked_at is None or self.clock() - asked_at > ASKED_AGAIN_S:
            away: TransientError | None = None
            for source in self.sources:
                try:
                    if (text := source.find(schema_id)) is not None:
                        return self._read(schema_id, text)
                except TransientError as error:
                    away = away or error
                except PoisonMessage as poison:
                    return poison
            if away is not None:
                raise away
            if len(self._unknown) == MOST_UNKNOWN:
                self._unknown.clear()
            self._unknown[schema_id] = self.clock()
        asked = " nor ".join(source.name for source in self.sources)
        raise unknown(
            f"schema id {schema_id} is not known to {asked}; add it there, then misweeper dead-letters replay"
            if asked
            else f"schema id {schema_id} can be looked up nowhere; set MISWEEPER_REGISTRY__URL or install "
            "misweeper[rubin], then misweeper dead-letters replay"
        )

    def _read(self, schema_id: int, text: bytes) -> Writer | PoisonMessage:
        try:
            return self.writers.of(text)
        except PoisonMessage as poison:
            return PoisonMessage(poison.reason, f"schema id {schema_id}: {poison.detail}")
