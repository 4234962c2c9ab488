"""What routes are given in tests: batches of real and made-up packets with verdicts, and their records by topic."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from broker.config import Outputs as Topics
from broker.kafka.batch import Batch
from broker.kafka.message import Message, Record
from broker.outputs.messages import Outputs
from broker.packets.decoded import Decoded, Packets
from broker.packets.reader import AlertReader
from model.runs import Verdicts
from tests.support.alerts import batch_of
from tests.support.surveys import Packet, adapt
from tests.support.verdicts import said, with_reasons

DIGEST = "f" * 64
READ_MS, PUBLISH_MS, SENT_MS = 1_764_060_000_500, 1_764_060_000_900, 1_764_060_000_123


def outputs_with(*routes: dict, priors: str = "balanced") -> Outputs:
    """The service's outputs with some routes."""
    return Outputs(Topics(routes=list(routes)), "default", DIGEST, priors, "0.1.0")


def verdicts_of(n: int, seed: int = 1) -> Verdicts:
    """Something that a classifier could say of n alerts."""
    rng = np.random.default_rng(seed)
    chances = rng.dirichlet(np.full(14, 0.3), n).astype(np.float32)
    numbers = rng.random(n, np.float32), rng.random(n, np.float32) * 9, rng.random(n) < 0.5
    return with_reasons(said(chances, *numbers, rng.integers(0, 3, n).astype(np.uint8)))


def read(records: Iterable[dict]) -> tuple[Batch, Decoded]:
    """Native alerts as the service reads them."""
    batch = batch_of(records)
    return batch, AlertReader(1_000_000)(batch)


def of_survey(survey: str, packets: Sequence[Packet]) -> tuple[Batch, Decoded]:
    """A survey's packets of one schema as the service reads them."""
    schema = packets[0].schema
    assert all(one.schema is schema for one in packets)
    bodies = [one.body for one in packets]
    batch = Batch.of([Message("alerts", 2, 40 + i, SENT_MS) for i in range(len(packets))])
    adapted = adapt(survey, schema, bodies)
    assert not adapted.poisons
    known = Packets([schema], [survey], np.zeros(len(packets), np.int64), bodies)
    return batch, Decoded(adapted.alerts, adapted.declined, {}, known)


def records_of(outputs: Outputs, batch: Batch, decoded: Decoded, seed: int = 1) -> dict[str, list[Record]]:
    """All that is published of a batch whose alerts are all answered, by topic."""
    n = len(decoded.alerts)
    said = verdicts_of(n, seed), np.arange(1, n + 1)
    found = defaultdict(list)
    for record in (
        *outputs.published(batch, decoded, np.arange(n), *said, READ_MS, PUBLISH_MS),
        *outputs.declined(batch, decoded, READ_MS),
    ):
        found[record.topic].append(record)
    return dict(found)
