"""Decode and adapt in one: a message in, an alert out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from broker.errors import PoisonMessage, Reason
from broker.kafka.message import Message
from broker.packets.framings import decode
from broker.packets.registry import Registry, native_registry
from broker.surveys import native
from model.observation import Alert

ADAPTERS: dict[str, Callable[[dict[str, Any]], Alert]] = {"misweeper.Observation": native.adapt}


@dataclass(frozen=True, slots=True)
class AlertReader:
    """Reads the alerts of every survey that has an adapter."""

    max_message_bytes: int
    registry: Registry = field(default_factory=native_registry)

    def __call__(self, message: Message) -> Alert:
        """The alert of a message. Raises PoisonMessage."""
        packet = decode(message.value, self.registry, self.max_message_bytes)
        adapt = ADAPTERS.get(packet.schema_name)
        if adapt is None:
            raise PoisonMessage(Reason.UNKNOWN_SCHEMA, f"no adapter reads {packet.schema_name}")
        return adapt(packet.record)
