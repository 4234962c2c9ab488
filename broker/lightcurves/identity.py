"""What a store is, so that an emptied one is not taken for the one that had the light curves.

An identity is 8 random bytes under the prefix, a copy on each node of a cluster, written when the store is first used
and looked at with every batch. FLUSHALL, a restart without data and another database have none, or another one.

Of the workers that see a loss at once one gets the **claim**: a key with an expiry, which it renews while it rebuilds
(`broker/lightcurves/loss.py`). A rebuilder that dies leaves a claim that expires, and another begins again.
"""

import json
import secrets
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import hiredis

from broker.errors import StoreLostError, TransientError
from broker.lightcurves.facts import facts_told_by
from broker.lightcurves.resp import Answer, first_word, pack
from broker.lightcurves.routing import Servers

IDENTITY_BYTES = 8
Place = tuple[str, int]  # topic and partition
ANY = "any"
REMEMBERED = 100  # identities that one replaces
CLAIM_S = 120  # a rebuilder renews it with each batch; longer than Kafka may be silent (broker.kafka.spans.SILENCE_S)
# Only the claim's holder may renew it or give it back; and only who knows an identity may take it away.
IF_MINE = b"if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call(%b) else return 0 end"
RENEW = IF_MINE % b"'EXPIRE', KEYS[1], ARGV[2]"
GIVE_BACK = IF_MINE % b"'DEL', KEYS[1]"


class Rebuilt(NamedTuple):
    """What is written beside an identity that a rebuild has given."""

    replaces: Collection[str]  # the identities that were lost, in hex; ANY: the operator says that it is well
    read_to: Mapping[Place, int]  # up to which offsets the input was read


