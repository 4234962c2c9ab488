"""What becomes of a look at what is promoted: another model, the same, or a refusal that changes nothing."""

from queue import SimpleQueue

from prometheus_client import CollectorRegistry

from broker.errors import StartupError
from broker.models.chosen import Chosen
from broker.models.instruments import ModelMetrics
from broker.models.life import Life
from model import artefact
from model.artefact import Artefact
from tests.support.artefacts import untrained
from tests.support.service import eventually


class Wanted:
    """What is to be at work, and what is made of it."""

    def __init__(self, artefact: Artefact) -> None:
        self.chosen = Chosen(0, artefact)
        self.error: Exception | None = None

    def choose(self) -> Chosen:
        if isinstance(self.error, StartupError):
            raise self.error
        return self.chosen

    def build(self, chosen: Chosen) -> Chosen:
        if self.error:
            raise self.error
        return chosen


def life_of(wanted: Wanted, registry: CollectorRegistry, folder=None, asked=None) -> Life:
    made = wanted.chosen, wanted.chosen, wanted.choose, wanted.build
    return Life(*made, ModelMetrics(registry), folder, asked or SimpleQueue())


def reloads(registry: CollectorRegistry, outcome: str) -> float:
    return registry.get_sample_value("misweeper_model_reloads_total", {"outcome": outcome})


def two(tmp_path) -> list[Artefact]:
    return [artefact.save(tmp_path / str(t), untrained(temperature=t)) for t in (1.0, 2.0)]


def test_another_artefact_is_taken_and_each_exchange_has_a_number_of_its_own(tmp_path):
    registry, (one, other) = CollectorRegistry(), two(tmp_path)
    wanted = Wanted(one)
    life = life_of(wanted, registry)
    numbers = []
    for now in (one, other, one):
        wanted.chosen = Chosen(0, now)
        life.look("a test")
        assert life.current().everything is now
        numbers.append(life.current().number)
    assert numbers == [0, 1, 2]  # back at the first, its states are of another era
    assert (reloads(registry, "switched"), reloads(registry, "unchanged")) == (2, 1)


def test_whatever_goes_wrong_leaves_what_was_at_work_and_says_so_until_it_is_mended(tmp_path):
    registry, (one, other) = CollectorRegistry(), two(tmp_path)
    wanted = Wanted(one)
    life = life_of(wanted, registry)
    wanted.chosen = Chosen(0, other)
    for wanted.error in (StartupError("it is damaged"), RuntimeError("CUDA out of memory")):
        life.look("a test")
        assert life.current().everything is one
        assert str(wanted.error) in life.said()["refused"]
        assert registry.get_sample_value("misweeper_model_refused") == 1
    wanted.error = None
    life.look("a test")
    assert life.current().everything is other
    assert life.said()["refused"] == ""
    assert registry.get_sample_value("misweeper_model_refused") == 0


def test_who_asks_is_heard_at_once_and_the_thread_ends(tmp_path):
    registry, (one, other), asked = CollectorRegistry(), two(tmp_path), SimpleQueue()
    wanted = Wanted(one)
    life = life_of(wanted, registry, asked=asked)
    life.start()
    wanted.chosen = Chosen(0, other)
    asked.put("a test")
    eventually(lambda: life.current().everything is other)
    life.end()
    assert not life._thread.is_alive()
