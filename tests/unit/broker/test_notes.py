import pytest

from broker.health import Health
from broker.metrics import AtWork, Metrics
from broker.notes import how_far, note_calibration, note_models, room_on
from model.artefact import DEFAULT, load


def test_ready_tells_how_many_partitions_are_held_and_that_nothing_was_committed_yet():
    metrics = Metrics()
    metrics.held.set(3)
    told = {name: fact() for name, fact in how_far(metrics).items()}
    assert told == {"assigned_partitions": 3, "lag_offsets": {}, "last_commit_s_ago": None}


def test_the_room_on_a_disk_is_told_and_null_where_there_is_none(tmp_path):
    assert room_on(tmp_path)["free_bytes"] > 0
    gone = tmp_path / "gone"
    assert room_on(gone) == {"folder": str(gone), "free_bytes": None}


@pytest.mark.parametrize("priors", ["natural", "balanced"])
def test_the_shipped_artefact_says_how_well_it_is_calibrated(priors):
    metrics = Metrics()
    note_calibration(metrics, load(DEFAULT).record, priors)
    error = metrics.registry.get_sample_value("misweeper_held_out_calibration_error", {"priors": priors})
    assert 0 < error < 0.1


@pytest.mark.parametrize("record", [{}, {"metrics": None}, {"metrics": {}}, {"metrics": {"ece": "little"}}])
def test_a_record_that_does_not_say_how_well_it_is_calibrated_leaves_no_series(record):
    metrics = Metrics()
    note_calibration(metrics, record, "natural")
    assert metrics.registry.get_sample_value("misweeper_held_out_calibration_error", {"priors": "natural"}) is None


def test_another_artefact_that_does_not_say_so_leaves_none_of_the_one_before():
    metrics = Metrics()
    for record in (load(DEFAULT).record, {}):
        note_calibration(metrics, record, "natural")
    assert metrics.registry.get_sample_value("misweeper_held_out_calibration_error", {"priors": "natural"}) is None


def test_ready_tells_which_artefacts_are_at_work_and_why_what_is_promoted_is_not():
    metrics = Metrics()
    state = Health(metrics, lambda: 0.0)
    one = AtWork("one", "a" * 64, "cpu", "natural")
    value = metrics.registry.get_sample_value
    for why in ("it is damaged", ""):
        note_models(metrics, state, {"all": one, "shadow": one}, 7, why)
        assert state.said["models"] == {"promotion": 7, "refused": why, "all": one._asdict(), "shadow": one._asdict()}
        assert (value("misweeper_model_promotion"), value("misweeper_model_refused")) == (7, bool(why))
    assert value("misweeper_model_info", {"survey": "shadow"} | one._asdict()) == 1
