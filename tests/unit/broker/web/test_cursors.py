import pytest

from broker.web.cursors import after, page, whole


def test_a_page_ends_with_the_place_after_which_the_next_begins():
    rows = [{"a": i, "b": f"x/{i}"} for i in range(4)]
    assert page(rows, 4, "a") == (rows, None)
    assert page(rows, 3, "a") == (rows[:3], "2")
    assert after(page(rows, 3, "a", "b").cursor, int, str) == [2, "x/2"]
    assert after(None, int) is None


@pytest.mark.parametrize("cursor", ["1; DROP TABLE answers", "-1", "", "9" * 19, "\u0663"])
def test_a_cursor_is_a_number_of_ours(cursor):
    with pytest.raises(ValueError, match="is no cursor"):
        whole(cursor)


@pytest.mark.parametrize(
    "cursor", ["", "7", "{}", "[1.0]", '["a", 1.0]', '[NaN, "a"]', '[true, "a"]', "[" * 100_000, '[1.0, ["a"]]']
)
def test_a_cursor_holds_keys_of_ours(cursor):
    with pytest.raises(ValueError, match="is no cursor"):
        after(cursor, float, str)
