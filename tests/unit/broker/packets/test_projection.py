import struct
from random import Random

import numpy as np
import pytest

from broker.errors import PoisonMessage, Reason
from broker.packets import varints
from broker.packets.projection import WRONG, compile_projection, read_slowly
from broker.packets.shapes import NotCoveredError
from broker.surveys.fields import Field, Kind, Table
from tests.support.hostile import text, zigzag
from tests.support.same_columns import assert_same

LONG, DOUBLE, BOOL, TEXT = (Field(("a",), kind) for kind in (Kind.LONG, Kind.DOUBLE, Kind.BOOL, Kind.TEXT))


def record(*types, name="R"):
    """A record of fields a, b, c."""
    return {
        "type": "record",
        "name": name,
        "fields": [{"name": n, "type": t} for n, t in zip("abcdefghij", types, strict=False)],
    }


def array(items):
    return {"type": "array", "items": items}


def read(schema, fields, *bodies, max_rows=100):
    """What both ways say, which must be the same."""
    columns, errors = compile_projection(schema, fields).read(bodies, max_rows)
    slow, slow_errors = read_slowly(schema, fields, bodies, max_rows)
    assert set(errors) == set(slow_errors)
    assert_same(columns, slow)
    return columns, errors


def refusal(schema, fields, body, max_rows=100):
    """Why projection refuses a body."""
    columns, errors = compile_projection(schema, fields).read([body], max_rows)
    assert len(columns.which) == 0
    return errors[0].reason, errors[0].detail


@pytest.mark.parametrize(
    ("kind", "field", "body", "value"),
    [
        ("long", LONG, zigzag(-(2**63)), -(2**63)),
        ("int", LONG, zigzag(-7), -7),
        ("int", DOUBLE, zigzag(-7), -7.0),
        ("float", DOUBLE, struct.pack("<f", 1.5), 1.5),
        ("double", DOUBLE, struct.pack("<d", 1e300), 1e300),
        ("boolean", BOOL, b"\x01", 1),
        ("string", TEXT, text("π".encode()), "π".encode()),
        ({"type": "enum", "name": "E", "symbols": ["u", "gg"]}, TEXT, zigzag(1), b"gg"),
        ({"type": "long", "logicalType": "timestamp-millis"}, LONG, zigzag(2**62), 2**62),
        (["int", "float", "null"], DOUBLE, zigzag(0) + zigzag(3), 3.0),
        (["int", "float", "null"], DOUBLE, zigzag(1) + struct.pack("<f", 0.5), 0.5),
        (["int"], LONG, zigzag(0) + zigzag(3), 3),
    ],
)
def test_each_type_is_read_as_its_kind(kind, field, body, value):
    columns, errors = read(record(kind, "long"), {"x": field}, body + zigzag(9))
    assert errors == {}
    assert columns.values["x"][0] == value
    assert not columns.missing["x"][0]


@pytest.mark.parametrize(("union", "index"), [(["null", "T"], 0), (["T", "null"], 1)])
@pytest.mark.parametrize(("kind", "field", "null"), [("long", LONG, 0), ("boolean", BOOL, -1), ("string", TEXT, b"")])
def test_null_is_missing(union, index, kind, field, null):
    schema = record([kind if branch == "T" else branch for branch in union])
    columns, _ = read(schema, {"x": field}, zigzag(index))
    assert columns.values["x"][0] == null
    assert columns.missing["x"][0]


def test_a_null_double_is_nan():
    columns, _ = read(record(["null", "float"]), {"x": DOUBLE}, zigzag(0))
    assert np.isnan(columns.values["x"][0])
    assert columns.missing["x"][0]


def test_choices_are_told_by_their_place():
    field = Field(("a",), Kind.TEXT, choices=(b"r", b"gg"))
    bodies = [zigzag(1) + text(t) for t in (b"gg", b"r", b"g", b"", b"rr")]
    columns, _ = read(record(["null", "string"]), {"x": field}, *bodies, zigzag(0))
    assert columns.values["x"].tolist() == [1, 0, -1, -1, -1, -1]


