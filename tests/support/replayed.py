"""A light curve as native alerts, one an observation, for those who write it as another survey's packets."""

from io import BytesIO

import fastavro


def curve(detections="0010110", *, name="615", start=0, band="gr", **changes):
    """Native alerts a day apart; a 1 is a detection. Fluxes rise from 500 nJy, photo-z and dust are known."""
    return [
        {
            "alertId": start + i + 1,
            "objectId": name,
            "survey": "plasticc",
            "mjd": 60_000.0 + i,
            "band": band[i % len(band)],
            "flux": 500.0 + 10 * i,
            "fluxErr": 20.0 + i,
            "detected": mark == "1",
            "ra": 10.5,
            "dec": -20.25,
            "ddf": False,
            "hostgalPhotoz": 0.25,
            "hostgalPhotozErr": 0.05,
            "mwebv": 0.125,
            "history": [],
        }
        | changes
        for i, mark in enumerate(detections)
    ]


def opened(value, schema=None):
    """The record of a container, or of a body in the wire framing."""
    if value.startswith(b"Obj\x01"):
        (record,) = fastavro.reader(BytesIO(value))
        return record
    return fastavro.schemaless_reader(BytesIO(value[5:]), schema, None)
