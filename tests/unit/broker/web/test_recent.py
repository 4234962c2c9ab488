from broker.web.recent import RECENT, Recent


def test_a_listener_hears_each_row_once_and_of_very_many_the_newest():
    made = Recent()
    _, seen = made.since(2**62)
    made.add([{"n": 1}, {"n": 2}])
    rows, seen = made.since(seen)
    assert [r["n"] for r in rows] == [1, 2]
    assert made.since(seen)[0] == []
    made.add([{"n": i} for i in range(3 * RECENT)])
    rows, _ = made.since(seen)
    assert [r["n"] for r in rows] == list(range(2 * RECENT, 3 * RECENT))
