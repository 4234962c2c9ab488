from pathlib import Path

import numpy as np
import pytest

from model.observation import BANDS, OBSERVATION
from model.scores import class_columns
from tests.support.plasticc import objects
from training.batches import as_seen, epoch
from training.examples import Example, plain_pool
from training.recipe import Augmentation, Optimiser, Recipe, Sampling, Views
from training.skies import read_sky
from training.views import VIEWS, validation_views, viewed, ztf_versions
from training.ztf import BEFORE_DAYS, GAPS_DAYS, as_ztf, carried, noise, observed, visits

SKY = Path(__file__).parents[3].parent / "shared" / "sky"
DATA = objects(per_class=3)


def curve(days: list[float], detected: list[int]) -> np.ndarray:
    """One row a day, those by index detected."""
    found = np.zeros(len(days), dtype=OBSERVATION)
    found["mjd_tai"] = 60_000 + np.array(days)
    found["flux_njy"], found["flux_err_njy"] = 1000.0, 100.0
    found["detected"][detected] = True
    return found


def seen(name: str, rows: np.ndarray, i: int = 0) -> Example | None:
    return VIEWS[name](rows, DATA.contexts[i], np.random.default_rng(0))


def days(example: Example | None) -> list[float]:
    assert example is not None
    return (example.curve["mjd_tai"] - 60_000).tolist()


WHOLE = curve([-50, -29, -10, 0, 5, 9, 12, 20, 30], [3, 5, 7])


def test_plasticc_shows_everything() -> None:
    assert days(seen("plasticc", WHOLE)) == [-50, -29, -10, 0, 5, 9, 12, 20, 30]


def test_rubin_forces_photometry_from_the_second_detection_on_and_ends_with_the_last() -> None:
    assert days(seen("rubin", WHOLE)) == [0, 9, 12, 20]
    assert days(seen("rubin", curve([-5, 0, 3], [1]))) == [0]  # a first alert is one row


def test_detections_alone_are_shown_with_their_host() -> None:
    assert days(seen("detections", WHOLE)) == [0, 9, 20]


def test_elasticc_forces_photometry_from_30_days_before_the_first_detection() -> None:
    assert days(seen("elasticc", WHOLE)) == [-29, -10, 0, 5, 9, 12, 20]


@pytest.mark.parametrize("name", ["detections", "rubin", "rubin-matched", "elasticc"])
def test_an_object_that_is_never_detected_sends_no_alert(name: str) -> None:
    assert seen(name, curve([0, 1], [])) is None


@pytest.mark.parametrize("name", sorted(VIEWS))
def test_a_view_says_of_the_host_what_its_packets_say(name: str) -> None:
    for i in range(len(DATA)):
        before = DATA.contexts[i].copy()
        example = VIEWS[name](DATA.curves[i].copy(), DATA.contexts[i], np.random.default_rng(i))
        assert DATA.contexts[i] == before
        if example is None:
            continue
        unknown = np.isnan(example.context["host_photoz"]) and np.isnan(example.context["mwebv"])
        assert unknown == (name in ("rubin", "ztf"))
        assert example.context["ddf"] == (0 if name.startswith("ztf") else before["ddf"])
        if name == "elasticc":
            assert example.context["host_photoz"] == before["host_photoz"]


@pytest.mark.parametrize("name", sorted(VIEWS))
def test_a_view_is_a_light_curve_that_follows_from_seed_and_object(name: str) -> None:
    shown, again = viewed(DATA, name, 1), viewed(DATA, name, 1)
    assert len(shown) > len(DATA) // 4
    for one, other in zip(shown.curves, again.curves, strict=True):
        assert one.tolist() == other.tolist()
        assert len(one) > 0
        assert (np.diff(one["mjd_tai"]) >= 0).all()
        assert (one["flux_err_njy"] > 0).all()
        assert np.isfinite(one["flux_njy"]).all()
        assert name == "plasticc" or one["detected"][-1]
    part = viewed(DATA.take(np.arange(5, 20)), name, 1)
    kept = [i for i, n in enumerate(shown.ids) if n in part.ids]
    assert [shown.curves[i].tolist() for i in kept] == [c.tolist() for c in part.curves]


def test_ztf_sees_g_r_and_now_and_then_i_of_a_nearer_and_brighter_object() -> None:
    bands, nearer = set(), []
    for i in range(len(DATA)):
        example = as_ztf(DATA.curves[i], DATA.contexts[i], np.random.default_rng(i))
        if example is None:
            continue
        bands |= {BANDS[b] for b in example.curve["band"]}
        z, before = example.context["host_photoz"], DATA.contexts[i]["host_photoz"]
        assert (z == 0) == (before == 0)
        assert z <= before * 1.001 or before < 0.02
        nearer.append(z < before / 2)
        detected = example.curve[example.curve["detected"]]
        assert np.median(np.abs(detected["flux_njy"])) > 10_000  # brighter than 21.4 mag
    assert bands == set("gri") or bands == set("gr")
    assert sum(nearer) > 10


