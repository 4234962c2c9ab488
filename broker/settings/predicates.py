"""Which alerts a route takes: a small typed language, and what it is asked of.

    class in {SLSN-I, TDE} and probability > 0.7 and observations >= 5
    anomaly or (p(kilonova) > 0.2 and not survey == ztf)

Grammar; names, classes and words in any case, blanks where one likes:

    either  = both { "or" both }
    both    = one { "and" one }
    one     = "not" one | "(" either ")" | "anomaly" | number compare NUMBER | text equal TEXT | text "in" set
    number  = a name of NUMBERS | "p" "(" CLASS ")"
    text    = "class" | "survey" | "priors" | "quality"
    compare = "<" | "<=" | ">" | ">=" | "==" | "!="
    equal   = "==" | "!="
    set     = "{" TEXT { "," TEXT } "}"

A CLASS is a name of the taxonomy or its PLAsTiCC number; a survey is one of the closed list. What is not known (a
place) compares as false.
"""

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from broker.names import NAMES as SURVEYS
from model.runs import QUALITIES
from model.taxonomy import CLASS_IDS, CLASSES

LONGEST = 2_000  # characters
DEEPEST = 50  # parentheses and negations within each other
SHOWN = 20  # characters of what is wrong

Mask = NDArray[np.bool_]


class PredicateError(ValueError):
    """A predicate that cannot be read: says at which character, and what is expected there."""


class Asked(NamedTuple):
    """What a predicate may ask of n classifications, be they about to be published or read back."""

    probabilities: NDArray[np.float64]  # [n, 14]
    anomalies: NDArray[np.bool_]  # [n]
    numbers: dict[str, NDArray[np.float64]]  # [n] each, by their names in NUMBERS
    surveys: Sequence[bytes]  # [n]
    priors: Sequence[str]  # [n]
    qualities: Sequence[str]  # [n]; empty where a message does not say

    @property
    def best(self) -> NDArray[np.int64]:
        """[n], the most probable class, by its place in the taxonomy."""
        best: NDArray[np.int64] = np.argmax(self.probabilities, axis=1)
        return best


Test = Callable[[Asked], Mask]

NUMBERS = {  # by name: least and most that it can be
    "probability": (0.0, 1.0),  # of the most probable class
    "p99": (0.0, 1.0),
    "anomaly_score": (0.0, np.inf),
    "observations": (0.0, np.inf),
    "mjd": (0.0, np.inf),
    "ra": (0.0, 360.0),
    "dec": (-90.0, 90.0),
}
COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
TEXTS = ("class", "survey", "priors", "quality")
PRIORS = ("balanced", "natural", "published")
FIRSTS = f"not, (, anomaly, p(CLASS), {', '.join(NUMBERS)}, {', '.join(TEXTS)}"

BLANK = re.compile(r"\s*")
WORD = re.compile(r"[A-Za-z_]\w*")
COMPARISON = re.compile(r"<=|>=|==|!=|<|>")
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.])")
SURVEY = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")
NAMES = {c.name.lower(): i for i, c in enumerate(CLASSES)} | {str(c): i for i, c in enumerate(CLASS_IDS)}
CLASS = re.compile(
    "|".join(re.escape(n).replace(r"\ ", r"\s+") for n in sorted(NAMES, key=len, reverse=True)), re.IGNORECASE
)
ENDS = re.compile(r"(?![\w-])")  # after a class's name


@dataclass(frozen=True, slots=True)
class Predicate:
    """A condition on classifications."""

    text: str
    test: Test

    def matches(self, asked: Asked) -> Mask:
        """Which of n classifications it takes. [n]."""
        return self.test(asked)


def parse(text: str) -> Predicate:
    """A predicate; an empty one takes everything. Raises PredicateError."""
    if len(text) > LONGEST:
        raise PredicateError(f"a condition has at most {LONGEST:,} characters, this one has {len(text):,}")
    if not text.strip():
        return Predicate(text, lambda asked: np.ones(len(asked.anomalies), np.bool_))
    reader = Parser(text)
    test = reader.either()
    reader.done()
    return Predicate(text, test)


