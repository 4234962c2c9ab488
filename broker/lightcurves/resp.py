"""One connection to a Redis or Valkey: commands from templates in one write, answers read by hiredis.

redis-py makes the connection (TLS, user, database) and no more: its own packing and parsing take four times what the
rest of an alert's way through the store takes. Nothing is sent twice: a connection that fails is closed, the call is a
TransientError, and the next call connects anew. No message has a byte of a command, an answer or a secret in it.
"""

import select
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import hiredis
import redis

from broker.errors import TransientError

Answer = Any  # bytes, int, None, a list of these, or hiredis.ReplyError

PIECE_BYTES = 256 * 1024  # read at once
INCOMPLETE = object()

# Errors that are the whole store's, by their first word, and what they mean: whatever else is one key's.
WHOLE = {
    "LOADING": "it is still loading its data",
    "OOM": "its memory is full; give it more (maxmemory), it refuses to write",
    "READONLY": "it is a replica and takes no writes; name the master in MISWEEPER_REDIS__URL, if this is no failover",
    "CLUSTERDOWN": "the cluster is down: not all of its slots are served",
    "MASTERDOWN": "it is a replica that has lost its master",
    "TRYAGAIN": "slots of the cluster are moving",
    "NOREPLICAS": "it has too few replicas to take writes (min-replicas-to-write)",
    "BUSY": "a script keeps it busy",
    "MISCONF": "it cannot write its data to disk and takes no writes; look at its log and its disk",
    "MOVED": "it is a node of a Redis Cluster; set MISWEEPER_REDIS__CLUSTER=true",
    "ASK": "it is a node of a Redis Cluster; set MISWEEPER_REDIS__CLUSTER=true",
    "NOAUTH": "user or password is missing; put them into MISWEEPER_REDIS__URL",
    "WRONGPASS": "user or password is missing or wrong; look at MISWEEPER_REDIS__URL",
    "NOPERM": "this user may not do what misweeper does; deploy/valkey.conf lists the rights it takes",
    "DENIED": "it runs in protected mode; give it a password, or let it listen on this network",
}


class Connection(Protocol):
    """What is used of a connection of redis-py."""

    def connect(self) -> None:
        """Open the socket, say who we are, choose the database."""

    def disconnect(self) -> None:
        """Close it."""


class Wire:
    """One connection to one server, opened when it is needed. Not for two threads at once.

    Args:
        make: a connection, not yet opened.
        address: of the server, as messages name it.
    """

    def __init__(self, make: Callable[[], Connection], address: str) -> None:
        self._make = make
        self.address = address
        self._connection: Connection | None = None
        self._sock: socket.socket | None = None
        self._reader = new_reader()
        self._poll = select.poll()
        self._expected = 0

    def send(self, commands: Iterable[bytes], expected: int) -> None:
        """Send packed commands that will have so many answers. Raises TransientError."""
        with self._failing():
            self._opened().sendall(b"".join(commands))
        self._expected = expected

    def receive(self) -> list[Answer]:
        """The answers to what was sent, in its order, errors among them. Raises TransientError."""
        assert self._sock is not None
        answers: list[Answer] = []
        with self._failing():
            while len(answers) < self._expected:
                if not (piece := self._sock.recv(PIECE_BYTES)):
                    raise ConnectionResetError
                self._reader.feed(piece)
                answers.extend(iter(self._reader.gets, INCOMPLETE))
        self._expected = 0
        return answers

    def exchange(self, commands: Iterable[bytes], expected: int) -> list[Answer]:
        """Send, then receive."""
        self.send(commands, expected)
        return self.receive()

    def settle(self) -> None:
        """Close it if it still owes answers: they must not be taken for those of the next call."""
        if self._expected:
            self.close()

    def close(self) -> None:
        """The next call connects anew."""
        if self._connection is not None:
            self._connection.disconnect()
        self._connection = self._sock = None
        self._expected = 0

    def _opened(self) -> socket.socket:
        if self._sock is not None and self._poll.poll(0):  # closed by the server meanwhile
            self.close()
        if self._sock is None:
            self._connection = self._make()
            self._connection.connect()
            self._sock = self._connection._sock  # type: ignore[attr-defined]  # noqa: SLF001 - what it made for us
            self._reader = new_reader()
            self._poll = select.poll()
            self._poll.register(self._sock, select.POLLIN)
        assert self._sock is not None
        return self._sock

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Close the connection where something fails: what it still would answer belongs to no later call."""
        try:
            yield
        except (OSError, redis.RedisError, hiredis.HiredisError) as error:
            self.close()
            raise TransientError("redis", f"{self.address}: {said(error)}") from None
        except BaseException:
            self.close()
            raise


def new_reader() -> hiredis.Reader:
    """A parser that gives bytes, and errors as values."""
    return hiredis.Reader(notEnoughData=INCOMPLETE)


def said(error: BaseException) -> str:
    """What went wrong with a connection, in our own words: libraries put hosts, bytes and passwords into theirs."""
    cause: BaseException | None = error
    while cause is not None:
        for kind, text in CAUSES.items():
            if isinstance(cause, kind):
                return text
        if isinstance(cause, redis.ResponseError | redis.ConnectionError) and (word := first_word(cause)) in WHOLE:
            return WHOLE[word]
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, redis.ResponseError):
        return "it refused the connection; look at user, password and database in MISWEEPER_REDIS__URL"
    return f"the connection failed ({type(error).__name__})"


CAUSES: dict[type[BaseException], str] = {
    ssl.SSLCertVerificationError: "its certificate is of nobody we trust, or for another name; look at "
    "MISWEEPER_REDIS__CA_FILE, and at the host in __URL",
    ssl.SSLError: "TLS failed: it speaks none, and redis:// is for it, or it wants a certificate of ours that it "
    "trusts; look at MISWEEPER_REDIS__CERTIFICATE_FILE and __KEY_FILE",
    socket.gaierror: "the host's name is not known",
    ConnectionRefusedError: "connection refused",
    ConnectionResetError: "it closed the connection",
    BrokenPipeError: "it closed the connection",
    TimeoutError: "no answer in time",
    redis.TimeoutError: "no answer in time",
    redis.AuthenticationError: WHOLE["WRONGPASS"],
    redis.BusyLoadingError: WHOLE["LOADING"],
    redis.MaxConnectionsError: "it has too many clients",
    hiredis.ProtocolError: "it does not speak the Redis protocol",
    redis.InvalidResponse: "it does not speak the Redis protocol",
}


def first_word(error: BaseException) -> str:
    """An error's class as the server says it; ERR where there is none."""
    word = str(error).partition(" ")[0]
    return word if word.isalpha() and word.isupper() else "ERR"


def raise_if_whole(answers: Sequence[Answer], address: str) -> None:
    """Raise TransientError if one of the answers refuses for the whole store."""
    for answer in answers:
        if isinstance(answer, hiredis.ReplyError) and (word := first_word(answer)) in WHOLE:
            raise TransientError("redis", f"{address}: {WHOLE[word]} ({word})")


def pack(*words: bytes) -> bytes:
    """One command as it is sent."""
    return b"*%d\r\n" % len(words) + b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in words])
