"""Every real packet becomes the alert that another reading of it tells of: fastavro, and the formulas by hand.

`MISWEEPER_GOLDEN=write` writes tests/golden/packets.json anew, which says what each packet became.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from broker.errors import Reason
from model.observation import BANDS
from tests.support.alerts import packets
from tests.support.by_hand import READ_BY_HAND
from tests.support.columns import Alert, alert_at
from tests.support.reading import READ, batch
from tests.support.surveys import ADAPTERS, adapt, real_packets

GOLDEN = Path(__file__).parents[3] / "golden" / "packets.json"


def alerts_of_real_packets(survey: str) -> dict[str, tuple[Alert, dict]]:
    """Each packet's alert and its record, by the packet's name; packets of one schema are adapted together."""
    found, read = {}, real_packets(survey)
    for schema in {id(one.schema): one.schema for one in read}.values():
        together = [one for one in read if one.schema is schema]
        adapted = adapt(survey, schema, [one.body for one in together])
        assert not adapted.poisons
        assert len(adapted.declined) == 0
        for i, one in enumerate(together):
            found[one.name] = alert_at(adapted.alerts, i), one.record
    return found


@pytest.mark.parametrize("survey", ADAPTERS)
def test_every_real_packet_says_what_it_says_to_a_reading_by_hand(survey):
    for name, (alert, record) in alerts_of_real_packets(survey).items():
        by_hand = READ_BY_HAND[survey](record)
        assert f"{alert.survey}/{alert.object_id}" == by_hand.object_id, name
        assert (alert.alert_id, alert.ra_deg, alert.dec_deg) == (by_hand.alert_id, by_hand.ra_deg, by_hand.dec_deg)
        ours = np.array([tuple(o) for o in (*alert.history, alert.observation)])
        theirs = np.array([(*row[:3], BANDS.index(row[3]), row[4]) for row in (*by_hand.history, by_hand.own)])
        assert ours.shape == theirs.shape, name
        np.testing.assert_array_equal(ours[:, [0, 3, 4]], theirs[:, [0, 3, 4]], err_msg=name)
        np.testing.assert_allclose(ours[:, 1:3], theirs[:, 1:3], rtol=2e-7, atol=0, err_msg=name)  # float32
        context = (alert.context.host_photoz, alert.context.host_photoz_err, alert.context.mwebv)
        wanted = (by_hand.photoz, by_hand.photoz_err, by_hand.mwebv)
        np.testing.assert_array_equal(np.array(context, "f4"), np.array(wanted, "f4"), err_msg=name)


def summary(alert: Alert) -> dict:
    """What a packet became, in a few numbers of six digits."""
    rows = [*alert.history, alert.observation]
    return {
        "object": f"{alert.survey}/{alert.object_id}",
        "alert": alert.alert_id,
        "rows": len(rows),
        "detected": sum(row.detected for row in rows),
        "bands": "".join(sorted({BANDS[row.band] for row in rows}, key=BANDS.index)),
        "first_mjd": f"{min(row.mjd_tai for row in rows):.6f}",
        "own": f"{alert.observation.mjd_tai:.6f} {alert.observation.flux_njy:.6g} {alert.observation.flux_err_njy:.6g}",
        "sum_of_fluxes": f"{sum(row.flux_njy for row in rows):.5g}",
        "sum_of_errors": f"{sum(row.flux_err_njy for row in rows):.5g}",
        "photoz": f"{alert.context.host_photoz:.6g}",
        "mwebv": f"{alert.context.mwebv:.6g}",
        "deep": alert.context.ddf,
    }


def test_every_real_packet_becomes_what_it_became():
    ours = {
        survey: {name: summary(alert) for name, (alert, _) in sorted(alerts_of_real_packets(survey).items())}
        for survey in ADAPTERS
    }
    if os.environ.get("MISWEEPER_GOLDEN") == "write":
        GOLDEN.write_text(json.dumps(ours, indent=1) + "\n")
    assert ours == json.loads(GOLDEN.read_text())


def test_one_packet_of_each_survey_from_its_bytes_to_its_rows():
    """The numbers are read off the packets with another program; the arithmetic stands here."""
    rubin, _ = alerts_of_real_packets("rubin")["v10_170239611403501617"]
    assert (rubin.survey, rubin.object_id, rubin.alert_id) == ("rubin", "170226404518002921", 170239611403501617)
    assert tuple(rubin.observation) == (61138.081921078614, 3364.194091796875, 240.53271484375, 3, True)
    assert [sum(row.detected is seen for row in rubin.history) for seen in (True, False)] == [9, 18]
    assert rubin.context.ddf is True  # 1.55 deg from the middle of COSMOS
    repeated = [row for row in rubin.history if row.mjd_tai == rubin.observation.mjd_tai]
    assert [tuple(row) for row in repeated] == [(61138.081921078614, 3332.980224609375, 244.1536865234375, 3, False)]

    ztf, _ = alerts_of_real_packets("ztf")["2475433850015015000[0]"]
    assert (ztf.survey, ztf.object_id, ztf.alert_id) == ("ztf", "ZTF17aacymkh", 2475433850015015000)
    mjd, flux, error, band, detected = ztf.observation
    assert mjd == pytest.approx(2460229.9338542 - 2400000.5 + (15 + 37) / 86400, abs=1e-9)  # 60229.434456
    assert flux == pytest.approx(10 ** (0.4 * (31.4 - 18.0167)), rel=1e-6)  # 225,590 nJy
    assert error == pytest.approx(0.921034 * flux * 0.102532, rel=1e-6)
    assert (band, detected) == (BANDS.index("g"), True)
    forced = 10 ** (0.4 * (31.4 - 26.202600479125977))
    assert next(r.flux_njy for r in ztf.history if not r.detected and r.flux_njy) == pytest.approx(-2814.0818 * forced)

    elasticc, _ = alerts_of_real_packets("elasticc")["11290844[2]"]
    assert (elasticc.survey, elasticc.object_id, elasticc.alert_id) == ("elasticc", "11290844", 22581688069)
    assert tuple(elasticc.observation) == (60966.1521, np.float32(5081.618), np.float32(271.75314), 2, True)
    assert (elasticc.context.host_photoz, elasticc.context.mwebv) == (np.float32(0.34609428), np.float32(0.07684255))
    assert len(elasticc.history) == 18


@pytest.mark.parametrize("survey", ["rubin", "ztf"])
def test_from_the_messages_bytes_they_are_the_same(survey):
    """All of a survey in one batch, versions mixed, as they stand in a topic."""
    paths = packets(survey)
    decoded = READ(batch(*(path.read_bytes() for path in paths)))
    known = {name.partition("[")[0]: alert for name, (alert, _) in alerts_of_real_packets(survey).items()}
    assert decoded.poisons == {}
    assert [summary(alert_at(decoded.alerts, i)) for i in range(len(paths))] == [summary(known[p.stem]) for p in paths]


NEGATIVES = {
    "winter_3608694": (Reason.UNKNOWN_SCHEMA, "no survey read here has packets of the schema winter.alert"),
    "ztf_bad_sync_516401801315010009": (Reason.NOT_AVRO, "the container ends within a sync marker"),
    "ztf_index_error_516434762915010006": (Reason.NOT_AVRO, "the container ends within a sync marker"),
    "ztf_schema_mismatch_121540793515135009": (Reason.NOT_AVRO, "the container ends within a sync marker"),
}


def test_packets_that_cannot_be_read_are_dead_letters_with_a_reason():
    paths = packets("negative")
    decoded = READ(batch(*(path.read_bytes() for path in paths)))
    letters = {path.stem: (decoded.poisons[i].reason, decoded.poisons[i].detail) for i, path in enumerate(paths)}
    assert letters == NEGATIVES
