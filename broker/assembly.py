"""The composition root: the one place that knows every class of the service."""

import gc
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from platform import python_version
from queue import SimpleQueue

import structlog
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from torch.cuda import memory_reserved

from broker import health, logs
from broker.accounts.aside import aside
from broker.config import Settings
from broker.connections import connect_kafka, connect_redis
from broker.drift import Drift
from broker.errors import NotYetError, StartupError, TransientError
from broker.kafka import spans
from broker.kafka.batch import Place
from broker.kafka.fresh import commit_first
from broker.kafka.sink import KafkaSink
from broker.kafka.source import KafkaSource
from broker.kafka.unread import Unread
from broker.lightcurves import loss, rebuild
from broker.lightcurves.lookout import Lookout
from broker.lightcurves.redis_store import RedisLightCurves
from broker.lightcurves.trips import TimedServers
from broker.metrics import Metrics
from broker.models.agreement import count_agreement
from broker.models.chosen import Chosen, chosen_by
from broker.models.life import Asked, Life
from broker.models.workshop import Workshop
from broker.names import NAMES
from broker.notes import how_far, note_assignment, note_calibration, note_models, note_store, note_trouble, room_on
from broker.packets.formats import check_ids, formats_of
from broker.packets.reader import AlertReader
from broker.pipeline import Pipeline
from broker.preflight import HTTP, OUTPUTS, Probe, deaf, kafka_probes, redis_probes
from broker.surveys.crossmatch import matches_of
from broker.text import host_and_port

log = structlog.get_logger(__name__)

MEND_S = 1.0  # between two tries to use a lost store again


def serve(
    settings: Settings,
    stop: threading.Event,
    first: Mapping[Place, int] | None = None,
    asked: Asked | None = None,
) -> None:
    """Run the service until `stop` is set. Raises StartupError where it cannot start.

    Args:
        settings: all there are.
        stop: set by whoever wants it to end.
        first: the offsets at which a new group begins.
        asked: who asks to look at once which artefacts are promoted.
    """
    logs.configure(settings.log.level, settings.log.form)
    metrics = Metrics(surveys=[name.decode() for name in NAMES])
    metrics.build_info.labels(version("misweeper"), python_version()).set(1)
    state = health.Health(metrics, time.monotonic)
    if settings.http.disk:
        state.facts["disk"] = partial(room_on, settings.http.disk)
    with answering_http(settings, state, metrics):
        workshop = Workshop(settings, partial(count_agreement, metrics))
        chosen = chosen_by(settings)
        workshop.load(chosen)

        def tell_models(chosen: Chosen, refused: str = "") -> None:
            note_models(metrics, state, workshop.at_work(chosen), chosen.number, refused)
            note_calibration(metrics, chosen.everything.record, settings.classifier.priors)

        clear(redis_probes(settings), state, stop)
        admin = connect_kafka(settings)
        clear(kafka_probes(settings, admin), state, stop)
        if stop.is_set():
            return
        check_ids(settings)
        reader = AlertReader(
            settings.limits.max_message_bytes,
            formats_of(settings),
            lambda survey, packets: metrics.fallbacks.labels(survey).inc(packets),
            lambda survey, rows: metrics.left_out.labels(survey).inc(rows),
            matches_of(settings.packets.crossmatches),
        )
        workshop.warm_up(chosen, reader)
        state.well("model")
        tell_models(chosen)
        if any(one.device == "cuda" for one in workshop.at_work(chosen).values()):
            metrics.gpu_memory_bytes.set_function(memory_reserved)
        watched = partial(TimedServers, took=metrics.redis_seconds.observe, failed=metrics.redis_errors.inc)
        store = connect_redis(settings, "", watched)
        know_store(settings, store, admin, reader, state, stop)
        if stop.is_set():
            return
        if first:  # once the store is known: a group that has read and a store that is empty would be a loss
            commit_first(settings.kafka.consumer(), first)
        saver = connect_redis(settings, "", watched)  # a connection of the committer's own
        lookout = Lookout(store, lambda *told: note_store(metrics, state, *told))
        unread = Unread(metrics.partitions)
        source = KafkaSource(
            settings.kafka.consumer() | {"client.id": settings.worker},  # what Kafka calls a member of the group
            settings.kafka.topics,
            lambda held: note_assignment(metrics, state, len(held)),
            metrics.out_of_range.inc,
            start="earliest" if first else settings.kafka.start,
            out_of_range=settings.kafka.out_of_range,
            settle=lambda seconds: pipeline.settle(seconds),  # noqa: PLW0108 - it does not exist yet
            outputs=settings.outputs.topics,
            max_messages=settings.batch.max_size,
            max_bytes=settings.limits.max_batch_bytes,
            unread=unread,
        )
        state.facts |= how_far(metrics)
        try:
            sink = build_sink(settings, state, metrics)
            life = Life(
                chosen,
                workshop.model(chosen, store, saver),
                lambda: chosen_by(settings),
                lambda chosen: workshop.made(chosen, store, saver),
                tell_models,
                metrics,
                settings.classifier.models,
                asked or SimpleQueue(),
            )
            pipeline = Pipeline(
                source=source,
                max_messages=settings.batch.max_size,
                read_alerts=reader,
                model=life.current,
                sink=sink,
                metrics=metrics,
                health=state,
                now_ms=lambda: time.time_ns() // 1_000_000,
                mend=lambda alive: mend(settings, store, reader, alive),
                take_over=loss.Takeover(store.identities, partial(append_committed, settings, reader)).take,
                look=lookout.look,
                glance=lookout.glance,
                watch=Drift(metrics).look,
                tell=unread.committed,
            )
            log.info("serving", topics=settings.kafka.topics, artefact=chosen.everything.name, **chosen.beginnings())
            gc.freeze()  # what lives for ever need not be searched for garbage: it would cost 100 ms each time
            with life.watching():
                pipeline.run(stop.is_set)
        finally:
            source.close()
        log.info("stopped")


