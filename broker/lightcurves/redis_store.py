"""Light curves in Redis or Valkey: a list of entries and a state, two keys an object.

The object's name is the keys' hash tag, so both live in one slot of a Redis Cluster. A list keeps 41-byte entries in
packed nodes: 43 bytes an observation, and its newest are read without the rest. In the steady state an alert costs
GET of the state, RPUSH of an entry and SET of the state. Commands are made from templates; what answers each object is
that object's alone, and only what concerns the whole store is raised.
"""

from collections.abc import Sequence
from copy import copy
from typing import Self

import hiredis
import structlog

from broker.errors import TransientError
from broker.lightcurves.facts import Facts, evicted_by, facts_told_by
from broker.lightcurves.identity import Identity
from broker.lightcurves.resp import Answer, first_word, pack
from broker.lightcurves.routing import Answers, Servers, Tail
from broker.lightcurves.store import Refused

log = structlog.get_logger(__name__)

DAY_S = 86_400
PING = pack(b"PING")
NOT_OURS = "its key holds another kind of value, which is not ours (WRONGTYPE)"
PIECE = 1_000  # values that a script passes on at once
# The new log is made beside the old one and takes its place at the end: whatever fails leaves the old one as it was.
COMPACT = b"""
if redis.call('LLEN', KEYS[1]) ~= tonumber(ARGV[1]) then return 0 end
redis.call('DEL', KEYS[3])
for i = 3, #ARGV, %d do
  redis.call('RPUSH', KEYS[3], unpack(ARGV, i, math.min(i + %d, #ARGV)))
end
redis.call('EXPIRE', KEYS[3], ARGV[2])
redis.call('RENAME', KEYS[3], KEYS[1])
redis.call('DEL', KEYS[2])
return 1
""" % (PIECE, PIECE - 1)


