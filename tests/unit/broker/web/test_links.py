from urllib.parse import urlsplit

import pytest

from broker.web.links import links_of
from broker.web.views import summary
from tests.support.said import said


def links(survey, name, ra=10.5, dec=-0.25):
    row = said(name, survey=survey, ra=ra, dec=dec) | {"first_mjd": 1.0, "alerts": 1}
    return {link.name: link.address for link in links_of(summary(row))}


def test_an_object_is_found_elsewhere_by_its_id_and_by_its_place():
    found = links("ztf", "ZTF18abc")
    assert set(found) == {"ALeRCE", "Lasair", "Fink", "SIMBAD", "NED", "Aladin"}
    assert found["ALeRCE"].endswith("/object/ZTF18abc")
    assert "10.500000+-0.250000" in found["SIMBAD"]


def test_without_a_place_or_a_known_survey_there_are_fewer():
    assert links("plasticc", "615", None, None) == {}
    assert set(links("rubin", "615", None, None)) == {"Lasair", "Fink"}


@pytest.mark.parametrize("name", ["javascript:alert(1)", "../../x", "?a=b#c", '"><script>', "@evil.example/"])
def test_a_hostile_id_leads_to_no_other_host(name):
    hosts = {a: urlsplit(address) for a, address in links("ztf", name).items()}
    assert {parts.scheme for parts in hosts.values()} == {"https"}
    assert hosts["ALeRCE"].netloc == "alerce.online"
    assert hosts["Fink"].netloc == "fink-portal.org"
    assert not any(parts.fragment for parts in hosts.values())
