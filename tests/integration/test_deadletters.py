"""Dead letters listed, shown and sent back, once, on a real Kafka."""

import json
import re
import secrets
import time

import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource
from typer.testing import CliRunner

from broker.accounts import resend as accounts_resend
from broker.accounts.deadletters import letter_spans, letters
from broker.accounts.reconcile import Wanted, reconcile
from broker.accounts.resend import REPLAY_OF, connect, resend
from broker.commands.main import app
from broker.config import Outputs as Topics
from broker.errors import PoisonMessage, Reason, StartupError
from broker.kafka.message import Message
from broker.kafka.spans import Span, newest, oldest, partitions, read
from broker.outputs.messages import Outputs
from tests.support.alerts import record, schemaless, wire
from tests.support.service import Service

NEW_SCHEMA = b"\x00\x00\x00\x03\xe8" + schemaless(record())


@pytest.fixture
def service(kafka, redis_url, topic_prefix, tmp_path):
    service = Service(kafka, redis_url, topic_prefix, tmp_path)
    yield service
    service.close()


@pytest.fixture
def run(service, monkeypatch):
    """A command in this process: its exit code, what it printed, what it raised."""
    service.create_topics(monkeypatch, partitions=2)
    service.settings(monkeypatch)

    def run(*arguments, answer=None):
        return CliRunner().invoke(app, ["dead-letters", *arguments], input=answer)

    return run


def messages_of(settings, topic):
    admin = AdminClient(settings.kafka.client())
    places = partitions(admin, [topic])
    first, last = oldest(admin, places), newest(admin, places)
    wanted = [Span(*place, first[place], last[place]) for place in places]
    return [message for batch in read(settings.kafka.consumer(), wanted, 100) for message in batch]


def bury(service, settings, *messages, reason=Reason.UNKNOWN_SCHEMA, fate="dead_letter", read_ms=1_700_000_000_000):
    """Send messages to the input, and write their dead letters as the service would."""
    producer = Producer({**settings.kafka.client(), "message.max.bytes": 100_000_000})
    outputs = Outputs(Topics(**settings.outputs.model_dump()), "none", "d" * 64, "balanced", "0")
    placed = []
    for key, value, headers in messages:
        producer.produce(
            service.input,
            value,
            key,
            1,
            headers=headers,
            on_delivery=lambda _, m: placed.append((m.partition(), m.offset())),
        )
        producer.flush()
    for (partition, offset), (key, value, headers) in zip(placed, messages, strict=True):
        message = Message(service.input, partition, offset, 5, key, value, tuple(headers))
        made = outputs.duplicate(message, read_ms)
        if fate == "dead_letter":
            made = outputs.dead_letter(message, PoisonMessage(reason, "not known here"), read_ms)
        producer.produce(made.topic, made.value, made.key, headers=made.headers)
    producer.flush()
    return placed


def test_letters_are_listed_by_reason_fate_survey_and_time(service, run, monkeypatch):
    settings = service.settings(monkeypatch)
    bury(service, settings, (b"k", NEW_SCHEMA, []))
    ztf = (b"k", wire(record(survey="ztf")), [])
    bury(service, settings, ztf, reason=Reason.INVALID_FIELD, read_ms=1_600_000_000_000)
    bury(service, settings, (b"k", b"[red]", []), fate="duplicate")

    def reasons(*options):
        done = run("list", "--json", *options)
        assert done.exit_code == 0, done.output
        return sorted(json.loads(line)["reason"] for line in done.stdout.splitlines())

    assert reasons() == ["duplicate", "invalid_field", "unknown_schema"]
    assert reasons("--reason", "unknown_schema") == ["unknown_schema"]
    assert reasons("--fate", "duplicate") == ["duplicate"]
    assert reasons("--survey", "ztf") == ["invalid_field"]
    assert reasons("--since", "2022-01-01", "--fate", "dead_letter") == ["unknown_schema"]
    assert reasons("--until", "2022-01-01") == ["invalid_field"]
    table = run("list", "--limit", "2").stdout
    assert "3 letters: " in table
    assert table.count("2023-11-14 22:13:20") == 2
    assert "2020-09-13" not in table, "the oldest of three"


