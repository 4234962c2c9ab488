"""The topics of the service: made where they are missing, and looked for."""

from collections.abc import Collection, Iterable
from time import monotonic, sleep
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, TopicMetadata  # type: ignore[attr-defined]  # not in its __all__
from confluent_kafka.cimpl import NewPartitions, NewTopic

from broker.config import Settings
from broker.errors import StartupError
from broker.kafka.moves import ANSWER_S
from broker.kafka.spans import answering, trouble_of

CREATE_S = 30.0
HEARD_S = 5.0
MARGIN_BYTES = 1024 * 1024  # for key, headers and framing
LARGEST_LETTER = 96 * 1024 * 1024
LARGEST_PACKET = 8 * 1024 * 1024  # the largest body of any survey, its light curve once more, and its schema


class Made(NamedTuple):
    """What became of the topics that were asked for."""

    created: list[str]
    existing: dict[str, int]  # how many partitions those have that were there already


def create_topics(admin: AdminClient, settings: Settings, partitions: int, replication: int) -> Made:
    """Create the input topics that are names, and the output topics; those that exist are left as they are.

    Retention is the servers' default. Dead letters may be as large as anything that was read.

    Raises:
        StartupError: Kafka refuses, or the numbers cannot be.
    """
    if partitions < 1 or replication < 1:
        raise StartupError(f"{partitions} partitions in {replication} copies cannot be; give numbers of at least 1")
    sizes = {t: settings.limits.max_message_bytes + MARGIN_BYTES for t in settings.kafka.topics if t[0] != "^"}
    sizes |= dict.fromkeys(settings.outputs.topics, MARGIN_BYTES)
    sizes[settings.outputs.dead_letters] = LARGEST_LETTER
    sizes |= {r.topic: LARGEST_PACKET for r in settings.outputs.routes.values() if r.content == "packet"}
    wanted = [
        NewTopic(
            name, num_partitions=partitions, replication_factor=replication, config={"max.message.bytes": str(size)}
        )
        for name, size in sizes.items()
    ]
    created, existing = [], []
    for name, future in admin.create_topics(wanted, request_timeout=CREATE_S).items():
        try:
            future.result()
            created.append(name)
        except KafkaException as error:
            if (why := error.args[0]).code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise StartupError(f"topic {name} cannot be created: {why.str()}") from error
            existing.append(name)
    return Made(created, partitions_of(admin, existing))


def partitions_of(admin: AdminClient, names: Collection[str]) -> dict[str, int]:
    """How many partitions topics have that exist; one that this user may not know of is left out.

    Servers hear of a new topic a little after it was made.
    """
    known: dict[str, TopicMetadata] = {}
    deadline = monotonic() + HEARD_S
    while not known.keys() >= set(names) and monotonic() < deadline:
        if known:
            sleep(0.1)
        with answering():
            known = admin.list_topics(timeout=ANSWER_S).topics
    return {name: len(known[name].partitions) for name in names if name in known}


def grow_topics(admin: AdminClient, names: Iterable[str], partitions: int) -> None:
    """Add partitions to topics that have fewer. An object's later alerts may go to another one. Raises StartupError."""
    wanted = [NewPartitions(name, partitions) for name in names]
    for name, future in (admin.create_partitions(wanted, request_timeout=CREATE_S) if wanted else {}).items():
        try:
            future.result()
        except KafkaException as error:
            raise StartupError(f"topic {name} cannot be given partitions: {error.args[0].str()}") from error


def missing_topics(admin: AdminClient, names: Iterable[str]) -> list[str]:
    """Which of the topics do not exist, in the order given. Raises KafkaException where Kafka does not answer.

    So, too, where it does not say, since this user may not know of them.
    """
    known = admin.list_topics(timeout=ANSWER_S).topics
    missing = []
    for name in names:
        if name in known and known[name].error is None:
            continue
        error = trouble_of(admin, name)
        if error.code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise KafkaException(KafkaError(error.code(), f"topic {name}: {error.str()}"))
        missing.append(name)
    return missing
