"""A few made-up alerts through every stage that has compiled code, before any real one is waited for.

Numba compiles what it has not in its cache when it is first called: some 20 s that the first alerts would wait.
`python -m broker.rehearsal` fills that cache, so that an image brings it along.
"""

import numpy as np

from broker.config import Outputs as Topics
from broker.kafka.batch import Batch
from broker.kafka.message import Message
from broker.lightcurves.memory import Memory
from broker.lightcurves.store import InMemoryLightCurves
from broker.lightcurves.told import Messages
from broker.outputs.messages import Outputs
from broker.packets.framings import encode
from broker.packets.reader import AlertReader
from model.artefact import DEFAULT, load
from model.classifier import Classifier

OBSERVED = {"band": "r", "flux": 500.0, "fluxErr": 20.0, "detected": True}


def rehearse(reader: AlertReader, classifier: Classifier, outputs: Outputs) -> None:
    """Read, remember, classify and write alerts without and with history, steps and recalls; publish none."""
    memory = Memory(InMemoryLightCurves(), classifier.fingerprint, classifier.start_state)
    for offset, day in enumerate((3, 4, 2)):  # new, a step, late
        history = [OBSERVED | {"mjd": 60_000.0 + day - part / 50} for part in range(1, 50)]
        alerts = [alert(name, offset, day, past) for name, past in (("a", []), ("b", history))]
        values = [encode(one, "observation") for one in alerts]
        batch = Batch.of([Message("rehearsal", 0, 2 * offset + i, 0, value=value) for i, value in enumerate(values)])
        decoded = reader(batch)
        told = decoded.alerts
        plan = memory.remember(told, Messages.of(batch, told))
        verdicts, bodies = classifier.classify(plan.runs)
        memory.save(memory.states_of(plan, bodies), plan)
        answers = verdicts.take(plan.verdicts), plan.observations
        outputs.published(batch, decoded, np.arange(len(told)), *answers, 0, 0)


def alert(name: str, number: int, day: int, history: list[dict[str, object]]) -> dict[str, object]:
    """A native alert."""
    known = {"alertId": number + 1, "objectId": name, "survey": "test", "history": history}
    return known | OBSERVED | {"mjd": 60_000.0 + day, "ra": 10.0, "dec": -10.0, "hostgalPhotoz": 0.1}


def main() -> None:
    """Rehearse with the artefact that misweeper ships, on the CPU, without any server."""
    classifier = Classifier(load(DEFAULT), device="cpu", threads=1)
    classifier.warm_up()
    rehearse(AlertReader(1_000_000), classifier, Outputs(Topics(), "rehearsal", "0" * 64, "balanced", "0"))


if __name__ == "__main__":
    main()
