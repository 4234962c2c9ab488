from io import BytesIO

import fastavro
import numpy as np
import pytest

from broker.outputs.encoding import LONGEST_NUMBER, copy, write_long


@pytest.mark.parametrize("number", [0, 1, -1, 63, 64, -65, 8192, 2**31, -(2**31), 2**63 - 1, -(2**63)])
def test_numbers_are_written_as_fastavro_writes_them(number):
    stream = BytesIO()
    fastavro.schemaless_writer(stream, {"type": "long"}, number)
    buffer = np.zeros(LONGEST_NUMBER + 2, np.uint8)
    end = write_long(buffer, 1, np.int64(number))
    assert buffer[1:end].tobytes() == stream.getvalue()
    assert not buffer[end:].any()


def test_bytes_are_copied_to_where_they_should_stand():
    buffer = np.zeros(6, np.uint8)
    assert copy(buffer, 1, np.arange(10, dtype=np.uint8), 3, 6) == 4
    assert buffer.tolist() == [0, 3, 4, 5, 0, 0]
