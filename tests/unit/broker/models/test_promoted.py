"""The file that says what is promoted: whole or not at all, checked to the last field, one promotion at a time."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from broker.errors import StartupError
from broker.models.promoted import ALL, FILE, SHADOW, SURVEYS, Named, Promoted, promote, read_promoted

ONE, OTHER = Named("one", "a" * 64), Named("other", "b" * 64)


def test_what_is_promoted_is_read_back_and_its_number_grows(tmp_path):
    assert read_promoted(tmp_path) == Promoted()
    promote(tmp_path, ALL, ONE)
    promote(tmp_path, "ztf", OTHER)
    promote(tmp_path, SHADOW, OTHER)
    assert read_promoted(tmp_path) == Promoted(3, ONE, {"ztf": OTHER}, OTHER)
    assert read_promoted(tmp_path).named() == {ALL: ONE, "ztf": OTHER, SHADOW: OTHER}
    for role in ("ztf", SHADOW, ALL):
        promote(tmp_path, role, None)
    assert read_promoted(tmp_path) == Promoted(6)
    assert [p.name for p in tmp_path.iterdir()] == [FILE]


def test_promotions_at_the_same_time_come_one_after_the_other(tmp_path):
    with ThreadPoolExecutor(len(SURVEYS)) as many:
        list(many.map(lambda survey: promote(tmp_path, survey, ONE), SURVEYS))
    assert read_promoted(tmp_path) == Promoted(len(SURVEYS), None, dict.fromkeys(SURVEYS, ONE), None)


@pytest.mark.parametrize(
    "text",
    [
        "", "no JSON", "[]", "{}", '{"number": true}', '{"number": -1}', '{"number": 1, "more": 1}',
        '{"number": 1, "all": "one"}', '{"number": 1, "all": {"folder": "one"}}',
        '{"number": 1, "surveys": {"atlas": {}}}', '{"number": 1, "surveys": []}', "[" * 100_000,
        json.dumps({"number": 1, "all": {"folder": "../one", "digest": "a" * 64}}),
        json.dumps({"number": 1, "all": {"folder": "one", "digest": "a"}}),
        json.dumps({"number": 1}) + " " * 70_000,
    ],
    ids=range(15),
)  # fmt: skip
def test_a_file_that_is_none_of_ours_is_refused_in_one_sentence(tmp_path, text):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(StartupError, match="promote again") as refused:
        read_promoted(tmp_path)
    assert "\n" not in str(refused.value)


def test_a_folder_that_is_not_there_is_told(tmp_path):
    for attempt in (read_promoted, lambda folder: promote(folder, ALL, ONE)):
        with pytest.raises(StartupError, match="MISWEEPER_CLASSIFIER__MODELS"):
            attempt(tmp_path / "nowhere")
