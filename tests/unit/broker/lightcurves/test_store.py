from broker.lightcurves.store import InMemoryLightCurves


def test_a_log_grows_and_says_how_long_it_is():
    store = InMemoryLightCurves()
    assert store.append([(b"x", [b"1"]), (b"y", [])], [False, False]) == [1, 0]
    assert store.append([(b"x", [b"2", b"3"])], [True]) == [3]
    store.prepend([(b"x", [b"0"])])
    assert store.read([b"x", b"y"], 3) == [[b"1", b"2", b"3"], []]
    assert store.read([b"x"], 9) == [[b"0", b"1", b"2", b"3"]]


def test_states_are_kept_replaced_and_forgotten():
    store = InMemoryLightCurves()
    store.append([(b"x", [b"1"])], [False])
    store.save([(b"x", b"a"), (b"y", b"b")])
    store.save([(b"x", b"c")])
    assert store.states([b"x", b"y", b"z"]) == [b"c", b"b", None]
    assert store.read([b"x"], 1, forget=True) == [[b"1"]]
    store.forget([b"y", b"z"])
    assert store.states([b"x", b"y"]) == [None, None]


def test_a_log_is_compacted_only_where_nobody_has_written_meanwhile():
    store = InMemoryLightCurves()
    store.append([(b"x", [b"1", b"1", b"2"])], [False])
    store.save([(b"x", b"a")])
    assert not store.compact(b"x", 2, [b"1", b"2"])
    assert not store.compact(b"x", 3, [])
    assert store.states([b"x"]) == [b"a"]
    assert store.compact(b"x", 3, [b"1", b"2"])
    assert store.read([b"x"], 9) == [[b"1", b"2"]]
    assert store.states([b"x"]) == [None]