class Identity:
    """A store's identity as it is there, and as this process knows it.

    Args:
        servers: of the store.
        prefix: of every key.
    """

    def __init__(self, servers: Servers, prefix: bytes) -> None:
        self._servers = servers
        self._prefix = prefix
        self._home = servers.tags[0]
        self.known = b""  # empty: not looked at

    def head(self, tag: bytes) -> bytes:
        """The command that looks at a node's copy."""
        return pack(b"GET", self._copy(tag))

    def check(self, heads: Sequence[Answer]) -> None:
        """Raise StoreLostError if one of the copies is not the known identity."""
        for copy in heads:
            if copy != self.known:
                raise StoreLostError(
                    "the store has lost its light curves: it was emptied, or restarted without its data"
                    if copy is None
                    else "this is another store than before, or one that was rebuilt after a loss"
                )

    def found(self) -> bytes | None:
        """The identity that is there; None where there is none, or not on every node."""
        copies = self._call([self.head(tag) for tag in self._servers.tags])
        first = copies[0]
        same = isinstance(first, bytes) and len(first) == IDENTITY_BYTES and all(copy == first for copy in copies)
        return first if same else None

    def join(self) -> bool:
        """Know the identity that is there; False where there is none: the store is new, or has lost its data."""
        self.known = self.found() or b""
        return bool(self.known)

    def begin(self) -> None:
        """Know the identity that is there, or give the store its first. Several may begin at once: they agree."""
        made = secrets.token_bytes(IDENTITY_BYTES)
        self.mark()
        self._call([pack(b"SET", self._copy(self._home), made, b"NX")], (self._home,))
        (first,) = self._call([self.head(self._home)], (self._home,))
        tags = self._servers.tags
        self._call([pack(b"SET", self._copy(tag), first, b"NX") for tag in tags])
        if not self.join():
            raise StoreLostError("a part of the cluster has lost its light curves")

    def adopt(self, read_to: Mapping[Place, int] | None = None, *, replaces: Collection[str] = ()) -> bytes:
        """Give the store a new identity after a rebuild.

        It replaces the known one, the one that another worker has given meanwhile, those that workers who wait have
        noted, and those that these had replaced.
        """
        made = secrets.token_bytes(IDENTITY_BYTES)
        before = self.rebuilt()
        (noted,) = self._call([pack(b"LRANGE", self._lost, b"0", b"-1")], (self._home,))
        waiting = [str(one, "ascii", "replace") for one in noted or ()]
        earlier = [one for one in before.replaces if one != ANY] if before else []
        lost = [self.known.hex(), (self.found() or b"").hex(), *replaces, *waiting, *earlier]
        lost = list(dict.fromkeys(filter(None, lost)))[:REMEMBERED]
        text = json.dumps(
            {"replaces": lost, "read_to": [[*place, offset] for place, offset in (read_to or {}).items()]}
        )
        record = [pack(b"SET", self._record, text.encode()), pack(b"DEL", self._whole), pack(b"DEL", self._lost)]
        self._call(record, (self._home,) * len(record))
        self._call([pack(b"SET", self._copy(tag), made) for tag in self._servers.tags])
        self.known = made
        return made

    def rebuilt(self) -> Rebuilt | None:
        """What the last rebuild has written; None where there was none."""
        (text,) = self._call([pack(b"GET", self._record)], (self._home,))
        try:
            record = json.loads(text or b"")
            read_to = {(str(topic), int(partition)): int(offset) for topic, partition, offset in record["read_to"]}
            return Rebuilt([str(one) for one in record["replaces"]], read_to)
        except (ValueError, TypeError, LookupError):
            return None

    def whole(self) -> set[Place]:
        """The partitions of which the store has all that is committed, since it got the known identity."""
        (members,) = self._call([pack(b"LRANGE", self._whole, b"0", b"-1")], (self._home,))
        found = [str(member, "utf-8", "replace").split(" ") for member in members or ()]
        return {(topic, int(partition)) for of, topic, partition in found if of == self.known.hex()}

    def note_whole(self, places: Collection[Place]) -> None:
        """Note of partitions, of which there are some, that the store has all that is committed."""
        members = [f"{self.known.hex()} {topic} {partition}".encode() for topic, partition in sorted(places)]
        self._call([pack(b"RPUSH", self._whole, *members)], (self._home,))

    def disown(self) -> None:
        """Take the known identity away, so that every worker sees a loss which this one has seen: evicted keys.

        One that was given meanwhile stays: then another worker had seen the same loss, and has mended it.
        """
        tags = self._servers.tags
        self._call([pack(b"EVAL", GIVE_BACK, b"1", self._copy(tag), self.known) for tag in tags])

    def mark(self, evictions: Mapping[str, int] | None = None) -> None:
        """Note how many keys have been evicted by now, or so many: what is evicted after that is a loss."""
        if evictions is None:
            try:
                evictions = facts_told_by(self._servers).evictions
            except TransientError:  # where it may not be asked; if it is away, the next call says so
                evictions = {}
        self._call([pack(b"SET", self._mark, json.dumps(dict(evictions)).encode())], (self._home,))

    def marked(self) -> dict[str, int] | None:
        """How many keys each start of a server had evicted when that was noted; None where it was not, or is lost."""
        (text,) = self._call([pack(b"GET", self._mark)], (self._home,))
        try:
            return {str(run): int(keys) for run, keys in json.loads(text or b"").items()}
        except (ValueError, TypeError, AttributeError):
            return None

    def claim(self, holder: str) -> bool:
        """Try to be the one that rebuilds; whether it is."""
        set_ = pack(b"SET", self._claim, holder.encode(), b"NX", b"EX", b"%d" % CLAIM_S)
        taken, held_by = self._call([set_, pack(b"GET", self._claim)], (self._home, self._home))
        return bool(taken == b"OK" or held_by == holder.encode())

    def note_lost(self) -> None:
        """Note that the known identity is lost: a worker that has just begun, and rebuilds the store, never knew it."""
        if self.known:
            commands = [pack(b"LREM", self._lost, b"0", self.known.hex().encode())]
            commands.append(pack(b"RPUSH", self._lost, self.known.hex().encode()))
            self._call(commands, (self._home,) * len(commands))

    def renew(self, holder: str) -> None:
        """Keep the claim. Raises StoreLostError where it is gone: emptied again, or taken by somebody else."""
        answer = self._script(RENEW, holder.encode(), b"%d" % CLAIM_S)
        if answer != 1:
            raise StoreLostError(
                "the store was emptied again while it was being rebuilt, or another worker rebuilds it"
            )

    def give_back(self, holder: str) -> None:
        """Let go of the claim, if it is ours."""
        self._script(GIVE_BACK, holder.encode())

    @property
    def _claim(self) -> bytes:
        return b"%b{%b}:rebuilds" % (self._prefix, self._home)

    @property
    def _record(self) -> bytes:
        return b"%b{%b}:rebuilt" % (self._prefix, self._home)

    @property
    def _lost(self) -> bytes:
        return b"%b{%b}:lost" % (self._prefix, self._home)

    @property
    def _whole(self) -> bytes:
        return b"%b{%b}:whole" % (self._prefix, self._home)

    @property
    def _mark(self) -> bytes:
        return b"%b{%b}:evicted" % (self._prefix, self._home)

    def _copy(self, tag: bytes) -> bytes:
        return b"%b{%b}:identity" % (self._prefix, tag)

    def _script(self, script: bytes, *arguments: bytes) -> Answer:
        (answer,) = self._call([pack(b"EVAL", script, b"1", self._claim, *arguments)], (self._home,))
        return answer

    def _call(self, commands: Sequence[bytes], tags: Sequence[bytes] = ()) -> list[Answer]:
        """The answers of commands, each to the node of its tag."""
        answers = self._servers.exchange(tags or self._servers.tags, commands).each
        for answer in answers:
            if isinstance(answer, hiredis.ReplyError):
                raise StoreLostError(f"the store's identity cannot be read or written ({first_word(answer)})")
        return answers
