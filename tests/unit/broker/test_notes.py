import pytest

from broker.metrics import Metrics
from broker.notes import how_far, note_calibration, room_on
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