def test_ztfs_packets_hold_detections_limits_or_forced_photometry() -> None:
    rows = curve([-40, -20, 0, 5, 9, 30], [2, 4])
    assert carried(rows, "detections")["mjd_tai"].tolist() == [60_000, 60_009]
    forced, limits = carried(rows, "forced"), carried(rows, "limits")
    assert (forced["mjd_tai"] - 60_000).tolist() == (limits["mjd_tai"] - 60_000).tolist() == [-20, 0, 5, 9]
    assert forced["flux_njy"].tolist() == [1000] * 4
    assert limits["flux_njy"].tolist() == [0, 1000, 0, 1000]
    assert rows["flux_njy"].tolist() == [1000] * 6
    assert BEFORE_DAYS == 30


def test_ztfs_depth_is_20_and_a_half() -> None:
    faint = curve(list(range(4000)), [])
    for mag, low, high in ((19.0, 0.97, 1.0), (20.2, 0.3, 0.7), (21.5, 0.0, 0.1)):
        faint["flux_njy"], faint["flux_err_njy"] = 10 ** (0.4 * (31.4 - mag)), 1e-3
        found = observed(faint, np.random.default_rng(0))
        assert low <= found["detected"].mean() <= high, mag
    assert noise(np.array([0.0]))[0] == pytest.approx(3300)


def test_ztfs_visits_have_the_gaps_that_were_measured() -> None:
    times, bands = visits(0, 3000, [1, 2], np.random.default_rng(0))
    assert (np.diff(times) >= 0).all()
    gaps = np.concatenate([np.diff(times[bands == b]) for b in (1, 2)])
    assert np.quantile(gaps, GAPS_DAYS[0][2:-1]) == pytest.approx(GAPS_DAYS[1][2:-1], rel=0.2)


@pytest.mark.skipif(not SKY.is_dir(), reason="real skies are beside the project, never in it")
def test_the_laws_are_those_of_real_alerts() -> None:
    real = np.concatenate(list(read_sky(SKY, "ztf_alerts_misc").objects.curves))
    ratio = real["flux_err_njy"] / noise(real["flux_njy"])
    assert 0.8 < np.median(ratio) < 1.25
    last = [c[c["detected"]]["mjd_tai"][[0, -1]] for c in read_sky(SKY, "elasticc").objects.curves]
    begins = [c["mjd_tai"][[0, -1]] for c in read_sky(SKY, "elasticc").objects.curves]
    assert min(b[0] - d[0] for b, d in zip(begins, last, strict=True)) == pytest.approx(-30, abs=0.1)
    assert all(b[1] == d[1] for b, d in zip(begins, last, strict=True))


def test_training_draws_every_view_in_its_share() -> None:
    still = Augmentation(
        late_start=0, thin_share=0, flux_noise=0, photoz_noise=0, context_noise=0, missing_photoz=0, missing_mwebv=0,
        missing_ddf=0, missing_all=0,
    )  # fmt: skip
    recipe = Recipe(name="v", augmentation=still, views=Views(rubin=0.3, elasticc=0.2, ztf=0.3, matched=0.5))
    rng = np.random.default_rng(0)
    known = DATA.contexts[3].copy()
    known["host_photoz"], known["ddf"] = 0.4, 1
    plain, far = Example(WHOLE, known), Example(curve([100], [0]), known)
    found = [as_seen([plain], [far], recipe, rng) for _ in range(2000)]
    kinds = [(tuple((c["mjd_tai"] - 60_000).tolist()), bool(np.isnan(context["host_photoz"]))) for c, context in found]
    share = {kind: kinds.count(kind) / len(kinds) for kind in set(kinds)}
    assert share == {
        ((100,), True): pytest.approx(0.15, abs=0.03), ((100,), False): pytest.approx(0.15, abs=0.03),
        ((0, 9, 12, 20), True): pytest.approx(0.15, abs=0.03), ((0, 9, 12, 20), False): pytest.approx(0.15, abs=0.03),
        ((-29, -10, 0, 5, 9, 12, 20), False): pytest.approx(0.2, abs=0.03),
        ((-50, -29, -10, 0, 5, 9, 12, 20, 30), False): pytest.approx(0.2, abs=0.03),
    }  # fmt: skip
    dark = as_seen(
        [Example(curve([0, 1], []), known)], [], Recipe(name="r", augmentation=still, views=Views(rubin=1)), rng
    )
    assert len(dark[0]) == 2  # what nobody would see is shown as it is


def test_an_epoch_of_views_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    recipe = Recipe(
        name="v", optimiser=Optimiser(batch_size=8), sampling=Sampling(readouts=5),
        views=Views(rubin=0.3, elasticc=0.2, ztf=0.4, ztf_versions=2),
    )  # fmt: skip
    pool = ztf_versions(DATA, recipe.views, 0)
    assert pool is not None
    assert max(len(own) for own in pool) == 2
    one, other = ([b.inputs for b in epoch(DATA, plain_pool(DATA), recipe, 0, pool)] for _ in range(2))
    assert all(a.equal(b) for a, b in zip(one, other, strict=True))
    assert ztf_versions(DATA, Views(), 0) is None
    assert validation_views(Views()) == ["plasticc"]
    assert validation_views(recipe.views) == ["plasticc", "rubin", "elasticc", "ztf", "ztf-matched"]
    assert len(class_columns(viewed(DATA, "ztf", 0).labels)) > 0
