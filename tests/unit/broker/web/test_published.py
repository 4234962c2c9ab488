import json
import math

import numpy as np
import pytest

from broker.commands.moments import night
from broker.packets.framings import encode
from broker.web.published import Classifications, Place, night_date, nights_of, probabilities, rows, shown
from broker.web.tables import COLUMNS
from model.taxonomy import CLASS_IDS

PLACE = Place("c", 1, 7, "alerts", 2, 9)


def classification(version=2, **changes):
    record = {
        "alertId": 2**60,
        "objectId": "<b>é</b>",
        "survey": "ztf",
        "mjd": 60_000.5,
        "ra": 150.0,
        "dec": None,
        "observations": 12,
        "classifications": [{"classId": c, "probability": 0.1 if c != 64 else 0.6} for c in CLASS_IDS],
        "priors": "natural",
        "p99": 0.2,
        "anomalyScore": 4.5,
        "anomaly": True,
        "classifierName": "default",
        "classifierVersion": "d98a",
        "brokerVersion": "1",
        "ingestTimestamp": 1_795_000_000_000,
        "publishTimestamp": 1_795_000_000_015,
    }
    return encode(record | changes, "classification", version)


def all_rows(columns):
    which = shown(columns).which.tolist()
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows(columns, which, [PLACE] * len(which))]


def test_a_classification_becomes_a_row_of_the_index():
    columns = Classifications().read([classification()])
    (row,) = all_rows(columns)
    assert (row["survey"], row["object"], row["alert"]) == ("ztf", "<b>é</b>", 2**60)
    assert (row["best"], row["probability"]) == (64, pytest.approx(0.6))
    assert (row["ra"], row["dec"], row["pixel"]) == (150.0, None, None)
    assert (row["source_topic"], row["source_offset"], row["offset"]) == ("alerts", 9, 7)


def test_what_it_was_judged_by_is_there_and_of_records_of_version_1_unknown():
    told = {"photoz": 0.25, "anomalyThreshold": 3.5, "quality": "little", "nearestClass": 42}
    columns = Classifications().read([classification(**told), classification(1), classification(photoz=0.0)])
    names = ("photoz", "threshold", "quality", "nearest")
    assert [tuple(row[name] for name in names) for row in all_rows(columns)] == [
        (0.25, 3.5, "little", "SN II"), (None, None, "", None), (0.0, None, "unknown", None),
    ]  # fmt: skip
    assert [row["best"] for row in all_rows(columns)] == [64] * 3


def test_the_reasons_of_a_flag_are_those_of_each_record_whatever_is_read_beside_it():
    far = [{"statistic": "max_g", "deviations": 8.5}, {"statistic": "\u202e", "deviations": -2.0}]
    some = [classification(), classification(furthest=far), classification(1), classification(furthest=far[:1])]
    found = [row["reasons"] for row in all_rows(Classifications().read(some))]
    assert [json.loads(one) for one in found] == [[], [["max_g", 8.5], ["\u202e", -2.0]], [], [["max_g", 8.5]]]


def test_what_does_not_decode_is_left_out_and_the_rest_is_there():
    columns = Classifications().read([classification(), b"\0\0\0\0\xc8nonsense", classification(alertId=5)])
    assert columns.which.tolist() == [0, 2]
    assert [row["alert"] for row in all_rows(columns)] == [2**60, 5]


def test_classes_stand_at_their_places_in_any_order_and_strangers_nowhere():
    some = [
        {"classId": 95, "probability": 0.25},
        {"classId": 7, "probability": 0.5},
        {"classId": 6, "probability": 0.25},
    ]
    found = probabilities(Classifications().read([classification(classifications=some)]))
    assert found.shape == (1, 14)
    assert (found[0, 0], found[0, -1], found.sum()) == (0.25, 0.25, 0.5)
    assert np.count_nonzero(found) == 2


@pytest.mark.parametrize("hours", [0, 6, 11.99, 12, 18, 23.99])
def test_a_night_is_that_of_the_report_from_noon_to_noon(hours):
    ms = 1_795_000_000_000 // 86_400_000 * 86_400_000 + int(hours * 3_600_000)
    begin_ms, end_ms = night(night_date(ms))
    assert begin_ms <= ms < end_ms
    assert nights_of(np.array([ms])) == {night_date(ms): 1}


@pytest.mark.parametrize(
    "changes",
    [
        {"mjd": math.nan},
        {"mjd": math.inf},
        {"anomalyScore": math.nan},
        {"p99": math.inf},
        {"publishTimestamp": 2**62},
        {"ingestTimestamp": -1},
        {"classifications": [{"classId": 90, "probability": math.nan}]},
    ],
)
def test_what_no_page_could_show_is_left_out(changes):
    columns = Classifications().read([classification(**changes), classification(alertId=5)])
    assert [row["alert"] for row in all_rows(columns)] == [5]


@pytest.mark.parametrize("place", [(400.0, 0.0), (-1.0, 0.0), (10.0, 91.0), (math.inf, 0.0)])
def test_a_place_that_is_none_on_the_sky_has_no_pixel(place):
    (row,) = all_rows(Classifications().read([classification(ra=place[0], dec=place[1])]))
    assert row["pixel"] is None
    assert row["ra"] is None or math.isfinite(row["ra"])


def test_what_is_counted_is_of_all_that_can_be_shown():
    some = [classification(anomaly=i == 1, publishTimestamp=1_795_000_000_015 + i * 86_400_000) for i in range(3)]
    found = shown(Classifications().read([b"nonsense", *some, classification(mjd=math.nan)]))
    assert found.surveys == ["ztf"] * 3
    assert found.best.tolist() == [64] * 3
    assert found.anomaly.tolist() == [False, True, False]
    assert found.late_s[0] == pytest.approx(0.015)
    assert found.nights == {"2026-11-17": 1, "2026-11-18": 1, "2026-11-19": 1}
    assert found.flagged == {"2026-11-18": 1}
    assert shown(Classifications().read([])).surveys == []