def test_a_letter_is_shown_by_its_message_and_by_its_own_place(service, run, monkeypatch):
    settings = service.settings(monkeypatch)
    bury(service, settings, (b"k", b"first", []))
    ((partition, offset),) = bury(service, settings, (b"k", NEW_SCHEMA, [("trace", b"\x01")]))
    by_source = run("show", service.input, str(partition), str(offset))
    assert by_source.exit_code == 0, by_source.output
    assert "header      trace: b'\\x01'" in by_source.stdout
    assert "00 00 00 03 e8" in by_source.stdout
    assert "decoding    unknown_schema: schema id 1000 is not one of ours" in by_source.stdout
    admin = AdminClient(settings.kafka.client())
    places = [one.place for one in letters(settings, letter_spans(admin, settings))]
    shown = [run("show", settings.outputs.dead_letters, *map(str, place)).stdout for place in places]
    assert by_source.stdout in shown
    missing = run("show", service.input, str(partition), "99")
    assert isinstance(missing.exception, StartupError)


def test_a_letter_that_is_not_there_is_said_at_once_and_no_other_is_shown(service, run, monkeypatch):
    settings = service.settings(monkeypatch)
    bury(service, settings, (b"k", b"first", []), (b"k", b"second", []))
    topic = settings.outputs.dead_letters
    (first, _) = (one.place for one in letters(settings, letter_spans(AdminClient(settings.kafka.client()), settings)))
    for partition, offset, said in (
        (first[0], 99_999_999, "no dead letter at .*: that partition has offsets 0 to"),
        (1 - first[0], 99_999_999, "no dead letter at .*: that partition (is empty|has offsets)"),
        (77, 0, "has no partition 77, only 0 to 1"),
    ):
        began = time.monotonic()
        done = run("show", topic, str(partition), str(offset))
        assert isinstance(done.exception, StartupError)
        assert re.search(said, str(done.exception))
        assert "source " not in done.stdout
        assert time.monotonic() - began < 10


def test_what_was_mended_is_sent_back_once_whole_and_classified(service, run, monkeypatch):
    settings = service.settings(monkeypatch)
    good = wire(record())
    headers = [("trace", b"\x01"), ("trace", None)]
    bury(service, settings, (b"key", good, headers), (None, NEW_SCHEMA, []), reason=Reason.NOT_AVRO)
    bury(service, settings, (b"k", good, []), fate="duplicate")
    bury(service, settings, (b"k", b"", []), reason=Reason.EMPTY)

    dry = run("replay", "--dry-run", "--reason", "not_avro")
    assert (dry.exit_code, dry.stdout.splitlines()[-1]) == (0, "2 letters to send")
    declined = run("replay", "--reason", "not_avro", answer="n\n")
    assert declined.exit_code == 1
    assert len(messages_of(settings, service.input)) == 4, "nothing was sent so far"
    done = run("replay", "--reason", "not_avro", answer="y\n")
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, "2 letters sent"), done.output
    first, second = sorted(messages_of(settings, service.input)[4:], key=lambda m: m.key is None)
    assert (first.partition, first.key, first.value) == (1, b"key", good)
    assert first.headers == (*headers, (REPLAY_OF, f"{service.input}/1/0".encode()))
    assert (second.key, second.value) == (None, NEW_SCHEMA)

    again = run("replay", "--yes")
    assert "2 not sent: replayed before" in again.stdout
    assert "1 not sent: a duplicate has been answered" in again.stdout
    assert again.stdout.splitlines()[-1] == "1 letters sent", "the one of another reason"
    assert run("replay", "--yes").stdout.splitlines()[-1] == "0 letters to send"
    assert len(messages_of(settings, service.input)) == 7


def test_a_replay_that_dies_half_way_sends_nothing_and_a_later_one_everything(service, run, monkeypatch):
    settings = service.settings(monkeypatch)
    bury(service, settings, *((b"k", b"no Avro %d" % i, []) for i in range(5)))
    admin = AdminClient(settings.kafka.client())
    everything = list(letters(settings, letter_spans(admin, settings)))
    places = [one.place for one in everything]

    def dying():
        yield from everything[:3]
        raise KeyboardInterrupt

    producer = connect(settings.kafka.client(), settings.kafka.group_id)
    with pytest.raises(KeyboardInterrupt):
        resend(producer, dying(), places)
    producer.begin_transaction()
    producer.produce(service.input, b"killed before its commit", partition=1)
    producer.flush()
    committed = list(read(settings.kafka.consumer(), [Span(service.input, 1, 0, 5)], 9))
    assert sum(map(len, committed)) == 5, "readers are not held up by what was not committed, but behind it"
    assert run("replay", "--yes").stdout.splitlines()[-1] == "5 letters sent"
    with pytest.raises(KafkaException, match="fenced"):
        producer.commit_transaction()
    assert [m.value for m in messages_of(settings, service.input)] == [b"no Avro %d" % i for i in range(5)] * 2


