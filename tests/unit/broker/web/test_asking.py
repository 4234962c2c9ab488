import pytest
from fastapi import HTTPException

from broker.web.asking import asked
from tests.support.webpage import site


def wrong():
    raise ValueError("that is no cursor")


def test_a_question_that_makes_no_sense_is_the_askers_error():
    assert asked(lambda: 7) == 7
    with pytest.raises(HTTPException) as error:
        asked(wrong)
    assert (error.value.status_code, error.value.detail) == (422, "that is no cursor")


@pytest.mark.parametrize(
    "path",
    [
        f"/api/objects?best={10**30}",
        f"/api/objects?best=-{10**30}",
        f"/api/anomalies?since_ms={2**63}",
        "/api/anomalies?cursor=9999999999999999999",
        "/api/objects?probability=nan",
        "/api/cone?ra=nan&dec=0",
        "/api/objects?limit=501",
    ],
)
def test_numbers_beyond_what_the_index_counts_are_refused_in_a_sentence(tmp_path, path):
    with site(tmp_path) as page:
        answer = page.client.get(path)
    assert answer.status_code == 422
    assert len(answer.json()["detail"]) < 200
