"""Artefacts exchanged under load, refused, rolled back, by survey and as shadow: `misweeper run` on real servers."""

import json
import signal
import threading
from itertools import groupby, islice

import numpy as np
import pytest
import redis
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from broker.accounts.reconcile import Wanted, reconcile
from broker.commands.demo import HELDOUT
from broker.commands.replay import read_alerts
from broker.kafka.subscription import Subscription
from broker.models.promoted import ALL, SHADOW, Named, promote
from broker.packets.framings import encode
from model import artefact
from model.classifier import Classifier
from model.runs import Runs
from tests.integration.test_service import run_command
from tests.support.alerts import alerts_of
from tests.support.artefacts import like_shipped, untrained
from tests.support.service import Service, eventually

ROUNDING = 2e-5  # what another batching may change


@pytest.fixture
def service(kafka, redis_url, topic_prefix, tmp_path):
    service = Service(kafka, redis_url, topic_prefix, tmp_path)
    service.models = tmp_path / "models"
    service.models.mkdir()
    service.environment["MISWEEPER_CLASSIFIER__MODELS"] = str(service.models)
    yield service
    service.close()


def make(service, name, noise=0.0):
    """An artefact in the service's folder."""
    return like_shipped(service.models / name, name, noise)


def command(service, *arguments):
    done = run_command("model", *arguments, environment=service.variables())
    assert done.returncode == 0, done.stderr
    return done.stdout


def expected(records, made):
    """By alert, what an artefact says of it: one pass over each whole curve."""
    alerts = alerts_of(records)
    names, owner = alerts.grouped()
    order, sizes = np.argsort(owner, kind="stable"), np.bincount(owner)
    ends = np.cumsum(sizes)
    classifier = Classifier(made, device="cpu", priors="natural")
    states = np.tile(classifier.start_state, (len(names), 1))
    contexts = alerts.contexts[order[ends - sizes]]
    verdicts, _ = classifier.classify(Runs(states, alerts.own[order], ends, contexts, np.arange(len(order))))
    return dict(zip(alerts.alert_ids[order].tolist(), verdicts.probabilities, strict=True))


def chances(record):
    return np.array([c["probability"] for c in record["classifications"]])


def differ(published, records, artefacts):
    """How far each answer is, at most, from what the artefact says that it names."""
    said = {made.digest: expected(records, made) for made in artefacts}
    return max(
        np.abs(chances(p.record) - said[p.record["classifierVersion"]][p.record["alertId"]]).max() for p in published
    )


def models_of(worker):
    return json.loads(worker.ask("/readyz")[1]).get("models", {})


def at_work(worker, made, role=ALL):
    return models_of(worker).get(role, {}).get("digest") == made.digest


def recount(service, monkeypatch):
    settings = service.settings(monkeypatch)
    return reconcile(AdminClient(settings.kafka.client()), settings, Wanted(settings.kafka.topics)).summary()


def shadow_answers(service, count):
    topic = f"{service.prefix}shadow"
    subscription = Subscription({"bootstrap.servers": service.kafka}, {topic: "classification"})
    found = []
    eventually(lambda: found.extend(subscription.poll(2000, 0.2)) or len(found) >= count)
    subscription.close()
    return found


def states_of(service, made):
    """The objects of which an artefact has a state in Redis; None: of no artefact's name."""
    kind = f"state:{Classifier(made, device='cpu').fingerprint.hex()}" if made else "state"
    with redis.Redis.from_url(service.redis_url) as client:
        names = [name.decode() for name in client.scan_iter(f"{service.prefix}{{*}}:{kind}", count=10_000)]
    return {name.partition("/")[2].partition("}")[0] for name in names}


class Load:
    """Sends records, some at a time, until it is told to stop."""

    def __init__(self, service, records):
        self.service, self.records, self.sent = service, records, 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _send(self):
        producer = Producer({"bootstrap.servers": self.service.kafka, "linger.ms": 0})
        while not self._stop.wait(0.05) and self.sent < len(self.records):
            for r in self.records[self.sent : self.sent + 20]:
                producer.produce(self.service.input, encode(r, "observation"), r["objectId"])
                self.sent += 1
            producer.flush()


