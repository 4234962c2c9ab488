"""Where the microseconds of an alert go, stage by stage, on a real Valkey; Kafka's part is what `misweeper demo` shows.

Run by `make bench`. Nothing is asserted of speed: machines differ. Compare medians of one run.
"""

import time
from itertools import islice
from statistics import median

import pytest
import redis
from rich.console import Console
from rich.table import Table

from broker.commands.demo import HELDOUT
from broker.commands.replay import read_alerts
from broker.config import Outputs as Topics
from broker.kafka.message import Message
from broker.lightcurves.memory import Memory
from broker.lightcurves.redis_store import RedisLightCurves
from broker.lightcurves.store import Arrival
from broker.outputs.messages import Outputs
from broker.packets.framings import encode
from broker.packets.reader import AlertReader
from model.artefact import DEFAULT, load
from model.classifier import Classifier

ALERTS = 10_000


@pytest.mark.parametrize("size", [64, 1024])
def test_stages(redis_url, key_prefix, size):
    records = list(islice(read_alerts(HELDOUT), ALERTS))
    messages = [Message("t", 0, i, 0, value=encode(r, "observation")) for i, r in enumerate(records)]
    artefact = load(DEFAULT)
    classifier = Classifier(artefact, device="cpu", threads=1)
    classifier.warm_up()
    read = AlertReader(4 * 1024 * 1024)
    outputs = Outputs(Topics(), artefact.name, artefact.digest, "balanced", "bench")
    memory = Memory(RedisLightCurves(redis.Redis.from_url(redis_url), prefix=key_prefix), classifier.digest)
    took: dict[str, list[float]] = {stage: [] for stage in ("decode", "remember", "classify", "save", "encode")}

    def timed(stage, work):
        began = time.perf_counter()
        result = work()
        took[stage].append((time.perf_counter() - began) / size * 1e6)
        return result

    for start in range(0, ALERTS - size + 1, size):
        batch = messages[start : start + size]
        arrivals = timed("decode", lambda b=batch: [Arrival(m, read(m)) for m in b])
        shares = timed("remember", lambda a=arrivals: memory.remember(a))
        runs = [run for share in shares for run in share.runs]
        outcomes = iter(timed("classify", lambda r=runs: classifier.classify(r)))
        grouped = [[next(outcomes) for _ in share.runs] for share in shares]
        timed("save", lambda s=shares, g=grouped: memory.save(s, g))

        def published(shares=shares, grouped=grouped):
            for share, of_share in zip(shares, grouped, strict=True):
                for arrival, answer in zip(share.arrivals, share.answers, strict=True):
                    verdict = of_share[answer.run].verdicts[answer.verdict]
                    yield from outputs.classification(arrival, verdict, answer.observations, 0, 0)

        timed("encode", lambda p=published: list(p()))
    table = Table(title=f"microseconds an alert, micro-batches of {size}, median of {len(took['decode'])}")
    for stage in (*took, "sum"):
        table.add_column(stage, justify="right")
    medians = [median(values) for values in took.values()]
    table.add_row(*(f"{m:.1f}" for m in (*medians, sum(medians))))
    Console().print(table)
    assert all(medians)
