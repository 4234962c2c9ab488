"""Send dead letters' original bytes back to where they came from, once.

What is sent carries a header that names the message it repeats; a later replay finds it there, behind the letter. The
header alone proves nothing, for whoever may write to the topic may write it: what carries it must be the same message,
key, value and headers, on the same partition. Many letters go in several transactions, none of which lasts long: after
a crash a later replay finds what was committed and sends the rest. The producer is fenced by its name before that
header is looked for, so of two replays at once one alone goes on.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as KafkaMessage
from confluent_kafka.admin import AdminClient

from broker.accounts.deadletters import MARGIN_MS, Letter
from broker.errors import StartupError
from broker.kafka import spans
from broker.kafka.batch import Place
from broker.kafka.message import Message
from broker.kafka.spans import Span
from broker.kafka.transactions import insist
from broker.kafka.troubles import FOLLOWS, refusal
from broker.outputs.messages import WITHOUT_ENVELOPE
from broker.text import printable

REPLAY_OF = "misweeper_replay_of"
GIVE_UP_S = 60.0
MOST_LETTERS, MOST_BYTES = 10_000, 64 * 1024 * 1024  # of a transaction; one letter more may go over the bytes

Source = tuple[str, int, int]  # topic, partition and offset
Delivered = Callable[[KafkaError | None, KafkaMessage], None]


class Wish(NamedTuple):
    """A letter to replay, without its bytes."""

    place: tuple[int, int]  # its own
    source: Source
    failed_ms: int
    refused: str | None  # why it cannot be sent
    digest: bytes  # of the message


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
    return Wish(letter.place, letter.source, record["failedAt"], refused, digest(letter.original()))


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


def sent_already(batches: Iterable[Sequence[Message]], wishes: Iterable[Wish]) -> set[Source]:
    """What some messages of the source topics repeat, of the messages that are wished for."""
    wanted = {(one.source, one.digest) for one in wishes}
    found: set[Source] = set()
    for messages in batches:
        for message in messages:
            for name, value in message.headers:
                source = named(value) if name == REPLAY_OF else None
                if source and source[:2] == message[:2] and (source, digest(message)) in wanted:
                    found.add(source)
    return found


def digest(message: Message) -> bytes:
    """A message's key, value and headers but for ours, in 32 bytes."""
    headers = [header for header in message.headers if header[0] != REPLAY_OF]
    return sha256(repr((message.key, message.value, headers)).encode()).digest()


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
    """Send those of the letters whose own place is wanted, in as many transactions as it takes. Returns how many.

    Raises:
        StartupError: Kafka refused; the text says how many were sent by then.
    """
    left = set(wanted)
    sent = 0
    refused: list[str] = []

    def delivered(error: KafkaError | None, message: KafkaMessage) -> None:
        if error is not None and error.code() not in FOLLOWS:
            refused.append(refusal(error, message.topic() or "", len(message)))

    for part in parts(letter for letter in letters if letter.place in left):
        producer.begin_transaction()
        try:
            produce_all(producer, part, left, delivered)
        except BaseException as error:  # Ctrl-C too: an open transaction would hold the readers of the input up
            abort(producer)
            if isinstance(error, KafkaException):
                why = error.args[0].str()
                raise StartupError(f"a letter cannot be sent ({why}); {so_far(sent)}") from error
            raise
        try:
            insist(producer.commit_transaction, GIVE_UP_S)
        except KafkaException as error:
            raise StartupError(not_committed(producer, error.args[0], refused, sent)) from error
        except TimeoutError as error:
            raise StartupError(f"{error}; replay again: what was sent is not sent twice") from error
        sent = len(wanted) - len(left)
    if left:
        raise StartupError(f"{len(left)} letters are gone from their topic meanwhile; {so_far(sent)}: try again")
    return sent


def parts(letters: Iterable[Letter]) -> Iterator[Iterator[Letter]]:
    """Letters in lots that a transaction may have; each is to be used up before the next is taken."""
    rest = iter(letters)

    def part(first: Letter) -> Iterator[Letter]:
        nbytes, letter = 0, first
        for count in range(1, MOST_LETTERS + 1):
            yield letter
            nbytes += letter.record["valueSize"]
            if count == MOST_LETTERS or nbytes >= MOST_BYTES or (following := next(rest, None)) is None:
                return
            letter = following

    while (first := next(rest, None)) is not None:
        yield part(first)


def so_far(sent: int) -> str:
    """What was committed before it went wrong."""
    return f"{sent} were sent" if sent else "nothing was sent"


def not_committed(producer: Producer, error: KafkaError, refused: Sequence[str], sent: int) -> str:
    """What became of a transaction that could not be committed."""
    if error.code() == KafkaError._FENCED:  # noqa: SLF001 - librdkafka's name
        return f"another replay has begun meanwhile and goes on alone; {so_far(sent)} here"
    why = (*refused, error.str())[0]
    if error.txn_requires_abort():
        abort(producer)
        return f"Kafka did not take the letters ({why}); {so_far(sent)}"
    return f"Kafka does not answer ({why}); replay again: what was sent is not sent twice"


def abort(producer: Producer) -> None:
    """Leave no transaction open; where Kafka does not answer its timeout ends it."""
    with suppress(KafkaException, TimeoutError):
        insist(producer.abort_transaction, GIVE_UP_S)


def produce_all(producer: Producer, part: Iterable[Letter], left: set[tuple[int, int]], delivered: Delivered) -> None:
    """Hand a transaction's letters over, and take them off those that are left; each once, should it come twice."""
    for letter in part:
        if letter.place in left:
            left.remove(letter.place)
            produce(producer, letter, delivered)


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
