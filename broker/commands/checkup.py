"""Tries every connection and file that the service needs, one after the other, and says what is wrong with each."""

from collections.abc import Callable, Iterator

from confluent_kafka import KafkaException

from broker import assembly
from broker.config import Settings
from broker.connections import connect_kafka, connect_redis
from broker.errors import StartupError
from broker.kafka.topics import missing_topics


def checkup(settings: Settings) -> Iterator[tuple[str, str | None]]:
    """What was tried and what is wrong with it, or None; in the order in which the service needs them."""
    yield (
        "artefact and device",
        problem(lambda: assembly.build_classifier(settings, assembly.read_artefact(settings)).warm_up()),
    )
    yield "Redis", problem(lambda: connect_redis(settings))
    kafka = problem(lambda: connect_kafka(settings))
    yield "Kafka", kafka
    if kafka is None:
        names = [t for t in settings.kafka.topics if not t.startswith("^")]
        yield "topics", problem(lambda: require_topics(settings, [*names, *settings.outputs.topics]))


def problem(attempt: Callable[[], object]) -> str | None:
    """What an attempt says is wrong."""
    try:
        attempt()
    except (StartupError, KafkaException) as error:
        return str(error)
    return None


def require_topics(settings: Settings, names: list[str]) -> None:
    """Raise StartupError that names the topics which do not exist."""
    if missing := missing_topics(connect_kafka(settings), names):
        raise StartupError(f"there is no topic {', '.join(missing)}; create them with `misweeper topics create`")
