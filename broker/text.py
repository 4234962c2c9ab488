"""Law 10 for people: text of alerts, settings and servers is hostile until it is escaped.

Whatever shows such a text takes it through `printable`: terminals obey control characters and ANSI sequences, bidi
controls and zero-width characters show a name that is not there, a line break forges a line of a log.
"""

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from urllib.parse import quote, quote_plus

LONGEST = 200  # characters of one name or value
MASK = "**********"
SHORTEST_SECRET = 4  # characters: what is shorter is found in any text, and by anyone

QUOTED: tuple[Callable[[str], str], ...] = (repr, ascii, json.dumps)

_hidden: list[str] = []


def hide(secrets: Iterable[str]) -> None:
    """Mask these, and no others, in whatever is shown from now on: libraries quote them in their own ways."""
    forms = {
        form
        for secret in secrets
        for form in (secret, quote(secret, ""), quote_plus(secret), *(how(secret)[1:-1] for how in QUOTED))
    }
    _hidden[:] = sorted((form for form in forms if len(form) >= SHORTEST_SECRET), key=len, reverse=True)


def masked(text: str) -> str:
    """A text without the secrets that were named to `hide`."""
    for secret in _hidden:
        text = text.replace(secret, MASK)
    return text


def printable(value: str | bytes, longest: int = LONGEST) -> str:
    r"""One line that a terminal may show, at most `longest` characters of the value and how many more there are.

    What is not printable is written as Python would: \x1b, \u202e. Bytes are read as UTF-8 as far as they are that.
    """
    rest = ""
    if isinstance(value, str):
        value = masked(value)
    if len(value) > longest:
        rest = f"… ({len(value) - longest:,} more)"
        value = value[:longest]
    text = value.decode(errors="backslashreplace") if isinstance(value, bytes) else value
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text) + rest


def printable_lines(text: str, longest: int = LONGEST, most: int = 100) -> str:
    """Likewise, line breaks kept: for texts of several lines of our own, such as the end of a server's log."""
    lines = masked(text).split("\n")
    rest = [f"… ({len(lines) - most:,} more lines)"] if len(lines) > most else []
    return "\n".join([*(printable(line, longest) for line in lines[:most]), *rest])


def calendar(ms: int) -> str:
    """A time [ms since 1970] as people read it, UTC; the number itself where it is in no calendar."""
    try:
        return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return f"{ms} ms"


def host_and_port(host: str, port: int) -> str:
    """As addresses are written: an IPv6 address has brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
