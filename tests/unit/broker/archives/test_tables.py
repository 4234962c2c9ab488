"""Columns to alerts: units, names of either release, and errors that name the place."""

from pathlib import Path

import numpy as np
import pytest

from broker.archives.tables import fields_of, records_of
from broker.errors import StartupError
from model.observation import FLUXCAL_NJY

PATH = Path("some/file.csv")
NATIVE = {
    "object_id": np.array(["615", "713"], dtype=object),
    "mjd": np.array([59750.4, 59751.5]),
    "band": np.array(["r", "y"], dtype=object),
    "flux": np.array([1.5, -2.5]),
    "flux_err": np.array([0.5, 0.25]),
    "detected": np.array([True, False]),
}
PLASTICC = {"passband" if k == "band" else k: v for k, v in NATIVE.items()} | {"passband": np.array([2, 5])}


def records(columns, start: int | None = 0):
    return list(records_of(fields_of(PATH, columns, start), start or 0))


def test_native_columns():
    assert records(NATIVE) == [
        {
            "alertId": 1, "objectId": "615", "survey": "plasticc", "mjd": 59750.4, "band": "r",
            "flux": 1.5, "fluxErr": 0.5, "detected": True, "history": [],
        },
        {
            "alertId": 2, "objectId": "713", "survey": "plasticc", "mjd": 59751.5, "band": "y",
            "flux": -2.5, "fluxErr": 0.25, "detected": False, "history": [],
        },
    ]  # fmt: skip


def test_plasticcs_columns_are_in_fluxcal():
    first, second = records(PLASTICC)
    assert (first["band"], second["band"]) == ("r", "y")
    assert first["flux"] == pytest.approx(1.5 * FLUXCAL_NJY)
    assert second["fluxErr"] == pytest.approx(0.25 * FLUXCAL_NJY)


def test_names_of_the_other_release():
    columns = {{"detected": "detected_bool"}.get(k, k): v for k, v in NATIVE.items()}
    first, second = records(columns | {"ddf_bool": np.array([1, 0]), "decl": np.array([-5.0, 5.0])})
    assert (first["detected"], first["ddf"], first["dec"]) == (True, True, -5.0)
    assert (second["detected"], second["ddf"], second["dec"]) == (False, False, 5.0)


def test_context_may_be_missing():
    known = {
        "hostgal_photoz": np.array([0.0, np.nan]),
        "ddf": np.array([True, None], dtype=object),
        "mwebv": np.array([None, 0.1], dtype=object),
    }
    first, second = records(NATIVE | known)
    assert (first["hostgalPhotoz"], first["ddf"], first["mwebv"]) == (0.0, True, None)
    assert (second["hostgalPhotoz"], second["ddf"], second["mwebv"]) == (None, None, 0.1)


def test_the_answer_key_is_never_sent():
    assert records(NATIVE | {"true_class": np.array([90, 42]), "hostgal_specz": np.array([0.1, 0.2])}) == records(
        NATIVE
    )


def test_alerts_are_numbered_on_from_the_start():
    assert [r["alertId"] for r in records(NATIVE, start=512)] == [513, 514]


def test_objects_that_are_numbers():
    assert [r["objectId"] for r in records(NATIVE | {"object_id": np.array([615, 713])})] == ["615", "713"]


@pytest.mark.parametrize("name", NATIVE)
def test_a_missing_column_is_named(name):
    with pytest.raises(StartupError, match=rf"some/file.csv has no column '{name}', only .*; rename or add it"):
        records({k: v for k, v in NATIVE.items() if k != name})


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("object_id", None, "a name"),
        ("mjd", np.nan, "a finite number"),
        ("mjd", "yesterday", "a finite number"),
        ("flux", np.inf, "a finite number"),
        ("flux", 1e300, "a finite number"),
        ("flux_err", None, "a finite number"),
        ("band", "w", "one of u g r i z y"),
        ("band", None, "one of u g r i z y"),
        ("band", "", "one of u g r i z y"),
        ("detected", 2, "one of 0, 1"),
        ("detected", "True", "one of 0, 1"),
        ("passband", 6, "one of 0, 1, 2, 3, 4, 5"),
        ("passband", -1, "one of 0, 1, 2, 3, 4, 5"),
        ("passband", 1.5, "one of 0, 1, 2, 3, 4, 5"),
        ("passband", np.nan, "one of 0, 1, 2, 3, 4, 5"),
        ("ddf", 3, "one of 0, 1"),
        ("hostgal_photoz", "far", "a finite number"),
        ("survey", None, "a name"),
    ],
)
def test_a_value_that_cannot_be_is_named_by_its_row(name, value, expected):
    columns = PLASTICC if name == "passband" else NATIVE
    good = columns.get(name, np.array([0, 0]))[0]
    with pytest.raises(StartupError, match=rf"^some/file.csv: {name} of row 102 is .*; .* expected is {expected}$"):
        records(columns | {name: np.array([good, value], dtype=object)}, start=100)


def test_where_nobody_counts_rows_the_object_is_named():
    with pytest.raises(StartupError, match=r"^some/file.csv: flux of a row of object '713' is nan; mend it"):
        records(NATIVE | {"flux": np.array([1.5, np.nan])}, start=None)


def test_text_that_was_written_as_bytes_is_text():
    texts = {"object_id": np.array([b"615", b"713"], dtype=object), "survey": np.array([b"ztf", b"ztf"], dtype=object)}
    assert [(r["objectId"], r["survey"]) for r in records(NATIVE | texts)] == [("615", "ztf"), ("713", "ztf")]


def test_a_column_of_lists_is_no_column_of_numbers():
    lists = np.empty(2, dtype=object)
    lists[:] = [[1.0], [2.0]]
    with pytest.raises(StartupError, match=r"flux of row 1 is \[1.0\]; .* expected is a finite number"):
        records(NATIVE | {"flux": lists})