class RedisLightCurves:
    """A LightCurveStore on a server or a cluster.

    Args:
        servers: connected or not; connections are made when needed.
        prefix: of every key, so that several services can share a server.
        curve_ttl_s: how long an object is kept after it was last refreshed [s].
        state_ttl_s: how long its state is [s]; without it the next alert recomputes the curve.
        model: names the states, so that several models can keep theirs.
        replicas: that must have what is appended before `append` and `prepend` return: what a failover then keeps.
        wait_ms: how long they may take.
    """

    def __init__(
        self,
        servers: Servers,
        *,
        prefix: str = "misweeper:",
        curve_ttl_s: int = 400 * DAY_S,
        state_ttl_s: int = 60 * DAY_S,
        model: str = "",
        replicas: int = 0,
        wait_ms: int = 1_000,
    ) -> None:
        self._servers = servers
        self.identities = Identity(servers, prefix.encode())
        self._replicas, self._wait = replicas, pack(b"WAIT", b"%d" % replicas, b"%d" % wait_ms)
        self._prefix = prefix.encode()
        self._state_ttl_s = state_ttl_s
        log_key, self._log_extra = key_template(self._prefix, b"log")
        self._curve_ttl = b"%d" % curve_ttl_s
        self._rpush = b"*%d\r\n$5\r\nRPUSH\r\n" + log_key
        self._lpush = self._rpush.replace(b"RPUSH", b"LPUSH")
        self._expire = b"*3\r\n$6\r\nEXPIRE\r\n" + log_key + argument(self._curve_ttl)
        self._llen = b"*2\r\n$4\r\nLLEN\r\n" + log_key
        self._lrange = b"*4\r\n$6\r\nLRANGE\r\n" + log_key + b"$%d\r\n%b\r\n" + argument(b"-1")
        self._name_states(model)

    def _name_states(self, model: str) -> None:
        """Whose states are meant from now on."""
        self._state_kind = f"state:{model}".rstrip(":").encode()
        state_key, self._state_extra = key_template(self._prefix, self._state_kind)
        self._get = b"*2\r\n$3\r\nGET\r\n" + state_key
        self._unlink = b"*2\r\n$6\r\nUNLINK\r\n" + state_key
        expiry = argument(b"EX") + argument(b"%d" % self._state_ttl_s)
        self._set = b"*5\r\n$3\r\nSET\r\n" + state_key + b"$%d\r\n%b\r\n" + expiry

    @property
    def identity(self) -> bytes:
        """What this store is; empty before it was begun or joined."""
        return self.identities.known

    def unwatched(self) -> Self:
        """The same store for one that fills it after a loss: nobody looks whether it is the one that was known."""
        other = copy(self)
        other.identities = Identity(self._servers, self._prefix)
        return other

    def of_model(self, model: str) -> Self:
        """The same store on the same connections, known by the same identity, with another model's states."""
        other = copy(self)
        other._name_states(model)  # noqa: SLF001 - a copy of ours
        return other

    def states(self, keys: Sequence[bytes]) -> list[bytes | Refused | None]:
        """See LightCurveStore."""
        if not keys:
            return []
        if self._servers.one_slot:  # one command for all takes a third of the time, and gives None for what is no state
            names = [b"%b{%b}:%b" % (self._prefix, key, self._state_kind) for key in keys]
            (found,) = self._watched(keys[:1], [pack(b"MGET", *names)])
            if isinstance(found, list):
                return found
        get, extra = self._get, self._state_extra
        states = each(keys, self._watched(keys, [get % (len(key) + extra, key) for key in keys]))
        return [None if isinstance(state, Refused) and state.reason == NOT_OURS else state for state in states]

    def append(self, entries: Sequence[tuple[bytes, Sequence[bytes]]], refresh: Sequence[bool]) -> list[int | Refused]:
        """See LightCurveStore."""
        routes: list[bytes] = []
        commands: list[bytes] = []
        places = []  # of what answers each object
        for (key, new), fresh in zip(entries, refresh, strict=True):
            push = self._push(key, new)
            around = [self._expire % (len(key) + self._log_extra, key)] if fresh else []
            places.append(len(commands) + len(around))
            commands += [*around, push, *around]  # before: it cannot expire between the two; after: it may be new
            routes += [key] * (1 + 2 * len(around))
        answers = self._watched(routes, commands, writes=True)
        lengths = each([key for key, _ in entries], [answers[i] for i in places])
        begun = [
            key
            for (key, new), fresh, length in zip(entries, refresh, lengths, strict=True)
            if not fresh and new and length == len(new)
        ]
        if begun:  # nothing may be kept for ever
            self._ask(begun, [self._expire % (len(key) + self._log_extra, key) for key in begun])
        return lengths

    def prepend(self, entries: Sequence[tuple[bytes, Sequence[bytes]]]) -> None:
        """See LightCurveStore."""
        routes = [key for key, _ in entries for _ in range(3)]
        commands: list[bytes] = []
        for key, new in entries:
            expire = self._expire % (len(key) + self._log_extra, key)
            commands += [expire, self._push(key, new[::-1], self._lpush), expire]
        answers = self._servers.exchange(routes, commands, None, self._tail)
        self._check_replicas(answers)
        each(routes[1::3], answers.each[1::3])

    def read(self, keys: Sequence[bytes], most: int, *, forget: bool = False) -> list[list[bytes] | Refused]:
        """See LightCurveStore."""
        start = b"-%d" % most
        commands = [self._lrange % (len(key) + self._log_extra, key, len(start), start) for key in keys]
        if not forget:
            return each(keys, self._ask(keys, commands))
        unlink = [self._unlink % (len(key) + self._state_extra, key) for key in keys]
        return each(keys, self._ask([*keys, *keys], [*commands, *unlink])[: len(keys)])

    def forget(self, keys: Sequence[bytes]) -> None:
        """See LightCurveStore."""
        self._ask(keys, [self._unlink % (len(key) + self._state_extra, key) for key in keys])

    def save(self, states: Sequence[tuple[bytes, bytes]]) -> None:
        """See LightCurveStore."""
        set_, extra = self._set, self._state_extra
        keys = [key for key, _ in states]
        commands = [set_ % (len(key) + extra, key, len(state), state) for key, state in states]
        refused = [one for one in each(keys, self._ask(keys, commands)) if isinstance(one, Refused)]
        if refused:
            log.warning("states not kept", objects=len(refused), first=shown(refused[0].key), reason=refused[0].reason)

    def compact(self, key: bytes, length: int, entries: Sequence[bytes]) -> bool:
        """See LightCurveStore."""
        if not entries:
            return False
        names = [b"%b{%b}:%b" % (self._prefix, key, kind) for kind in (b"log", self._state_kind, b"spare")]
        command = pack(b"EVAL", COMPACT, b"3", *names, b"%d" % length, self._curve_ttl, *entries)
        (answer,) = self._ask([key], [command])
        if isinstance(answer, hiredis.ReplyError):
            log.warning("log not compacted", object=shown(key), reason=refused(key, answer).reason)
        return bool(answer == 1)

    def ping(self) -> None:
        """See LightCurveStore."""
        for address, answer in self._servers.each(PING):
            if answer != b"PONG":
                raise TransientError("redis", f"{address}: no PONG to a PING")

    def facts(self) -> Facts:
        """See LightCurveStore."""
        return facts_told_by(self._servers)._replace(waited_for=self._replicas)

    def evicted_keys(self) -> int:
        """How many keys were evicted since the servers started; asked with every batch, so it is little."""
        return evicted_by(self._servers)

    def close(self) -> None:
        """Close the connections; the next call makes new ones."""
        self._servers.close()

    def _push(self, key: bytes, new: Sequence[bytes], command: bytes = b"") -> bytes:
        """The command that appends entries, or another one; the one that counts where there are none."""
        if not new:
            return self._llen % (len(key) + self._log_extra, key)
        values = [b"$%d\r\n%b\r\n" % (len(one), one) for one in new]
        return (command or self._rpush) % (2 + len(new), len(key) + self._log_extra, key) + b"".join(values)

    def _watched(self, keys: Sequence[bytes], commands: Sequence[bytes], *, writes: bool = False) -> list[Answer]:
        """The answers of a store that is the one known. Raises StoreLostError where it is not."""
        known = self.identities.known
        head, tail = self.identities.head if known else None, self._tail if writes else None
        answers = self._servers.exchange(keys, commands, head, tail)
        if known:
            self.identities.check(answers.heads)
        self._check_replicas(answers)
        return answers.each

    @property
    def _tail(self) -> Tail | None:
        """What is sent after a node's commands: a write, and the question which replicas have all up to it.

        WAIT looks at what its own connection has written: the write makes that all that anybody has, so that entries
        are safe too that are there already, from a try that failed or of a worker that died.
        """
        return self._waits if self._replicas else None

    def _waits(self, tag: bytes | None) -> Sequence[bytes]:
        return [self._wait] if tag is None else [pack(b"SET", b"%b{%b}:beat" % (self._prefix, tag), b"1"), self._wait]

    def _check_replicas(self, answers: Answers) -> None:
        """Raise TransientError where a failover could lose what was written."""
        for address, found in answers.tails:
            if not isinstance(found, int) or found < self._replicas:
                raise TransientError(
                    "redis",
                    f"{address}: not {self._replicas} of its replicas have in time what was written "
                    "(MISWEEPER_REDIS__REPLICAS); look whether they are there",
                )

    def _ask(self, keys: Sequence[bytes], commands: Sequence[bytes]) -> list[Answer]:
        return self._servers.exchange(keys, commands).each


