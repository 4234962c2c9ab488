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
from broker.interfaces import Model
from broker.kafka import spans
from broker.kafka.batch import Place
from broker.kafka.fresh import commit_first
from broker.kafka.sink import KafkaSink
from broker.kafka.source import KafkaSource
from broker.kafka.unread import Unread
from broker.lightcurves import loss, rebuild
from broker.lightcurves.lookout import Lookout
from broker.lightcurves.memory import Memory
from broker.lightcurves.plan import Plan
from broker.lightcurves.redis_store import DAY_S, RedisLightCurves
from broker.lightcurves.trips import TimedServers
from broker.metrics import Metrics
from broker.notes import how_far, note_assignment, note_calibration, note_model, note_store, note_trouble, room_on
from broker.outputs.messages import Outputs
from broker.packets.formats import check_ids, formats_of
from broker.packets.reader import AlertReader
from broker.pipeline import Pipeline
from broker.preflight import HTTP, OUTPUTS, Probe, deaf, kafka_probes, redis_probes
from broker.rehearsal import rehearse
from broker.surveys.names import NAMES
from broker.text import host_and_port
from model import drift
from model.artefact import DEFAULT, Artefact, ArtefactError
from model.artefact import load as load_artefact
from model.classifier import Classifier, DeviceError

log = structlog.get_logger(__name__)

MEND_S = 1.0  # between two tries to use a lost store again


def serve(settings: Settings, stop: threading.Event, first: Mapping[Place, int] | None = None) -> None:
    """Run the service until `stop` is set. Raises StartupError where it cannot start.

    Args:
        settings: all there are.
        stop: set by whoever wants it to end.
        first: the offsets at which a new group begins.
    """
    logs.configure(settings.log.level, settings.log.form)
    metrics = Metrics(surveys=[name.decode() for name in NAMES])
    metrics.build_info.labels(version("misweeper"), python_version()).set(1)
    state = health.Health(metrics, time.monotonic)
    if settings.http.disk:
        state.facts["disk"] = partial(room_on, settings.http.disk)
    with answering_http(settings, state, metrics):
        artefact = read_artefact(settings)
        classifier = build_classifier(settings, artefact)
        clear(redis_probes(settings), state, stop)
        admin = connect_kafka(settings)
        clear(kafka_probes(settings, admin), state, stop)
        if stop.is_set():
            return
        classifier.warm_up()
        check_ids(settings)
        reader = AlertReader(
            settings.limits.max_message_bytes,
            formats_of(settings),
            lambda survey, packets: metrics.fallbacks.labels(survey).inc(packets),
            lambda survey, rows: metrics.left_out.labels(survey).inc(rows),
        )
        outputs = Outputs(
            topics=settings.outputs,
            classifier_name=artefact.name,
            classifier_version=artefact.digest,
            priors=settings.classifier.priors,
            broker_version=version("misweeper"),
        )
        rehearse(reader, classifier, outputs)
        state.well("model")
        note_model(metrics, state, classifier.name, classifier.digest, str(classifier.device), classifier.priors)
        note_calibration(metrics, artefact.record, classifier.priors)
        if classifier.device.type == "cuda":
            metrics.gpu_memory_bytes.set_function(memory_reserved)
        watched = partial(TimedServers, took=metrics.redis_seconds.observe, failed=metrics.redis_errors.inc)
        store = connect_redis(settings, classifier.fingerprint.hex(), watched)
        know_store(settings, store, admin, reader, state, stop)
        if stop.is_set():
            return
        if first:  # once the store is known: a group that has read and a store that is empty would be a loss
            commit_first(settings.kafka.consumer(), first)
        saver = connect_redis(settings, classifier.fingerprint.hex(), watched)  # a connection of the committer's own
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
            memory = Memory(
                store,
                classifier.fingerprint,
                classifier.start_state,
                curve_ttl_s=settings.redis.curve_ttl_days * DAY_S,
                most_observations=settings.limits.max_observations,
                saver=saver,
            )
            model = Model(classifier, memory, outputs)
            pipeline = Pipeline(
                source=source,
                max_messages=settings.batch.max_size,
                read_alerts=reader,
                model=lambda: model,
                sink=sink,
                metrics=metrics,
                health=state,
                now_ms=lambda: time.time_ns() // 1_000_000,
                mend=lambda alive: mend(settings, store, admin, reader, alive),
                take_over=loss.Takeover(store.identities, partial(append_committed, settings, admin, reader)).take,
                look=lookout.look,
                glance=lookout.glance,
                watch=build_watch(settings, metrics),
                tell=unread.committed,
            )
            log.info("serving", topics=settings.kafka.topics, artefact=artefact.name, digest=artefact.digest[:12])
            gc.freeze()  # what lives for ever need not be searched for garbage: it would cost 100 ms each time
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
                if mend(settings, store, admin, reader, state.turned):
                    break
            except TransientError as worse:
                log.warning("the store is not mended yet", error=str(worse))
            stop.wait(MEND_S)
    state.well("redis")


def mend(
    settings: Settings, store: RedisLightCurves, admin: AdminClient, reader: AlertReader, alive: Callable[[], None]
) -> bool:
    """One try to use a lost store again; whether it can be used. Raises TransientError."""
    refill = partial(append_committed, settings, admin, reader)
    if settings.redis.rebuild == "wait":
        return loss.joined(store.identities, refill, alive)
    return loss.mended(store.identities, f"{settings.kafka.group_id}.{settings.worker}", refill, alive)


def append_committed(
    settings: Settings,
    admin: AdminClient,
    reader: AlertReader,
    read_to: Mapping[Place, int],
    alive: Callable[[], None],
    places: AbstractSet[Place] | None = None,
) -> Mapping[Place, int]:
    """See broker.lightcurves.loss.Refill; by a connection that takes any store. Raises TransientError."""
    try:
        store = connect_redis(settings)
    except StartupError as error:
        raise TransientError("redis", str(error)) from error
    try:
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


def read_artefact(settings: Settings) -> Artefact:
    """The artefact to classify with."""
    try:
        return load_artefact(settings.classifier.artefact or DEFAULT)
    except ArtefactError as error:
        raise StartupError(f"{error} (MISWEEPER_CLASSIFIER__ARTEFACT names the folder)") from error


def build_classifier(settings: Settings, artefact: Artefact) -> Classifier:
    """The classifier on its device."""
    chosen = settings.classifier
    try:
        return Classifier(artefact, device=chosen.device, priors=chosen.priors, threads=chosen.threads)
    except DeviceError as error:
        raise StartupError(f"{error} (MISWEEPER_CLASSIFIER__DEVICE)") from error


def build_watch(settings: Settings, metrics: Metrics) -> Callable[[Model, Plan], None]:
    """Looks for input drift, where the artefact says how its inputs were distributed."""
    known = drift.read_shares(settings.classifier.artefact or DEFAULT)
    if known is None:
        log.info("no drift is looked for: the artefact does not say how its inputs were distributed", file=drift.FILE)
        return lambda _model, _plan: None
    return Drift(known, metrics).look


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
