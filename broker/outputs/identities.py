"""What a packet calls itself, read once more for outputs that name more than an alert has: whatever survey it is of."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from broker.errors import PoisonMessage
from broker.outputs.remembered import Remembered
from broker.packets.decoded import Packets
from broker.packets.projection import Projection, compile_projection
from broker.packets.shapes import NotCoveredError
from broker.surveys.fields import Field, Fields, Kind
from schemas.catalogue import Schema

FIELDS: Fields = {
    "alert": Field(("alertId", "diaSourceId", "candid"), Kind.LONG, required=False),
    "source": Field(("diaSource.diaSourceId",), Kind.LONG, required=False),
    "moving": Field(("diaSource.ssObjectId",), Kind.LONG, required=False),
    "ra": Field(("diaSource.ra", "candidate.ra", "ra"), Kind.DOUBLE, required=False),
    "dec": Field(("diaSource.dec", "candidate.dec", "dec"), Kind.DOUBLE, required=False),
}


class Identity(NamedTuple):
    """What a packet calls itself; 0 and NaN where it does not say."""

    alert: int
    source: int  # that triggered it; the alert's number where there is no other
    moving: int  # the solar-system object
    ra_deg: float
    dec_deg: float


BOTH = {"alertId", "diaSource"}  # where an alert has two numbers
NOBODY = Identity(0, 0, 0, np.nan, np.nan)


@dataclass(frozen=True, slots=True)
class Identities:
    """Reads them."""

    _projections: Remembered[Projection | None] = field(default_factory=lambda: Remembered(projection_of))

    def sources(self, packets: Packets, messages: Sequence[int]) -> list[int]:
        """The source that triggered each of some alerts [k]; 0 where that is the alert's own number.

        So it is wherever alerts are numbered by their sources: such packets, of 250 kB, are not looked at.
        """
        two = [{field["name"] for field in schema["fields"]} >= BOTH for schema in packets.schemas]
        asked = [k for k, i in enumerate(messages) if two[packets.which[i]]]
        found = [0] * len(messages)
        for k, one in zip(asked, self.of(packets, [messages[k] for k in asked]), strict=True):
            found[k] = one.source
        return found

    def of(self, packets: Packets, messages: Sequence[int]) -> list[Identity]:
        """Those of some messages [k] of a batch, each of which has a packet."""
        found = [NOBODY] * len(messages)
        which = packets.which[np.array(messages, np.int64)]
        for number in np.unique(which).tolist():
            at = np.flatnonzero(which == number)
            if (projection := self._projections(packets.schemas[number])) is None:
                continue
            columns, _ = projection.read([packets.bodies[messages[k]] for k in at.tolist()], 1)
            for row, k in enumerate(at[columns.which].tolist()):
                alert, source, moving, ra, dec = (columns.values[name][row].item() for name in FIELDS)
                found[k] = Identity(alert, source or alert, moving, ra, dec)
        return found


def projection_of(schema: Schema) -> Projection | None:
    """Reads FIELDS; None where one of these names means something else to the packets' writer."""
    try:
        return compile_projection(schema, FIELDS)
    except (PoisonMessage, NotCoveredError):
        return None
