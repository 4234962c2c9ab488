"""Projection reads real packets, which lie beside the repository, as fastavro does."""

from io import BytesIO

import fastavro
import numpy as np
import pytest

from broker.packets.projection import compile_projection, read_slowly
from broker.surveys.fields import Field, Kind, Table
from tests.support.alerts import PACKETS
from tests.support.same_columns import assert_same
from tests.support.surveys import real_packets

CANDIDATE = {
    "jd": Field(("jd",), Kind.DOUBLE),
    "fid": Field(("fid",), Kind.LONG),
    "candid": Field(("candid",), Kind.LONG),
    "magpsf": Field(("magpsf",), Kind.DOUBLE),
    "sigmapsf": Field(("sigmapsf",), Kind.DOUBLE),
    "isdiffpos": Field(("isdiffpos",), Kind.TEXT),
    "diffmaglim": Field(("diffmaglim",), Kind.DOUBLE),
    "exptime": Field(("exptime",), Kind.DOUBLE, required=False),
}
FORCED = {name: Field((name,), Kind.DOUBLE) for name in ("jd", "forcediffimflux", "forcediffimfluxunc", "magzpsci")}
SOURCE = {
    "mjd": Field(("midpointMjdTai", "midPointTai"), Kind.DOUBLE),
    "flux": Field(("psfFlux", "psFlux"), Kind.DOUBLE),
    "error": Field(("psfFluxErr", "psFluxErr"), Kind.DOUBLE),
    "band": Field(("band", "filterName"), Kind.TEXT, choices=(b"u", b"g", b"r", b"i", b"z", b"Y")),
}
WITHDRAWN = {"withdrawn": Field(("timeWithdrawnMjdTai",), Kind.DOUBLE, required=False)}


def within(record, fields):
    """Fields of a record that stands in a field."""
    return {name: field._replace(paths=tuple(f"{record}.{p}" for p in field.paths)) for name, field in fields.items()}


FIELDS = {
    "ztf": {
        "objectId": Field(("objectId",), Kind.TEXT),
        **within("candidate", CANDIDATE),
        "prv": Table(("prv_candidates",), CANDIDATE),
        "forced": Table(("fp_hists",), FORCED),
    },
    "rubin": {
        "alert": Field(("diaSourceId", "alertId"), Kind.LONG),
        **within("diaSource", SOURCE | WITHDRAWN),
        "solar": Field(("diaSource.ssObjectId",), Kind.LONG),
        "prv": Table(("prvDiaSources",), SOURCE | WITHDRAWN),
        "forced": Table(("prvDiaForcedSources",), SOURCE | WITHDRAWN),
    },
    "elasticc": {
        "alertId": Field(("alertId",), Kind.LONG),
        **within("diaSource", SOURCE),
        "photoz": Field(("diaObject.hostgal_zphot",), Kind.DOUBLE),
        "prv": Table(("prvDiaSources",), SOURCE),
        "forced": Table(("prvDiaForcedSources",), SOURCE),
    },
}


def real(survey):
    """Each writer's schema of a survey's packets, with its bodies."""
    if survey == "rubin":
        packets = real_packets(survey)
        schemas = {id(one.schema): one.schema for one in packets}
        return [(schema, [one.body for one in packets if one.schema is schema]) for schema in schemas.values()]
    found = sorted((PACKETS / survey).glob("*.avro"))
    assert found, f"no packets in {PACKETS / survey}; they belong beside the repository"
    schemas, bodies = {}, {}
    for path in found:
        reader = fastavro.block_reader(BytesIO(path.read_bytes()))
        for block in reader:
            assert block.num_records == 1
            text = reader.metadata["avro.schema"]
            schemas[text] = reader.writer_schema
            bodies.setdefault(text, []).append(block.bytes_.getvalue())
    return [(schemas[text], bodies[text]) for text in schemas]


@pytest.mark.parametrize("survey", FIELDS)
def test_real_packets_read_as_fastavro_reads_them(survey):
    rows = 0
    for schema, bodies in real(survey):
        columns, errors = compile_projection(schema, FIELDS[survey]).read(bodies, 10_000)
        assert errors == {}
        assert_same(columns, read_slowly(schema, FIELDS[survey], bodies, 10_000)[0])
        assert columns.values["jd" if survey == "ztf" else "mjd"].min() > 0
        rows += len(columns.tables["prv"].values["jd" if survey == "ztf" else "mjd"])
    assert rows > 0


@pytest.mark.parametrize("survey", FIELDS)
def test_real_packets_cut_short_or_with_a_bit_turned_are_refused_or_read_alike(survey):
    random = np.random.default_rng(1)
    for schema, bodies in real(survey):
        fields, changed = FIELDS[survey], []
        for body in bodies * 20:
            other = bytearray(body)
            other[random.integers(len(body))] ^= 1 << random.integers(8)
            changed.append(bytes(other[: random.integers(len(body))]) if random.random() < 0.2 else bytes(other))
        columns, errors = compile_projection(schema, fields).read(changed, 10_000)
        assert set(read_slowly(schema, fields, changed, 10_000)[1]) <= set(errors)
        good = [changed[i] for i in columns.which]
        assert_same(columns, read_slowly(schema, fields, good, 10_000)[0], which=False)