class Parser:
    """Walks over a text, and knows how deep it is."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = BLANK.match(text).end()  # type: ignore[union-attr]  # it always matches
        self._depth = 0

    def either(self) -> Test:
        """Alternatives."""
        tests = [self.both()]
        while self._word("or"):
            tests.append(self.both())
        return tests[0] if len(tests) == 1 else lambda asked: reduce(np.logical_or, (t(asked) for t in tests))

    def both(self) -> Test:
        """Conditions that must all hold."""
        tests = [self.one()]
        while self._word("and"):
            tests.append(self.one())
        return tests[0] if len(tests) == 1 else lambda asked: reduce(np.logical_and, (t(asked) for t in tests))

    def one(self) -> Test:
        """One condition."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise PredicateError(f"nested deeper than {DEEPEST} at character {self._at + 1}")
        try:
            if self._word("not"):
                test = self.one()
                return lambda asked: ~test(asked)
            if self._take("("):
                test = self.either()
                self._demand(")", "and, or, )")
                return test
            return self._test()
        finally:
            self._depth -= 1

    def done(self) -> None:
        """Nothing must be left. Raises PredicateError."""
        if self._at < len(self._text):
            raise self._wrong("and, or, the end")

    def _test(self) -> Test:
        start, name = self._at, (self._match(WORD) or "").lower()
        if name == "anomaly":
            return lambda asked: asked.anomalies
        if name in NUMBERS:
            return self._numbers(lambda asked: asked.numbers[name], name, *NUMBERS[name])
        if name == "p":
            self._demand("(", "(CLASS)")
            which = self._class()
            self._demand(")", ")")
            return self._numbers(lambda asked: asked.probabilities[:, which], "p(CLASS)", 0.0, 1.0)
        if name in TEXTS:
            return self._texts(name)
        self._at = start
        raise self._wrong(FIRSTS)

    def _numbers(self, of: Callable[[Asked], NDArray[np.float64]], name: str, least: float, most: float) -> Test:
        if (sign := self._match(COMPARISON)) is None:
            raise self._wrong(f"{', '.join(COMPARE)} after {name}")
        compare = COMPARE[sign]
        start, found = self._at, self._match(NUMBER)
        if found is None:
            raise self._wrong("a number")
        if not least <= (number := float(found)) <= most:
            self._at = start
            raise self._wrong(f"a number from {least:g} to {most:g} for {name}")
        # What is not known is no number: it differs from all of them, too, but nothing follows from that.
        return lambda asked: compare(values := of(asked), number) & ~np.isnan(values)

    def _texts(self, name: str) -> Test:
        words = {"priors": PRIORS, "quality": QUALITIES}
        value = {"class": self._class, "survey": self._survey}.get(name, lambda: self._one_of(words[name]))
        if self._word("in"):
            self._demand("{", "{")
            wanted = [value()]
            while self._take(","):
                wanted.append(value())
            self._demand("}", ", or }")
            return has(name, wanted)
        start, sign = self._at, self._match(COMPARISON)
        if sign not in ("==", "!="):
            self._at = start
            raise self._wrong(f"==, != or in after {name}")
        test = has(name, [value()])
        return test if sign == "==" else lambda asked: ~test(asked)

    def _class(self) -> int:
        start, found = self._at, self._match(CLASS)
        if found is None or not ENDS.match(self._text, start + len(found)):
            self._at = start
            raise self._wrong(f"a class: {', '.join(c.name for c in CLASSES)}")
        return NAMES[" ".join(found.lower().split())]

    def _survey(self) -> bytes:
        start, found = self._at, (self._match(SURVEY) or "").encode()
        if found not in SURVEYS:
            self._at = start
            raise self._wrong(f"a survey's name: {b', '.join(SURVEYS).decode()}")
        return found

    def _one_of(self, words: Sequence[str]) -> str:
        start, found = self._at, self._match(WORD)
        if found is None or found not in words:
            self._at = start
            raise self._wrong(f"{', '.join(words[:-1])} or {words[-1]}")
        return found

    def _match(self, pattern: re.Pattern[str]) -> str | None:
        if (found := pattern.match(self._text, self._at)) is None:
            return None
        self._at = BLANK.match(self._text, found.end()).end()  # type: ignore[union-attr]  # it always matches
        return found.group()

    def _word(self, word: str) -> bool:
        found = WORD.match(self._text, self._at)
        return found is not None and found.group().lower() == word and self._match(WORD) is not None

    def _take(self, sign: str) -> bool:
        return self._text.startswith(sign, self._at) and self._match(re.compile(re.escape(sign))) is not None

    def _demand(self, sign: str, expected: str) -> None:
        if not self._take(sign):
            raise self._wrong(expected)

    def _wrong(self, expected: str) -> PredicateError:
        rest = self._text[self._at :]
        found = f"there is {rest[:SHOWN]!r}" if rest else "it ends"
        return PredicateError(f"at character {self._at + 1} of the condition {found}; expected {expected}")


def has(name: str, wanted: Sequence[Any]) -> Test:
    """Whether a text is one of those that are wanted."""
    if name == "class":
        return lambda asked: np.isin(asked.best, wanted)
    if name == "survey":
        return lambda asked: np.fromiter((s in wanted for s in asked.surveys), np.bool_, len(asked.surveys))
    if name == "priors":
        return lambda asked: np.fromiter((p in wanted for p in asked.priors), np.bool_, len(asked.priors))
    return lambda asked: np.fromiter((q in wanted for q in asked.qualities), np.bool_, len(asked.qualities))
