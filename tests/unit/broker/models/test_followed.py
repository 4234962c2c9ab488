"""What the shadow's store says of the logs: as if it had appended what the other has, and it writes nothing."""

from broker.lightcurves.store import InMemoryLightCurves
from broker.models.followed import UNFIT, Following, Overheard


def stores():
    """The store that is written, the shadow's, and what both have."""
    store, theirs = InMemoryLightCurves(), InMemoryLightCurves()
    theirs.logs = store.logs
    overheard = Overheard(store)
    return overheard, Following(theirs, [overheard.lengths]), store


def test_the_same_appended_is_as_long_and_anything_else_does_not_fit():
    overheard, following, store = stores()
    store.logs = {b"o": [b"1"]}
    overheard.states([b"o", b"n"])
    assert overheard.append([(b"o", ())], [False]) == [1]
    assert overheard.append([(b"o", (b"2", b"3")), (b"n", (b"1",))], [False, False]) == [3, 1]
    assert following.append([(b"o", ()), (b"n", ())], [False, False]) == [1, 0]
    assert following.append([(b"o", (b"2", b"3")), (b"n", (b"1",))], [False, False]) == [3, 1]
    assert following.append([(b"o", (b"2",)), (b"n", (b"1", b"2"))], [False, False]) == [UNFIT, UNFIT]
    assert store.logs == {b"o": [b"1", b"2", b"3"], b"n": [b"1"]}


def test_a_log_that_the_other_has_not_touched_is_asked_for_and_another_batch_begins_anew():
    overheard, following, store = stores()
    overheard.states([b"o"])
    overheard.append([(b"o", (b"1",))], [True])
    store.logs[b"o"].append(b"2")  # by somebody else
    overheard.states([b"o"])
    following = Following(store, [overheard.lengths])
    assert following.append([(b"o", ())], [False]) == [2]
    assert following.append([(b"o", (b"3",))], [False]) == [UNFIT]


def test_the_shadow_rewrites_no_log_and_forgets_its_own_states_alone():
    overheard, following, store = stores()
    overheard.append([(b"o", (b"1", b"1"))], [True])
    store.saved[b"o"] = b"ours"
    following.save([(b"o", b"theirs")])
    assert not following.compact(b"o", 2, [b"1"])
    following.prepend([(b"o", [b"0"])])
    following.forget([b"o"])
    assert store.logs == {b"o": [b"1", b"1"]}
    assert (store.saved, following.states([b"o"])) == ({b"o": b"ours"}, [None])
