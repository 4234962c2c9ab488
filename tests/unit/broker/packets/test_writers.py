"""Schemas that others bring: compiled once for each content, and bounded whatever they are."""

import json
from itertools import count

import pytest

from broker.errors import PoisonMessage, Reason
from broker.packets import writers as module
from broker.packets.tame import DEEPEST, LONGEST_NAME, SCHEMA_BYTES, is_bounded
from broker.packets.writers import REMEMBERED, Writers
from schemas.catalogue import load
from tests.support.alerts import record, schemaless
from tests.support.hostile import RECURSIVE_SCHEMA, names_schema

NATIVE = {key: value for key, value in load("observation").items() if not key.startswith("__")}

WIDE = 1200


def text(schema) -> bytes:
    return json.dumps(schema).encode()


def grown(*fields) -> dict:
    """The native schema with fields more, after its own."""
    return NATIVE | {"fields": [*NATIVE["fields"], *fields]}


def nested(depth: int) -> dict:
    schema = {"type": "array", "items": "long"}
    for _ in range(depth):
        schema = {"type": "array", "items": schema}
    return schema


def wide(*fields: dict) -> dict:
    """The native schema with so much more that its program would be too long."""
    union = ["null", "int", "string", "bytes", "boolean", "double", "float", "long"]
    return grown(*fields, *({"name": f"w{i}", "type": union} for i in range(WIDE)))


def doubling(depth: int, kind: str) -> list[dict]:
    """Fields with a record, one of two of it, one of two of that, and so on: of few words, any number of values."""
    first = {"type": "record", "name": "d0", "fields": [{"name": "a", "type": kind}]}
    more = [
        {"type": "record", "name": f"d{i}", "fields": [{"name": name, "type": f"d{i - 1}"} for name in "ab"]}
        for i in range(1, depth)
    ]
    return [{"name": f"doubling{i}", "type": one} for i, one in enumerate([first, *more])]


def reason(schema: bytes) -> str:
    with pytest.raises(PoisonMessage) as caught:
        Writers().of(schema)
    assert caught.value.reason is Reason.UNKNOWN_SCHEMA
    assert caught.value.detail.isascii()
    assert caught.value.detail.isprintable()
    return caught.value.detail


def test_schemas_that_differ_in_words_alone_are_one():
    writers = Writers()
    own = writers.of_schema(load("observation"))
    for schema in (NATIVE, load("observation"), NATIVE | {"doc": "other words"}):
        assert writers.of(text(schema)) is own
        assert writers.of(json.dumps(schema, indent=4).encode()) is own


def test_a_schema_is_compiled_once_for_its_content(monkeypatch):
    calls = count()
    compile_once = module.compile_projection
    monkeypatch.setattr(module, "compile_projection", lambda *a: (next(calls), compile_once(*a))[1])
    writers = Writers()
    assert len({id(writers.of(bytes(text(NATIVE)))) for _ in range(10)}) == 1
    assert next(calls) == 1


def test_what_is_remembered_is_bounded_whether_it_is_read_or_not():
    writers = Writers()
    for i in range(2 * REMEMBERED):
        assert writers.of(text(NATIVE | {"doc": str(i)})).survey.name == "native"
        with pytest.raises(PoisonMessage):
            writers.of(text(NATIVE | {"name": f"n{i}"}))
        writers.of(text(grown({"name": f"more{i}", "type": "long", "default": 0})))
    assert len(writers._by_text) == len(writers._by_shape) == REMEMBERED


def test_a_schema_that_is_asked_for_stays():
    writers = Writers()
    own = writers.of(text(NATIVE))
    for i in range(2 * REMEMBERED):
        writers.of(text(grown({"name": f"more{i}", "type": "long", "default": 0})))
        assert writers.of(text(NATIVE)) is own


def test_a_version_with_fields_more_is_read_and_one_with_fields_less_says_which():
    body = schemaless(record()) + b"\x0e"
    columns, errors = Writers().of(text(grown({"name": "new", "type": "long"}))).projection.read([body], 10)
    assert not errors
    assert columns.values["alertId"].tolist() == [7]
    renamed = [field | {"name": "fluxes"} if field["name"] == "flux" else field for field in NATIVE["fields"]]
    assert reason(text(NATIVE | {"fields": renamed})) == "the writer's schema has no field flux (flux)"


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (b"", "is no JSON"),
        (b"\xff\xfe", "is no JSON"),
        (b"{" * 20_000, "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b"null", "is not one of a record"),
        (b"{}", "is not one of a record"),
        (b'"long"', "is not one of a record"),
        (b'{"type":"array","items":"null"}', "is not one of a record"),
        (b'{"type":"record"}', "is none"),
        (b'{"type":"record","name":"misweeper.Observation","fields":[]}', "has no field"),
        (b'{"type":"record","name":"winter.alert","fields":[]}', "no survey read here has packets of the schema"),
        ('{"type":"record","name":"wintér.alert","fields":[]}'.encode(), ""),
        (text(NATIVE | {"doc": "x" * SCHEMA_BYTES}), f"at most {SCHEMA_BYTES} are read"),
        (text(NATIVE | {"namespace": "n" * (LONGEST_NAME + 1)}), f"at most {LONGEST_NAME} are read"),
        (text(grown({"name": "a", "type": nested(DEEPEST)})), "nested deeper"),
        (names_schema(200, 10_000), "a name of"),
        (RECURSIVE_SCHEMA, ""),
        (text(grown({"name": "a", "type": "misweeper.Nobody"})), "is none: UnknownType"),
        (text({"__fastavro_parsed": True, "type": "record", "name": "a", "fields": 7}), "is none"),
    ],
    ids=range(19),
)
def test_what_is_no_schema_of_a_survey_says_why(schema, said):
    assert said in reason(schema)


def test_a_schema_that_no_projection_covers_is_read_by_fastavro():
    writer = Writers().of(text(wide({"name": "a", "type": {"type": "array", "items": "long"}})))
    assert writer.slow
    columns, errors = writer.projection.read([schemaless(record()) + bytes(1 + WIDE), b"\x02"], 10)
    assert columns.values["alertId"].tolist() == [7]
    assert errors[1].reason is Reason.NOT_AVRO


@pytest.mark.parametrize(
    "endless",
    [
        [{"name": "a", "type": {"type": "array", "items": "null"}}],
        [{"name": "a", "type": {"type": "record", "name": "c", "fields": [{"name": "next", "type": ["null", "c"]}]}}],
        [{"name": "a", "type": {"type": "array", "items": {"type": "record", "name": "empty", "fields": []}}}],
        [*doubling(10, "null"), {"name": "a", "type": {"type": "map", "values": "d9"}}],
        doubling(60, "null"),
    ],
    ids=["items without bytes", "within itself", "records without bytes", "a thousand nulls an item", "2^60 nulls"],
)
def test_but_not_if_its_bodies_could_take_any_memory_or_time(endless):
    assert not is_bounded(grown(*endless))
    assert "nor is it bounded" in reason(text(wide(*endless)))


def test_looking_whether_a_schema_is_bounded_takes_a_look_at_each_type():
    """To walk over the values of such a schema would never end."""
    assert not is_bounded(grown(*doubling(400, "string")))
    assert is_bounded(grown(*doubling(10, "string")))
