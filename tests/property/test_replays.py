"""What is written as a survey's packets comes back, through the service's own reader, as the same observations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.config import Settings
from broker.kafka.batch import Batch
from broker.kafka.message import Message
from broker.packets.formats import formats_of
from broker.packets.reader import AlertReader
from broker.replays import rubin
from broker.replays.makers import MAKERS
from model.observation import BANDS, OBSERVATION
from tests.support.replayed import curve

TOPICS = {"native": "plasticc", "rubin": "lsst-alerts-v11", "ztf": "ztf_20261125_programid1", "elasticc": "elasticc"}
READ = AlertReader(4 * 1024 * 1024, formats_of(Settings.load()))


@st.composite
def curves(draw):
    """Light curves of up to 30 observations in any bands, some of them minutes apart and some months."""
    size = draw(st.integers(1, 30))
    marks = draw(st.lists(st.sampled_from("01"), min_size=size, max_size=size))
    gaps = draw(st.lists(st.sampled_from([0.02, 1.0, 7.0, 29.0, 200.0]), min_size=size, max_size=size))
    records = curve("".join(marks), start=draw(st.sampled_from([0, 70_000])))
    for record, day in zip(records, np.cumsum(gaps).tolist(), strict=True):
        snr = draw(st.sampled_from([-30.0, -3.0, 0.5, 4.0, 200.0]))
        error = draw(st.sampled_from([1.0, 25.0, 3_000.0]))
        record |= {"mjd": 58_000 + day, "band": draw(st.sampled_from("ugrizy"))}
        record |= {"flux": snr * error, "fluxErr": error}
    return records


def read(survey, records):
    """The alerts of a survey's packets of native alerts."""
    packets = list(MAKERS[survey](records))
    messages = [Message(TOPICS[survey], 0, i, 0, one.key, one.value) for i, one in enumerate(packets)]
    found = READ(Batch.of(messages))
    assert not found.poisons
    assert not len(found.declined)
    assert found.alerts.alert_ids.tolist() == [packet.alert_id for packet in packets]
    names = [f"{packet.survey}/{packet.object_id}".encode() for packet in packets]
    assert found.alerts.objects == names
    return found.alerts


def as_one(rows):
    """A set of rows as law 4 has it: of one time and band the detection, then the smaller error."""
    best = {}
    for row in rows:
        mjd, flux, error, band, detected = (row[name] for name in OBSERVATION.names)
        key, rank = (round(float(mjd), 6), BANDS[int(band)]), (not detected, float(error))
        if key not in best or rank < best[key][0]:
            best[key] = rank, (float(flux), float(error), bool(detected))
    return {key: value for key, (_, value) in best.items()}


def told_by(survey, records):
    """Which observations a survey's packets of a light curve tell of, by its rules."""
    found = [r for r in records if r["detected"]]
    if survey == "native":
        return records
    if survey == "ztf":
        found = [r for r in found if r["band"] in "gri"]
        near = lambda r: any(r["mjd"] < d["mjd"] <= r["mjd"] + 30 for d in found)  # noqa: E731
        return [r for r in records if r["band"] in "gri" and (r["detected"] or near(r))]
    if len(found) < 2:
        return found
    first, second, last = found[0]["mjd"], found[1]["mjd"], found[-1]["mjd"]
    earliest = second if survey == "rubin" else first - 30
    year = lambda r: any(r["mjd"] < d["mjd"] <= r["mjd"] + 365 for d in found)  # noqa: E731
    return [
        r for r in records
        if r["detected"] or (earliest <= r["mjd"] < last and (survey != "rubin" or year(r)))
    ]  # fmt: skip


@pytest.mark.parametrize("survey", ["native", "rubin", "rubin, its schema not installed", "ztf", "elasticc"])
@given(records=curves())
@settings(deadline=None, max_examples=40)
def test_packets_come_back_as_the_observations_they_were_made_of(survey, records):
    with pytest.MonkeyPatch.context() as patch:
        if survey.endswith("installed"):
            survey = "rubin"
            patch.setattr(rubin, "rubin_package", lambda: None)
        found = as_one(read(survey, records).rows)
    expected = {(round(r["mjd"], 6), r["band"]): r for r in told_by(survey, records)}
    assert found.keys() == expected.keys()
    for key, (flux, error, detected) in found.items():
        one = expected[key]
        assert detected == one["detected"]
        # Magnitudes of ZTF's histories have four decimals, their errors six.
        assert flux == pytest.approx(one["flux"], rel=6e-5)
        assert error == pytest.approx(one["fluxErr"], rel=7e-5, abs=1e-6 * abs(one["flux"]))


def test_the_context_is_what_the_survey_tells():
    """ELAsTiCC tells photo-z and dust; Rubin and ZTF tell neither."""
    records = curve("11")
    context = read("elasticc", records).contexts[-1]
    assert context["host_photoz"] == pytest.approx(0.25)
    assert context["mwebv"] == pytest.approx(0.125)
    for survey in ("rubin", "ztf"):
        assert np.isnan(read(survey, records).contexts[-1]["host_photoz"])
        assert np.isnan(read(survey, records).contexts[-1]["mwebv"])
    (place,) = {tuple(row) for row in read("ztf", records).places_deg.tolist()}
    assert place == (10.5, -20.25)
