import sys

import pytest

from broker.web.reasons import Reasons, UnknownReason
from broker.web.views import answer
from tests.support.said import said, written
from tests.support.webpage import site

FOUND = (
    '{"points": 2, "probabilities": {"TDE": 1.0}, "furthest": [{"name": "ddf", "value": 1, "sigma": 3}], '
    '"nearest": [{"name": "TDE", "distance": 2}], "score": 2, "threshold": 6}'
)


def asked(code, name="7", patience_s=60.0):
    with_answer = Reasons((sys.executable, "-c", f"import sys\n{code}"), patience_s)
    return with_answer.of(ANSWERS[name])


@pytest.fixture(scope="module", autouse=True)
def answers(tmp_path_factory):
    with site(tmp_path_factory.mktemp("reasons")) as page:
        for name in ("7", "--help", "a\0b"):
            written(page.index, said(name))
            with page.index.reading() as index:
                rows = index.execute("SELECT * FROM answers WHERE object = ?", (name,)).fetchall()
            ANSWERS[name] = answer(rows[0])
        yield


ANSWERS = {}


def test_what_the_process_says_is_the_reason():
    assert asked(f"print({FOUND!r})").nearest[0].name == "TDE"


def test_a_name_is_never_an_option():
    code = f"assert sys.argv[-2:] == ['--', 'plasticc/--help'], sys.argv\nprint({FOUND!r})"
    assert asked(code, "--help").points == 2


@pytest.mark.parametrize(
    ("code", "name", "reason"),
    [
        ("sys.exit('no light curve')", "7", "no light curve"),
        ("print('{}')", "7", "cannot be asked"),
        ("", "a\0b", "cannot be asked"),
    ],
)
def test_what_cannot_be_said_is_a_sentence(code, name, reason):
    with pytest.raises(UnknownReason, match=reason):
        asked(code, name)


def test_a_process_that_hangs_is_ended():
    with pytest.raises(UnknownReason, match="has not answered"):
        asked("import time; time.sleep(600)", patience_s=0.5)


def test_an_answer_that_the_index_does_not_have_is_not_found(tmp_path):
    with site(tmp_path) as page:
        assert page.client.get("/api/why/99").status_code == 404
