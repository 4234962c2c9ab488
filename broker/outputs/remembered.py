"""What is made once for a schema and kept with it: as many as there are versions of surveys, and not without end."""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from schemas.catalogue import Schema

MOST = 256  # made-up schemas of hostile messages cannot fill the memory

T = TypeVar("T")


class Remembered(Generic[T]):
    """By the schema itself, which is kept: otherwise another could come to have its id.

    Args:
        make: what is made for a schema, and whatever else tells one from another.
    """

    def __init__(self, make: Callable[..., T]) -> None:
        self._make = make
        self._made: dict[tuple[Hashable, ...], tuple[Schema, T]] = {}

    def __call__(self, schema: Schema, *more: Hashable) -> T:
        """What was made for it."""
        key = (id(schema), *more)
        if key not in self._made:
            if len(self._made) >= MOST:
                self._made.clear()
            self._made[key] = schema, self._make(schema, *more)
        return self._made[key][1]
