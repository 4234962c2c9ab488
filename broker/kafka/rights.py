"""What a user may do in Kafka, tried beside a running service: nothing is committed, no worker is disturbed.

Each function returns what the operator should know, and raises StartupError, which names the right that is missing or
the setting that does not fit; NotYetError where a topic is not there; TransientError where Kafka does not answer.
"""

import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AclOperation, AdminClient, ConfigResource  # type: ignore[attr-defined]

from broker.config import Settings
from broker.errors import NotYetError, StartupError, TransientError
from broker.kafka import spans
from broker.kafka.beginnings import going_on
from broker.kafka.moves import ANSWER_S, settled
from broker.kafka.sink import KafkaSink
from broker.kafka.topics import LARGEST_LETTER, LARGEST_PACKET, missing_topics

SMALLEST_RECORDS = 1_000_000  # bytes that librdkafka sends a topic at once: a topic that takes less refuses a busy hour
OF_THE_TOPIC = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_AUTHORIZATION_FAILED}
REFUSED = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
}


def input_rights(admin: AdminClient, settings: Settings) -> list[str]:
    """The input topics are there, and this user may read them."""
    topics = settings.kafka.topics
    require_topics(admin, [topic for topic in topics if not topic.startswith("^")])
    with answered():
        places = spans.partitions(admin, topics, settings.outputs.topics)
        spans.newest(admin, places)  # the servers that lead them answer
    names = sorted({topic for topic, _ in places})
    for name, may in operations(admin, names).items():
        if AclOperation.READ not in may:
            raise StartupError(f"this user may not read the topic {name}; give it the right READ")
    return []


def group_rights(admin: AdminClient, settings: Settings) -> list[str]:
    """This user may join the group, and it can go on where it stands."""
    require_joinable(settings)
    with suppress(NotYetError):
        require_places(admin, settings)
    return []


def require_joinable(settings: Settings) -> None:
    """Raise StartupError where this user may not READ the group, which is to join it and to commit."""
    consumer = Consumer({**settings.kafka.consumer(), "log_level": 0})
    try:
        with answered(f"this user may not join the group {settings.kafka.group_id}", "READ"):
            commit_nothing(consumer)
    finally:
        consumer.close()


def commit_nothing(consumer: Consumer) -> None:
    """Commit an offset in a topic that there is not: Kafka looks at the right first, and keeps nothing.

    An admin client could be asked what this user may do with a group; it ends the process where the group's
    coordinator goes away meanwhile (librdkafka 2.16), as with its list of offsets. Raises KafkaException.
    """
    nowhere = TopicPartition(f"misweeper-no-such-topic-{secrets.token_hex(8)}", 0, 0)

    def ask() -> None:
        consumer.committed([nowhere], ANSWER_S)  # once the group has a coordinator
        consumer.commit(offsets=[nowhere], asynchronous=False)

    try:
        settled(ask, ANSWER_S)
    except KafkaException as error:
        if error.args[0].code() not in OF_THE_TOPIC:  # those are no trouble of the group
            raise


def require_places(admin: AdminClient, settings: Settings) -> None:
    """Raise StartupError where the group stands at an offset that is not there, and may not go on at another."""
    with answered():
        places = spans.partitions(admin, settings.kafka.topics, settings.outputs.topics)
        stands = spans.committed(settings.kafka.consumer(), places)
        low, high = spans.oldest(admin, stands), spans.newest(admin, stands)
    for place, offset in stands.items():
        if not low[place] <= offset <= high[place]:
            going_on(place, low[place], offset, high[place], settings.kafka.out_of_range)


