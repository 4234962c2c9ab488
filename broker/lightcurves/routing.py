"""Which server has a key: the one there is, or a Redis Cluster's node that serves its slot.

A cluster's commands are grouped by node, sent to all nodes, then read from all. A node that says MOVED or ASK has not
executed the command: only those are sent again, to the node that it names. redis-py's own cluster pipeline takes 103
microseconds an alert.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from threading import Lock
from typing import NamedTuple, Protocol

import hiredis
from redis.crc import key_slot

from broker.errors import TransientError
from broker.lightcurves.resp import Answer, Wire, first_word, pack, raise_if_whole

Head = Callable[[bytes], bytes]  # from a hash tag to the command that is sent before all others
Tail = Callable[[bytes | None], Sequence[bytes]]  # from a hash tag, if a node has one, to those sent after all others
Address = tuple[str, int]

SLOTS = 16_384
BUCKET = 64  # slots for which one tag is enough
TURNS = 6  # ways that are asked for before a call gives up
CLUSTER_SLOTS = pack(b"CLUSTER", b"SLOTS")
ASKING = pack(b"ASKING")
REDIRECTED = ("MOVED", "ASK")


class Answers(NamedTuple):
    """What the servers said."""

    heads: list[Answer]  # one a server that was asked
    each: list[Answer]  # one a command, in the commands' order
    tails: list[tuple[str, Answer]]  # the last one of each server that was asked with a tail, and its address


class Servers(Protocol):
    """One server or many; keys are hash tags. A call raises TransientError where one is away or refuses as a whole."""

    tags: Sequence[bytes]  # hash tags of which each server has at least one
    one_slot: bool  # one command may name keys of any objects

    def exchange(
        self, keys: Sequence[bytes], commands: Sequence[bytes], head: Head | None = None, tail: Tail | None = None
    ) -> Answers:
        """Send each command to its key's server, those of one key in their order, between `head` and `tail` there."""

    def each(self, command: bytes) -> list[tuple[str, Answer]]:
        """Send one command to every server that takes writes: their addresses and answers."""

    def close(self) -> None:
        """Close every connection."""


class OneServer:
    """See Servers."""

    tags: Sequence[bytes] = (b"0",)
    one_slot = True

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._lock = Lock()

    def exchange(
        self, keys: Sequence[bytes], commands: Sequence[bytes], head: Head | None = None, tail: Tail | None = None
    ) -> Answers:
        """See Servers."""
        assert len(keys) == len(commands)
        heads = [head(self.tags[0])] if head else []
        sent = [*heads, *commands, *(tail(self.tags[0]) if tail else ())]
        with self._lock:
            answers = self._wire.exchange(sent, len(sent))
        raise_if_whole(answers, self._wire.address)
        tails = [(self._wire.address, answers[-1])] if tail else []
        return Answers(answers[: len(heads)], answers[len(heads) : len(heads) + len(commands)], tails)

    def each(self, command: bytes) -> list[tuple[str, Answer]]:
        """See Servers."""
        return [(self._wire.address, self.exchange((b"",), (command,)).each[0])]

    def close(self) -> None:
        """See Servers."""
        with self._lock:
            self._wire.close()


