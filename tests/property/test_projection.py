"""Projection and fastavro give the same columns of the same bytes, whatever the schema.

Nothing that fastavro refuses is accepted, and what only projection refuses is one of STRICTER.
"""

from random import Random

import fastavro
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from broker.errors import PoisonMessage
from broker.packets.projection import compile_projection, read_slowly
from broker.surveys.checks import LONGEST_HISTORY
from broker.surveys.native import FIELDS
from schemas.catalogue import load
from tests.support.alerts import record, schemaless
from tests.support.hostile import BEFORE_HISTORY, OBSERVATION, zigzag
from tests.support.random_packets import Maker, mutated
from tests.support.same_columns import assert_same

STRICTER = {
    "a boolean is neither 0 nor 1",  # fastavro: true
    "a number has more than 64 bits",  # fastavro drops the bits above
    "a union has no such branch",  # fastavro counts a negative index from the end
    "an enum has no such symbol",  # likewise
    "a block has another size than it says",  # fastavro does not look at it
    "a length prefix claims more than is left",  # of the same size
}
PAST = {"mjd": 59000.0, "band": "g", "flux": 1.0, "fluxErr": 1.0, "detected": False}
NATIVE = [
    schemaless(record()),
    schemaless(record(ra=None, dec=None, ddf=None, hostgalPhotoz=None, mwebv=None)),
    schemaless(record(objectId="π", history=[PAST | {"mjd": 59000.0 + i} for i in range(5)])),
    BEFORE_HISTORY + zigzag(-2) + zigzag(2 * len(OBSERVATION)) + OBSERVATION * 2 + zigzag(1) + OBSERVATION + b"\x00",
]


def assert_no_laxer(schema, fields, bodies, most_rows):
    """Both ways refuse or both agree, but for what only projection refuses."""
    columns, errors = compile_projection(schema, fields).read(bodies, most_rows)
    slow_errors = read_slowly(schema, fields, bodies, most_rows)[1]
    assert set(slow_errors) <= set(errors)
    assert {errors[i].detail.split(", at byte")[0] for i in set(errors) - set(slow_errors)} <= STRICTER
    good = [body for i, body in enumerate(bodies) if i not in errors]
    assert_same(columns, read_slowly(schema, fields, good, most_rows)[0], which=False)


@given(st.integers(0, 2**63), st.sampled_from([3, 1000]))
@settings(max_examples=400, deadline=None)
def test_random_schemas_and_records(seed, most_rows):
    random = Random(seed)
    maker = Maker(random)
    schema = fastavro.parse_schema(maker.record(4))
    bodies = [maker.body(schema) for _ in range(8)]
    fields = maker.fields(schema)
    try:
        projection = compile_projection(schema, fields)
    except PoisonMessage:
        assume(False)
    columns, errors = projection.read(bodies, most_rows)
    slow, slow_errors = read_slowly(schema, fields, bodies, most_rows)
    assert set(errors) == set(slow_errors)
    assert_same(columns, slow)


@given(st.integers(0, 2**63))
@settings(max_examples=400, deadline=None)
def test_random_records_with_a_few_bytes_changed(seed):
    random = Random(seed)
    maker = Maker(random)
    schema = fastavro.parse_schema(maker.record(4))
    fields = maker.fields(schema)
    try:
        compile_projection(schema, fields)
    except PoisonMessage:
        assume(False)
    assert_no_laxer(schema, fields, [mutated(maker.body(schema), random) for _ in range(8)], 60)


@given(st.integers(0, 2**63))
@settings(max_examples=400, deadline=None)
def test_native_alerts_with_a_few_bytes_changed(seed):
    random = Random(seed)
    bodies = [random.choice(NATIVE) for _ in range(8)]
    changed = [mutated(body, random) if random.random() < 0.7 else body for body in bodies]
    assert_no_laxer(load("observation"), FIELDS, changed, LONGEST_HISTORY)


@given(st.lists(st.binary(max_size=300), max_size=20))
@settings(max_examples=400, deadline=None)
def test_noise(bodies):
    assert_no_laxer(load("observation"), FIELDS, bodies, 10)
