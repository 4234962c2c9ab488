"""Records of ours read back as columns, of whichever version each of them is."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from broker.packets.framings import WIRE
from broker.packets.projection import compile_projection
from broker.surveys.columns import Columns, joined
from broker.surveys.fields import Fields
from schemas.catalogue import confluent_id, load, newest


class ReadBack:
    """Reads records in Confluent's wire framing.

    Args:
        name: of their schema.
        fields: what is read of them; a field that only newer versions have is not required.
    """

    def __init__(self, name: str, fields: Fields) -> None:
        self._projections = {
            WIRE.pack(0, confluent_id(name, version)): compile_projection(load(name, version), fields)
            for version in range(1, newest(name) + 1)
        }
        self._newest = self._projections[WIRE.pack(0, confluent_id(name))]

    def read(self, values: Sequence[bytes], max_rows: int) -> Columns:
        """The columns of the messages [n] that decode, in their order; `which` says which these are.

        A message may have at most max_rows rows, over all its tables. What is of another schema is left out.
        """
        parts, first = [], 0
        for prefix, alike in groupby(value[: WIRE.size] for value in values):
            after = first + len(list(alike))
            if projection := self._projections.get(prefix):
                columns, _ = projection.read([value[WIRE.size :] for value in values[first:after]], max_rows)
                parts.append(replace(columns, which=columns.which + first))
            first = after
        return joined(parts or [self._newest.read([], max_rows)[0]])
