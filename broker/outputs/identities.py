"""What a packet calls itself, read once more for outputs that name more than an alert has: whatever survey it is of."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from broker.errors import PoisonMessage
from broker.packets.decoded import Packets
from broker.packets.fields import Field, Fields, Kind
from broker.packets.projection import Projection, compile_projection
from broker.packets.shapes import NotCoveredError
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


NOBODY = Identity(0, 0, 0, np.nan, np.nan)


@dataclass(frozen=True, slots=True)
class Identities:
    """Reads them."""

    _projections: dict[int, tuple[Schema, Projection | None]] = field(default_factory=dict)

    def of(self, packets: Packets, messages: Sequence[int]) -> list[Identity]:
        """Those of some messages [k] of a batch, each of which has a packet."""
        found = [NOBODY] * len(messages)
        which = packets.which[np.array(messages, np.int64)]
        for number in np.unique(which).tolist():
            at = np.flatnonzero(which == number)
            if (projection := self._projection(packets.schemas[number])) is None:
                continue
            columns, _ = projection.read([packets.bodies[messages[k]] for k in at.tolist()], 1)
            for row, k in enumerate(at[columns.which].tolist()):
                alert, source, moving, ra, dec = (columns.values[name][row].item() for name in FIELDS)
                found[k] = Identity(alert, source or alert, moving, ra, dec)
        return found

    def _projection(self, schema: Schema) -> Projection | None:
        if id(schema) not in self._projections:
            try:
                projection = compile_projection(schema, FIELDS)
            except (PoisonMessage, NotCoveredError):  # one of these names means something else to its writer
                projection = None
            self._projections[id(schema)] = schema, projection  # the schema is kept: another might get its id
        return self._projections[id(schema)][1]