def test_a_path_leads_through_nullable_records_and_the_first_that_is_there_wins():
    schema = record(["null", record("long", "long", name="S")], "long")
    fields = {"x": Field(("old.name", "a.b", "b"), Kind.LONG), "y": Field(("gone",), Kind.DOUBLE, required=False)}
    columns, _ = read(schema, fields, zigzag(1) + zigzag(5) + zigzag(6) + zigzag(7), zigzag(0) + zigzag(7))
    assert columns.values["x"].tolist() == [6, 0]
    assert columns.missing["x"].tolist() == [False, True]
    assert columns.missing["y"].all()


def test_a_field_of_one_branch_is_missing_in_the_others():
    schema = record([record("int", name="S"), record("string", "int", name="T"), "string"])
    columns, _ = read(
        schema, {"x": Field(("a.b",), Kind.LONG)}, b"\x00\x08", b"\x02" + text(b"q") + b"\x08", b"\x04\x00"
    )
    assert columns.missing["x"].tolist() == [True, False, True]
    assert columns.values["x"].tolist() == [0, 4, 0]


def test_rows_of_several_bodies_and_blocks_stand_one_after_the_other():
    schema = record(["null", array(record("long", name="S"))], "long")
    fields = {"t": Table(("a",), {"x": LONG}), "b": Field(("b",), Kind.LONG), "no": Table(("gone",), {"x": LONG})}
    split = zigzag(1) + zigzag(2) + b"\x02\x04" + zigzag(-1) + zigzag(1) + b"\x06" + b"\x00" + zigzag(8)
    columns, _ = read(schema, fields, split, zigzag(0) + zigzag(9), split)
    assert columns.tables["t"].ends.tolist() == [3, 3, 6]
    assert columns.tables["t"].values["x"].tolist() == [1, 2, 3] * 2
    assert columns.tables["no"].ends.tolist() == [0, 0, 0]
    assert columns.values["b"].tolist() == [8, 9, 8]


def test_an_array_within_a_row_leaves_the_row_where_it_is():
    """Its end once took what follows for the body's own."""
    schema = record(array(record("long", array("int"), {"type": "map", "values": "string"}, "long", name="S")), "long")
    fields = {"t": Table(("a",), {"x": LONG, "y": Field(("d",), Kind.LONG)}), "b": Field(("b",), Kind.LONG)}
    row = zigzag(1) + zigzag(2) + b"\x02\x02\x00" + zigzag(1) + text(b"k") + text(b"v") + b"\x00"
    columns, _ = read(schema, fields, b"\x00\x0a", zigzag(2) + (row + b"\x0e") + (row + b"\x10") + b"\x00\x0c")
    assert columns.tables["t"].values["y"].tolist() == [7, 8]
    assert columns.values["b"].tolist() == [5, 6]