def test_a_reload_and_a_rollback_under_load_lose_and_double_nothing_and_each_answer_names_its_artefact(
    service, monkeypatch
):
    first, second = make(service, "first"), make(service, "second", noise=0.05)
    command(service, "promote", "first")
    service.create_topics(monkeypatch, partitions=3)
    worker = service.worker().await_ready()

    def answered():
        return worker.metric("misweeper_fates_total", fate="published")

    records = list(islice(read_alerts(HELDOUT), 60_000))
    with Load(service, records) as load:
        for name, made in (("first", first), ("second", second), ("first", first)):
            if not at_work(worker, made):
                command(service, "promote", name)
            eventually(lambda made=made: at_work(worker, made))
            enough = answered() + 300
            eventually(lambda enough=enough: answered() > enough)
    sent = records[: load.sent]
    found = service.collect(len(sent))["classifications"]
    assert len(found) == len({p.source for p in found}) == len(sent)
    assert worker.metric("misweeper_model_reloads_total", outcome="switched") == 2
    assert worker.metric("misweeper_model_promotion") == 3
    for partition in range(3):  # in order of their offsets: to and back, nothing between
        told = sorted((p.source[2], p.record["classifierName"]) for p in found if p.source[1] == partition)
        assert [name for name, _ in groupby(told, key=lambda one: one[1])] == ["first", "second", "first"]
    assert {(p.record["classifierName"], p.record["classifierVersion"]) for p in found} == {
        ("first", first.digest),
        ("second", second.digest),
    }
    assert differ(found, sent, [first, second]) < ROUNDING
    summary = recount(service, monkeypatch)
    assert summary["clean"], summary
    assert worker.stop() == 0


def test_sighup_reads_the_configured_artefact_again(service, monkeypatch, tmp_path):
    del service.environment["MISWEEPER_CLASSIFIER__MODELS"]
    folder = tmp_path / "configured"
    service.environment["MISWEEPER_CLASSIFIER__ARTEFACT"] = str(folder)
    first = like_shipped(folder, "first")
    service.create_topics(monkeypatch, partitions=1)
    worker = service.worker().await_ready()
    worker.process.send_signal(signal.SIGHUP)
    eventually(lambda: worker.metric("misweeper_model_reloads_total", outcome="unchanged") == 1)
    second = like_shipped(folder, "second", noise=0.05)
    records = list(islice(read_alerts(HELDOUT), 300))
    service.send((r["objectId"], encode(r, "observation")) for r in records[:150])
    assert {p.record["classifierName"] for p in service.collect(150)["classifications"]} == {"first"}
    worker.process.send_signal(signal.SIGHUP)
    eventually(lambda: at_work(worker, second))
    service.send((r["objectId"], encode(r, "observation")) for r in records[150:])
    found = service.collect(300)["classifications"]
    assert [p.record["classifierName"] for p in found] == ["first"] * 150 + ["second"] * 150
    assert differ(found, records, [first, second]) < ROUNDING
    assert worker.stop() == 0


def test_a_broken_artefact_is_refused_the_old_one_stays_and_the_whole_one_is_taken_once_it_is_there(
    service, monkeypatch
):
    first, second = make(service, "first"), make(service, "second", noise=0.05)
    command(service, "promote", "first")
    service.create_topics(monkeypatch, partitions=1)
    worker = service.worker().await_ready()
    folder, aside = service.models / "second", service.models / ".second"
    weights, records = folder / artefact.WEIGHTS, list(islice(read_alerts(HELDOUT), 500))
    whole = weights.read_bytes()

    def damage():
        weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))

    def replace():
        weights.write_bytes(whole)
        like_shipped(folder, "second", noise=0.1)

    breakages = {
        "damaged": damage,  # one bit
        "promoted was": replace,  # whole, and another one than what was promoted
        artefact.WEIGHTS: weights.unlink,
        artefact.MANIFEST: lambda: folder.rename(aside),
    }
    damage()
    done = run_command("model", "promote", "second", environment=service.variables())
    assert (done.returncode, "damaged" in done.stderr) == (2, True)
    for number, (why, break_it) in enumerate(breakages.items(), 1):
        break_it()
        promote(service.models, ALL, Named("second", second.digest))  # as if it had been broken afterwards
        eventually(lambda why=why: why in models_of(worker)["refused"])
        assert worker.metric("misweeper_model_refused") == 1
        assert worker.ask("/readyz")[0] == 200
        assert at_work(worker, first)
        service.send((r["objectId"], encode(r, "observation")) for r in records[100 * (number - 1) : 100 * number])
        found = service.collect(100 * number)["classifications"]
        assert {p.record["classifierVersion"] for p in found} == {first.digest}
    assert "what is promoted cannot be used" in worker.log()
    aside.rename(folder)
    like_shipped(folder, "second", noise=0.05)
    eventually(lambda: at_work(worker, second))
    assert (worker.metric("misweeper_model_refused"), models_of(worker)["refused"]) == (0, "")
    service.send((r["objectId"], encode(r, "observation")) for r in records[400:])
    found = service.collect(500)["classifications"]
    assert [p.record["classifierName"] for p in found] == ["first"] * 400 + ["second"] * 100
    assert differ(found, records, [first, second]) < ROUNDING
    assert recount(service, monkeypatch)["clean"]
    assert worker.stop() == 0
    weights.write_bytes(whole[:100])
    started = run_command("run", environment=service.variables() | {"MISWEEPER_HTTP__PORT": "0"})
    assert (started.returncode, "promoted in" in started.stderr) == (2, True)


