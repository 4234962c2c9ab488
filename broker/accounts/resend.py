"""Send dead letters' original bytes back to where they came from, once.

What is sent carries a header that names the message it repeats; a later replay finds it there, behind the letter. All
of it is one transaction: a crash half way sends nothing. The producer is fenced by its name before that header is
looked for, so of two replays at once one alone can commit.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from broker.accounts.deadletters import MARGIN_MS, Letter, printable
from broker.errors import StartupError
from broker.kafka import spans
from broker.kafka.message import Message
from broker.kafka.spans import Place, Span
from broker.kafka.transactions import insist
from broker.outputs.messages import WITHOUT_ENVELOPE

REPLAY_OF = "misweeper_replay_of"
GIVE_UP_S = 60.0

Source = tuple[str, int, int]  # topic, partition and offset
Delivered = Callable[[KafkaError | None, object], None]


class Wish(NamedTuple):
    """A letter to replay, without its bytes."""

    place: tuple[int, int]  # its own
    source: Source
    failed_ms: int
    refused: str | None  # why it cannot be sent


def wish(letter: Letter, known: Collection[Place]) -> Wish:
    """A letter, and whether it can be sent back to one of the known partitions."""
    record = letter.record
    topic, partition, _ = letter.source
    refused = None
    if record["fate"] != "dead_letter":
        refused = f"a {record['fate']} has been answered"
    elif record["valueSize"] > len(record["value"] or b""):
        refused = "its value was cut: not all bytes are kept"
    elif record["detail"].startswith(WITHOUT_ENVELOPE):
        refused = "its key and headers are not kept"
    elif (topic, partition) not in known:
        refused = f"{printable(topic)}[{partition}] is gone"
    return Wish(letter.place, letter.source, record["failedAt"], refused)


def sent_spans(admin: AdminClient, wishes: Iterable[Wish]) -> list[Span]:
    """Where the wishes may have been sent already: their source partitions, behind the first of them."""
    by_place: defaultdict[Place, list[Wish]] = defaultdict(list)
    for one in wishes:
        by_place[one.source[:2]].append(one)
    found = []
    for place, ours in by_place.items():
        since = spans.at_time(admin, [place], min(one.failed_ms for one in ours) - MARGIN_MS)[place]
        behind = min(one.source[2] for one in ours) + 1
        found.append(Span(*place, max(since, behind), spans.newest(admin, [place])[place]))
    return found


def sent_already(batches: Iterable[Sequence[Message]]) -> set[Source]:
    """The messages that some messages of the source topics repeat."""
    found: set[Source] = set()
    for messages in batches:
        for message in messages:
            for name, value in message.headers:
                if name == REPLAY_OF and (source := named(value)):
                    found.add(source)
    return found


def name_of(source: Source) -> bytes:
    """A message's place as the header names it."""
    return "/".join(map(str, source)).encode()


def named(value: bytes | None) -> Source | None:
    """The place that the header names; None where it is no name of ours."""
    topic, *numbers = (value or b"").decode(errors="replace").split("/")
    if len(numbers) == 2 and all(number.isdecimal() for number in numbers):
        return topic, int(numbers[0]), int(numbers[1])
    return None


def resent_headers(letter: Letter) -> list[tuple[str, str | bytes | None]]:
    """The original headers, and the one that says what this repeats."""
    original = [(name, value) for name, value in letter.original().headers if name != REPLAY_OF]
    return [*original, (REPLAY_OF, name_of(letter.source))]


def connect(config: Mapping[str, Any], group: str) -> Producer:
    """The one producer of the group's replays: an earlier one that still runs cannot commit from here on.

    Raises StartupError.
    """
    producer = Producer(
        {
            "compression.type": "lz4",
            "message.max.bytes": 100_000_000,
            "queue.buffering.max.kbytes": 131_072,
            "transaction.timeout.ms": 120_000,  # how long a killed replay holds the readers of the input up
            **config,
            "transactional.id": f"{group}.dead-letters",
        }
    )
    with spans.answering():
        insist(producer.init_transactions, GIVE_UP_S)
    return producer


def own_spans(topic: str, places: Iterable[tuple[int, int]]) -> list[Span]:
    """The least of the dead-letters topic that holds the letters of some places."""
    offsets: defaultdict[int, list[int]] = defaultdict(list)
    for partition, offset in places:
        offsets[partition].append(offset)
    return [Span(topic, partition, min(ours), max(ours) + 1) for partition, ours in offsets.items()]


def resend(producer: Producer, letters: Iterable[Letter], wanted: Collection[tuple[int, int]]) -> int:
    """Send those of the letters whose own place is wanted, in one transaction. Returns how many.

    Raises:
        StartupError: Kafka refused, and nothing was sent.
    """
    refused: list[str] = []

    def delivered(error: KafkaError | None, _: object) -> None:
        if error is not None:
            refused.append(error.str())

    producer.begin_transaction()
    try:
        produce_all(producer, letters, wanted, delivered)
    except BaseException as error:  # Ctrl-C too: an open transaction would hold the readers of the input up
        abort(producer)
        if isinstance(error, KafkaException):
            raise StartupError(f"a letter cannot be sent ({error.args[0].str()}); nothing was sent") from error
        raise
    try:
        insist(producer.commit_transaction, GIVE_UP_S)
    except KafkaException as error:
        raise StartupError(not_committed(producer, error.args[0], refused)) from error
    except TimeoutError as error:
        raise StartupError(f"{error}; replay again: what was sent is not sent twice") from error
    return len(wanted)


def not_committed(producer: Producer, error: KafkaError, refused: Sequence[str]) -> str:
    """What became of a transaction that could not be committed."""
    if error.code() == KafkaError._FENCED:  # noqa: SLF001 - librdkafka's name
        return "another replay has begun meanwhile and goes on alone; nothing was sent here"
    why = (*refused, error.str())[0]
    if error.txn_requires_abort():
        abort(producer)
        return f"Kafka did not take the letters ({why}); nothing was sent"
    return f"Kafka does not answer ({why}); replay again: what was sent is not sent twice"


def abort(producer: Producer) -> None:
    """Leave no transaction open; where Kafka does not answer its timeout ends it."""
    with suppress(KafkaException, TimeoutError):
        insist(producer.abort_transaction, GIVE_UP_S)


def produce_all(
    producer: Producer, letters: Iterable[Letter], wanted: Collection[tuple[int, int]], delivered: Delivered
) -> None:
    """Hand the letters over whose own place is wanted. Raises StartupError where one is missing."""
    left = set(wanted)
    for letter in letters:
        if letter.place in left:
            left.remove(letter.place)
            produce(producer, letter, delivered)
    if left:
        raise StartupError(f"{len(left)} letters are gone from their topic meanwhile; nothing was sent: try again")


def produce(producer: Producer, letter: Letter, delivered: Delivered) -> None:
    """Hand one letter over, as soon as there is room."""
    message = letter.original()
    headers = resent_headers(letter)
    while True:
        try:
            producer.produce(
                message.topic, message.value, message.key, message.partition, headers=headers, on_delivery=delivered
            )
        except BufferError:
            producer.poll(0.05)
        else:
            return
