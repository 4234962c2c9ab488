"""Which node has a key, and what its answers say of others."""

import hiredis
import pytest

from broker.errors import TransientError
from broker.lightcurves.resp import first_word, raise_if_whole
from broker.lightcurves.routing import SLOTS, nodes_by_slot, redirection, slot, spread_tags


def test_every_range_of_64_slots_has_one_tag():
    tags = spread_tags()
    assert [slot(tag) // 64 for tag in tags] == list(range(SLOTS // 64))


def test_the_nodes_of_the_slots_and_those_that_nobody_serves():
    answer = [[0, 9, [b"a", 1, b"id"], [b"replica", 2, b"id"]], [10, 16382, [b"", 3, b"id", []]]]
    nodes = nodes_by_slot(answer, "asked")
    assert nodes[0] == nodes[9] == ("a", 1)
    assert nodes[10] == nodes[16382] == ("asked", 3)
    assert nodes[16383] is None
    assert len(nodes) == SLOTS


@pytest.mark.parametrize(
    ("text", "way"),
    [
        ("MOVED 3999 127.0.0.1:6381", ("MOVED", ("127.0.0.1", 6381))),
        ("ASK 1 ::1:6381", ("ASK", ("::1", 6381))),
        ("MOVED 3999 :6381", ("MOVED", ("asked", 6381))),
        ("ERR moved", None),
    ],
)
def test_a_redirection_names_a_node(text, way):
    assert redirection(hiredis.ReplyError(text), "asked") == way
    assert redirection(text.encode(), "asked") is None


@pytest.mark.parametrize(
    ("text", "word"),
    [("WRONGTYPE Operation against", "WRONGTYPE"), ("ERR x", "ERR"), ("", "ERR"), ("s3cr3t is no word", "ERR")],
)
def test_an_errors_first_word_is_its_class(text, word):
    assert first_word(hiredis.ReplyError(text)) == word


WHOLE = ("LOADING", "OOM", "READONLY", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN", "NOREPLICAS", "BUSY", "MISCONF")


@pytest.mark.parametrize("word", [*WHOLE, "NOAUTH", "WRONGPASS", "NOPERM", "MOVED"])
def test_what_concerns_the_whole_store_is_raised_without_a_byte_of_the_servers_text(word):
    with pytest.raises(TransientError, match=rf"^redis: host:1: .*\({word}\)$") as raised:
        raise_if_whole([b"", None, 1, hiredis.ReplyError(f"{word} s3cr3t 'SET' 'test/615'")], "host:1")
    assert "s3cr3t" not in str(raised.value)
    assert "615" not in str(raised.value)


def test_what_concerns_one_key_is_not_raised():
    raise_if_whole([hiredis.ReplyError("WRONGTYPE x"), hiredis.ReplyError("ERR OOM")], "host:1")
