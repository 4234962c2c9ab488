"""What a user may do in Redis: every command that the store sends, tried on keys that expire within a minute."""

import secrets
from collections.abc import Iterator

import hiredis

from broker.config import Redis
from broker.errors import StartupError, TransientError
from broker.lightcurves.identity import RENEW
from broker.lightcurves.redis_store import COMPACT
from broker.lightcurves.resp import Answer, first_word, pack
from broker.lightcurves.routing import Servers

KEPT_S = b"60"


def redis_rights(chosen: Redis, servers: Servers) -> list[str]:
    """Try every command; nothing is left to say where all are allowed. Raises StartupError, TransientError."""
    tag = servers.tags[0]
    try:
        for command in commands(chosen.prefix.encode(), tag, replicas=chosen.replicas):
            require_allowed(servers, tag, command, chosen.prefix)
    finally:
        servers.close()
    return []


def commands(prefix: bytes, tag: bytes, *, replicas: int) -> Iterator[tuple[bytes, ...]]:
    """One of each command of the store, of its identity and of its scripts, in an order that leaves no key behind."""
    log, spare, value = (b"%b{%b}:check:%b:%b" % (prefix, tag, secrets.token_hex(4).encode(), kind) for kind in KINDS)
    yield (b"PING",)
    yield b"SET", value, b"1", b"EX", KEPT_S
    yield b"GET", value
    yield b"MGET", value
    yield b"RPUSH", log, b"1"
    yield b"EXPIRE", log, KEPT_S
    yield b"LPUSH", log, b"0"
    yield b"LLEN", log
    yield b"LRANGE", log, b"0", b"-1"
    yield b"EVAL", RENEW, b"1", value, b"1", KEPT_S
    yield b"RPUSH", spare, b"1"
    yield b"EXPIRE", spare, KEPT_S
    yield b"RENAME", spare, spare
    yield b"DEL", spare
    yield b"EVAL", COMPACT, b"3", log, value, spare, b"2", KEPT_S, b"1"
    yield b"UNLINK", log, value, spare
    yield (b"INFO",)
    if replicas:
        yield b"WAIT", b"0", b"1"


KINDS = (b"log", b"spare", b"state")


def require_allowed(servers: Servers, tag: bytes, command: tuple[bytes, ...], prefix: str) -> None:
    """Raise StartupError that names a command which this user may not send."""
    try:
        (answer,) = servers.exchange([tag], [pack(*command)]).each
    except TransientError as error:
        if "(NOPERM)" not in str(error):
            raise
        raise StartupError(
            f"this user of Redis may not do {command[0].decode()} on keys that begin with {prefix}; "
            "deploy/valkey.conf lists the rights it takes"
        ) from error
    refuse_error(answer, command)


def refuse_error(answer: Answer, command: tuple[bytes, ...]) -> None:
    """Raise StartupError where Redis does not know or take a command."""
    if isinstance(answer, hiredis.ReplyError):
        raise StartupError(
            f"this Redis does not take the command {command[0].decode()} ({first_word(answer)}); give misweeper a "
            "Redis of its own, 6 or newer"
        )