def test_the_shadow_answers_each_alert_on_its_topic_and_the_metrics_agree_with_the_recount(service, monkeypatch):
    first, second = make(service, "first"), make(service, "second", noise=0.05)
    service.environment["MISWEEPER_OUTPUTS__SHADOW"] = f"{service.prefix}shadow"
    command(service, "promote", "first")
    command(service, "promote", "second", "--shadow")
    service.create_topics(monkeypatch, partitions=3)
    worker = service.worker().await_ready()
    records = list(islice(read_alerts(HELDOUT), 6000))
    service.send((r["objectId"], encode(r, "observation")) for r in records)
    found = service.collect(len(records))["classifications"]
    shadowed = shadow_answers(service, len(records))
    assert {p.source for p in shadowed} == {p.source for p in found}
    assert len(found) == len(shadowed) == len(records)
    assert {p.record["classifierVersion"] for p in found} == {first.digest}
    assert {p.record["classifierVersion"] for p in shadowed} == {second.digest}
    assert differ(found, records, [first]) < ROUNDING
    assert differ(shadowed, records, [second]) < ROUNDING
    summary = json.loads(command(service, "compare", "--json"))
    eventually(lambda: worker.metric("misweeper_shadow_compared_total") == summary["compared"])
    assert summary["compared"] == len(records)
    assert 0 < summary["same_class"] < len(records)
    for name in ("same_class", "same_flag"):
        assert worker.metric(f"misweeper_shadow_{name}_total") == summary[name]
    distance = worker.metric("misweeper_shadow_distance_total") / len(records)
    assert distance == pytest.approx(summary["mean_distance"], rel=1e-9)
    ours, theirs = ({p.source: chances(p.record) for p in some} for some in (found, shadowed))
    by_hand = sum(ours[s].argmax() == theirs[s].argmax() for s in ours)
    assert by_hand == summary["same_class"]
    assert recount(service, monkeypatch)["clean"]
    objects = {r["objectId"] for r in records}
    for made in (first, second):  # each has states of its own, of every object
        assert states_of(service, made) == objects
    assert states_of(service, None) == set()
    command(service, "promote", "second")  # what was tried is promoted: its states are there
    command(service, "promote", "--shadow", "--withdraw")
    eventually(lambda: at_work(worker, second) and SHADOW not in models_of(worker))
    anew = worker.metric("misweeper_recomputed_light_curves_total", cause="no_state")
    more = list(islice(read_alerts(HELDOUT), 6000, 7000))
    service.send((r["objectId"], encode(r, "observation")) for r in more)
    later = service.collect(7000)["classifications"]
    assert differ(later, records + more, [first, second]) < ROUNDING
    assert {p.record["classifierVersion"] for p in later if p.source not in ours} == {second.digest}
    assert worker.metric("misweeper_recomputed_light_curves_total", cause="no_state") == anew
    assert worker.stop() == 0


def test_each_survey_is_answered_by_its_own_artefact_and_a_worker_that_follows_finds_its_states(service, monkeypatch):
    everybody = make(service, "everybody")
    small = artefact.save(service.models / "small", untrained())  # whose states have another size
    shadow = make(service, "shadow", noise=0.05)
    service.environment["MISWEEPER_OUTPUTS__SHADOW"] = f"{service.prefix}shadow"
    promote(service.models, ALL, Named("everybody", everybody.digest))
    promote(service.models, SHADOW, Named("shadow", shadow.digest))
    command(service, "promote", "small", "--survey", "ztf")
    service.create_topics(monkeypatch, partitions=1)
    records = [
        r | {"survey": "ztf" if int(r["objectId"]) % 2 else "plasticc"} for r in islice(read_alerts(HELDOUT), 4000)
    ]
    for some in (records[:2000], records[2000:]):
        worker = service.worker().await_ready()
        service.send((r["objectId"], encode(r, "observation")) for r in some)
        found = service.collect(records.index(some[-1]) + 1)["classifications"]
        assert worker.stop() == 0
    names = {"ztf": small.digest, "plasticc": everybody.digest}
    assert {p.record["survey"] for p in found} == set(names)
    assert all(p.record["classifierVersion"] == names[p.record["survey"]] for p in found)
    assert len(found) == len(records)
    assert differ(found, records, [everybody, small]) < ROUNDING
    assert differ(shadow_answers(service, len(records)), records, [shadow]) < ROUNDING
    assert recount(service, monkeypatch)["clean"]
    listed = json.loads(command(service, "list", "--json"))
    assert {one["folder"]: one["promoted"] for one in listed} == {
        "everybody": [ALL], "shadow": [SHADOW], "small": ["ztf"],
    }  # fmt: skip