def output_rights(admin: AdminClient, settings: Settings) -> list[str]:
    """The output topics are there, this user may write to them, and they take what is written."""
    topics = settings.outputs.topics
    require_topics(admin, topics)
    for name, may in operations(admin, topics).items():
        if AclOperation.WRITE not in may:
            raise StartupError(f"this user may not write to the topic {name}; give it the right WRITE")
    notes = []
    packets = {route.topic for route in settings.outputs.routes.values() if route.content == "packet"}
    for name in topics:
        config = topic_config(admin, name)
        if config is None:
            notes.append(f"this user may not see the settings of {name} (DESCRIBE_CONFIGS): they are not looked at")
            continue
        if "compact" in config["cleanup.policy"]:
            raise StartupError(f"topic {name} is compacted: it would lose answers; set its cleanup.policy to delete")
        largest = int(config["max.message.bytes"])
        if largest < SMALLEST_RECORDS:
            raise StartupError(
                f"topic {name} takes {largest:,} bytes at once, and several answers together are more; "
                f"raise its max.message.bytes to {SMALLEST_RECORDS:,} or more"
            )
        if name in packets and largest < LARGEST_PACKET:
            raise StartupError(
                f"topic {name} takes {largest:,} bytes at once, and a packet that is passed on may have more; "
                f"raise its max.message.bytes to {LARGEST_PACKET:,}"
            )
        if name == settings.outputs.dead_letters and largest < LARGEST_LETTER:
            notes.append(
                f"topic {name} takes no letter beyond {largest:,} bytes: larger messages are kept in part; raise its "
                f"max.message.bytes to {LARGEST_LETTER:,}"
            )
    return notes


def transaction_rights(settings: Settings) -> list[str]:
    """This user may write to each output topic in a transaction, under a name as workers have; it is aborted."""
    name = f"{settings.kafka.group_id}.{settings.worker}.check"  # of nobody: no worker is fenced
    sink = KafkaSink(settings.kafka.client(), name)
    try:
        sink.try_out(settings.outputs.topics)
    except (TransientError, TimeoutError) as error:
        raise StartupError(f"nothing can be written as {name}: {error}") from error
    return []


def require_topics(admin: AdminClient, names: Collection[str]) -> None:
    """Raise NotYetError that names the topics which do not exist."""
    with answered("this user may not know of a topic"):
        missing = missing_topics(admin, names)
    if missing:
        raise NotYetError(f"there is no topic {', '.join(missing)}; create them with `misweeper topics create`")


def operations(admin: AdminClient, names: Collection[str]) -> dict[str, set[AclOperation]]:
    """What this user may do with topics; everything where the servers have no authorizer."""
    if not names:
        return {}
    asked = admin.describe_topics(
        TopicCollection(list(names)), include_authorized_operations=True, request_timeout=ANSWER_S
    )
    found = {}
    for name, answer in asked.items():
        with answered(f"this user may not know the topic {name}"):
            told = answer.result(2 * ANSWER_S).authorized_operations
            found[name] = set(AclOperation) if told is None else set(told)
    return found


def topic_config(admin: AdminClient, name: str) -> dict[str, str] | None:
    """A topic's settings; None where this user may not see them."""
    resource = ConfigResource(ConfigResource.Type.TOPIC, name)
    try:
        with answered():
            found = admin.describe_configs([resource], request_timeout=ANSWER_S)[resource].result(2 * ANSWER_S)
    except StartupError:
        return None
    return {key: entry.value for key, entry in found.items()}


@contextmanager
def answered(refusal: str = "", right: str = "DESCRIBE") -> Iterator[None]:
    """Raise StartupError where Kafka says that this user may not, TransientError where it does not answer.

    So, too, where it has not found leaders yet for partitions that were just made.
    """
    try:
        yield
    except StartupError as error:
        cause = error.__cause__
        if isinstance(cause, KafkaException) and cause.args[0].code() not in REFUSED:
            raise TransientError("kafka", cause.args[0].str()) from error
        raise
    except KafkaException as error:
        why = error.args[0]
        if why.code() in REFUSED:
            raise StartupError(f"{refusal} ({why.str()}); give it the right {right}") from error
        raise TransientError("kafka", why.str()) from error
    except TimeoutError as error:
        raise TransientError("kafka", "no answer in time") from error
