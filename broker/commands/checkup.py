"""Tries what the service needs, one after the other, and says what is wrong with each."""

from collections.abc import Iterator

from broker.config import Settings
from broker.connections import connect_kafka
from broker.errors import StartupError
from broker.preflight import Probe, http_port, kafka_probes, redis_probes, tried

Finding = tuple[str, list[str], StartupError | None]


def checkup(settings: Settings) -> Iterator[Finding]:
    """What was tried, what is to be said of it, and what is wrong with it, or None."""
    yield from tried([Probe("HTTP port", lambda: http_port(settings))])
    redis, memory = redis_probes(settings)
    for finding in tried([redis]):
        yield finding
        if finding[2] is None:
            yield from tried([memory])
    try:
        admin = connect_kafka(settings)
    except StartupError as error:
        yield "Kafka", [], error
    else:
        yield "Kafka", [], None
        yield from tried(kafka_probes(settings, admin))
    yield from tried([Probe("artefact and device", lambda: classifier(settings))])


def classifier(settings: Settings) -> list[str]:
    """The artefact is whole and runs on the device. Raises StartupError."""
    from broker import assembly  # noqa: PLC0415 - torch takes seconds to import: all else is said before

    assembly.build_classifier(settings, assembly.read_artefact(settings)).warm_up()
    return []
