"""What is shown is escaped and bounded."""

from datetime import UTC, datetime

import pytest

from broker.text import LONGEST, calendar, printable, printable_lines
from tests.support.hostile_names import NAMES, assert_harmless


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_hostile_name_is_shown_as_what_it_is(name):
    shown = printable(name)
    assert_harmless(shown, name)
    assert shown.isprintable()
    assert len(shown) <= 10 * LONGEST
    assert_harmless(printable(name.encode(errors="surrogatepass")), name)


def test_what_is_escaped_and_what_is_not():
    assert printable("a\x1b\u200eé\ud800") == "a\\x1b\\u200eé\\ud800"
    assert printable(b"caf\xc3\xa9 \xed\xa0\x80\xff\x00") == "café \\xed\\xa0\\x80\\xff\\x00"
    assert printable("SN 2026α-1 ★") == "SN 2026α-1 ★"
    assert printable("x" * 1_201, longest=3) == "xxx… (1,198 more)"
    assert printable("x" * LONGEST) == "x" * LONGEST


def test_lines_are_kept_where_they_are_ours():
    assert printable_lines("a\n\x1b[2J\r\n") == "a\n\\x1b[2J\\r\n"
    assert printable_lines("a\n" * 5, most=2) == "a\na\n… (4 more lines)"


def test_a_time_is_shown_as_people_read_it():
    assert calendar(int(datetime(2026, 11, 23, 4, 30, tzinfo=UTC).timestamp() * 1000)) == "2026-11-23 04:30:00"
    assert calendar(2**62) == f"{2**62} ms"
