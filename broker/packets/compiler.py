"""From a writer's schema and the fields wanted to a program for the machine, once a schema."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from broker.packets import layouts
from broker.packets import machine as m
from broker.packets.shapes import (
    Branch,
    Leaf,
    NotCoveredError,
    Schemas,
    Shape,
    Wants,
    leaves,
    null_branch,
    plant,
    select,
)
from broker.surveys.fields import Field, Fields, Kind, Table

LONGEST_PROGRAM = 20_000  # instructions; Rubin's take some 600
SHORTEST_RUN = 3  # fields: fewer are skipped one by one

LOADS = {
    (Kind.LONG, "int"): m.LOAD_LONG,
    (Kind.LONG, "long"): m.LOAD_LONG,
    (Kind.DOUBLE, "int"): m.LOAD_LONG_AS_DOUBLE,
    (Kind.DOUBLE, "long"): m.LOAD_LONG_AS_DOUBLE,
    (Kind.DOUBLE, "float"): m.LOAD_FLOAT,
    (Kind.DOUBLE, "double"): m.LOAD_DOUBLE,
    (Kind.BOOL, "boolean"): m.LOAD_BOOL,
    (Kind.TEXT, "string"): m.LOAD_TEXT,
    (Kind.TEXT, "enum"): m.LOAD_ENUM,
}
NULLS = {Kind.LONG: m.NULL_LONG, Kind.DOUBLE: m.NULL_DOUBLE, Kind.BOOL: m.NULL_BOOL, Kind.TEXT: m.NULL_TEXT}
SKIPS = {"boolean": m.SKIP_BOOL, "int": m.SKIP_LONG, "long": m.SKIP_LONG, "bytes": m.SKIP_BYTES, "string": m.SKIP_TEXT}


@dataclass(frozen=True, slots=True)
class Program:
    """What the machine runs, and where it leaves what."""

    code: NDArray[np.int64]  # [instructions, WIDTH]
    symbols: NDArray[np.int64]  # [symbols, 2]: where an enum's symbol begins in symbol_text, and its bytes
    symbol_text: bytes
    steps: NDArray[np.int64]  # [steps, 3] of runs: null branch or -1, kind, bytes
    runs: NDArray[np.int64]  # [runs, 4]: first step, the one after the last, where the layout begins, its room [bytes]
    tables: list[tuple[str, int]]  # name; least bytes of a row
    scopes: list[int]  # of each slot: its table, -1 where it has a cell a body
    places: dict[tuple[str, str], int]  # ("", field) or (table, field): its first slot; absent if the schema lacks it


def compile_program(schema: Any, fields: Fields) -> Program:  # noqa: ANN401 - a schema is any JSON
    """The program for a writer's schema. Raises PoisonMessage as `select` does, NotCoveredError."""
    compiler = Compiler(Schemas(schema))
    wants = compiler.want(compiler.schemas.root, fields)
    compiler.emit(compiler.schemas.root, wants)
    compiler.add(m.END)
    compiler.subroutines()
    return Program(
        np.array(compiler.code, np.int64),
        np.array(compiler.symbols, np.int64).reshape(-1, 2),
        bytes(compiler.symbol_text),
        np.array(compiler.steps, np.int64).reshape(-1, 3),
        np.array(compiler.runs, np.int64).reshape(-1, 4),
        compiler.tables,
        compiler.scopes,
        compiler.places,
    )


