"""What a cross-match knows is put where a packet says nothing, and a table that cannot be used is refused at start."""

import math
from io import BytesIO

import fastavro
import numpy as np
import pandas as pd
import pytest

from broker.errors import StartupError
from broker.kafka.batch import Batch
from broker.kafka.message import Message
from broker.packets.reader import AlertReader
from broker.settings.crossmatch import Crossmatch
from broker.surveys.crossmatch import matches_of, read
from broker.surveys.healpix import cell_of
from tests.support.alerts import batch_of, record
from tests.support.surveys import real_packets

NAN = math.nan


def table(path, survey="native", nside=None, **columns):
    """A cross-match in a file."""
    frame = pd.DataFrame(columns)
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    return Crossmatch(survey=survey, file=path, nside=nside)


def contexts(tables, records):
    """The contexts of native alerts, as tuples."""
    read_alerts = AlertReader(1_000_000, matches=matches_of(tables))
    return [tuple(one) for one in read_alerts(batch_of(records)).alerts.contexts.tolist()]


def native(**changes):
    return record(
        survey="ztf", **{"hostgalPhotoz": None, "hostgalPhotozErr": None, "mwebv": None, "ddf": None} | changes
    )


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_what_a_packet_does_not_say_comes_from_the_table_and_what_it_says_stays(tmp_path, suffix):
    one = table(
        tmp_path / f"hosts{suffix}",
        object=["ztf/a", "ztf/b", "ztf/c", "rubin/a"],
        photoz=[0.3, 0.0, 0.5, 0.9],
        photoz_err=[0.05, 0.0, NAN, 0.1],
        mwebv=[0.02, NAN, 0.04, 0.5],
    )
    records = [
        native(objectId="a"),
        native(objectId="b"),
        native(objectId="c"),
        native(objectId="a", hostgalPhotoz=0.7, hostgalPhotozErr=0.1),
        native(objectId="nobody"),
        native(objectId="a" * 40),
    ]
    found = contexts([one], records)
    expected = [
        (0.3, 0.05, 0.02), (0.0, 0.0, NAN), (NAN, NAN, 0.04), (0.7, 0.1, 0.02), (NAN, NAN, NAN), (NAN, NAN, NAN),
    ]  # fmt: skip
    for got, wanted in zip(found, expected, strict=True):
        assert got[:3] == pytest.approx(wanted, nan_ok=True)
    assert contexts([], records)[0][0] is not None
    assert np.isnan(contexts([], records)[0][0])


def test_a_table_of_cells_knows_the_dust_of_every_place_and_the_first_table_that_knows_counts(tmp_path):
    places = np.array([(10.0, -10.0), (200.0, 40.0)])
    here, there = cell_of(places, 64).tolist()
    dust = table(tmp_path / "dust.parquet", nside=64, healpix=[there, here], mwebv=[0.9, 0.1])
    hosts = table(tmp_path / "hosts.parquet", object=["ztf/a"], mwebv=[0.3])
    records = [
        native(objectId="a", ra=10.0, dec=-10.0),
        native(objectId="b", ra=200.0, dec=40.0),
        native(objectId="c", ra=100.0, dec=0.0),
        native(objectId="d", ra=None, dec=None),
    ]
    known = [one[2] for one in contexts([dust], records)]
    assert known == pytest.approx([0.1, 0.9, NAN, NAN], nan_ok=True)
    assert contexts([hosts, dust], records)[0][2] == pytest.approx(0.3)
    assert contexts([dust, hosts], records)[0][2] == pytest.approx(0.1)


@pytest.mark.parametrize(("survey", "name"), [("rubin", "rubin"), ("ztf", "ztf")])
def test_a_surveys_own_packets_are_looked_up_by_their_own_names(tmp_path, survey, name):
    packet, container = real_packets(survey)[0], BytesIO()
    fastavro.writer(container, packet.schema, [packet.record])
    batch = Batch.of([Message("t", 0, 0, 0, None, container.getvalue())])
    plain = AlertReader(10_000_000)(batch).alerts
    (key,) = plain.objects
    own = key.partition(b"/")[2].decode()
    named = [int(own)] if survey == "rubin" else [own]
    tables = [table(tmp_path / "t.parquet", survey, object=named, photoz=[0.25], photoz_err=[0.05])]
    found = AlertReader(10_000_000, matches=matches_of(tables))(batch).alerts
    assert key.startswith(name.encode() + b"/")
    assert np.isnan(plain.contexts["host_photoz"]).all()
    assert found.contexts["host_photoz"].tolist() == [pytest.approx(0.25)]
    assert found.contexts["ddf"].tolist() == plain.contexts["ddf"].tolist()
    assert found.rows.tobytes() == plain.rows.tobytes()


@pytest.mark.parametrize(
    ("columns", "nside", "told"),
    [
        ({"photoz": [0.1], "photoz_err": [0.1]}, None, "the column object or healpix, one of the two"),
        ({"object": ["a"], "healpix": [1], "mwebv": [0.1]}, None, "one of the two"),
        ({"healpix": [1], "mwebv": [0.1]}, None, "nside and a column healpix belong together"),
        ({"object": ["a"], "mwebv": [0.1]}, 64, "nside and a column healpix belong together"),
        ({"object": ["a"], "photoz": [0.1]}, None, "photoz and photoz_err belong together"),
        ({"object": ["a"], "redshift": [0.1]}, None, "none of the columns photoz, photoz_err, mwebv"),
        ({"object": ["a", "a"], "mwebv": [0.1, 0.2]}, None, "b'a' is in it twice"),
        ({"object": ["a"], "mwebv": [-0.1]}, None, "mwebv is -0.1 in a row; it must be from 0 to 1000"),
        ({"object": ["a"], "photoz": [21.0], "photoz_err": [0.1]}, None, "photoz is 21 in a row"),
        ({"object": ["a"], "mwebv": ["x"]}, None, "mwebv is "),
        ({"object": [1.5], "mwebv": [0.1]}, None, "object is double"),
        ({"object": ["a" * 300], "mwebv": [0.1]}, None, "more than 256 bytes"),
        ({"healpix": [0.5], "mwebv": [0.1]}, 1, "healpix is double"),
        ({"healpix": [12], "mwebv": [0.1]}, 1, "nside 1 has no cell 12; nested cells are 0 to 11"),
        ({"object": np.array([], str), "mwebv": np.array([], float)}, None, "it has no rows"),
    ],
)
def test_a_table_that_cannot_be_used_is_one_sentence_at_start(tmp_path, columns, nside, told):
    path = tmp_path / "t.parquet"
    with pytest.raises(StartupError) as error:
        read(table(path, nside=nside, **columns))
    assert str(error.value).startswith(f"{path}: ")
    assert told in str(error.value)
    assert "MISWEEPER_PACKETS__CROSSMATCHES" in str(error.value)


@pytest.mark.parametrize("name", ["missing.parquet", "t.txt", "damaged.parquet", "damaged.csv"])
def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path, name):
    path = tmp_path / name
    if not name.startswith("missing"):
        path.write_bytes(b'PAR1 no table "')
    with pytest.raises(StartupError, match=name):
        read(Crossmatch(survey="ztf", file=path))


def test_nside_is_a_power_of_two():
    with pytest.raises(ValueError, match="no power of two"):
        Crossmatch(survey="ztf", file="t.parquet", nside=48)
