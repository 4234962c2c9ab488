"""Writers' schemas that are read here: parsed and compiled once for each content, however many messages bring them."""

import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import structlog
from fastavro.schema import to_parsing_canonical_form

from broker.errors import PoisonMessage
from broker.packets.projection import compile_projection
from broker.packets.shapes import NotCoveredError, Schemas, select
from broker.packets.slowly import SlowProjection
from broker.packets.tame import SCHEMA_BYTES, is_bounded, parsed, unknown
from broker.surveys.columns import Columns
from broker.surveys.fields import Field, Table
from broker.surveys.known import NAMELESS, SURVEYS, Survey, survey_named
from schemas.catalogue import Schema

log = structlog.get_logger(__name__)

Key = TypeVar("Key")
Value = TypeVar("Value")

VERSION = re.compile(r"(?:[^ ]*\.v)?([0-9]{1,4})[._]")  # the major one of a name or of what is said beside it
REMEMBERED = 32  # texts, and as many programs; all versions of all surveys are some 20


class Reads(Protocol):
    """A projection, compiled or by way of fastavro."""

    def read(self, bodies: Sequence[bytes], max_rows: int) -> tuple[Columns, dict[int, PoisonMessage]]:
        """The columns of the bodies that decode, and what is wrong with the others."""


@dataclass(frozen=True, slots=True, eq=False)
class Writer:
    """A schema of a survey's, and how its bodies are read."""

    schema: Schema
    survey: Survey
    projection: Reads

    @property
    def slow(self) -> bool:
        """Whether fastavro reads it."""
        return isinstance(self.projection, SlowProjection)


@dataclass(frozen=True, slots=True)
class Writers:
    """All that were asked for lately, those that cannot be read among them: a hostile schema is looked at once."""

    _by_text: OrderedDict[bytes, Writer | PoisonMessage] = field(default_factory=OrderedDict, repr=False)
    _by_shape: OrderedDict[str, Writer] = field(default_factory=OrderedDict, repr=False)

    def of(self, text: bytes) -> Writer:
        """The writer of a schema's JSON. Raises PoisonMessage (unknown schema)."""
        if (known := self._by_text.get(text)) is None:
            try:
                known = self.of_schema(parsed(text))
            except PoisonMessage as poison:
                known = poison
            if len(text) <= SCHEMA_BYTES:
                remember(self._by_text, text, known)
        else:
            self._by_text.move_to_end(text)
        if isinstance(known, PoisonMessage):
            raise PoisonMessage(known.reason, known.detail)
        return known

    def of_schema(self, schema: Schema) -> Writer:
        """The same of a parsed schema. Two that differ in words alone, as in their docs, are one."""
        shape = to_parsing_canonical_form(schema)
        if (known := self._by_shape.get(shape)) is None:
            known = compiled(schema)
            remember(self._by_shape, shape, known)
        else:
            self._by_shape.move_to_end(shape)
        return known


def compiled(schema: Schema) -> Writer:
    """The writer of a parsed schema. Raises PoisonMessage (unknown schema)."""
    name = schema["name"]
    try:
        survey = survey_like(schema) if name in NAMELESS else survey_named(name)
        if survey is None:
            raise unknown(f"no survey read here has packets of the schema {ascii(name)[1:-1]}")
        writer = Writer(schema, survey, projected(schema, survey))
        for lacking in missed(schema, survey):
            log.warning(
                "a schema lacks a field that its survey has: all its packets are read as if they left it out",
                schema=name,
                survey=survey.name,
                field=lacking,
            )
    except (RecursionError, ValueError, LookupError, TypeError) as error:  # of a schema that fastavro let pass
        raise unknown(f"the schema {name} cannot be compiled: {type(error).__name__}") from None
    return writer


def survey_like(schema: Schema) -> Survey:
    """The one survey all of whose required fields a schema has, whose name says nothing. Raises PoisonMessage."""
    like, unlike = list[Survey](), list[str]()
    for survey in SURVEYS:
        schemas = Schemas(schema)
        try:
            select(schemas, schemas.root, survey.fields)
        except PoisonMessage as poison:
            unlike.append(f"{survey.name}: {poison.detail}")
        else:
            like.append(survey)
    if len(like) == 1:
        return like[0]
    raise unknown(
        f"the schema {schema['name']} says nothing of its survey, and has the fields of "
        + (" and ".join(survey.name for survey in like) or f"none read here ({'; '.join(unlike)})")
    )


def missed(schema: Schema, survey: Survey) -> Iterator[str]:
    """The fields that a schema lacks, and its version should have: renamed, they would be nulls, and nobody knew."""
    schemas, major = Schemas(schema), major_of(schema)

    def walk(record: Any, fields: Mapping[str, Field | Table]) -> Iterator[str]:  # noqa: ANN401 - a part of a schema
        paths, items = select(schemas, record, fields)
        for name, wanted in fields.items():
            if name not in paths and wanted.since and (major is None or major >= wanted.since):
                yield f"{' or '.join(wanted.paths)} ({name})"
            if isinstance(wanted, Table) and name in items:
                yield from (f"{paths[name][-1]}[].{one}" for one in walk(items[name], wanted.fields))

    yield from walk(schemas.root, survey.fields)


def major_of(schema: Schema) -> int | None:
    """The major version of a survey's schema, in its name or beside it; None where it does not say."""
    for text in (schema["name"], f"{schema.get('version', '')}."[:20]):
        if found := VERSION.match(text):
            return int(found.group(1))
    return None


def projected(schema: Schema, survey: Survey) -> Reads:
    """A projection where one covers the schema, else fastavro, if that is safe. Raises PoisonMessage."""
    try:
        return compile_projection(schema, survey.fields)
    except NotCoveredError as error:
        if not is_bounded(schema):
            raise unknown(f"no projection covers the schema {schema['name']} ({error}), nor is it bounded") from None
    return SlowProjection(schema, survey.fields)


def remember(memory: OrderedDict[Key, Value], key: Key, value: Value) -> None:
    """Keeps a value; the one that was not asked for the longest makes room."""
    memory[key] = value
    if len(memory) > REMEMBERED:
        memory.popitem(last=False)
