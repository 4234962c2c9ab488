"""Texts that others wrote, in rich's tables and lines: as they are, never as markup, links or emoji."""

from rich.text import Text

from broker.text import LONGEST, printable


def cell(value: str | bytes, style: str = "", longest: int = LONGEST) -> Text:
    """A text of an alert, a setting or a server, for a table or a line.

    A rich Text is not searched for markup, so nothing in it needs an escape that could go wrong.
    """
    return Text(printable(value, longest), style=style)
