"""`make soak`: two workers under load for long, and what they hold stays the same. Ends with a line of JSON.

While alerts come as fast as they are taken, another artefact is promoted and later the first one again, and now and
then a third worker joins and leaves: two rebalances each time. In the end every offset is recounted.
"""

import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import psutil
import redis
import typer
from confluent_kafka.admin import AdminClient
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

from broker.accounts.reconcile import Wanted, reconcile
from broker.config import Settings
from broker.embedded import EmbeddedKafka, EmbeddedValkey
from broker.models.promoted import ALL, Named, promote
from tests.benchmark.serving import SILENT_S, Serving
from tests.soak.samples import Sample, by_tenth, faults, held, predicted, stretches
from tests.soak.stream import Stream
from tests.support.artefacts import like_shipped

WORKERS = 2
ARTEFACTS = (("first", 0.0), ("second", 0.05))  # their names, and how far their weights are from the shipped one's
EVERY_S = 2.0  # between two samples
VISIT_S = 20.0  # that a third worker stays, once it is ready
RELOADS = (0.15, 0.3)  # of the run: within the warm-up, so that what a reload leaves behind would be seen


class Soak:
    """One run.

    Args:
        service: with servers of its own.
        client: of its Redis.
        models: the folder of two artefacts.
        objects: that alerts are of.
        alerts: to send.
        rebalance_s: between two visits of a third worker.
        say: told of every event.
    """

    def __init__(
        self, service: Serving, client: redis.Redis, models: Path, objects: int, alerts: int, rebalance_s: float
    ) -> None:
        self.service, self._client, self._models = service, client, models
        self._alerts, self._rebalance_s = alerts, rebalance_s
        self.stream = Stream(service, objects, alerts)
        self.samples: list[Sample] = []
        self.reloads, self.visits = 0, 0
        models.mkdir()
        self._named = [Named(name, like_shipped(models / name, name, noise).digest) for name, noise in ARTEFACTS]

    def run(self, seconds: float) -> Iterator[Sample]:
        """Samples, until all that was sent is committed; nothing more is sent after so many seconds."""
        promote(self._models, ALL, self._named[0])
        self.service.start(WORKERS)
        for worker in self.service.workers:
            worker.await_ready()
        self.stream.start()
        began_s = moved_s = visited_s = time.monotonic()
        while self.stream.is_alive() or self.samples[-1].committed < self.service.sent:
            time.sleep(EVERY_S)
            before = self.samples[-1].committed if self.samples else 0
            self.samples.append(self._sample())
            now_s, committed = self.samples[-1].at_s, self.samples[-1].committed
            yield self.samples[-1]
            if now_s - began_s > seconds:
                self.stream.stopped.set()
            done = max(committed / self._alerts, (now_s - began_s) / seconds)
            if self.reloads < len(RELOADS) and done > RELOADS[self.reloads]:
                self.reloads += 1
                promote(self._models, ALL, self._named[self.reloads % len(self._named)])
            if now_s - visited_s > self._rebalance_s:
                self._visit()
                visited_s = time.monotonic()
            moved_s = now_s if committed > before else moved_s
            if now_s - moved_s > SILENT_S:
                raise RuntimeError(f"{committed} of {self.service.sent} alerts are committed, then no more")

    def _visit(self) -> None:
        """A third worker comes, and goes."""
        self.service.start(1)
        guest = self.service.workers.pop()
        try:
            guest.await_ready()
            time.sleep(VISIT_S)
        finally:
            guest.stop()
        self.visits += 1

    def _sample(self) -> Sample:
        found = {w.environment["MISWEEPER_WORKER"]: held(psutil.Process(w.process.pid)) for w in self.service.workers}
        return Sample(
            time.monotonic(),
            self.service.committed(),
            {name: rss for name, (rss, _) in found.items()},
            {name: descriptors for name, (_, descriptors) in found.items()},
            int(self._client.info("memory")["used_memory"]),
        )


def main(
    alerts: Annotated[int, typer.Option(min=1, help="Alerts to send.")] = 10_000_000,
    objects: Annotated[int, typer.Option(min=1, help="Objects that they are of.")] = 1_000_000,
    minutes: Annotated[float, typer.Option(min=0.1, help="Send nothing more after so many.")] = 600.0,
    rebalance_s: Annotated[float, typer.Option(min=1, help="Between two visits of a third worker.")] = 600.0,
) -> None:
    """Exit 1 where a worker grows, Redis holds other than predicted, or the recount is not clean.

    Examples:
        python -m tests.soak
        python -m tests.soak --minutes 5 --objects 100000 --rebalance-s 60
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # through every finally: no worker outlives us
    console = Console(stderr=True)
    folder = Path(tempfile.mkdtemp(prefix="misweeper-soak-"))
    with EmbeddedValkey(console) as valkey, EmbeddedKafka(console) as kafka, redis.Redis.from_url(valkey.url) as client:
        os.environ["MISWEEPER_KAFKA__BOOTSTRAP_SERVERS"] = kafka.bootstrap_servers
        service = Serving(
            kafka.bootstrap_servers, valkey.url, folder, {"MISWEEPER_CLASSIFIER__MODELS": str(folder / "models")}
        )
        soak = Soak(service, client, folder / "models", objects, alerts, rebalance_s)
        empty_bytes = int(client.info("memory")["used_memory"])
        columns = (*Progress.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn())
        began_s = time.monotonic()
        try:
            with Progress(*columns, console=console) as progress:
                task = progress.add_task("alerts committed", total=alerts)
                for sample in soak.run(60 * minutes):
                    progress.update(task, completed=sample.committed)
            seconds = time.monotonic() - began_s
            wanted_bytes = empty_bytes + predicted(soak.stream.observed, service.sent, len(ARTEFACTS))
            settings = Settings.load()
            with console.status("recounting every offset"):
                counted = reconcile(AdminClient(settings.kafka.client()), settings, Wanted(settings.kafka.topics))
        finally:
            service.close()
    found = [*faults(soak.samples, wanted_bytes)]
    summary = counted.summary()
    if not summary["clean"] or sum(part["published"] for part in summary["partitions"]) != service.sent:
        found.append("the recount is not clean")
    for fault in found:
        console.print(fault, markup=False)
    warm, last = stretches(soak.samples)
    mib = lambda some: {name: [s.rss_bytes[name] >> 20 for s in some][len(some) // 2] for name in some[0].rss_bytes}  # noqa: E731
    result = {
        "alerts": service.sent,
        "objects": soak.stream.observed,
        "seconds": round(seconds),
        "alerts_per_s": round(service.sent / seconds),
        "reloads": soak.reloads,
        "rebalances": 2 * soak.visits,
        "rss_mib_by_tenth": by_tenth(soak.samples),
        "rss_mib_warm": mib(warm),
        "rss_mib_last": mib(last),
        "descriptors_warm": warm[len(warm) // 2].descriptors,
        "descriptors_last": last[len(last) // 2].descriptors,
        "redis_mib": soak.samples[-1].redis_bytes >> 20,
        "redis_mib_predicted": int(wanted_bytes) >> 20,
        "clean": summary["clean"],
        "logs": str(folder),
    }
    typer.echo(json.dumps(result))
    raise typer.Exit(bool(found))


if __name__ == "__main__":
    typer.run(main)
