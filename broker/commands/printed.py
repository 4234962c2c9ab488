"""Classifications for programs: as JSON lines, and as an object container file."""

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from fastavro.write import Writer

from broker.commands.files import neighbour, saying, special, try_out
from broker.errors import StartupError
from broker.text import printable
from schemas.catalogue import load

Record = dict[str, Any]

LARGEST_EXACT = 2**53  # integers above it are not the same in every reader of JSON


def json_line(record: Record) -> str:
    """A record as one line of JSON, ASCII alone: times in ms since 1970, alertId as text, no number as null."""
    return json.dumps(jsonable(record | {"alertId": str(record["alertId"])} if "alertId" in record else record))


def jsonable(value: object) -> object:
    """A value of Avro as JSON has it."""
    if isinstance(value, dict):
        return {name: jsonable(one) for name, one in value.items()}
    if isinstance(value, list):
        return [jsonable(one) for one in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        return round(value.timestamp() * 1000)
    large = isinstance(value, int) and abs(value) > LARGEST_EXACT
    return value.hex() if isinstance(value, bytes) else str(value) if large else value


class Sheet(NamedTuple):
    """A file that records are written to."""

    write: Callable[[Record], None]
    flush: Callable[[], None]


@contextmanager
def avro_file(path: Path) -> Iterator[Sheet]:
    """A container file of our classifications, which is there once all are written.

    Raises StartupError where it cannot be written, or is something that is not replaced.
    """
    try_out(path)
    with saying(path):
        if special(path):
            raise StartupError(
                f"{printable(str(path))} is no file; name one, a container is written whole or not at all"
            )
        beside = neighbour(path)
        file = beside.open("xb")
    try:
        with file:
            writer = Writer(file, load("classification"), "deflate")

            def write(record: Record) -> None:
                try:
                    writer.write(record)
                except OSError as error:
                    raise StartupError(f"{printable(str(path))} cannot be written ({error.strerror})") from error
                except (ValueError, TypeError) as error:  # of a route that publishes something else
                    raise StartupError(
                        f"a message is no classification of ours ({printable(str(error))}); take --format jsonl"
                    ) from error

            def flush() -> None:
                with saying(path):
                    writer.flush()
                    file.flush()

            yield Sheet(write, flush)
            flush()
        with saying(path):
            beside.replace(path.resolve())
    finally:
        beside.unlink(missing_ok=True)
