from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.observation import OBSERVATION
from tests.support.plasticc import objects
from training.looks import LOOKS, colours, draw_views, gaps, magnitudes, points, signal_to_noise
from training.views import viewed


def curve() -> np.ndarray:
    """Five observations: g, r, g, g, r, of which the last is no detection."""
    found = np.zeros(5, dtype=OBSERVATION)
    found["mjd_tai"] = 60_000 + np.array([0, 1, 3, 8, 9])
    found["band"] = [1, 2, 1, 1, 2]
    found["flux_njy"] = [1000, 2000, 4000, -500, 9000]
    found["flux_err_njy"] = 100
    found["detected"] = [True, True, True, True, False]
    return found


def test_looks_are_of_detections_but_for_the_number_of_observations() -> None:
    assert points(curve()).tolist() == [5]
    assert signal_to_noise(curve()).tolist() == [10, 20, 40, 5]
    assert gaps(curve()).tolist() == [3, 5]
    assert magnitudes(curve()) == pytest.approx([31.4 - 2.5 * np.log10(4000)])
    assert colours(curve()) == pytest.approx([-2.5 * np.log10(2)])


def test_of_a_curve_without_detections_nothing_is_said() -> None:
    dark = curve()
    dark["detected"] = False
    assert [len(of(dark)) for of, _, _ in LOOKS.values()] == [1, 0, 0, 0, 0]
    assert len(colours(curve()[[0]])) == 0


def test_views_and_sets_are_drawn_on_one_page_also_where_nothing_is_detected(tmp_path: Path) -> None:
    some = objects(per_class=1)
    dark = replace(some, curves=tuple(own[~own["detected"]] for own in some.curves))
    draw_views(tmp_path, {"plasticc": some, "rubin": viewed(some, "rubin", 0)}, {"dark": dark})
    assert (tmp_path / "views.png").read_bytes().startswith(b"\x89PNG")