def test_a_forged_header_blocks_no_replay(service, run, monkeypatch):
    settings = service.settings(monkeypatch)
    ((partition, offset),) = bury(service, settings, (b"k", b"no Avro", []))
    producer = Producer(settings.kafka.client())
    name = f"{service.input}/{partition}/{offset}".encode()
    producer.produce(service.input, b"forged", b"k", partition, headers=[(REPLAY_OF, name)])
    producer.flush()
    assert run("replay", "--yes").stdout.splitlines()[-1] == "1 letters sent"
    assert run("replay", "--yes").stdout.splitlines()[-1] == "0 letters to send"


def test_a_replay_of_several_transactions_that_dies_goes_on_where_it_was_and_sends_each_once(service, run, monkeypatch):
    monkeypatch.setattr(accounts_resend, "MOST_LETTERS", 2)
    settings = service.settings(monkeypatch)
    bury(service, settings, *((b"k", b"no Avro %d" % i, []) for i in range(7)))
    admin = AdminClient(settings.kafka.client())
    everything = list(letters(settings, letter_spans(admin, settings)))

    def dying():
        yield from everything[:5]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        resend(connect(settings.kafka.client(), settings.kafka.group_id), dying(), [one.place for one in everything])
    assert len(messages_of(settings, service.input)) == 7 + 4
    again = run("replay", "--yes").stdout
    assert "4 not sent: replayed before" in again
    assert again.splitlines()[-1] == "3 letters sent"
    values = [m.value for m in messages_of(settings, service.input)]
    assert sorted(values) == sorted([b"no Avro %d" % i for i in range(7)] * 2)


def test_a_letter_that_its_topic_does_not_take_is_named(service, run, monkeypatch):
    settings = service.settings(monkeypatch)
    bury(service, settings, (b"k", secrets.token_bytes(100_000), []))
    admin = AdminClient(settings.kafka.client())
    smaller = ConfigResource(
        ConfigResource.Type.TOPIC,
        service.input,
        incremental_configs=[
            ConfigEntry("max.message.bytes", "50000", incremental_operation=AlterConfigOpType.SET),
        ],
    )
    for future in admin.incremental_alter_configs([smaller]).values():
        future.result(10)
    done = run("replay", "--yes")
    assert isinstance(done.exception, StartupError)
    assert f"topic {service.input} takes no record of 100000 bytes; raise its max.message.bytes" in str(done.exception)
    assert "nothing was sent" in str(done.exception)


def test_of_two_replays_at_once_one_alone_sends(service, run, monkeypatch):
    settings = service.settings(monkeypatch)
    bury(service, settings, (b"k", b"no Avro", []))
    admin = AdminClient(settings.kafka.client())
    everything = list(letters(settings, letter_spans(admin, settings)))
    first = connect(settings.kafka.client(), settings.kafka.group_id)
    connect(settings.kafka.client(), settings.kafka.group_id)
    with pytest.raises(StartupError, match="nothing was sent"):
        resend(first, everything, [everything[0].place])
    assert len(messages_of(settings, service.input)) == 1


def test_a_letter_through_the_whole_service_is_replayed_and_every_offset_keeps_one_fate(service, monkeypatch):
    service.create_topics(monkeypatch, partitions=1)
    worker = service.worker(MISWEEPER_LIMITS__MAX_MESSAGE_BYTES="1024").await_ready()
    big = wire(record(history=[record() | {"mjd": 59000.0 + i} for i in range(100)]))
    service.send([("615", big)])
    assert [p.record["reason"] for p in service.collect(1)["dead-letters"]] == ["too_large"]
    assert worker.stop() == 0
    service.worker().await_ready()  # with the bound as it is by default
    settings = service.settings(monkeypatch)
    done = CliRunner().invoke(app, ["dead-letters", "replay", "--yes", "--reason", "too_large"])
    assert done.stdout.splitlines()[-1] == "1 letters sent", done.output
    found = service.collect(2)
    assert [p.record["observations"] for p in found["classifications"]] == [101]
    summary = reconcile(AdminClient(settings.kafka.client()), settings, Wanted(settings.kafka.topics)).summary()
    assert summary["clean"], summary
    (row,) = summary["partitions"]
    assert (row["published"], row["dead_letter"]) == (1, 1)
