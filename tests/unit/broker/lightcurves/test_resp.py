"""A server that a test plays, over a real socket."""

import socket

import hiredis
import pytest

from broker.errors import TransientError
from broker.lightcurves.resp import WHOLE, Wire, first_word, pack, raise_if_whole


class Played:
    """A connection whose other end the test has."""

    def __init__(self) -> None:
        self._sock, self.server = socket.socketpair()
        self._sock.settimeout(0.2)

    def connect(self) -> None:
        """It is."""

    def disconnect(self) -> None:
        self._sock.close()


@pytest.fixture
def played():
    """The wire, and the connections that it has made so far."""
    made: list[Played] = []

    def make() -> Played:
        made.append(Played())
        return made[-1]

    wire = Wire(make, "redis:6379")
    yield wire, made
    wire.close()
    for one in made:
        one.server.close()


def test_a_command_is_packed_as_the_protocol_has_it():
    assert pack(b"SET", b"k\r\n", b"") == b"*3\r\n$3\r\nSET\r\n$3\r\nk\r\n\r\n$0\r\n\r\n"


def test_answers_come_in_order_in_whatever_pieces_and_errors_are_among_them(played):
    wire, made = played
    wire.send([pack(b"GET", b"a"), pack(b"RPUSH", b"b"), pack(b"GET", b"c")], 3)
    made[0].server.sendall(b"$2\r\nab\r\n-WRONGTYPE no list\r\n")
    made[0].server.sendall(b"$-1\r\n")
    found = wire.receive()
    assert found[0] == b"ab"
    assert isinstance(found[1], hiredis.ReplyError)
    assert first_word(found[1]) == "WRONGTYPE"
    assert found[2] is None
    assert made[0].server.recv(1000).startswith(b"*2\r\n$3\r\nGET")


@pytest.mark.parametrize("end", ["closed", "silent", "strange"])
def test_a_connection_that_fails_is_closed_and_the_next_call_has_a_new_one(played, end):
    wire, made = played
    wire.send([pack(b"GET", b"a")], 1)
    if end == "closed":
        made[0].server.close()
    elif end == "strange":
        made[0].server.sendall(b"HTTP/1.1 400\r\n\r\n")
    said = {"closed": "it closed the connection", "silent": "no answer in time", "strange": "does not speak the Redis"}
    with pytest.raises(TransientError, match=f"redis:6379: .*{said[end]}"):
        wire.receive()
    wire.send([pack(b"PING")], 1)
    made[1].server.sendall(b"+PONG\r\n")
    assert wire.receive() == [b"PONG"]


def test_an_answer_that_is_owed_is_not_taken_for_that_of_the_next_call(played):
    wire, made = played
    wire.send([pack(b"GET", b"a")], 1)
    wire.settle()
    wire.send([pack(b"GET", b"b")], 1)
    made[1].server.sendall(b"$1\r\nb\r\n")
    assert wire.receive() == [b"b"]
    wire.settle()  # nothing is owed: it stays
    wire.send([pack(b"GET", b"c")], 1)
    assert len(made) == 2


@pytest.mark.parametrize("word", WHOLE)
def test_an_error_of_the_whole_store_is_raised_with_what_it_means(word):
    with pytest.raises(TransientError, match=f"n:1: .*{word}"):
        raise_if_whole([1, hiredis.ReplyError(f"{word} said the server")], "n:1")


def test_an_error_of_one_key_is_left_to_who_asked():
    raise_if_whole([hiredis.ReplyError("WRONGTYPE Operation against a key"), hiredis.ReplyError("odd")], "n:1")
    assert first_word(hiredis.ReplyError("odd")) == "ERR"
