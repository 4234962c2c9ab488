import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from broker.web.drawing import HEIGHT, WIDTH, Scale, light_curve
from tests.support.curves import curve
from tests.support.webpage import rows_of


def test_a_figure_is_well_formed_and_holds_each_point_within_the_sheet():
    rows = curve(40)
    figure = ET.fromstring(light_curve("rubin", rows))
    circles = [one for one in figure.iter() if one.tag == "circle"]
    assert len(circles) == 40
    assert all(0 <= float(c.get("cx")) <= WIDTH and 0 <= float(c.get("cy")) <= HEIGHT for c in circles)
    assert sum(c.get("fill") == "none" for c in circles) == int((~rows["detected"].astype(bool)).sum())


def test_brighter_is_higher_and_later_is_to_the_right():
    figure = ET.fromstring(light_curve("rubin", rows_of((1.0, 0.0, 1.0, 1, True), (2.0, 50.0, 1.0, 1, True))))
    first, second = [one for one in figure.iter() if one.tag == "circle"]
    assert float(first.get("cx")) < float(second.get("cx"))
    assert float(first.get("cy")) > float(second.get("cy"))


def test_a_single_point_is_drawn():
    assert light_curve("rubin", rows_of((1.0, 5.0, 0.0, 3, True))).count("<circle") == 1
    assert not re.search("nan|inf", light_curve("rubin", rows_of((1.0, 0.0, 0.0, 3, True))))


def test_a_limit_is_a_triangle_at_its_depth_and_no_point():
    rows = rows_of((1.0, 0.0, 10.0, 1, False), (2.0, 50.0, 1.0, 1, True))
    figure = ET.fromstring(light_curve("ztf", rows))
    triangles = [one.get("d") for one in figure.iter() if one.tag == "path" and one.get("d", "").endswith("z")]
    (circle,) = [one for one in figure.iter() if one.tag == "circle"]
    assert len(triangles) == 1
    assert float(re.split(r"[ h]", triangles[0])[1]) == pytest.approx(float(circle.get("cy")), abs=0.1)  # 5 x 10 is 50
    assert light_curve("rubin", rows).count("<circle") == 2


@pytest.mark.parametrize("values", [(0.0, 1.0), (59_000.0, 59_003.5), (-1e6, 1e7), (5.0, 5.0)])
def test_ticks_are_round_few_and_within(values):
    scale = Scale.over(np.array(values), 0.0, 100.0)
    ticks = scale.ticks()
    assert 2 <= len(ticks) <= 7
    assert all(scale.low <= t <= scale.high for t in ticks)
    assert scale.at(scale.low) == 0.0
    assert scale.at(scale.high) == pytest.approx(100.0)
