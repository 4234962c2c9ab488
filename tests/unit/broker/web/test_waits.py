import random

from broker.web.crew import Waiting
from broker.web.waits import MOST, Waits


def test_nothing_waits_where_everything_is_read():
    waits = Waits()
    assert waits.look(0.0, {"t[0]": 5}, {"t[0]": 5}) is None
    assert waits.look(2.0, {"t[0]": 9}, {"t[0]": 9}) is None


def test_the_oldest_unread_alert_is_younger_than_the_last_look_that_saw_nothing_unread():
    waits = Waits()
    waits.look(0.0, {"t[0]": 5}, {"t[0]": 5})
    waits.look(2.0, {"t[0]": 5}, {"t[0]": 5})
    assert waits.look(4.0, {"t[0]": 9}, {"t[0]": 5}) == Waiting(2.0, at_least=False)
    assert waits.look(64.0, {"t[0]": 20}, {"t[0]": 5}) == Waiting(62.0, at_least=False)
    assert waits.look(66.0, {"t[0]": 20}, {"t[0]": 9}) == Waiting(62.0, at_least=False)  # those came after 4.0


def test_what_waited_before_anybody_looked_has_waited_at_least_since_then():
    waits = Waits()
    assert waits.look(10.0, {"t[0]": 9}, {"t[0]": 5}) == Waiting(0.0, at_least=True)
    assert waits.look(90.0, {"t[0]": 9, "t[1]": 3}, {"t[0]": 5, "t[1]": 2}) == Waiting(80.0, at_least=True)
    assert waits.look(92.0, {"t[0]": 9, "t[1]": 3}, {"t[0]": 9, "t[1]": 2}) == Waiting(2.0, at_least=True)
    assert waits.look(94.0, {"t[0]": 9}, {"t[0]": 9}) is None


def test_an_age_is_never_less_than_it_is_and_a_long_wait_takes_little_memory():
    at_random = random.Random(5)
    waits, came, done = Waits(), [], 0
    for step in range(4_000):
        now = 2.0 * step
        came += [now - at_random.random() for _ in range(at_random.randrange(4) if step else 0)]
        if step < 1_000 or step > 3_000:
            done = min(len(came), done + at_random.randrange(6))
        found = waits.look(now, {"t[0]": len(came)}, {"t[0]": done})
        if done == len(came):
            assert found is None
        else:
            assert found.seconds >= now - came[done]
        assert len(waits._looks["t[0]"]) <= MOST + 1
