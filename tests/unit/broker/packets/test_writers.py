"""Schemas that others bring: compiled once for each content, and bounded whatever they are."""

import json
from itertools import count

import pytest
from structlog.testing import capture_logs

from broker.errors import PoisonMessage, Reason
from broker.packets import writers as module
from broker.packets.tame import DEEPEST, LONGEST_NAME, SCHEMA_BYTES, is_bounded
from broker.packets.writers import REMEMBERED, Writers, major_of
from schemas.catalogue import load
from tests.support.alerts import record, schemaless
from tests.support.hostile import RECURSIVE_SCHEMA, names_schema
from tests.support.surveys import RUBIN_VERSIONS, copied, real_packets, rubin_schema

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


def warnings_of(survey: str, schema: dict, **renamed: str) -> list[str]:
    """What is warned of when a survey's schema is met under another name or version, with fields renamed."""
    told = json.dumps(copied(schema), default=str)
    for old, new in renamed.items():
        told = told.replace(f'"{old}"', f'"{new}"')
    writers = Writers()
    with capture_logs() as logs:
        for blanks in range(3):
            assert writers.of(told.encode() + b" " * blanks).survey.name == survey
    assert all(one["log_level"] == "warning" and one["survey"] == survey for one in logs)
    return [one["field"] for one in logs]


def test_a_field_that_a_new_version_lacks_is_warned_of_once_a_schema():
    """Rubin's next version, and a ZTF whose forced photometry has another name: nulls that nobody would know of."""
    newest = json.loads(json.dumps(copied(rubin_schema(11, 1))).replace("v11_1", "v12_0"))
    withdrawn = "timeWithdrawnMjdTai or timeWithdrawn (withdrawn)"
    assert warnings_of("rubin", newest) == []
    assert warnings_of("rubin", newest, timeWithdrawnMjdTai="withdrawnAt") == [
        f"diaSource.{withdrawn.replace('or ', 'or diaSource.')}",
        f"prvDiaSources[].{withdrawn}",
        f"prvDiaForcedSources[].{withdrawn}",
    ]
    newest = max((one.schema for one in real_packets("ztf")), key=lambda schema: schema["version"])
    assert warnings_of("ztf", newest, fp_hists="forced_hists") == ["fp_hists (forced)"]
    assert warnings_of("ztf", newest, fp_hists="forced_hists", **{"ztf.alert": "topLevelRecord"}) == [
        "fp_hists (forced)"
    ]


@pytest.mark.parametrize("version", RUBIN_VERSIONS)
def test_versions_that_are_known_are_not_warned_of(version):
    assert warnings_of("rubin", rubin_schema(*version)) == []


@pytest.mark.parametrize("survey", ["ztf", "elasticc"])
def test_real_packets_are_not_warned_of(survey):
    for schema in {json.dumps(copied(one.schema)): one.schema for one in real_packets(survey)}.values():
        assert warnings_of(survey, schema) == []


@pytest.mark.parametrize(
    ("name", "version", "major"),
    [
        ("lsst.v12_0.alert", None, 12),
        ("elasticc.v0_9_1.alert", None, 0),
        ("ztf.alert", "4.02", 4),
        ("ztf.alert", 4, 4),
        ("ztf.alert", {"x": "9" * 9000}, None),
        ("ztf.alert", "9" * 9000, None),
        ("ztf.alert", None, None),
    ],
)
def test_the_major_version_of_a_schema(name, version, major):
    assert major_of({"name": name} | ({} if version is None else {"version": version})) == major


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
