"""Artefacts made ready to classify: loaded, on their device, and warm, before any alert waits for them."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.metadata import version

import numpy as np
import structlog

from broker.config import Outputs as Topics
from broker.config import Settings
from broker.errors import StartupError
from broker.interfaces import Model
from broker.lightcurves.memory import Memory
from broker.lightcurves.redis_store import DAY_S, RedisLightCurves
from broker.lightcurves.store import LightCurveStore
from broker.metrics import AtWork
from broker.models.agreement import Agreement
from broker.models.bysurvey import by_survey
from broker.models.chosen import Chosen
from broker.models.followed import Following, Lengths, Overheard
from broker.models.shadow import Shadow
from broker.outputs.messages import Outputs
from broker.packets.reader import AlertReader
from broker.rehearsal import rehearse
from model.artefact import Artefact
from model.classifier import Classifier, DeviceError
from model.drift import FILE
from model.fingerprint import sample

log = structlog.get_logger(__name__)

SAMPLE = 40  # observations
ERAS = 256  # a state keeps the number of its promotion in a byte


class Workshop:
    """Makes what the pipeline is handed. An artefact that is at work already is not loaded a second time.

    Args:
        settings: all there are.
        agreed: told of the shadow's agreement, once it is committed.
    """

    def __init__(self, settings: Settings, agreed: Callable[[Agreement, Mapping[str, int]], None]) -> None:
        self._settings, self._agreed = settings, agreed
        self._classifiers: dict[str, Classifier] = {}  # by digest
        self._warm: set[str] = set()

    def load(self, chosen: Chosen) -> None:
        """Put artefacts on their device. Raises StartupError."""
        for _, artefact in chosen.each():
            if artefact.digest not in self._classifiers:
                self._classifiers[artefact.digest] = classifier_of(self._settings, artefact)

    def at_work(self, chosen: Chosen) -> dict[str, AtWork]:
        """What artefacts that are loaded are told as, by what for."""
        classifiers = {role: self._classifiers[one.digest] for role, one in chosen.each()}
        return {role: AtWork(c.name, c.digest, str(c.device), c.priors) for role, c in classifiers.items()}

    def warm_up(self, chosen: Chosen, reader: AlertReader | None = None) -> None:
        """Let artefacts classify something, so that the first alert does not pay for what is done once."""
        reader = reader or AlertReader(self._settings.limits.max_message_bytes)
        for _, artefact in chosen.each():
            if artefact.digest not in self._warm:
                classifier = self._classifiers[artefact.digest]
                warmed_up(classifier)
                rehearse(reader, classifier, self._outputs(artefact, self._settings.outputs))
                self._warm.add(artefact.digest)

    def made(self, chosen: Chosen, store: RedisLightCurves, saver: RedisLightCurves) -> Model:
        """What answers from now on, of artefacts that need not be loaded yet; see `model`. Raises StartupError."""
        self.load(chosen)
        self.warm_up(chosen)
        model = self.model(chosen, store, saver)
        kept = set(chosen.digests().values())
        self._warm &= kept
        for digest in self._classifiers.keys() - kept:  # at work no more
            del self._classifiers[digest]
        return model

    def model(self, chosen: Chosen, store: RedisLightCurves, saver: RedisLightCurves) -> Model:
        """What answers from now on.

        Args:
            chosen: artefacts that are loaded and warm.
            store: of the light curves, known by its identity.
            saver: the same on connections of its own, for the thread that saves.
        """
        heard: list[Lengths] = []

        def one(artefact: Artefact) -> Model:
            name = self._classifiers[artefact.digest].fingerprint.hex()
            own = store.of_model(name)
            if chosen.shadow:
                overheard = Overheard(own)
                heard.append(overheard.lengths)
                memory = self._memory(artefact, chosen.number, overheard, saver.of_model(name))
            else:
                memory = self._memory(artefact, chosen.number, own, saver.of_model(name))
            outputs = self._outputs(artefact, self._settings.outputs)
            known = chosen.known.get(artefact.digest)
            if known is None:
                log.info(
                    "no drift is looked for: this artefact does not say how its inputs were distributed", file=FILE
                )
            return Model(self._classifiers[artefact.digest], memory, outputs, known=lambda _: known)

        everybody, surveys = one(chosen.everything), {name: one(of) for name, of in chosen.surveys.items()}
        shadow = self._shadow(chosen.shadow, chosen.number, store, saver, heard) if chosen.shadow else None
        if surveys:
            return by_survey(everybody, surveys, shadow)
        return replace(everybody, shadow=shadow)

    def _shadow(
        self, artefact: Artefact, number: int, store: RedisLightCurves, saver: RedisLightCurves, heard: list[Lengths]
    ) -> Shadow:
        classifier, topic = self._classifiers[artefact.digest], self._settings.outputs.shadow
        assert topic is not None
        name = classifier.fingerprint.hex()  # once it is promoted, its states are there
        following, saving = Following(store.of_model(name), heard), Following(saver.of_model(name), heard)
        memory = self._memory(artefact, number, following, saving)
        topics = self._settings.outputs.model_copy(update={"classifications": topic, "routes": {}})
        return Shadow(classifier, memory, self._outputs(artefact, topics), self._agreed)

    def _memory(self, artefact: Artefact, number: int, store: LightCurveStore, saver: LightCurveStore) -> Memory:
        classifier, settings = self._classifiers[artefact.digest], self._settings
        return Memory(
            store,
            classifier.fingerprint,
            classifier.start_state,
            curve_ttl_s=settings.redis.curve_ttl_days * DAY_S,
            most_observations=settings.limits.max_observations,
            saver=saver,
            era=number % ERAS,
        )

    def _outputs(self, artefact: Artefact, topics: Topics) -> Outputs:
        return Outputs(
            topics=topics,
            classifier_name=artefact.name,
            classifier_version=artefact.digest,
            priors=self._settings.classifier.priors,
            broker_version=version("misweeper"),
        )


def classifier_of(settings: Settings, artefact: Artefact) -> Classifier:
    """An artefact on its device, not warm yet. Raises StartupError."""
    chosen = settings.classifier
    try:
        return Classifier(artefact, device=chosen.device, priors=chosen.priors, threads=chosen.threads)
    except DeviceError as error:
        raise StartupError(f"{error} (MISWEEPER_CLASSIFIER__DEVICE)") from error


def warmed_up(classifier: Classifier) -> None:
    """Take a classifier along all its paths. Raises StartupError where what it says is no number."""
    classifier.warm_up()
    said, _ = classifier.classify(sample(classifier.start_state, SAMPLE))
    if not all(bool(np.isfinite(numbers).all()) for numbers in said):
        raise StartupError(f"the artefact {classifier.name} says what is no number; train it again")
