from io import BytesIO

import fastavro
import numpy as np
import pytest

from broker.packets.varints import OVERLONG, SHORT, is_utf8, long_at

NUMBERS = [0, 1, -1, 63, 64, -64, -65, 8191, 8192, 2**31, -(2**31), 2**63 - 1, -(2**63)]


def read(raw: bytes, at: int = 0) -> tuple[int, int]:
    value, end = long_at(np.frombuffer(raw, np.uint8), at, len(raw))
    return int(value), int(end)


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_are_read_as_fastavro_writes_them(number):
    stream = BytesIO()
    fastavro.schemaless_writer(stream, {"type": "long"}, number)
    raw = stream.getvalue()
    assert read(raw + b"\xff") == (number, len(raw))
    assert read(b"\x00" + raw, 1) == (number, 1 + len(raw))
    for cut in range(len(raw)):
        assert read(raw[:cut])[1] == -SHORT


def test_a_number_of_more_than_64_bits_is_none():
    assert read(b"\xff" * 9 + b"\x02")[1] == -OVERLONG
    assert read(b"\x80" * 10 + b"\x01")[1] == -OVERLONG


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"abc",
        "é█🔭".encode(),
        b"\xff",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        "é".encode()[:1],
        b"\x80",
    ],
)
def test_text_is_what_python_takes_for_utf_8(text):
    try:
        text.decode()
        good = True
    except UnicodeDecodeError:
        good = False
    data = np.frombuffer(b"\xff" + text + b"\xff", np.uint8)
    assert bool(is_utf8(data, 1, 1 + len(text))) == good
