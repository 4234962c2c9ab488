"""Law 8: three fates for an error, told by type.

`PoisonMessage`: this message can never be read: it becomes a dead letter, and the batch goes on.
`TransientError`: a server is away: abort, back off while still polling, read the batch again.
Anything else is a bug: the process crashes, and whoever runs it starts it again.

`StartupError` is for the operator: one sentence that says what to do, printed without a traceback, exit code 2.
An error is logged where it is handled, and only there.
"""

from enum import StrEnum


class Reason(StrEnum):
    """Why a message is a dead letter. Consumers filter on these: the list is closed, add with care."""

    EMPTY = "empty"  # no bytes
    TOO_LARGE = "too_large"  # more bytes than max_message_bytes
    NOT_AVRO = "not_avro"  # no framing fits, or the bytes end too early
    UNKNOWN_SCHEMA = "unknown_schema"  # a schema id or schema that no adapter reads
    LENGTH_BOMB = "length_bomb"  # a length prefix claims more than the message holds
    SET_ASIDE = (
        "set_aside"  # the store refuses its object, or the classifier's answer is no number; send it again later
    )
    INVALID_FIELD = "invalid_field"  # it decodes, but a value cannot be: NaN flux, negative error, unknown band


class PoisonMessage(Exception):  # noqa: N818 - the field's term, and what it is
    """A message that can never be read. `reason` is for machines, the text for people."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class TransientError(Exception):
    """A server is away or slow; the same batch will work when it is back. `server` is kafka, redis or registry."""

    def __init__(self, server: str, detail: str) -> None:
        super().__init__(f"{server}: {detail}")
        self.server = server


class TooLargeError(TransientError):
    """Kafka takes no message so large on an output topic: the batch will work with smaller dead letters."""


class StoreLostError(TransientError):
    """The store is not the one that was known: emptied, restarted without its data, or another one altogether.

    What it has of a light curve may be a stump, so nothing is classified from it until `rebuild` has filled it.
    """

    def __init__(self, detail: str) -> None:
        super().__init__("redis", detail)


class StartupError(Exception):
    """The service cannot start; the text tells the operator what to do."""


class NotYetError(StartupError):
    """A topic is not there yet: `misweeper run` waits for it, whatever else is asked for ends with this sentence."""
