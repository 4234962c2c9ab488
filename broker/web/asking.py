"""What may be asked: bounds of numbers, and a question that makes no sense as the asker's error."""

from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import HTTPException, Query

from broker.web.queries import LONGEST_PAGE

Found = TypeVar("Found")

Limit = Annotated[int, Query(ge=1, le=LONGEST_PAGE, description="Rows of a page.")]
Cursor = Annotated[str | None, Query(max_length=20, description="Of the page before.")]
KeyCursor = Annotated[str | None, Query(max_length=10_000, description="Of the page before.")]  # it holds an id
Whole = Annotated[int, Query(ge=-(2**63), lt=2**63)]  # as far as SQLite counts


def asked(question: Callable[[], Found]) -> Found:
    """An answer of the index. Raises HTTPException 422 where the question raises ValueError."""
    try:
        return question()
    except ValueError as error:
        raise HTTPException(422, str(error)) from None
