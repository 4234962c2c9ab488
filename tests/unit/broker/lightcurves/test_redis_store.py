"""What the store sends: the bytes of each command, and their order."""

import hiredis
import pytest

from broker.errors import StoreLostError, TransientError
from broker.lightcurves.redis_store import RedisLightCurves
from broker.lightcurves.resp import pack
from broker.lightcurves.routing import Answers
from broker.lightcurves.store import Refused


class Recorded:
    """Servers that write down what they are sent, and answer what they were told."""

    tags = (b"0",)
    one_slot = False

    def __init__(self, *answers):
        self.sent = []
        self.answers = list(answers)
        self.head = None
        self.replicas = 1

    def exchange(self, keys, commands, head=None, tail=None):
        assert len(keys) == len(commands)
        self.sent += commands
        given = [self.answers.pop(0) if self.answers else 1 for _ in commands]
        self.sent += tail(self.tags[0]) if tail else ()
        return Answers([self.head] if head else [], given, [("host:1", self.replicas)] if tail else [])


def words(command: bytes) -> list[bytes]:
    reader = hiredis.Reader()
    reader.feed(command)
    found = reader.gets()
    assert reader.gets() is False, "one command and nothing after it"
    return found


@pytest.mark.parametrize("key", [b"test/615", b"", b"%d%%{}\r\n", "ZTF/é".encode()])
@pytest.mark.parametrize("prefix", ["misweeper:", "", "100%:", "é:"])
def test_the_commands_are_what_redis_reads_whatever_the_key(prefix, key):
    servers = Recorded()
    store = RedisLightCurves(servers, prefix=prefix, curve_ttl_s=7, state_ttl_s=5, model="a%b")
    name = b"%b{%b}:" % (prefix.encode(), key)
    store.states([key])
    store.append([(key, [b"\r\n", b"", b"%d"])], [True])
    store.append([(key, [])], [False])
    store.read([key], 9, forget=True)
    store.save([(key, b"$3\r\n")])
    assert [words(command) for command in servers.sent] == [
        [b"GET", name + b"state:a%b"],
        [b"EXPIRE", name + b"log", b"7"],  # before: it cannot expire between the two
        [b"RPUSH", name + b"log", b"\r\n", b"", b"%d"],
        [b"EXPIRE", name + b"log", b"7"],  # after: it may be new
        [b"LLEN", name + b"log"],
        [b"LRANGE", name + b"log", b"-9", b"-1"],
        [b"UNLINK", name + b"state:a%b"],
        [b"SET", name + b"state:a%b", b"$3\r\n", b"EX", b"5"],
    ]


def test_a_log_that_begins_is_given_its_life_even_if_nobody_asked():
    servers = Recorded(1, 2, 1)
    RedisLightCurves(servers, prefix="").append([(b"new", [b"x"]), (b"old", [b"x"])], [False, False])
    assert [words(command)[:2] for command in servers.sent] == [
        [b"RPUSH", b"{new}:log"],
        [b"RPUSH", b"{old}:log"],
        [b"EXPIRE", b"{new}:log"],
    ]


def test_what_replicas_are_waited_for_with_follows_what_is_written_and_nothing_else():
    servers = Recorded()
    store = RedisLightCurves(servers, prefix="p:", replicas=2, wait_ms=500)
    waits = [[b"SET", b"p:{0}:beat", b"1"], [b"WAIT", b"2", b"500"]]  # its own write covers everybody's before it
    servers.replicas = 2
    for call in (
        lambda: store.append([(b"a", [b"x"])], [False]),
        lambda: store.append([(b"a", [])], [False]),  # what is there already must be safe too
        lambda: store.prepend([(b"a", [b"x"])]),
    ):
        servers.sent.clear()
        servers.answers = [7, 7, 7]
        call()
        assert [words(command) for command in servers.sent][-2:] == waits
        assert sum(words(command)[0] == b"WAIT" for command in servers.sent) == 1
    servers.sent.clear()
    store.states([b"a"])
    store.save([(b"a", b"state")])
    store.read([b"a"], 1)
    assert not [command for command in servers.sent if words(command)[0] == b"WAIT"]


@pytest.mark.parametrize("found", [0, 1, hiredis.ReplyError("ERR unknown command 'WAIT'")])
def test_too_few_replicas_are_a_server_that_is_away(found):
    servers = Recorded()
    store = RedisLightCurves(servers, replicas=2)
    servers.replicas = found
    for call in (lambda: store.append([(b"a", [b"x"])], [False]), lambda: store.prepend([(b"a", [b"x"])])):
        with pytest.raises(TransientError, match=r"^redis: host:1: not 2 of its replicas have in time .*__REPLICAS\)"):
            call()


def test_what_is_refused_for_one_key_stands_in_its_place_without_a_byte_of_the_command():
    error = hiredis.ReplyError("ERR unknown command 'RPUSH', with args beginning with: 's3cr3t'")
    found = RedisLightCurves(Recorded(b"state", error, None)).states([b"a", b"b", b"c"])
    assert found == [b"state", Refused(b"b", "Redis refuses the command for it (ERR)"), None]


def test_what_is_refused_for_every_key_for_an_unknown_reason_is_the_whole_stores():
    error, wrong = hiredis.ReplyError("ERR upstream failure"), hiredis.ReplyError("WRONGTYPE x")
    for call in (
        lambda store: store.states([b"a", b"b"]),
        lambda store: store.append([(b"a", [b"x"]), (b"b", [b"x"])], [False, False]),
        lambda store: store.read([b"a", b"b"], 1),
    ):
        with pytest.raises(TransientError, match=r"^redis: the store refuses every command \(ERR\)$"):
            call(RedisLightCurves(Recorded(error, error)))
    assert len(RedisLightCurves(Recorded(wrong, error)).read([b"a", b"b"], 1)) == 2
    assert not RedisLightCurves(Recorded(error)).compact(b"a", 1, [b"x"]), "a store without scripts is as good as any"


@pytest.mark.parametrize("head", [None, b"another1", hiredis.ReplyError("WRONGTYPE x")])
def test_another_identity_is_a_loss_and_none_known_is_not_looked_at(head):
    servers = Recorded()
    servers.head = head
    store = RedisLightCurves(servers)
    store.states([b"a"])
    store.identities.known = b"ours-123"
    for call in (lambda: store.states([b"a"]), lambda: store.append([(b"a", [b"x"])], [False])):
        with pytest.raises(StoreLostError, match="redis: "):
            call()
    store.read([b"a"], 1)
    store.save([(b"a", b"state")])
    servers.head = b"ours-123"
    assert store.states([b"a"]) == [1]


def test_packed_commands_are_what_redis_reads():
    assert words(pack(b"SET", b"", b"\r\n")) == [b"SET", b"", b"\r\n"]
