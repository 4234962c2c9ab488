"""Artefacts exchanged while the service runs: on SIGHUP, or when another promotion is written.

What is promoted is loaded, proved, put on its device and warmed up in a thread of its own. Only then, and between two
batches, is it what the pipeline is given when it asks: no batch waits, and each is of one model. What cannot be used
is refused, and what was before goes on. No offset is touched: a batch that is on its way stays with its model, and one
that is done again is done by whichever model is there then, since nothing of it was published.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from queue import Empty, SimpleQueue

import structlog

from broker.errors import StartupError
from broker.interfaces import Model
from broker.metrics import Metrics
from broker.models.chosen import Chosen
from broker.models.folder import Signature, signature
from broker.models.promoted import Promoted, read_promoted

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 2.0
END_S = 10.0

Asked = SimpleQueue[str]  # by whom; safe to put into while a signal is handled


class Life:
    """Which model answers, from batch to batch.

    Args:
        chosen: what is at work.
        model: the same, as the pipeline uses it.
        choose: reads and proves what is to be at work. Raises StartupError.
        build: makes it ready, and the pipeline's model of it. Raises StartupError.
        tell: told after each look what is at work, and why what is promoted is not, if it is not.
        metrics: count looks.
        folder: of the artefacts, which is watched; None: only who asks is heard.
        asked: who asks to look at once.
    """

    def __init__(
        self,
        chosen: Chosen,
        model: Model,
        choose: Callable[[], Chosen],
        build: Callable[[Chosen], Model],
        tell: Callable[[Chosen, str], None],
        metrics: Metrics,
        folder: Path | None,
        asked: Asked,
    ) -> None:
        self._chosen, self._model = chosen, model
        self._choose, self._build, self._tell, self._metrics = choose, build, tell, metrics
        self._folder, self._asked = folder, asked
        self._ending = False
        self._seen: Signature = ()  # so the first look is for what was promoted since `chosen` was read
        self._thread = threading.Thread(target=self._watch, name="models", daemon=True)

    def current(self) -> Model:
        """What answers a batch that begins now."""
        return self._model

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look meanwhile whenever something changes, or somebody asks."""
        self._thread.start()
        try:
            yield
        finally:
            self._ending = True
            self._asked.put("the end")
            self._thread.join(END_S)

    def _watch(self) -> None:
        while not self._ending:
            try:
                by = self._asked.get(timeout=LOOK_EVERY_S)
            except Empty:
                by = ""
            if self._ending:
                return
            if by or self._signature() != self._seen:
                self.look(by or "a change of what is promoted")

    def look(self, by: str) -> None:
        """Take what is promoted now, where it can be used."""
        self._seen = self._signature()
        try:
            chosen = self._choose()
            if self._folder is None and chosen.digests() != self._chosen.digests():
                chosen = replace(chosen, number=self._chosen.number + 1)
            if (chosen.digests(), chosen.number) == (self._chosen.digests(), self._chosen.number):
                self._note("unchanged")
                log.info("the artefacts are as they were", asked_by=by)
                return
            model = self._build(chosen)
        except StartupError as error:
            self._note("refused", str(error))
            log.error("what is promoted cannot be used, what was before goes on", asked_by=by, error=str(error))  # noqa: TRY400
        except Exception as error:
            self._note("refused", f"{type(error).__name__}: {error}")
            log.exception("what is promoted cannot be used, what was before goes on", asked_by=by)
        else:
            self._chosen, self._model = chosen, model
            self._note("switched")
            log.info("other artefacts are at work", asked_by=by, promotion=chosen.number, **chosen.beginnings())

    def _note(self, outcome: str, why: str = "") -> None:
        self._tell(self._chosen, why)
        self._metrics.models.reloads.labels(outcome).inc()

    def _signature(self) -> Signature:
        if self._folder is None:
            return ()
        try:
            return signature(self._folder, read_promoted(self._folder))
        except StartupError:
            return signature(self._folder, Promoted())
