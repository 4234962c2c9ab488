"""Alerts that own nothing in a light curve, which a rebuild leaves out: those that were set aside, and duplicates."""

from array import array
from collections import defaultdict

import numpy as np
from confluent_kafka.admin import AdminClient

from broker.accounts.deadletters import letter_spans, letters
from broker.config import Settings
from broker.errors import Reason
from broker.kafka.batch import Place
from broker.lightcurves.rebuild import Offsets


def aside(admin: AdminClient, settings: Settings) -> Offsets:
    """The offsets of each, as far as dead letters are retained: eight bytes an alert. Raises StartupError."""
    found = defaultdict[Place, "array[int]"](lambda: array("q"))
    for letter in letters(settings, letter_spans(admin, settings)):
        if letter.record["fate"] == "duplicate" or letter.record["reason"] == Reason.SET_ASIDE:
            topic, partition, offset = letter.source
            found[topic, partition].append(offset)
    return {place: np.array(offsets, np.int64) for place, offsets in found.items()}
