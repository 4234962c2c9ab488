"""What a consumer got, whatever its headers."""

import pytest

from broker.kafka.message import Message, received


class FromKafka:
    """A message of confluent-kafka's, whose headers its client cannot read."""

    def __init__(self, error: Exception | None) -> None:
        self._error = error

    def headers(self):
        if self._error:
            raise self._error
        return [("name", b"\xff")]

    def timestamp(self):
        return 1, 17

    def __getattr__(self, name):
        return lambda: {"topic": "alerts", "partition": 1, "offset": 2, "key": b"k", "value": b"v"}[name]


@pytest.mark.parametrize(
    ("error", "headers"),
    [
        (None, (("name", b"\xff"),)),
        (SystemError("returned a result with an exception set"), ()),  # a name that is no UTF-8, in version 2.16
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), ()),
    ],
)
def test_headers_that_cannot_be_read_are_left_out(error, headers):
    assert received(FromKafka(error)) == Message("alerts", 1, 2, 17, b"k", b"v", headers)
