"""What an id means, who is asked, and when nobody knows."""

import json

import pytest

from broker.errors import PoisonMessage, Reason, TransientError
from broker.packets.ids import ASKED_AGAIN_S, HIGHEST, SourcedIds, our_ids
from broker.packets.writers import Writers
from schemas.catalogue import load

NATIVE = json.dumps(load("observation")).encode()


class Source:
    """Says what it is told to say: bytes, None, or an error."""

    def __init__(self, name, says):
        self.name, self.says, self.asked = name, says, 0

    def find(self, schema_id):
        self.asked += 1
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


def away():
    return Source("a", TransientError("registry", "away"))


def found(source, other):
    return SourcedIds(Writers(), [source, other])(1101).schema["name"]


def test_our_own_ids():
    find = our_ids(Writers())
    assert find(100).schema == load("observation")
    with pytest.raises(PoisonMessage, match=r"schema id 1000 is not one of ours .*100.*MISWEEPER_PACKETS__FORMATS"):
        find(1000)


@pytest.mark.parametrize("first", [Source("a", NATIVE), Source("a", None), away()], ids=["has it", "has not", "away"])
def test_whoever_has_it_is_enough(first):
    second = Source("b", NATIVE)
    assert found(first, second) == "misweeper.Observation"
    assert second.asked == (first.says != NATIVE)


def test_it_is_asked_for_once():
    source = Source("a", NATIVE)
    ids = SourcedIds(Writers(), [source])
    assert ids(1101) is ids(1101)
    assert source.asked == 1


@pytest.mark.parametrize("others", [[], [Source("b", None)]])
def test_an_id_is_not_unknown_while_one_who_may_know_it_is_away(others):
    first = away()
    ids = SourcedIds(Writers(), [first, *others])
    with pytest.raises(TransientError, match="away"):
        ids(1101)
    first.says = NATIVE
    assert ids(1101).schema["name"] == "misweeper.Observation"


def test_an_id_that_nobody_knows_says_what_to_do_and_is_asked_for_again_later():
    now, source = [0.0], Source("the registry http://r", None)
    ids = SourcedIds(Writers(), [source, Source("the package p", None)], lambda: now[0])
    said = (
        "schema id 1101 is not known to the registry http://r nor the package p; add it there, then "
        "misweeper dead-letters replay"
    )
    for _ in range(3):
        with pytest.raises(PoisonMessage) as caught:
            ids(1101)
        assert (caught.value.reason, caught.value.detail) == (Reason.UNKNOWN_SCHEMA, said)
    assert source.asked == 1
    source.says, now[0] = NATIVE, ASKED_AGAIN_S + 1
    assert ids(1101).schema["name"] == "misweeper.Observation"


def test_without_a_source_an_id_says_which_there_could_be():
    with pytest.raises(PoisonMessage, match=r"set MISWEEPER_REGISTRY__URL or install misweeper\[rubin\]"):
        SourcedIds(Writers(), [])(1101)


def test_an_id_that_no_registry_has_is_not_asked_for():
    source = away()
    with pytest.raises(PoisonMessage, match="is none"):
        SourcedIds(Writers(), [source])(HIGHEST + 1)
    assert source.asked == 0


@pytest.mark.parametrize("text", [b"", b"{" * 5000, b'{"type":"record","name":"winter.alert","fields":[]}'])
def test_a_schema_that_is_not_read_here_says_of_which_id_it_is_and_is_asked_for_once(text):
    source = Source("a", text)
    ids = SourcedIds(Writers(), [source])
    for _ in range(2):
        with pytest.raises(PoisonMessage, match=r"^schema id 1101: ") as caught:
            ids(1101)
        assert caught.value.reason is Reason.UNKNOWN_SCHEMA
    assert source.asked == 1


BAD = {
    "no schema": b"{}",
    "a stranger's": b'{"type":"record","name":"winter.alert","fields":[]}',
    "not Avro": PoisonMessage(Reason.UNKNOWN_SCHEMA, "schema id 1101 of a is not Avro"),
}


@pytest.mark.parametrize("says", BAD.values(), ids=BAD)
def test_a_bad_answer_of_one_hides_no_other(says):
    first, second = Source("a", says), Source("b", NATIVE)
    assert found(first, second) == "misweeper.Observation"
    assert (first.asked, second.asked) == (1, 1)


@pytest.mark.parametrize("says", BAD.values(), ids=BAD)
def test_a_bad_answer_that_no_other_mends_is_said_and_asked_for_again_later(says):
    now, first, second = [0.0], Source("a", says), Source("b", None)
    ids = SourcedIds(Writers(), [first, second], lambda: now[0])
    for _ in range(3):
        with pytest.raises(PoisonMessage, match=r"^schema id 1101(: | of a is not Avro)"):
            ids(1101)
    assert (first.asked, second.asked) == (1, 1)
    first.says, now[0] = NATIVE, ASKED_AGAIN_S + 1
    assert ids(1101).schema["name"] == "misweeper.Observation"


def test_a_bad_answer_waits_for_another_that_is_away():
    first, second = Source("a", b"{}"), away()
    ids = SourcedIds(Writers(), [first, second])
    with pytest.raises(TransientError, match="away"):
        ids(1101)
    second.says = NATIVE
    assert ids(1101).schema["name"] == "misweeper.Observation"
