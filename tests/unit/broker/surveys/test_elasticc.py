"""What ELAsTiCC's packets say, in nJy and with their host, and what is left out of them."""

import math

import numpy as np
import pytest

from broker.errors import PoisonMessage, Reason
from broker.packets.projection import compile_projection
from broker.surveys import elasticc
from model.observation import FLUXCAL_NJY
from tests.support.surveys import alert_of, copied, elasticc_0_9_1, fields_of, real_packets

NAN = float("nan")


def packet():
    """One with both histories."""
    return next(one for one in real_packets("elasticc") if one.record["prvDiaForcedSources"])


def alert(source=None, host=None, schema=None, **changes):
    real = packet()
    record = real.record | {
        "diaSource": real.record["diaSource"] | (source or {}),
        "diaObject": real.record["diaObject"] | (host or {}),
        **changes,
    }
    return alert_of("elasticc", schema or real.schema, record)


def test_fluxes_are_nanojansky_and_not_fluxcal():
    """Taken for FLUXCAL they would be 36 times too large, and the classes wrong."""
    found, told = alert().observation.flux_njy, packet().record["diaSource"]["psFlux"]
    assert found == np.float32(told)
    assert found != pytest.approx(told * FLUXCAL_NJY, rel=0.5)


@pytest.mark.parametrize(("name", "band"), [("u", 0), ("g", 1), ("r", 2), ("i", 3), ("z", 4), ("Y", 5), ("y", 5)])
def test_bands(name, band):
    assert alert({"filterName": name}).observation.band == band


def test_the_host_and_the_dust():
    context = alert(host={"hostgal_zphot": 0.5, "hostgal_zphot_err": 0.05, "mwebv": 0.25}).context
    assert (context.host_photoz, context.mwebv) == (0.5, 0.25)
    assert context.host_photoz_err == np.float32(0.05)


@pytest.mark.parametrize("none", [None, NAN, 0.0, -9.0, -99.0, 10.0, 999.0])
def test_a_photoz_that_nobody_knows_is_missing(none):
    context = alert(host={"hostgal_zphot": none}).context
    assert math.isnan(context.host_photoz)
    assert math.isnan(context.host_photoz_err)


@pytest.mark.parametrize("none", [None, NAN, -9.0])
def test_dust_that_nobody_knows_is_missing(none):
    assert math.isnan(alert(host={"mwebv": none}).context.mwebv)


def test_an_object_that_is_not_told_of_has_no_context():
    found = alert(diaObject=None)
    assert math.isnan(found.context.host_photoz)
    assert found.object_id == str(packet().record["diaSource"]["diaObjectId"])


def test_limits_are_observations_of_nothing():
    limit = {"ccdVisitId": 1, "midPointTai": 60_900.0, "filterName": "Y", "diaNoise": 250.0}
    found = alert(prvDiaSources=None, prvDiaForcedSources=None, prvDiaNondetectionLimits=[limit])
    assert [tuple(row) for row in found.history] == [(60_900.0, 0.0, 250.0, 5, False)]


@pytest.mark.parametrize("bad", [{"psFlux": NAN}, {"psFluxErr": 0.0}, {"filterName": "N"}, {"midPointTai": 0.0}])
def test_what_cannot_be_is_left_out_of_a_history_and_a_dead_letter_as_an_alerts_own(bad):
    source = packet().record["diaSource"]
    assert len(alert(prvDiaSources=[source, source | bad], prvDiaForcedSources=None).history) == 1
    (name,) = bad
    with pytest.raises(PoisonMessage, match=rf"^diaSource\.{name} is ") as caught:
        alert(bad)
    assert caught.value.reason is Reason.INVALID_FIELD


def test_a_band_that_is_none_is_shown():
    with pytest.raises(PoisonMessage, match=r"^diaSource\.filterName is 'N'; expected one of u g r i z y$"):
        alert({"filterName": "N"})


def test_version_0_9_1_says_the_same():
    found, known = alert(schema=elasticc_0_9_1(packet().schema)), alert()
    assert (found.key, found.observation, found.history) == (known.key, known.observation, known.history)
    assert found.context == known.context


def test_a_schema_without_the_flux_is_named():
    schema = copied(packet().schema)
    for field in fields_of(schema, "elasticc.v0_9.diaSource"):
        field["name"] = "flux" if field["name"] == "psFlux" else field["name"]
    with pytest.raises(PoisonMessage, match=r"has no field diaSource\.psFlux \(flux\)"):
        compile_projection(schema, elasticc.FIELDS)
