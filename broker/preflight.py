"""What `misweeper run` needs, tried before it begins, and by `misweeper check`: one list, one way to try it.

So what one of the two refuses the other refuses as well, in the same words. Two things they do differently: `run` waits
for output topics that are not there yet, and goes on without input topics; and a port that a running service has is
no fault to `check`, which is asked beside it.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from errno import EADDRINUSE
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ssl import _create_unverified_context
from time import monotonic, sleep
from typing import NamedTuple

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from broker.config import Settings
from broker.connections import connect_redis, redis_servers, unreachable
from broker.errors import NotYetError, StartupError, TransientError
from broker.kafka import spans
from broker.kafka.rights import group_rights, input_rights, output_rights, transaction_rights
from broker.lightcurves.rights import redis_rights
from broker.packets.formats import check_ids
from broker.probes import listener
from broker.settings.security import group_rule
from broker.text import host_and_port

ASK_S, LONGEST_ANSWER = 2.0, 1_000  # seconds and bytes for whoever has our port
PATIENCE_S = 10.0  # with a Kafka that is looking for leaders and coordinators
HTTP = "MISWEEPER_HTTP__"
INPUTS, OUTPUTS = "input topics", "output topics"


class Probe(NamedTuple):
    """One thing that is tried."""

    name: str
    attempt: Callable[[], list[str]]  # what the operator should know though it works; raises StartupError


def redis_probes(settings: Settings) -> list[Probe]:
    """Whether Redis answers, what this user may do in it, and whether light curves are safe there."""
    return [Probe("Redis", lambda: rights_in_redis(settings)), Probe("Redis' memory", lambda: facts_of_redis(settings))]


def kafka_probes(settings: Settings, admin: AdminClient) -> list[Probe]:
    """What this user may do in Kafka, and whether its topics fit."""
    return [
        Probe(INPUTS, lambda: input_rights(admin, settings)),
        Probe("rules of topics", lambda: topic_rules(admin, settings)),
        Probe("consumer group", lambda: group_rights(admin, settings)),
        Probe(OUTPUTS, lambda: output_rights(admin, settings)),
        Probe("transactions", lambda: transaction_rights(settings)),
    ]


def tried(probes: list[Probe]) -> Iterator[tuple[str, list[str], StartupError | None]]:
    """Each probe, what is to be said of it, and what is wrong; nothing is written where topics do not fit."""
    for probe in probes:
        try:
            yield probe.name, patiently(probe.attempt), None
        except (StartupError, TransientError, KafkaException) as error:
            yield probe.name, [], error if isinstance(error, StartupError) else StartupError(str(error))
            if probe.name == OUTPUTS:
                return


def patiently(attempt: Callable[[], list[str]]) -> list[str]:
    """What an attempt says, made again for a while where Kafka is not ready to answer it."""
    deadline = monotonic() + PATIENCE_S
    while True:
        try:
            return attempt()
        except TransientError:
            if monotonic() > deadline:
                raise
            sleep(0.2)


def topic_rules(admin: AdminClient, settings: Settings) -> list[str]:
    """What a topic's name asks of the configuration holds too where an expression means it. Raises StartupError."""
    kafka, names = settings.kafka, set[str]()
    for wanted in kafka.topics:
        if wanted.startswith("^"):
            with suppress(NotYetError):
                names |= {name for name, _ in spans.partitions(admin, [wanted], settings.outputs.topics)}
    for name in sorted(names):
        try:
            group_rule(kafka.group_id, kafka.username, (name,), kafka.group_id_starts_with_username)
        except ValueError as error:
            raise StartupError(f"MISWEEPER_KAFKA__TOPICS means {name}, and {error}") from None
    check_ids(settings, sorted(names))
    return []


def rights_in_redis(settings: Settings) -> list[str]:
    """Raises StartupError."""
    try:
        return redis_rights(settings.redis, redis_servers(settings.redis))
    except TransientError as error:
        raise StartupError(unreachable(error)) from None


def facts_of_redis(settings: Settings) -> list[str]:
    """What may lose light curves in the way this Redis is set up. Raises StartupError."""
    store = connect_redis(settings)
    try:
        return list(store.facts().problems().values())
    except TransientError as error:
        raise StartupError(unreachable(error)) from None
    finally:
        store.close()


def http_port(settings: Settings) -> list[str]:
    """Whether probes and metrics can be answered. Raises StartupError."""
    host, port = settings.http.host, settings.http.port
    tls = settings.http.shown(HTTP)
    try:
        listener(host, port).close()
    except OSError as error:
        if error.errno == EADDRINUSE and service_answers(host, port, tls=tls is not None):
            return [f"a service answers on {host_and_port(host, port)} already; another here needs a port of its own"]
        raise StartupError(deaf(settings, error)) from error
    return []


def deaf(settings: Settings, error: OSError) -> str:
    """What to say where the HTTP port cannot be taken."""
    where = host_and_port(settings.http.host, settings.http.port)
    if error.errno == EADDRINUSE:
        return f"cannot listen on {where} ({error.strerror}); set MISWEEPER_HTTP__PORT to a free port"
    return f"cannot listen on {where} ({error.strerror}); look at MISWEEPER_HTTP__HOST and MISWEEPER_HTTP__PORT"


def service_answers(host: str, port: int, *, tls: bool = False) -> bool:
    """Whether a worker of misweeper has the port: alive or not, it says so."""
    connection = HTTPConnection(host, port, timeout=ASK_S)
    if tls:  # who it is, is what is asked: no certificate is looked at
        connection = HTTPSConnection(host, port, timeout=ASK_S, context=_create_unverified_context())  # noqa: S323
    try:
        connection.request("GET", "/livez")
        return b'"alive"' in connection.getresponse().read(LONGEST_ANSWER)
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
