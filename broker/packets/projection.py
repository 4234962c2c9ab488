"""Projection: from many bodies of one writer's schema straight to columns of the fields that a survey wants.

All else is walked over, and checked on the way. What fastavro refuses is refused here too (but for logical types, whose
values are not interpreted); beyond that, booleans other than 0 and 1, numbers of more than 64 bits, negative indices of
unions and enums, sizes of blocks that lie and data nested deeper than the machine's stack are refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from broker.errors import PoisonMessage, Reason
from broker.packets import varints as v
from broker.packets.compiler import Program, compile_program
from broker.packets.machine import run_program
from broker.packets.slowly import read_slowly
from broker.packets.texts import choices_at, texts_at
from broker.surveys.columns import DTYPES, NULLS, Columns, Missing, Rows, Told, Values, chosen
from broker.surveys.fields import Field, Fields, Kind, Table

__all__ = ["Projection", "compile_projection", "read_slowly"]

PADDING = bytes(8)  # so that a double can be looked at from every byte

WRONG: dict[int, tuple[Reason, str]] = {
    v.SHORT: (Reason.NOT_AVRO, "the bytes end too early"),
    v.OVERLONG: (Reason.NOT_AVRO, "a number has more than 64 bits"),
    v.LENGTH: (Reason.LENGTH_BOMB, "a length prefix claims more than is left"),
    v.BOOLEAN: (Reason.NOT_AVRO, "a boolean is neither 0 nor 1"),
    v.BRANCH: (Reason.NOT_AVRO, "a union has no such branch"),
    v.SYMBOL: (Reason.NOT_AVRO, "an enum has no such symbol"),
    v.DEEP: (Reason.NOT_AVRO, "the data is nested too deep"),
    v.LEFT_OVER: (Reason.NOT_AVRO, "bytes are left over after the record"),
    v.BLOCK_SIZE: (Reason.NOT_AVRO, "a block has another size than it says"),
    v.ROWS: (Reason.INVALID_FIELD, "more rows than are read"),
    v.UTF8: (Reason.INVALID_FIELD, "a text is not UTF-8"),
}


def compile_projection(schema: Any, fields: Fields) -> "Projection":  # noqa: ANN401 - a schema is any JSON
    """A projection, ready to read: the machine is compiled too.

    Raises PoisonMessage (unknown schema) naming a required field that the schema lacks or has as another type,
    NotCoveredError where only `read_slowly` will do.
    """
    projection = Projection(compile_program(schema, fields), fields)
    projection.read([], 0)
    return projection


@dataclass(frozen=True, slots=True)
class Projection:
    """A writer's schema and a survey's fields, compiled."""

    program: Program
    fields: Fields

    def read(self, bodies: Sequence[bytes | memoryview], max_rows: int) -> tuple[Columns, dict[int, PoisonMessage]]:
        """The columns of the bodies that decode, and by its index what is wrong with each other one.

        A body may have at most max_rows rows, over all its tables.
        """
        program = self.program
        joined = b"".join((program.symbol_text, *bodies, PADDING))
        data = np.frombuffer(joined, np.uint8)
        bounds = np.fromiter(accumulate(map(len, bodies), initial=len(program.symbol_text)), np.int64, len(bodies) + 1)
        cells = Cells.of(program, len(bodies), int(bounds[-1] - bounds[0]), max_rows)
        ends = np.zeros((len(program.tables), len(bodies)), np.int64)
        fates, places = np.empty(len(bodies), np.int64), np.empty(len(bodies), np.int64)
        good = run_program(
            program.code, program.symbols, program.steps, program.runs,
            data, unaligned(joined, "<f4"), unaligned(joined, "<f8"), bounds, max_rows,
            cells.bases, cells.numbers, cells.numbers.view(np.float64), cells.missing, ends, fates, places,
        )  # fmt: skip
        values, missing, told = self._columns(joined, cells, self.fields, "", good)
        tables = {}
        index = {name: place for place, (name, _) in enumerate(program.tables)}
        for name, table in self.fields.items():
            if isinstance(table, Table):
                last = ends[index[name], :good] if name in index else np.zeros(good, np.int64)
                count = int(last[-1]) if good else 0
                tables[name] = Rows(last, *self._columns(joined, cells, table.fields, name, count))
        errors = {int(i): poison(int(fates[i]), int(places[i])) for i in np.flatnonzero(fates)}
        return Columns(np.flatnonzero(fates == v.GOOD), values, missing, tables, told), errors

    def _columns(
        self, joined: bytes, cells: "Cells", fields: Mapping[str, Field | Table], table: str, count: int
    ) -> tuple[Values, Missing, dict[str, Told]]:
        """The columns of a scope with so many rows, and what stands where a choice is made."""
        values: Values = {}
        missing: Missing = {}
        told: dict[str, Told] = {}
        for name, field in fields.items():
            if isinstance(field, Table):
                continue
            if (slot := self.program.places.get((table, name))) is None:
                absent = np.full(count, NULLS[field.kind], DTYPES[field.kind])
                values[name], missing[name] = (
                    (chosen(absent, field.choices) if field.choices else absent), np.ones(count, np.bool_)
                )  # fmt: skip
            else:
                values[name], missing[name] = cells.column(joined, field, slot, count)
            if field.choices:
                told[name] = (lambda _: None) if slot is None else partial(cells.told, joined, slot)
        return values, missing, told


@dataclass(frozen=True, slots=True)
class Cells:
    """Where the machine leaves values: a stretch of cells for each slot."""

    bases: NDArray[np.int64]  # [slots]: where the stretch begins
    numbers: NDArray[np.int64]  # [cells]
    missing: NDArray[np.bool_]  # [cells]

    @classmethod
    def of(cls, program: Program, bodies: int, size: int, max_rows: int) -> "Cells":
        """Cells for so many bodies of that many bytes together; what is never written takes no memory."""
        room = [min(size // max(least, 1), max_rows * bodies) for _, least in program.tables] + [bodies]
        lengths = [room[scope] for scope in program.scopes]
        bases = np.fromiter(accumulate(lengths, initial=0), np.int64, len(lengths) + 1)
        return cls(bases, np.empty(bases[-1], np.int64), np.empty(bases[-1], np.bool_))

    def column(self, joined: bytes, field: Field, slot: int, count: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """A slot's values and what of them is missing. [count], [count]."""
        base = self.bases[slot]
        numbers, missing = self.numbers[base : base + count], self.missing[base : base + count]
        if field.kind is Kind.DOUBLE:
            return numbers.view(np.float64), missing
        if field.kind is not Kind.TEXT:
            return numbers.astype(DTYPES[field.kind], copy=False), missing
        sizes = self.numbers[self.bases[slot + 1] :][:count]
        texts = choices_at(joined, numbers, sizes, field.choices) if field.choices else texts_at(joined, numbers, sizes)
        return texts, missing

    def told(self, joined: bytes, slot: int, row: int) -> bytes | None:
        """A text; None where it is missing."""
        at = self.bases[slot] + row
        first, size = int(self.numbers[at]), int(self.numbers[self.bases[slot + 1] + row])
        return None if self.missing[at] else joined[first : first + size]


def unaligned(joined: bytes, kind: str) -> NDArray[Any]:
    """The number that begins at each byte."""
    dtype = np.dtype(kind)
    return np.ndarray(len(joined) - dtype.itemsize + 1, dtype, joined, strides=(1,))


def poison(fate: int, place: int) -> PoisonMessage:
    """A machine's fate in words."""
    reason, what = WRONG[fate]
    return PoisonMessage(reason, f"{what}, at byte {place}")
