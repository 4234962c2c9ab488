import numpy as np
import pytest

from model.cosmology import luminosity_distance_gpc
from model.observation import OBSERVATION
from model.running import WAVELENGTHS_NM
from tests.support.plasticc import objects
from training.detection import FEWEST
from training.recipe import Redshift
from training.redshift import elsewhere, move, predict, process, versions, whole_pool


def supernova(peak_njy: float = 20_000.0, error_njy: float = 30.0) -> np.ndarray:
    """60 observations of a burst of 20 days, the same in every band."""
    curve = np.zeros(60, dtype=OBSERVATION)
    curve["mjd_tai"] = 60_000 + 3.0 * np.arange(60)
    curve["band"] = np.arange(60) % 6
    curve["flux_njy"] = peak_njy * np.exp(-(((curve["mjd_tai"] - 60_060) / 20) ** 2))
    curve["flux_err_njy"] = error_njy
    curve["detected"] = curve["flux_njy"] > 5 * error_njy
    return curve


def test_the_process_goes_through_what_was_observed_and_is_unsure_elsewhere() -> None:
    curve = supernova()
    known = process(curve)
    days = curve["mjd_tai"] - known.origin_mjd
    mean, error = predict(known, days, WAVELENGTHS_NM[curve["band"]])
    assert np.abs(mean - curve["flux_njy"]).max() < 0.05 * curve["flux_njy"].max()
    _, far_off = predict(known, days[-1:] + 1000, WAVELENGTHS_NM[:1])
    assert far_off[0] > 10 * error.max()


def test_a_moved_object_is_dimmer_slower_and_as_noisy_as_its_nights() -> None:
    curve = supernova()
    seen = move(curve, process(curve), (0.2, 0.44), np.random.default_rng(0))
    near, far = luminosity_distance_gpc(np.array([0.2, 0.44]))
    assert seen["flux_njy"].max() == pytest.approx(20_000 * 1.2 * (near / far) ** 2, rel=0.05)
    assert (seen["flux_err_njy"] >= 30).all()
    weights = [np.where(c["flux_njy"] > 300, c["flux_njy"], 0) for c in (curve, seen)]
    width = [np.average((curve["mjd_tai"] - 60_060) ** 2, weights=w) for w in weights]
    assert np.sqrt(width[1] / width[0]) == pytest.approx(1.2, rel=0.1)
    assert seen[["mjd_tai", "band"]].tolist() == curve[["mjd_tai", "band"]].tolist()


def test_what_stays_where_it_is_stays_what_it_is() -> None:
    curve = supernova()
    seen = move(curve, process(curve), (0.3, 0.3), np.random.default_rng(0))
    assert np.abs(seen["flux_njy"] - curve["flux_njy"]).max() < 0.05 * curve["flux_njy"].max()


def test_detections_are_those_of_a_survey() -> None:
    curve = supernova(peak_njy=300.0)
    seen = move(curve, process(curve), (0.2, 0.2), np.random.default_rng(0))
    snr = np.abs(seen["flux_njy"]) / seen["flux_err_njy"]
    assert seen["detected"][snr < 1.5].mean() < 0.1
    bright = move(supernova(), process(supernova()), (0.2, 0.2), np.random.default_rng(0))
    assert bright["detected"][bright["flux_njy"] > 12 * bright["flux_err_njy"]].mean() > 0.9


def test_only_objects_with_a_redshift_are_moved_and_their_photoz_moves_with_them() -> None:
    data, recipe = objects(per_class=2), Redshift(versions=3, nearest=1.05, farthest=1.5)
    moved = versions(data, recipe, 0)
    assert any(moved)
    for i, options in enumerate(moved):
        z = data.contexts["host_photoz"][i]
        assert z > 0 or not options
        for option in options:
            assert 1.04 * z < option.context["host_photoz"] < 1.51 * z
            assert option.context["host_photoz_err"] > data.contexts["host_photoz_err"][i]
            assert option.curve["detected"].sum() >= FEWEST
            assert np.isfinite(option.curve["flux_njy"]).all()


def test_a_star_comes_nearer_and_nothing_else_of_it_changes() -> None:
    data, recipe = objects(per_class=2), Redshift(versions=4, brighter_mag=3.0)
    stars = data.contexts["host_photoz"] == 0
    assert stars.any()
    for curve, context, options in zip(data.curves, data.contexts, versions(data, recipe, 0), strict=True):
        if context["host_photoz"] != 0:
            continue
        assert len(options) == recipe.versions
        for option in options:
            factor = option.curve["flux_err_njy"][0] / curve["flux_err_njy"][0]
            assert 1 <= factor <= 10 ** (0.4 * recipe.brighter_mag)
            assert option.curve["flux_njy"] == pytest.approx(factor * curve["flux_njy"], rel=1e-5)
            assert option.curve[["mjd_tai", "band"]].tolist() == curve[["mjd_tai", "band"]].tolist()
            assert option.context == context


def test_versions_follow_from_seed_and_object_alone() -> None:
    data = objects(per_class=2)
    whole = versions(data, Redshift(), 7)
    rows = np.arange(len(data))[::-3]
    some = versions(data.take(rows), Redshift(), 7)
    for row, options in zip(rows, some, strict=True):
        assert [o.curve.tobytes() for o in options] == [o.curve.tobytes() for o in whole[row]]
    other = versions(data, Redshift(), 8)
    assert [o.curve.tobytes() for v in whole for o in v] != [o.curve.tobytes() for v in other for o in v]


def test_the_original_is_untouched_and_comes_first() -> None:
    data = objects(per_class=1)
    before = [c.tobytes() for c in data.curves], data.contexts.tobytes()
    pool = whole_pool(data, Redshift(versions=1), 0)
    assert before == ([c.tobytes() for c in data.curves], data.contexts.tobytes())
    assert [options[0].curve.tobytes() for options in pool] == before[0]


def test_elsewhere_is_every_object_that_can_be_moved_once() -> None:
    data, recipe = objects(per_class=2), Redshift(versions=3, brighter_mag=2.0)
    moved, pool = elsewhere(data, recipe, 0), versions(data, recipe, 0)
    assert moved.ids.tolist() == [i for i, options in zip(data.ids, pool, strict=True) if options]
    own = {i: curve.tobytes() for i, curve in zip(data.ids, data.curves, strict=True)}
    assert all(curve.tobytes() != own[i] for i, curve in zip(moved.ids, moved.curves, strict=True))
    assert (moved.contexts["host_photoz"] != data.contexts["host_photoz"][np.isin(data.ids, moved.ids)]).any()


def test_no_versions_asked_none_made() -> None:
    assert not any(versions(objects(per_class=1), Redshift(versions=0), 0))