def test_a_body_that_fails_leaves_no_row():
    schema = record(array(record("long", "boolean", name="S")), "long")
    fields = {"t": Table(("a",), {"x": LONG}), "b": Field(("b",), Kind.LONG)}
    good = zigzag(1) + b"\x02\x01\x00\x04"
    columns, errors = compile_projection(schema, fields).read([good, zigzag(2) + b"\x08\x01\x0a\x07", good], 100)
    assert columns.which.tolist() == [0, 2]
    assert list(errors) == [1]
    assert columns.tables["t"].ends.tolist() == [1, 2]
    assert columns.tables["t"].values["x"].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("schema", "body", "reason", "detail"),
    [
        (record("long", "string"), b"\x02" + zigzag(2**40) + b"abc", Reason.LENGTH_BOMB, "a length prefix"),
        (record("long", "bytes"), b"\x02" + zigzag(-1), Reason.LENGTH_BOMB, "a length prefix"),
        (record("long", array("int")), b"\x02" + zigzag(2**40) + b"abc", Reason.LENGTH_BOMB, "a length prefix"),
        (record("long", array("int")), b"\x02" + zigzag(-(2**63)) + b"\x00", Reason.LENGTH_BOMB, "a length prefix"),
        (record("long", array("double")), b"\x02" + zigzag(2**61) + bytes(80), Reason.LENGTH_BOMB, "a length prefix"),
        (record("long", array("null")), b"\x02" + zigzag(2**40) + b"\x00", Reason.LENGTH_BOMB, "a length prefix"),
        (record("long", {"type": "map", "values": "int"}), b"\x02" + zigzag(9) + b"a", Reason.LENGTH_BOMB, "a length"),
        (record("long", array("int")), b"\x02" + zigzag(-1) + zigzag(2) + b"\x02\x00", Reason.NOT_AVRO, "a block has"),
        (record("long", array("float")), b"\x02\x01\x02" + bytes(9), Reason.NOT_AVRO, "a block has"),
        (record("long", "double"), b"\x02" + bytes(7), Reason.NOT_AVRO, "the bytes end"),
        (record("long", "double"), b"\x02" + bytes(9), Reason.NOT_AVRO, "bytes are left over"),
        (record("long"), b"", Reason.NOT_AVRO, "the bytes end"),
        (record("long"), b"\x80" * 3, Reason.NOT_AVRO, "the bytes end"),
        (record("long"), b"\x80" * 10 + b"\x00", Reason.NOT_AVRO, "a number has"),
        (record("long"), b"\xff" * 9 + b"\x02", Reason.NOT_AVRO, "a number has"),
        (record("long", "boolean"), b"\x02\x02", Reason.NOT_AVRO, "a boolean"),
        (record("long", ["null", "int"]), b"\x02\x04\x00", Reason.NOT_AVRO, "a union"),
        (record("long", ["null", "int"]), b"\x02\x01\x00", Reason.NOT_AVRO, "a union"),
        (record(["null", "long"]), b"\x01\x00", Reason.NOT_AVRO, "a union"),
        (record("long", {"type": "enum", "name": "E", "symbols": ["u"]}), b"\x02\x02", Reason.NOT_AVRO, "an enum"),
        (record("long", "string"), b"\x02" + text(b"\xc0\x80"), Reason.INVALID_FIELD, "a text"),
        (
            record("long", array(record("int", name="S"))),
            b"\x02" + zigzag(101) + bytes(102),
            Reason.INVALID_FIELD,
            "more",
        ),
    ],
)
def test_why_a_body_is_refused(schema, body, reason, detail):
    fields = {"x": LONG, "t": Table(("b",), {"x": LONG})} if "S" in str(schema) else {"x": LONG}
    said, words = refusal(schema, fields, body)
    assert said == reason
    assert words.startswith(detail)


def test_the_bound_of_rows_is_of_all_tables_together():
    rows = array(record("int", name="S"))
    fields = {"t": Table(("a",), {"x": LONG}), "u": Table(("b",), {"x": LONG})}
    body = (zigzag(3) + bytes(3) + b"\x00") * 2
    assert read(record(rows, array("S")), fields, body, max_rows=6)[1] == {}
    assert read(record(rows, array("S")), fields, body, max_rows=5)[1][0].reason == Reason.INVALID_FIELD


def test_a_record_within_itself_is_read_up_to_the_bound():
    schema = record("long", record("int", ["null", "N"], name="N"))
    columns, _ = read(schema, {"x": LONG}, b"\x02" + b"\x00\x02" * 100 + b"\x00\x00")
    assert columns.values["x"].tolist() == [1]
    assert refusal(schema, {"x": LONG}, b"\x02" + b"\x00\x02" * 100_000)[1].startswith("the data is nested too deep")
    arrays = record("long", record(array("N"), name="N"))
    assert refusal(arrays, {"x": LONG}, b"\x02" * 100_000)[1].startswith("the data is nested too deep")


def test_a_record_that_is_nothing_but_itself_has_no_body():
    assert refusal(record("long", "R"), {"x": LONG}, b"\x02" * 10_000)[0] == Reason.NOT_AVRO


@pytest.mark.parametrize(
    ("field", "words"),
    [
        (Field(("z", "a.q"), Kind.LONG), "has no field z or a.q (x)"),
        (Field(("a",), Kind.DOUBLE), "field a (x) cannot be read as a double: it is string"),
        (Field(("a",), Kind.DOUBLE, required=False), "field a (x) cannot be read as a double: it is string"),
        (Field(("b",), Kind.LONG), "it is float"),
        (Table(("b",), {}), "cannot be read as one array of records: it is float"),
        (Table(("z",), {}, required=True), "has no field z (x)"),
        (Table(("c",), {"y": Field(("gone",), Kind.LONG)}), "has no field gone (y)"),
        (Field(("d.a",), Kind.LONG), "d may be a map"),
    ],
)
@pytest.mark.parametrize("way", [compile_projection, lambda schema, fields: read_slowly(schema, fields, [], 1)])
def test_what_a_schema_lacks_is_named(field, words, way):
    inner = record("long", name="S")
    schema = record("string", "float", array(inner), ["null", {"type": "map", "values": "int"}, "S"])
    with pytest.raises(PoisonMessage) as error:
        way(schema, {"x": field})
    assert error.value.reason == Reason.UNKNOWN_SCHEMA
    assert words in error.value.detail


