"""A light curve in a terminal."""

import io
import math
from zlib import crc32

import numpy as np
import pytest
from rich.console import Console

from broker.commands.drawing import drawing, stored_curve
from broker.errors import StartupError, TransientError
from broker.lightcurves.entries import cut_all, entries_of
from broker.lightcurves.store import InMemoryLightCurves, Refused
from model.observation import OBSERVATION
from tests.support.hostile_names import NAMES, assert_harmless


def curve(*rows):
    """Of time, flux, band and whether it is detected."""
    return np.array([(mjd, flux, 5.0, "ugrizy".index(band), found) for mjd, flux, band, found in rows], OBSERVATION)


def classified(**changes):
    classes = [{"classId": 90, "probability": 0.75}, {"classId": 42, "probability": 0.25}]
    told = {"mjd": 60_020.0, "observations": 3, "anomalyScore": 2.5, "anomaly": True}
    return {"classifications": classes} | told | changes


def drawn(name, points, record, width=100, **keywords):
    console = Console(file=io.StringIO(), width=width, color_system=keywords.pop("colours", None), force_terminal=True)
    console.print(drawing(name, points, record, width, **keywords))
    return console.file.getvalue()


POINTS = curve((60_000, 0, "g", False), (60_010, 500, "r", True), (60_020, 1_000, "g", True))


def test_detections_are_letters_and_others_are_points_in_the_colours_of_their_bands():
    shown = drawn("ztf/a", POINTS, classified())
    lines = shown.splitlines()
    assert "light curve of ztf/a: 3 observations" in lines[0]
    assert lines[1].endswith("g")
    assert lines[1].split("│")[0].strip() == "1000"
    assert lines[16].split("│")[1].startswith("·")
    assert "r" in "".join(lines[8:10])
    assert "MJD 60000.0" in shown
    assert "60020.0" in shown
    assert "g 1/2  r 1/1  (detected/all)" in shown
    coloured = drawn("ztf/a", POINTS, None, colours="standard")
    assert "\x1b[1;32mg" in coloured
    assert "\x1b[1;31mr" in coloured


def test_classes_stand_beneath_the_most_probable_first():
    shown = drawn("ztf/a", POINTS, classified())
    assert shown.index("SN Ia  0.750 ██████████████████████") < shown.index("SN II  0.250")
    assert "anomaly score  2.50 !" in shown
    assert "after 3 observations, MJD 60020.000" in shown
    assert "no classification of it has been read" in drawn("ztf/a", POINTS, None)


def test_what_is_odd_is_drawn():
    for points in (curve(), POINTS[:1], curve((60_000, -5, "y", True), (60_000, -5, "u", False))):
        for record in (None, classified(mjd=math.nan, anomalyScore=math.nan), {"classifications": []}):
            assert "light" in drawn("ztf/a", points, record, width=10)
    assert "nothing is stored of it" in drawn("ztf/a", curve(), None)
    assert "Kafka is away" in drawn("ztf/a", POINTS, None, trouble="Kafka is away")


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_hostile_name_and_a_hostile_trouble(name):
    record = classified(mjd=1.0, observations=3)
    assert_harmless(drawn(name, POINTS, record, width=1_000).replace("\x1b[?25l", ""), name)
    assert_harmless(drawn("a", POINTS, record, width=1_000, trouble=name[:900]), "")


def test_the_curve_is_the_set_of_what_the_store_has():
    store, key = InMemoryLightCurves(), b"ztf/a"
    rows = np.concatenate([POINTS[::-1], POINTS])  # as it arrived, and again
    n = len(rows)
    entries = entries_of(
        rows, alert_ids=np.arange(n), offsets=np.arange(n), sources=np.zeros(n, np.uint32),
        history=np.zeros(n, bool), salts=np.full(n, crc32(key), np.uint64),
    )  # fmt: skip
    store.logs[key] = [*cut_all(entries), b"damaged"]
    assert stored_curve(store, "ztf/a", 100).tolist() == POINTS.tolist()
    assert len(stored_curve(store, "ztf/b", 100)) == 0


def test_a_curve_that_the_store_refuses_is_said():
    class Refusing(InMemoryLightCurves):
        def read(self, keys, most, *, forget=False):
            return [Refused(keys[0], "its key holds another kind of value")]

    class Away(InMemoryLightCurves):
        def read(self, keys, most, *, forget=False):
            raise TransientError("redis", "Connection refused")

    with pytest.raises(StartupError, match=r"light curve of \\x1b cannot be read: its key holds another kind"):
        stored_curve(Refusing(), "\x1b", 100)
    with pytest.raises(StartupError, match="light curve of ztf/a cannot be read: redis: Connection refused"):
        stored_curve(Away(), "ztf/a", 100)


def test_a_flagged_object_is_drawn_with_the_reasons():
    far = [{"statistic": "min_g", "deviations": 12.71}, {"statistic": "log_rise", "deviations": -4.0}]
    shown = drawn("ztf/a", POINTS, classified(nearestClass=88, furthest=far))
    assert "least unlike  AGN, but for min_g +12.7, log_rise -4.0 standard deviations" in shown
    without = drawn("ztf/a", POINTS, classified(nearestClass=88, furthest=[]))
    assert "least unlike  AGN\n" in without.replace(" \n", "\n")
    assert "least unlike" not in drawn("ztf/a", POINTS, classified(anomaly=False, nearestClass=None, furthest=[]))
