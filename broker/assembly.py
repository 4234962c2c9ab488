"""The composition root: the one place that knows every class of the service."""

import gc
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

import structlog
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from broker import health, logs
from broker.config import Settings
from broker.connections import connect_kafka, connect_redis
from broker.errors import StartupError
from broker.kafka.batching import Batching
from broker.kafka.sink import KafkaSink
from broker.kafka.source import KafkaSource
from broker.kafka.topics import missing_topics
from broker.lightcurves.memory import Memory
from broker.metrics import Metrics
from broker.outputs.messages import Outputs
from broker.packets.reader import AlertReader
from broker.pipeline import Pipeline
from model.artefact import DEFAULT, Artefact, ArtefactError
from model.artefact import load as load_artefact
from model.classifier import Classifier, DeviceError

log = structlog.get_logger(__name__)

KAFKA_MS = 20.0  # an alert waits for the next fetch, an answer for its transaction's markers


def serve(settings: Settings, stop: threading.Event) -> None:
    """Run the service until `stop` is set. Raises StartupError where it cannot start."""
    logs.configure(settings.log.level, settings.log.form)
    metrics = Metrics()
    state = health.Health(metrics, time.monotonic)
    with answering_http(settings, state, metrics):
        artefact = read_artefact(settings)
        classifier = build_classifier(settings, artefact)
        classifier.warm_up()
        state.well("model")
        store = connect_redis(settings)
        await_outputs(connect_kafka(settings), settings, state, stop)
        if stop.is_set():
            return
        source = KafkaSource(
            settings.kafka.consumer(),
            settings.kafka.topics,
            lambda held: note_assignment(metrics, state, len(held)),
            metrics.out_of_range.inc,
            start=settings.kafka.start,
            out_of_range=settings.kafka.out_of_range,
        )
        try:
            sink = build_sink(settings, source, state)
            pipeline = Pipeline(
                source=source,
                batching=Batching(
                    max_size=settings.batch.max_size,
                    max_wait_ms=settings.batch.max_wait_ms,
                    clock=time.monotonic,
                    way_ms=KAFKA_MS,
                ),
                read_alert=AlertReader(settings.limits.max_message_bytes),
                memory=Memory(store, classifier.digest),
                classifier=classifier,
                outputs=Outputs(
                    topics=settings.outputs,
                    classifier_name=artefact.name,
                    classifier_version=artefact.digest,
                    priors=settings.classifier.priors,
                    broker_version=version("misweeper"),
                ),
                sink=sink,
                metrics=metrics,
                health=state,
                now_ms=lambda: time.time_ns() // 1_000_000,
            )
            log.info("serving", topics=settings.kafka.topics, artefact=artefact.name, digest=artefact.digest[:12])
            gc.freeze()  # what lives for ever need not be searched for garbage: it would cost 100 ms each time
            pipeline.run(stop.is_set)
        finally:
            source.close()
        log.info("stopped")


def note_assignment(metrics: Metrics, state: health.Health, held: int) -> None:
    """Ready only while partitions are held."""
    metrics.partitions.set(held)
    log.info("assigned", partitions=held)
    if held:
        state.well("assigned")
    else:
        state.unwell("assigned", "no partition is assigned to this worker")


def note_trouble(state: health.Health, why: str) -> None:
    """Kafka does not answer: not ready, but alive and trying."""
    state.turned()
    state.unwell("kafka", why)
    log.warning("Kafka does not answer", error=why)


@contextmanager
def answering_http(settings: Settings, state: health.Health, metrics: Metrics) -> Iterator[None]:
    """Answer probes and Prometheus meanwhile."""
    host, port = settings.http.host, settings.http.port
    try:
        server = health.serve(state, metrics, host, port)
    except OSError as error:
        raise StartupError(
            f"cannot listen on {host}:{port} ({error.strerror}); set MISWEEPER_HTTP__PORT to a free port"
        ) from error
    log.info("metrics", url=f"http://{host}:{server.server_port}/metrics")
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


def build_sink(settings: Settings, source: KafkaSource, state: health.Health) -> KafkaSink:
    """The transactional producer of this worker."""
    name = f"{settings.kafka.group_id}.{settings.worker}"
    try:
        return KafkaSink(settings.kafka.client(), name, source.group_metadata, lambda why: note_trouble(state, why))
    except (KafkaException, TimeoutError) as error:
        raise StartupError(
            f"no transactions as {name} ({error}); look at Kafka, and at the rights of this user"
        ) from error


def await_outputs(admin: AdminClient, settings: Settings, state: health.Health, stop: threading.Event) -> None:
    """Wait until the topics that are written to exist: a worker may start before them."""
    said: list[str] = []
    while not stop.is_set():
        state.turned()
        try:
            missing = missing_topics(admin, settings.outputs.topics)
        except KafkaException as error:
            note_trouble(state, str(error))
            stop.wait(1.0)
            continue
        if not missing:
            return
        if missing != said:
            log.warning("waiting for topics", missing=missing, remedy="misweeper topics create")
            state.unwell("kafka", f"waiting for topics: {', '.join(missing)}")
            said = missing
        stop.wait(1.0)
