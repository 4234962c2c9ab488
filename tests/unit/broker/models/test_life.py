"""What becomes of a look at what is promoted: another model, the same, or a refusal that changes nothing."""

from queue import SimpleQueue

from broker.errors import StartupError
from broker.metrics import Metrics
from broker.models.chosen import Chosen
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


class Lived:
    """A life, and what it tells."""

    def __init__(self, wanted: Wanted, asked=None) -> None:
        self.metrics = Metrics()
        self.told = []
        made = wanted.chosen, wanted.chosen, wanted.choose, wanted.build
        tell = lambda chosen, why: self.told.append((chosen, why))  # noqa: E731
        self.life = Life(*made, tell, self.metrics, None, asked or SimpleQueue())

    def looks(self, outcome: str) -> float:
        return self.metrics.registry.get_sample_value("misweeper_model_reloads_total", {"outcome": outcome})


def two(tmp_path) -> list[Artefact]:
    return [artefact.save(tmp_path / str(t), untrained(temperature=t)) for t in (1.0, 2.0)]


def test_another_artefact_is_taken_and_each_exchange_has_a_number_of_its_own(tmp_path):
    one, other = two(tmp_path)
    wanted = Wanted(one)
    lived = Lived(wanted)
    numbers = []
    for now in (one, other, one):
        wanted.chosen = Chosen(0, now)
        lived.life.look("a test")
        assert lived.life.current().everything is now
        assert lived.told[-1] == (lived.life.current(), "")
        numbers.append(lived.life.current().number)
    assert numbers == [0, 1, 2]  # back at the first, its states are of another era
    assert (lived.looks("switched"), lived.looks("unchanged")) == (2, 1)


def test_whatever_goes_wrong_leaves_what_was_at_work_and_says_so_until_it_is_mended(tmp_path):
    one, other = two(tmp_path)
    wanted = Wanted(one)
    lived = Lived(wanted)
    wanted.chosen = Chosen(0, other)
    for wanted.error in (StartupError("it is damaged"), RuntimeError("CUDA out of memory")):
        lived.life.look("a test")
        assert lived.life.current().everything is one
        chosen, why = lived.told[-1]
        assert (chosen.everything is one, str(wanted.error) in why) == (True, True)
    wanted.error = None
    lived.life.look("a test")
    assert lived.life.current().everything is other
    assert lived.told[-1][1] == ""
    assert lived.looks("refused") == 2


def test_who_asks_is_heard_at_once_and_the_thread_ends(tmp_path):
    one, other = two(tmp_path)
    wanted, asked = Wanted(one), SimpleQueue()
    life = Lived(wanted, asked).life
    with life.watching():
        wanted.chosen = Chosen(0, other)
        asked.put("a test")
        eventually(lambda: life.current().everything is other)
    assert not life._thread.is_alive()