@dataclass(slots=True)
class Compiler:
    """A program in the making."""

    schemas: Schemas
    code: list[list[int]] = field(default_factory=list)
    symbols: list[tuple[int, int]] = field(default_factory=list)
    symbol_text: bytearray = field(default_factory=bytearray)
    steps: list[layouts.Step] = field(default_factory=list)
    runs: list[tuple[int, int, int, int]] = field(default_factory=list)
    tables: list[tuple[str, int]] = field(default_factory=list)
    scopes: list[int] = field(default_factory=list)
    places: dict[tuple[str, str], int] = field(default_factory=dict)
    label: int = 0  # the last instruction that is jumped to: nothing before it may be merged with it
    calls: dict[str, list[int]] = field(default_factory=dict)  # record: the instructions that call it

    def want(self, root: Any, fields: Fields, scope: int = -1) -> Wants:  # noqa: ANN401
        """The tree of what is wanted, with a slot for each value and an index for each table."""
        paths, items = select(self.schemas, root, fields)
        wants: Wants = {}
        for name, parts in paths.items():
            wanted = fields[name]
            if isinstance(wanted, Table):
                index = len(self.tables)
                self.tables.append((name, self.schemas.least_bytes(items[name])))
                plant(wants, parts, Branch(name, index, self.want(items[name], wanted.fields, index)))
            else:
                plant(wants, parts, Leaf(name, wanted, self.slot(name, wanted, scope)))
        return wants

    def slot(self, name: str, wanted: Field, scope: int) -> int:
        """A new slot; text takes two, for where it begins and for its bytes."""
        first = len(self.scopes)
        self.scopes += [scope] * (2 if wanted.kind is Kind.TEXT else 1)
        self.places["" if scope < 0 else self.tables[scope][0], name] = first
        return first

    def add(self, *numbers: int) -> int:
        """Appends an instruction. Returns its place. Raises NotCoveredError."""
        if len(self.code) == LONGEST_PROGRAM:
            raise NotCoveredError(f"the schema takes more than {LONGEST_PROGRAM} instructions")
        self.code.append([*numbers, *[0] * (m.WIDTH - len(numbers))])
        return len(self.code) - 1

    def here(self) -> int:
        """The next instruction's place, to jump to."""
        self.label = len(self.code)
        return self.label

    def skip(self, size: int) -> None:
        """Skips bytes, together with those skipped just before."""
        if size and self.label < len(self.code) and self.code[-1][0] == m.SKIP:
            self.code[-1][1] += size
        elif size:
            self.add(m.SKIP, size)

    def emit(self, schema: Any, want: Wants | Leaf | Branch | None = None) -> None:  # noqa: ANN401
        """Reads or skips a value of any type."""
        shape = self.schemas.shape(schema)
        kind = shape["type"]
        if not want and (size := self.schemas.fixed_bytes(shape)) is not None:
            self.skip(size)
        elif kind == "union":
            self.union(shape["branches"], want)
        elif kind in ("record", "error"):
            self.record(shape, want)
        elif kind == "array":
            branch = want if isinstance(want, Branch) else None
            self.blocks(shape["items"], branch)
            self.nulls({} if branch else want)
        elif kind == "map":
            self.blocks(shape["values"], None, keys=True)
            self.nulls(want)
        elif isinstance(want, Leaf) and kind != "null":
            self.load(shape, want)
        else:
            self.primitive(shape)
            self.nulls(want)

    def primitive(self, shape: Shape) -> None:
        """Skips a value without parts."""
        if shape["type"] == "enum":
            self.add(m.SKIP_ENUM, len(shape["symbols"]))
        elif (size := self.schemas.fixed_bytes(shape)) is not None:
            self.skip(size)
        else:
            self.add(SKIPS[shape["type"]])

    def load(self, shape: Shape, leaf: Leaf, null: int = -1) -> None:
        """Reads a wanted value, where null is a branch of a union of two that is read first."""
        operation = LOADS[leaf.field.kind, shape["type"]]
        union = (null + 1, NULLS[leaf.field.kind])
        if operation != m.LOAD_ENUM:
            self.add(operation, leaf.slot, 0, 0, *union)
            return
        self.add(operation, leaf.slot, len(shape["symbols"]), len(self.symbols), *union)
        for symbol in map(str.encode, shape["symbols"]):
            self.symbols.append((len(self.symbol_text), len(symbol)))
            self.symbol_text += symbol

    def nulls(self, want: Wants | Leaf | Branch | None) -> None:
        """Says of each wanted value below that it is missing."""
        for leaf in leaves(want or {}):
            self.add(NULLS[leaf.field.kind], leaf.slot)

    def record(self, shape: Shape, want: Wants | Leaf | Branch | None) -> None:
        """Reads what is wanted of a record in place; one that is skipped is a subroutine, so that it may recur."""
        if not want:
            self.calls.setdefault(shape["name"], []).append(self.add(m.CALL, 0))
            return
        wants = want if isinstance(want, dict) else {}
        self.parts(shape, wants)
        names = {part["name"] for part in shape["fields"]}
        self.nulls({name: below for name, below in wants.items() if name not in names})

    def parts(self, shape: Shape, wants: Wants) -> None:
        """Reads a record's fields, in runs where nothing is wanted of them."""
        waiting: list[tuple[Any, layouts.Step]] = []
        for part in shape["fields"]:
            want = wants.get(part["name"])
            if want is None and (step := layouts.step(self.schemas, part["type"])):
                waiting.append((part["type"], step))
                continue
            self.run(waiting)
            self.emit(part["type"], want)
            waiting = []
        self.run(waiting)

    def run(self, fields: list[tuple[Any, layouts.Step]]) -> None:
        """Skips fields, as a run if they are enough."""
        if sum(step.kind != layouts.FIXED or step.null >= 0 for _, step in fields) < SHORTEST_RUN:
            for schema, _ in fields:
                self.emit(schema)
            return
        start = sum(self.runs[-1][2:]) if self.runs else 0
        self.add(m.RUN, len(self.runs))
        self.runs.append((len(self.steps), len(self.steps) + len(fields), start, sum(s.room for _, s in fields)))
        self.steps += [step for _, step in fields]

    def union(self, branches: list[Any], want: Wants | Leaf | Branch | None) -> None:
        """Reads which branch it is, and then that."""
        shapes = [self.schemas.shape(branch) for branch in branches]
        if isinstance(want, Leaf) and len(shapes) == 2 and (null := null_branch(shapes)) >= 0:
            self.load(shapes[1 - null], want, null)
            return
        self.add(m.UNION, len(branches))
        jumps = [self.add(m.JUMP) for _ in branches]
        exits = []
        for jump, branch in zip(jumps, branches, strict=True):
            self.code[jump][1] = self.here()
            self.emit(branch, want)
            exits.append(self.add(m.JUMP))
        for leave in exits:
            self.code[leave][1] = self.here()

    def blocks(self, item: Any, branch: Branch | None, *, keys: bool = False) -> None:  # noqa: ANN401
        """Reads or skips the blocks of an array, or of a map, whose items have keys."""
        table = branch.place if branch else -1
        fixed = None if keys or branch else self.schemas.fixed_bytes(item)
        least = self.schemas.least_bytes(item) + (1 if keys else 0)
        self.here()
        block = self.add(m.BLOCK, 0, least, table, fixed is not None)
        self.here()
        if fixed is None:
            if keys:
                self.add(m.SKIP_TEXT)
            self.emit(item, branch.wants if branch else None)
            self.add(m.NEXT, block, table)
        self.code[block][1] = self.here()

    def subroutines(self) -> None:
        """Appends each record that is skipped, and those that they skip, once."""
        done: dict[str, int] = {}
        while waiting := [name for name in self.calls if name not in done]:
            for name in waiting:
                done[name] = self.here()
                self.parts(self.schemas.shape(name), {})
                self.add(m.RETURN)
        for name, callers in self.calls.items():
            for caller in callers:
                self.code[caller][1] = done[name]