def know_store(
    settings: Settings,
    store: RedisLightCurves,
    admin: AdminClient,
    reader: AlertReader,
    state: health.Health,
    stop: threading.Event,
) -> None:
    """Know the store by its identity, once it has what it should have."""
    try:
        places = spans.partitions(admin, settings.kafka.topics, settings.outputs.topics)
        loss.begin(store.identities, group_has_read=bool(spans.committed(settings.kafka.consumer(), places)))
    except TransientError as error:
        log.warning("the store cannot be used yet", error=str(error))
        state.unwell("redis", str(error))
        while not stop.is_set():
            state.turned()
            try:
                if mend(settings, store, reader, state.turned):
                    break
            except TransientError as worse:
                log.warning("the store is not mended yet", error=str(worse))
            stop.wait(MEND_S)
    state.well("redis")


def mend(settings: Settings, store: RedisLightCurves, reader: AlertReader, alive: Callable[[], None]) -> bool:
    """One try to use a lost store again; whether it can be used. Raises TransientError."""
    refill = partial(append_committed, settings, reader)
    if settings.redis.rebuild == "wait":
        return loss.joined(store.identities, refill, alive)
    return loss.mended(store.identities, f"{settings.kafka.group_id}.{settings.worker}", refill, alive)


def append_committed(
    settings: Settings,
    reader: AlertReader,
    read_to: Mapping[Place, int],
    alive: Callable[[], None],
    places: AbstractSet[Place] | None = None,
) -> Mapping[Place, int]:
    """See broker.lightcurves.loss.Refill; by a connection that takes any store. Raises TransientError.

    By a client of Kafka made for it: of one that lives for months librdkafka may have lost every connection.
    """
    try:
        store = connect_redis(settings)
    except StartupError as error:
        raise TransientError("redis", str(error)) from error
    try:
        admin = connect_kafka(settings)
        return rebuild.refill(
            admin,
            settings,
            reader,
            store,
            read_to=read_to,
            alive=alive,
            places=places,
            aside=partial(aside, admin, settings),
        )
    except StartupError as error:  # a server is away: the light curves wait for it, and so do we
        raise TransientError("kafka", str(error)) from error
    finally:
        store.close()


@contextmanager
def answering_http(settings: Settings, state: health.Health, metrics: Metrics) -> Iterator[None]:
    """Answer probes and Prometheus meanwhile."""
    host, port = settings.http.host, settings.http.port
    tls = settings.http.shown(HTTP)
    try:
        server = health.serve(state, metrics, host, port, settings.http.login, tls)
    except OSError as error:
        raise StartupError(deaf(settings, error)) from error
    log.info("metrics", url=f"{'https' if tls else 'http'}://{host_and_port(host, server.server_port)}/metrics")
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def build_sink(settings: Settings, state: health.Health, metrics: Metrics) -> KafkaSink:
    """The transactional producer of this worker."""
    name = f"{settings.kafka.group_id}.{settings.worker}"

    def note_end(outcome: str) -> None:
        metrics.transactions.labels(outcome).inc()

    return KafkaSink(settings.kafka.client(), name, lambda why: note_trouble(state, why), note_end)


def clear(probes: Sequence[Probe], state: health.Health, stop: threading.Event) -> None:
    """Try what the service needs, and wait until output topics are there: a worker may start before them.

    Raises StartupError where something is wrong that waiting does not mend.
    """
    for probe in probes:
        said = ""
        while not stop.is_set():
            state.turned()
            try:
                for note in probe.attempt():
                    log.warning(note, tried=probe.name)
                break
            except NotYetError as error:
                if str(error) != said:
                    log.warning("waiting for topics", error=str(error))
                said = str(error)
                if probe.name != OUTPUTS:  # the consumer sees them when they come
                    break
                state.unwell("kafka", said)
            except (TransientError, KafkaException) as error:
                note_trouble(state, str(error))
            stop.wait(1.0)
