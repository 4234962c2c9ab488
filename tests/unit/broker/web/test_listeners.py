from broker.web.listeners import Listeners


def test_so_many_listen_in_all_and_so_many_of_one_client():
    made = Listeners(3, 2)
    assert [made.enter(c) for c in ("a", "a", "a", "b", "c")] == [True, True, False, True, False]
    made.leave("a")
    assert [made.enter("c"), made.enter("a")] == [True, False]


def test_those_who_left_are_not_remembered():
    made = Listeners()
    for i in range(1_000):
        assert made.enter(str(i))
        made.leave(str(i))
    assert len(made._here) == 0
