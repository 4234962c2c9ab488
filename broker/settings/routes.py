"""Routes: topics beside our own, each with what its messages hold, how that is framed, and which alerts it takes.

A route without a condition takes every alert that is published; one whose messages are packets or ELAsTiCC's records
takes those that are declined too, for its readers account for them.
"""

import json
import re
from collections.abc import Mapping
from functools import cached_property
from hashlib import sha256
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from broker.settings.predicates import LONGEST, Predicate, parse
from broker.settings.section import Section

TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")  # what Kafka takes
KEY = re.compile(r"[a-z0-9-]{1,32}")  # what names a route in the configuration
MOST = 64  # routes

Content = Literal["classification", "packet", "elasticc"]
Framing = Literal["wire", "container", "schemaless", "schema_in_key"]


def topic_name(name: str) -> str:
    """A topic's name. Raises ValueError where Kafka takes none such."""
    if not TOPIC.fullmatch(name) or name in (".", ".."):
        raise ValueError(f"{name[:60]!r} is no name of a topic; letters, digits, . _ and - are, 249 at most")
    return name


def condition(text: str) -> str:
    """A condition as it was given. Raises PredicateError, which is a ValueError."""
    parse(text)
    return text


Topic = Annotated[str, AfterValidator(topic_name)]


class Route(Section):
    """One of them."""

    topic: Topic
    content: Content = Field(
        "classification",
        description="classification: ours; packet: the packet itself, and ours with it; elasticc: brokerClassfication.",
    )
    framing: Framing = Field("container", description="wire is Confluent's, for classifications alone.")
    where: Annotated[str, Field(max_length=LONGEST), AfterValidator(condition)] = Field(
        "", description="Which alerts, such as: class in {SLSN-I, TDE} and probability > 0.7; empty: all."
    )

    @model_validator(mode="after")
    def _has_an_id(self) -> Self:
        if self.framing == "wire" and self.content != "classification":
            raise ValueError(f"no schema of {self.content} has a Confluent id; choose container or schema_in_key")
        return self

    @cached_property
    def predicate(self) -> Predicate:
        """Which classifications it takes."""
        return parse(self.where)

    @property
    def takes_declined(self) -> bool:
        """Whether it says, too, that an alert is not classified."""
        return self.content != "classification" and not self.where.strip()

    @property
    def digest(self) -> str:
        """Tells it from any other and from what it was before a change, in eight letters."""
        return sha256(self.model_dump_json().encode()).hexdigest()[:8]


def named(given: object) -> object:
    """Routes by name; those of a JSON list by number. Raises ValueError."""
    if isinstance(given, str):
        try:
            given = json.loads(given) if given.strip() else {}
        except (ValueError, RecursionError) as error:
            raise ValueError(f"neither a JSON list nor an object ({str(error)[:60]})") from None
    if isinstance(given, list):
        given = {str(number): route for number, route in enumerate(given)}
    if not isinstance(given, Mapping):
        raise ValueError(  # noqa: TRY004 - pydantic takes it for what it is
            'neither a list of routes nor an object of them; [{"topic": "tdes"}] is one'
        )
    for name in given:
        if not KEY.fullmatch(str(name)):
            raise ValueError(f"{str(name)[:40]!r} is no name of a route; small letters, digits and - are, 32 at most")
    if len(given) > MOST:
        raise ValueError(f"{len(given)} routes; at most {MOST} are kept")
    return dict(given)


def as_json(routes: Mapping[str, Route]) -> str:
    """Routes as an operator may give them again."""
    shown: dict[str, Any] = {name: route.model_dump(exclude_defaults=True) for name, route in routes.items()}
    return json.dumps(shown) if shown else ""
