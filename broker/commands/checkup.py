"""Tries what the service needs, one after the other, and says what is wrong with each."""

from collections.abc import Iterator

from broker.config import Settings
from broker.connections import connect_kafka
from broker.errors import PoisonMessage, StartupError, TransientError
from broker.packets.formats import check_ids, formats_of, registry_of
from broker.preflight import Probe, http_port, kafka_probes, redis_probes, tried

ANY_SCHEMA = 1  # there, or not there: it has answered
Finding = tuple[str, list[str], StartupError | None]


def checkup(settings: Settings) -> Iterator[Finding]:
    """What was tried, what is to be said of it, and what is wrong with it, or None."""
    yield from tried([Probe("HTTP port", lambda: http_port(settings)), Probe("formats", lambda: formats(settings))])
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


def formats(settings: Settings) -> list[str]:
    """The schemas that the configuration names can be read; `run` does without a registry. Raises StartupError."""
    registry = registry_of(settings.registry)
    check_ids(settings)
    formats_of(settings, registry)
    try:
        if registry:
            registry.find(ANY_SCHEMA)
    except TransientError as error:
        return [f"{error}; what it alone knows, and is not kept, cannot be read meanwhile"]
    except PoisonMessage:
        pass
    return []


def classifier(settings: Settings) -> list[str]:
    """The artefacts that are to classify are whole and run on the device. Raises StartupError."""
    # torch takes seconds to import: all else is said before
    from broker.models.chosen import chosen_by  # noqa: PLC0415
    from broker.models.workshop import Workshop  # noqa: PLC0415

    workshop, chosen = Workshop(settings, lambda _, __: None), chosen_by(settings)
    workshop.load(chosen)
    workshop.warm_up(chosen)
    return []
