r"""Topics named by regular expressions, which mean the same to Kafka's client, which reads, and to us, who count.

The client has POSIX's extended expressions, Python its own. What both have and mean alike is taken, and nothing else:
`\d` is a digit to one and the letter d to the other. An expression matches where it is found, so `^a|b` finds the b of
any name. Kafka's internal topics and the service's own outputs are never matched.
"""

import re
import warnings
from collections.abc import Collection, Iterable

from broker.errors import StartupError

INTERNAL = "__"  # how the names of Kafka's own topics begin
NAME = re.compile(r"[A-Za-z0-9._-]{1,249}")
# One piece of an expression, in turn: what it can be, and behind which at most one repetition may stand.
ATOM = r"(?:[A-Za-z0-9._-]|\\\.|\[\^?\]?[^][\\]*\]|\((?!\?)|\)|[|^$])"
COUNT = r"(?:[*+?]|\{[0-9]+(?:,[0-9]*)?\})"
BOTH_MEAN = re.compile(rf"\^(?:{ATOM}(?:(?<![|^$(]){COUNT}(?![*+?{{]))?)*")
REMEDY = "write [0-9] for \\d, [A-Za-z0-9_] for \\w, [.] for a dot, and no other backslash, (?, lazy or nested count"


def check_pattern(topic: str) -> str:
    """A topic's name or an expression as it was given. Raises StartupError where it is neither, to one of the two."""
    if not topic.startswith("^"):
        if NAME.fullmatch(topic):
            return topic
        raise StartupError(f"{topic!r} is no topic's name; set MISWEEPER_KAFKA__TOPICS to names or to ^expressions")
    if BOTH_MEAN.fullmatch(topic):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                re.compile(topic)
        except (re.error, FutureWarning, OverflowError) as error:
            raise StartupError(f"{topic!r} in MISWEEPER_KAFKA__TOPICS is no regular expression ({error})") from None
        return topic
    raise StartupError(f"{topic!r} in MISWEEPER_KAFKA__TOPICS means different things to different readers; {REMEDY}")


def matching(wanted: str, names: Iterable[str], never: Collection[str] = ()) -> list[str]:
    """Those of the names that a name or an expression means, sorted; of an expression, none that is never input."""
    if not wanted.startswith("^"):
        return [wanted] if wanted in set(names) else []
    found = re.compile(check_pattern(wanted))
    return sorted(n for n in names if not n.startswith(INTERNAL) and n not in never and found.search(n))


def never_input(outputs: Collection[str]) -> str:
    """The same for librdkafka: what its expressions do not see, though they match."""
    return ",".join([f"^{INTERNAL}", *(f"^{name.replace('.', '[.]')}$" for name in outputs)])
