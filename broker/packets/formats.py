"""How the messages of each topic are read: their framing, what their schema ids mean, the schema of a bare body."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from broker.config import Settings
from broker.errors import PoisonMessage, StartupError
from broker.packets.ids import ById, SchemaSource, SourcedIds, our_ids, our_schemas
from broker.packets.rubin_package import rubin_package
from broker.packets.schema_registry import KeptSchemas, SchemaRegistry
from broker.packets.writers import Writer, Writers
from broker.settings.packets import Registry, TopicFormat

Framing = Literal["any", "container", "wire", "schemaless", "schema_in_key"]
Matches = Callable[[str], object]
LETTERS = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Format:
    """How a topic's messages are read."""

    framing: Framing
    by_id: ById
    bare: Writer | None  # of a body without any framing


@dataclass(frozen=True, slots=True)
class Formats:
    """Every topic's format."""

    writers: Writers
    rules: Sequence[tuple[Matches, Format]]  # the first that matches counts
    otherwise: Format

    def of(self, topic: str) -> Format:
        """A topic's."""
        return next((found for matches, found in self.rules if matches(topic)), self.otherwise)


def native_formats() -> Formats:
    """Topics of our own alerts, and of whatever brings its schema along."""
    writers = Writers()
    return Formats(writers, (), Format("any", our_ids(writers), our_own(writers)))


def formats_of(settings: Settings, registry: SchemaRegistry | None = None) -> Formats:
    """What the configuration says of topics. Raises StartupError where a file holds no schema that is read here.

    Args:
        settings: of topics and of the registry.
        registry: to ask; where it is not given, the one of the settings.
    """
    formats = native_formats()
    writers = formats.writers
    kept = kept_of(settings.registry, registry)
    package = rubin_package()
    by_name: dict[str, list[SchemaSource]] = {
        "registry": [kept] if kept else [],
        "package": [package] if package else [],
    }
    ids: dict[str, ById] = {
        "ours": formats.otherwise.by_id,
        "rubin": SourcedIds(writers, [source for name in settings.registry.order for source in by_name[name]]),
        "registry": SourcedIds(writers, by_name["registry"]),
    }
    rules = [
        (matcher(rule.topics), Format(rule.framing, ids[rule.ids], bare_of(rule, writers)))
        for rule in settings.packets.formats
    ]
    return Formats(writers, rules, formats.otherwise)


def check_ids(settings: Settings, topics: Iterable[str] | None = None) -> None:
    """Raises StartupError where a topic that is read has ids of Rubin's or a registry's, and nobody to ask for them.

    Args:
        settings: of topics and of the registry.
        topics: that are read; by default those of the settings, where of an expression the letters that it begins with
            are looked at.
    """
    package = "package" in settings.registry.order and rubin_package() is not None
    registry = settings.registry.url is not None
    for topic in settings.kafka.topics if topics is None else topics:
        begins = "".join(LETTERS.findall(topic)[:1]) if topic.startswith("^") else topic
        rule = next((rule for rule in settings.packets.formats if matcher(rule.topics)(begins)), None)
        if rule is None or rule.ids == "ours" or rule.framing not in ("any", "wire"):
            continue
        if not (registry and ("registry" in settings.registry.order or rule.ids == "registry")) and not (
            package and rule.ids == "rubin"
        ):
            remedy = " or install misweeper[rubin]" if rule.ids == "rubin" else ""
            raise StartupError(
                f"messages of {topic} name their schema by id, and nobody can be asked for it; "
                f"set MISWEEPER_REGISTRY__URL{remedy}"
            )


def kept_of(settings: Registry, registry: SchemaRegistry | None) -> SchemaSource | None:
    """The registry that is configured, and what it said before; None without one. Raises StartupError."""
    registry = registry or registry_of(settings)
    if registry is None or settings.cache is None:
        return registry
    try:
        return KeptSchemas(registry, settings.cache.expanduser())
    except RuntimeError as error:  # who runs this has no home
        raise StartupError(
            f"{settings.cache}: {error}; set MISWEEPER_REGISTRY__CACHE to a folder, or to nothing"
        ) from error


def registry_of(settings: Registry) -> SchemaRegistry | None:
    """The registry itself; None where none is configured. Raises StartupError where a certificate cannot be read."""
    if settings.url is None:
        return None
    tls = settings.certificates("MISWEEPER_REGISTRY__") if settings.url.startswith("https") else None
    return SchemaRegistry(settings.url, settings.timeout_s, settings.headers(), tls)


def bare_of(rule: TopicFormat, writers: Writers) -> Writer | None:
    """The writer of a topic's bare bodies. Raises StartupError."""
    path = rule.schema_file
    if path is None:
        return our_own(writers) if rule.ids == "ours" else None
    try:
        return writers.of(path.read_bytes())
    except OSError as error:
        what = error.strerror or str(error)
    except PoisonMessage as poison:
        what = poison.detail
    raise StartupError(
        f"{path} has no schema that can be read ({what}); "
        f"mend schema_file of {rule.topics} in MISWEEPER_PACKETS__FORMATS"
    )


def our_own(writers: Writers) -> Writer:
    """The newest version of the native alert."""
    schemas = our_schemas()
    return writers.of_schema(schemas[max(schemas)])


def matcher(topics: str) -> Matches:
    """Whether a name is meant."""
    return re.compile(topics).search if topics.startswith("^") else topics.__eq__