def test_a_schema_that_would_take_too_long_a_program_is_not_covered():
    schema = {
        "type": "record",
        "name": "R",
        "fields": [{"name": f"a{i}", "type": ["int", "string", "null"]} for i in range(5000)],
    }
    with pytest.raises(NotCoveredError):
        compile_projection(schema, {})


def test_records_that_double_at_each_level_compile_soon():
    inner = record("int", name="R0")
    for level in range(1, 60):
        inner = record(inner, f"R{level - 1}", name=f"R{level}")
    compile_projection(record("long", array(inner)), {"x": LONG})


def test_one_body_alone_reads_as_it_does_among_others():
    """A run's layout is what other rows have: it must not show."""
    schema = record(
        "long", ["null", "float"], ["null", "boolean"], ["long", "null"], ["null", "string"], "boolean", "long"
    )
    fields = {"x": LONG, "y": Field(("g",), Kind.LONG)}
    random = Random(1)
    bodies = []
    for place in range(300):
        parts = [
            random.choice([b"\x00", b"\x02" + random.randbytes(4)]),
            random.choice([b"\x00", b"\x02\x00", b"\x02\x01", b"\x02\x02"]),
            random.choice(
                [b"\x02", b"\x00" + zigzag(random.choice([1, 300, -(2**63)])), b"\x00" + b"\xff" * 9 + b"\x02"]
            ),
            random.choice([b"\x00", b"\x02" + text(random.choice([b"ab", "π".encode(), b"\xff\xff", b"x" * 200]))]),
            random.choice([b"\x00", b"\x01", b"\x03"]),
        ]
        bodies.append(zigzag(place) + b"".join(parts) + zigzag(-place))
    projection = compile_projection(schema, fields)
    assert projection.program.runs.shape == (1, 4)
    columns, errors = projection.read(bodies, 0)
    alone = [projection.read([body], 0) for body in bodies]
    assert {i: e.detail for i, e in errors.items()} == {i: e[0].detail for i, (_, e) in enumerate(alone) if e}
    assert columns.which.tolist() == [i for i, (_, e) in enumerate(alone) if not e]
    assert columns.values["x"].tolist() == columns.which.tolist()
    assert (columns.values["y"] == -columns.which).all()
    assert 0 < len(errors) < 300


def test_a_run_is_compared_with_its_layout_bit_for_bit():
    """Each bit that decides anything, turned round in the second of two equal bodies, gives what it gives alone."""
    schema = record(["null", "float"], ["null", "boolean"], "long", ["string", "null"], "boolean")
    projection = compile_projection(schema, {"x": Field(("z",), Kind.LONG, required=False)})
    body = b"\x02abcd\x02\x01" + zigzag(2**63 - 1) + b"\x00" + text(b"abc") + b"\x00"
    assert projection.read([body, body], 0)[1] == {}
    for bit in range(8 * len(body)):
        turned = bytearray(body)
        turned[bit // 8] ^= 1 << bit % 8
        alone, beside = (projection.read(bodies, 0)[1] for bodies in ([turned], [body, turned]))
        assert [e.detail for e in alone.values()] == [e.detail for e in beside.values()]


def test_utf8_is_what_python_says_it_is():
    for lead in range(256):
        for second in range(0x70, 0xD0):
            for tail in (b"", b"\x80", b"\x80\x80", b"\xbf\xbfA", b"\x80\xc0"):
                data = bytes([lead, second]) + tail
                try:
                    data.decode()
                except UnicodeDecodeError:
                    good = False
                else:
                    good = True
                assert varints.is_utf8(np.frombuffer(data, np.uint8), 0, len(data)) == good


def test_fates_and_their_words_are_the_same_list():
    assert set(WRONG) == set(map(int, varints.Fate)) - {varints.GOOD}