class Cluster:
    """See Servers.

    Args:
        wire_to: makes a connection to a node.
        seed: the node that is asked first for the way to all.
    """

    one_slot = False

    def __init__(self, wire_to: Callable[[Address], Wire], seed: Address) -> None:
        self._wire_to = wire_to
        self._seed = seed
        self._wires: dict[Address, Wire] = {}
        self._nodes: list[Address | None] = []  # by slot
        self._known = False  # False: the nodes are to be asked for
        self._tag_of: dict[Address, bytes] = {}
        self._lock = Lock()
        self.tags = spread_tags()

    def exchange(
        self, keys: Sequence[bytes], commands: Sequence[bytes], head: Head | None = None, tail: Tail | None = None
    ) -> Answers:
        """See Servers."""
        slots = [slot(key) for key in keys]
        answers = Answers([], [None] * len(commands), [])
        with self._lock:
            to = self._by_node(range(len(commands)), slots)
            asking: dict[Address, list[int]] = {}
            for _ in range(TURNS):
                redirected = self._turn(to, asking, commands, (head, tail), answers)
                if not redirected:
                    return answers
                asking, to = defaultdict(list), defaultdict(list)
                for i, word, address in redirected:
                    if word == "ASK":
                        asking[address].append(i)
                    else:
                        to[address].append(i)
                        self._known = False  # other slots may have moved too; not every node has heard of it yet
        raise TransientError(
            "redis", "the cluster's nodes do not agree on who serves a slot; they are moving, or cut off"
        )

    def each(self, command: bytes) -> list[tuple[str, Answer]]:
        """See Servers."""
        with self._lock:
            self._know_nodes()
            wires = [self._wire(address) for address in sorted({node for node in self._nodes if node is not None})]
            answers = self._send_and_receive([(wire, [command], 1) for wire in wires])
        return [(wire.address, answer[0]) for wire, answer in zip(wires, answers, strict=True)]

    def close(self) -> None:
        """See Servers."""
        with self._lock:
            for wire in self._wires.values():
                wire.close()

    def _turn(
        self,
        to: dict[Address, list[int]],
        asking: dict[Address, list[int]],
        commands: Sequence[bytes],
        around: tuple[Head | None, Tail | None],
        answers: Answers,
    ) -> list[tuple[int, str, Address]]:
        """Send the commands of these indexes and put their answers into place; those that must go elsewhere."""
        requests = []
        for address, indexes in to.items():
            heads, tails = self._around(address, *around)
            requests.append((self._wire(address), [*heads, *[commands[i] for i in indexes], *tails], len(heads)))
        for address, indexes in asking.items():
            pairs = [part for i in indexes for part in (ASKING, commands[i])]
            requests.append((self._wire(address), [*pairs, *self._around(address, *around)[1]], 0))
        received = self._send_and_receive([(wire, sent, len(sent)) for wire, sent, _ in requests])
        redirected = []
        found: list[tuple[int, Answer]] = []
        for (_, _, looked), indexes, got in zip(requests, to.values(), received, strict=False):
            answers.heads.extend(one for one in got[:looked] if redirection(one) is None)
            found += zip(indexes, got[looked : looked + len(indexes)], strict=True)
        for indexes, got in zip(asking.values(), received[len(to) :], strict=True):
            found += zip(indexes, got[1 : 2 * len(indexes) : 2], strict=True)
        if around[1]:
            answers.tails.extend((wire.address, got[-1]) for (wire, _, _), got in zip(requests, received, strict=True))
        for i, answer in found:
            if (elsewhere := redirection(answer, self._seed[0])) is not None:
                redirected.append((i, *elsewhere))
            else:
                answers.each[i] = answer
        return redirected

    def _around(
        self, address: Address, head: Head | None, tail: Tail | None
    ) -> tuple[Sequence[bytes], Sequence[bytes]]:
        """What is sent to a node before and after the commands."""
        tag = self._tag_of.get(address)
        return [head(tag)] if head and tag else [], tail(tag) if tail else []

    def _send_and_receive(self, requests: Sequence[tuple[Wire, Sequence[bytes], int]]) -> list[list[Answer]]:
        """Each wire's answers. A node that fails may be replaced: the way is asked for again in the next call."""
        try:
            for wire, commands, expected in requests:
                wire.send(commands, expected)
            received = [wire.receive() for wire, _, _ in requests]
            for (wire, _, _), answers in zip(requests, received, strict=True):
                raise_if_whole([a for a in answers if redirection(a) is None], wire.address)
        except BaseException:
            self._known = False
            raise
        finally:
            for wire, _, _ in requests:
                wire.settle()
        return received

    def _by_node(self, indexes: Iterable[int], slots: Sequence[int]) -> dict[Address, list[int]]:
        """The commands of these indexes, by the node that serves them."""
        to: defaultdict[Address, list[int]] = defaultdict(list)
        self._know_nodes()
        for i in indexes:
            node = self._nodes[slots[i]]
            if node is None:
                self._known = False
                raise TransientError("redis", "no node of the cluster serves one of its slots")
            to[node].append(i)
        return to

    def _know_nodes(self) -> None:
        """Ask the way, where it is not known. Raises TransientError where no node tells it."""
        if self._known:
            return
        trouble = None
        for address in dict.fromkeys((*self._tag_of, self._seed)):
            try:
                (answer,) = self._wire(address).exchange([CLUSTER_SLOTS], 1)
            except TransientError as error:
                trouble = error
                continue
            raise_if_whole([answer], self._wire(address).address)
            if isinstance(answer, hiredis.ReplyError):
                raise TransientError(
                    "redis", f"{self._wire(address).address} is no Redis Cluster; set MISWEEPER_REDIS__CLUSTER=false"
                )
            self._known, self._nodes = True, nodes_by_slot(answer, address[0])
            self._tag_of = {}
            for tag in self.tags:
                if (node := self._nodes[slot(tag)]) is not None:
                    self._tag_of.setdefault(node, tag)
            return
        assert trouble is not None
        raise trouble

    def _wire(self, address: Address) -> Wire:
        if address not in self._wires:
            self._wires[address] = self._wire_to(address)
        return self._wires[address]


def nodes_by_slot(answer: Answer, asked_host: str) -> list[Address | None]:
    """The node that serves each of the slots, from the answer to CLUSTER SLOTS."""
    nodes: list[Address | None] = [None] * SLOTS
    for first, last, (host, port, *_), *_ in answer:
        nodes[first : last + 1] = [(host.decode() if host else asked_host, port)] * (last + 1 - first)
    return nodes


def slot(key: bytes) -> int:
    """The slot of every key that has this hash tag."""
    return int(key_slot(b"{%b}" % key))


def redirection(answer: Answer, asked_host: str = "") -> tuple[str, Address] | None:
    """The word and the node of a MOVED or ASK; a node that does not know its own host names none."""
    if not isinstance(answer, hiredis.ReplyError) or (word := first_word(answer)) not in REDIRECTED:
        return None
    host, _, port = str(answer).split(" ")[2].rpartition(":")
    return word, (host or asked_host, int(port))


@cache
def spread_tags() -> Sequence[bytes]:
    """Hash tags, one for each range of slots: a node that serves a few hundred slots has at least one."""
    found: dict[int, bytes] = {}
    number = 0
    while len(found) < SLOTS // BUCKET:
        tag = b"%d" % number
        found.setdefault(slot(tag) // BUCKET, tag)
        number += 1
    return [found[bucket] for bucket in sorted(found)]
