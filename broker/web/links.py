"""Where else an object can be looked at, by its id and its place. Nothing is asked of these: they are links."""

from typing import NamedTuple
from urllib.parse import quote, urlencode

from broker.web.shapes import Summary

BY_ID = {
    "ztf": (
        ("ALeRCE", "https://alerce.online/object/{}"),
        ("Lasair", "https://lasair-ztf.lsst.ac.uk/objects/{}/"),
        ("Fink", "https://fink-portal.org/{}"),
    ),
    "rubin": (("Lasair", "https://lasair.lsst.ac.uk/objects/{}/"), ("Fink", "https://lsst.fink-portal.org/{}")),
}
RADIUS_ARCSEC = 5


class Link(NamedTuple):
    """A way out."""

    name: str
    address: str


def links_of(found: Summary) -> list[Link]:
    """The survey's own portals, then SIMBAD, NED and Aladin where the place is known."""
    made = [Link(name, form.format(quote(found.object_id, safe=""))) for name, form in BY_ID.get(found.survey, ())]
    if found.ra is None or found.dec is None:
        return made
    place = f"{found.ra:.6f} {found.dec:+.6f}"
    simbad = {"Coord": place, "Radius": RADIUS_ARCSEC, "Radius.unit": "arcsec"}
    ned = {"search_type": "Near Position Search", "RA": f"{found.ra:.6f}d", "DEC": f"{found.dec:.6f}d", "SR": 0.1}
    return [
        *made,
        Link("SIMBAD", f"https://simbad.cds.unistra.fr/simbad/sim-coo?{urlencode(simbad)}"),
        Link("NED", f"https://ned.ipac.caltech.edu/conesearch?{urlencode(ned)}"),
        Link("Aladin", f"https://aladin.cds.unistra.fr/AladinLite/?{urlencode({'target': place, 'fov': 0.05})}"),
    ]
