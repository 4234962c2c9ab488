import numpy as np

from broker.surveys.columns import chosen, column
from broker.surveys.fields import Field, Kind


def test_what_is_missing_is_marked_and_has_its_kinds_value():
    for kind, found, expected in (
        (Kind.LONG, [3, None], [3, 0]),
        (Kind.BOOL, [True, None, False], [1, -1, 0]),
        (Kind.TEXT, [b"a", None], [b"a", b""]),
    ):
        values, missing = column(Field(("x",), kind), found)
        assert values.tolist() == expected
        assert missing.tolist() == [value is None for value in found]
    values, missing = column(Field(("x",), Kind.DOUBLE), [1.5, None])
    assert values[0] == 1.5
    assert np.isnan(values[1])
    assert missing.tolist() == [False, True]


def test_a_text_with_choices_is_the_place_of_its_choice():
    assert chosen(np.array([b"g", b"", b"u", b"gg"], object), (b"u", b"g")).tolist() == [1, -1, 0, -1]
    values, missing = column(Field(("band",), Kind.TEXT, choices=(b"u", b"g")), [b"g", None, b"Y"])
    assert values.tolist() == [1, -1, -1]
    assert missing.tolist() == [False, True, False]
