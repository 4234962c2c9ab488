import numpy as np
import pytest

from model.features import CONTEXT
from model.observation import OBSERVATION
from tests.support.plasticc import objects
from training.augment import augment, augment_context, augment_curve
from training.detection import detection_chance
from training.recipe import Augmentation

STILL = Augmentation(
    late_start=0, thin_share=0, flux_noise=0, photoz_noise=0, context_noise=0,
    missing_photoz=0, missing_mwebv=0, missing_ddf=0, missing_all=0,
)  # fmt: skip


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_nothing_asked_nothing_done(rng) -> None:
    data = objects(per_class=1)
    for curve, context in zip(data.curves, data.contexts, strict=True):
        same, known = augment(curve, context, STILL, rng)
        assert same.tobytes() == curve.tobytes()
        assert known.tobytes() == context.tobytes()


def test_the_original_is_untouched_and_something_is_left(rng) -> None:
    data = objects(per_class=4)
    before = [c.tobytes() for c in data.curves], data.contexts.tobytes()
    for _ in range(20):
        for curve, context in zip(data.curves, data.contexts, strict=True):
            seen, _ = augment(curve, context, Augmentation(thin_share=1, thin_most=1, late_start=1), rng)
            assert 1 <= len(seen) <= len(curve)
            assert (np.diff(seen["mjd_tai"]) > 0).all()
            assert (seen["flux_err_njy"] > 0).all()
    assert before == ([c.tobytes() for c in data.curves], data.contexts.tobytes())


def test_noise_that_is_added_is_in_the_error(rng) -> None:
    curve = np.repeat(objects(per_class=1).curves[0][:1], 20_000)
    noisy = augment_curve(curve, STILL.model_copy(update={"flux_noise": 2.0}), rng)
    added = np.sqrt(noisy["flux_err_njy"].astype(float) ** 2 - curve["flux_err_njy"].astype(float) ** 2)
    assert (noisy["flux_njy"] - curve["flux_njy"]).std() == pytest.approx(added[0], rel=0.03)


def test_more_noise_hides_detections_as_the_survey_would(rng) -> None:
    curve = np.zeros(20_000, dtype=OBSERVATION)
    curve["flux_njy"], curve["flux_err_njy"], curve["detected"] = 900.0, 100.0, True  # S/N 9
    seen = [augment_curve(curve, STILL.model_copy(update={"flux_noise": 2.0}), rng) for _ in range(20)]
    for noisy in seen:
        snr = noisy["flux_njy"] / noisy["flux_err_njy"]
        left = np.minimum(detection_chance(snr) / detection_chance(np.array(9.0)), 1)
        assert noisy["detected"].mean() == pytest.approx(left.mean(), abs=0.02)
        assert (noisy["detected"] & (snr < 1)).mean() < 1e-3
    lost = curve[:1].copy()
    lost["flux_njy"] = 0
    assert augment_curve(lost, STILL.model_copy(update={"flux_noise": 2.0}), rng)["detected"].all()


def test_our_galaxy_stays_our_galaxy_and_others_never_enter_it(rng) -> None:
    always = STILL.model_copy(update={"photoz_noise": 1})
    far = np.array((0.01, 2.0, 0.1, 1), dtype=CONTEXT)
    near = np.array((0.0, 0.0, 0.1, 1), dtype=CONTEXT)
    for _ in range(200):
        assert augment_context(far, always, rng)["host_photoz"] > 0
        assert augment_context(near, always, rng)["host_photoz"] == 0


def test_law_9_everything_can_be_missing(rng) -> None:
    known = np.array((0.3, 0.02, 0.1, 1), dtype=CONTEXT)
    nothing = augment_context(known, STILL.model_copy(update={"missing_all": 1}), rng)
    assert np.isnan([nothing["host_photoz"], nothing["host_photoz_err"], nothing["mwebv"]]).all()
    assert nothing["ddf"] == -1


def test_a_curve_is_cut_to_its_detections_or_to_some_of_its_bands_and_never_to_nothing() -> None:
    rng = np.random.default_rng(0)
    quiet = {"late_start": 0, "thin_share": 0, "flux_noise": 0}
    for data in objects(per_class=2).curves:
        cut = augment_curve(data, Augmentation(detections=1, **quiet), rng)
        assert cut.tolist() == data[data["detected"]].tolist()
        fewer = augment_curve(data, Augmentation(fewer_bands=1, **quiet), rng)
        assert fewer["detected"].any()
        assert set(fewer["band"]) <= set(data["band"])
        assert len(fewer) in {len(data), int(np.isin(data["band"], fewer["band"]).sum())}
        dark = data.copy()
        dark["detected"] = False
        for recipe in (Augmentation(detections=1, **quiet), Augmentation(fewer_bands=1, **quiet)):
            assert len(augment_curve(dark, recipe, rng)) > 0


def test_what_is_not_asked_for_draws_no_numbers() -> None:
    one, other = np.random.default_rng(1), np.random.default_rng(1)
    data = objects(per_class=1).curves[0]
    augment_curve(data, Augmentation(), one)
    augment_curve(data, Augmentation(detections=0.0, fewer_bands=0.0), other)
    assert one.random() == other.random()
