"""Alerts that were set aside: a rebuild leaves them out, so that they are new when they are sent again."""

from confluent_kafka.admin import AdminClient

from broker.accounts.deadletters import letter_spans, letters
from broker.config import Settings
from broker.errors import Reason


def set_aside(admin: AdminClient, settings: Settings) -> set[tuple[str, int, int]]:
    """Topic, partition and offset of each, as far as dead letters are retained. Raises StartupError."""
    found = letters(settings, letter_spans(admin, settings))
    return {letter.source for letter in found if letter.record["reason"] == Reason.SET_ASIDE}