def each(keys: Sequence[bytes], answers: Sequence[Answer]) -> list[Answer]:
    """The answers, in the place of an error what it refuses and why.

    Raises TransientError if every key is refused for a reason that we do not know: then it is not the keys, but
    the store or what stands before it.
    """
    found = [
        answer if type(answer) is not hiredis.ReplyError else refused(key, answer)
        for key, answer in zip(keys, answers, strict=True)
    ]
    if found and all(type(one) is Refused and one.reason != NOT_OURS for one in found):
        raise TransientError("redis", f"the store refuses every command ({first_word(answers[0])})")
    return found


def refused(key: bytes, error: hiredis.ReplyError) -> Refused:
    """One object's trouble, in our words: the server's may hold bytes of the command."""
    word = first_word(error)
    return Refused(key, NOT_OURS if word == "WRONGTYPE" else f"Redis refuses the command for it ({word})")


def shown(key: bytes) -> str:
    """A key for people."""
    return key.decode(errors="backslashreplace")


def key_template(prefix: bytes, kind: bytes) -> tuple[bytes, int]:
    """A key as an argument, to be filled with its length and the object; how much longer it is than the object."""
    key = b"%b{%%b}:%b" % tuple(part.replace(b"%", b"%%") for part in (prefix, kind))
    return b"$%d\r\n" + key + b"\r\n", len(prefix) + len(kind) + len(b"{}:")


def argument(value: bytes) -> bytes:
    """One argument of a command as it is sent."""
    return b"$%d\r\n%b\r\n" % (len(value), value)
