"""Alerts of few objects, times and bands, so that they come late, twice, together and against each other."""

from functools import cache

import hypothesis.strategies as st

from tests.support.alerts import record, wire
from tests.support.columns import Alert, alert_at
from tests.support.reading import READ, batch

PARTITIONS = 2

days = st.integers(1, 6).map(float)
earlier = st.builds(
    lambda mjd, error, detected: record(mjd=mjd, flux=3.0, fluxErr=error, band="g", detected=detected),
    days,
    st.sampled_from([0.5, 2.0]),
    st.booleans(),
)
alerts = st.builds(
    lambda number, mjd, name, band, z, history: wire(
        record(
            alertId=number,
            objectId=name,
            mjd=mjd,
            band=band,
            flux=float(number),
            fluxErr=1.0,
            hostgalPhotoz=z,
            history=[{key: one[key] for key in ("mjd", "band", "flux", "fluxErr", "detected")} for one in history],
        )
    ),
    st.integers(1, 9),
    days,
    st.sampled_from(["x", "x", "y"]),
    st.sampled_from("ug"),
    st.sampled_from([None, None, None, 0.75]),
    st.lists(earlier, max_size=2),
)
messages = st.lists(st.tuples(st.integers(0, PARTITIONS - 1), alerts | st.just(b"\x02poison")), min_size=1, max_size=5)


@cache
def read(value: bytes) -> Alert | None:
    """The alert of a message; None where it is none."""
    alerts = READ(batch(value)).alerts
    return alert_at(alerts, 0) if len(alerts) else None
