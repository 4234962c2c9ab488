"""`make chaos`: workers, Kafka and Redis are killed under load; every offset is recounted. Ends with a line of JSON."""

import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from confluent_kafka.admin import AdminClient
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

from broker.accounts.ledger import FATES
from broker.accounts.reconcile import Wanted, reconcile
from broker.config import Settings
from broker.kafka.topics import create_topics
from tests.chaos.badday import BadDay
from tests.chaos.campaign import PARTITIONS, Campaign
from tests.chaos.fleets import alone, fleets
from tests.chaos.reference import DENSE, Reference

SHOWN = 20  # differences
PER_S = 150  # alerts on a bad day
ENOUGH = 0.9  # of the states must have been believed, and so compared


def main(
    alerts: Annotated[int, typer.Option(min=1, help="Alerts to send at least.")] = 500_000,
    kills: Annotated[int, typer.Option(min=1, help="Workers to kill at least.")] = 200,
    workers: Annotated[int, typer.Option(min=1, help="Workers at a time.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Decides what happens, not when.")] = 1,
    bad_day: Annotated[bool, typer.Option("--bad-day", help="Faults of every kind, several at once.")] = False,
    rounds: Annotated[int, typer.Option(min=1, help="Of faults, on a bad day.")] = 12,
    cluster: Annotated[bool, typer.Option("--cluster", help="Three Kafkas and six Valkeys, not on a bad day.")] = False,
) -> None:
    """Exit 1 where an alert was lost, published twice or differs from a run in which nothing went wrong.

    Examples:
        python -m tests.chaos --alerts 20000 --kills 15
        python -m tests.chaos --bad-day --rounds 5
        python -m tests.chaos --cluster --alerts 5000 --kills 12
    """
    if cluster and bad_day:
        raise typer.BadParameter("a bad day has one Kafka and one Valkey; leave --cluster or --bad-day out")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # through every finally: no worker outlives us
    console = Console(stderr=True)
    folder = Path(tempfile.mkdtemp(prefix="misweeper-chaos-"))
    with fleets(console, seed) if cluster else alone(console) as (servers, more, copies):
        columns = (*Progress.get_default_columns()[:-1], MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console) as progress:
            say = lambda event: progress.console.print(event, markup=False, highlight=False)  # noqa: E731
            trial: Campaign | BadDay
            if bad_day:
                trial = BadDay(servers, folder, workers, rounds, PER_S, seed, say)
            else:
                trial = Campaign(servers, folder, workers, kills, alerts, seed, say, more)
            os.environ.update(trial.service.variables())
            settings = Settings.load()
            create_topics(AdminClient(settings.kafka.client()), settings, PARTITIONS, copies)
            task = progress.add_task("alerts sent", total=None if bad_day else alerts)
            began = time.monotonic()
            try:
                for sent in trial.run(settings):
                    progress.update(task, completed=sent)
            finally:
                trial.close()
        seconds = time.monotonic() - began
        admin = AdminClient(settings.kafka.client())
        with console.status("recounting every offset"):
            counted = reconcile(admin, settings, Wanted(settings.kafka.topics)).summary()
        with console.status("comparing with a run in which nothing went wrong"):
            reference = Reference.of(settings, admin)
            differing = [*reference.differing_answers(settings, admin), *reference.differing_curves(settings)]
    parts = counted["partitions"]
    result = {
        "alerts": trial.sent,
        "published": sum(part["published"] for part in parts),
        "lost": sum(part["gaps"] + part["pending"] for part in parts),
        "duplicate": sum(part["doubles"] + part["anomaly_defects"] for part in parts),
        "differing": len(differing),
        "not_finite": reference.not_finite,
        "read": dict(sorted(reference.read.items())),
        "objects": len(reference.store.logs),
        "states_compared": reference.compared,
        "seconds": round(seconds),
        "logs": str(folder),
        "events": dict(sorted(trial.happened.items())),
    }
    if isinstance(trial, BadDay):
        result["slowest_s"] = round(trial.slowest_s, 1)
    else:
        result["kills"] = trial.killed
        if reference.compared < ENOUGH * len(reference.store.logs):
            trial.faults.append(f"only {reference.compared} states could be compared")
        trial.faults += [f"no alerts: {what}" for what in (*settings.kafka.topics, DENSE) if not reference.read[what]]
    for defect in [*counted["first"], *differing[:SHOWN]]:
        console.print(defect, markup=False)
    if sum(part[fate] for part in parts for fate in FATES) != trial.sent:
        trial.faults.append("there are not as many fates as alerts")
    for fault in trial.faults:
        console.print(fault, markup=False)
    typer.echo(json.dumps(result))
    wrong = trial.faults or not counted["clean"] or result["lost"] or differing or reference.not_finite
    raise typer.Exit(bool(wrong))


if __name__ == "__main__":
    typer.run(main)
