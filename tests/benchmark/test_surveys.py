"""How fast real packets become alerts on one core, beside fastavro reading the same bytes in the same run.

Run by `make bench`. Nothing is asserted of speed: machines differ. Both are CPU time: what else runs matters little.
"""

import time
from collections.abc import Callable
from io import BytesIO
from statistics import median
from typing import Any

import fastavro
import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

from broker.packets.projection import compile_projection
from tests.support.surveys import ADAPTERS, MOST_ROWS, Packet, real_packets

BATCH = 64  # packets at once
ROUNDS = 9


def median_us(work: Callable[[], Any], packets: int) -> float:
    """The CPU time of some work, a packet."""
    taken = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        taken.append((time.process_time() - began) / packets * 1e6)
    return median(taken)


def compared(survey: str, packets: list[Packet]) -> tuple[float, ...]:
    """Kilobytes and rows of packets of one schema, and what each way takes of them."""
    schema, adapter = packets[0].schema, ADAPTERS[survey]
    bodies = ([packet.body for packet in packets] * BATCH)[:BATCH]
    few, nobody_says = bodies[: 2 * len(packets)], np.zeros(BATCH, np.int64)
    projection = compile_projection(schema, adapter.FIELDS)
    columns, errors = projection.read(bodies, MOST_ROWS)
    alerts = adapter.alerts(columns, columns.which, nobody_says).alerts
    assert not errors
    assert len(alerts) == BATCH
    slow_us = median_us(lambda: [fastavro.schemaless_reader(BytesIO(one), schema, None) for one in few], len(few))
    decode_us = median_us(lambda: projection.read(bodies, MOST_ROWS), BATCH)
    adapt_us = median_us(lambda: adapter.alerts(columns, columns.which, nobody_says), BATCH)
    kilobytes, rows = sum(map(len, bodies)) / BATCH / 1e3, len(alerts.rows) / BATCH
    return kilobytes, rows, slow_us, decode_us, adapt_us, slow_us / (decode_us + adapt_us)


@pytest.mark.parametrize("survey", ADAPTERS)
def test_decode_and_adapt_beside_fastavro(survey):
    table = Table(title=f"CPU microseconds a packet of {survey}, on one core, medians of {ROUNDS}")
    for column in ("schema", "KB", "rows", "fastavro", "decode", "adapt", "times as fast"):
        table.add_column(column, justify="right")
    schemas: dict[str, list[Packet]] = {}
    for packet in real_packets(survey):
        schemas.setdefault(f"{packet.schema['name']} {packet.schema.get('version', '')}", []).append(packet)
    for name, packets in schemas.items():
        table.add_row(name, *(f"{figure:,.0f}" for figure in compared(survey, packets)))
    Console().print(table)
