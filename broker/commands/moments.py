"""Times and nights as an operator writes them."""

from datetime import UTC, date, datetime, time, timedelta

from broker.errors import StartupError

MJD_0 = date(1858, 11, 17)


def moment(text: str) -> int:
    """A date, or a date and time, of ISO 8601 [ms since 1970]; UTC where it names no zone. Raises StartupError."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise StartupError(f"{text!r} is no time; write 2026-11-23 or 2026-11-23T04:30, in UTC") from error
    return _ms(found if found.tzinfo else found.replace(tzinfo=UTC))


def night(text: str) -> tuple[int, int]:
    """Begin and end of the night that begins on a date, or on an MJD, from noon to noon UTC [ms since 1970].

    Raises StartupError.
    """
    try:
        day = MJD_0 + timedelta(int(text)) if text.isascii() and text.isdigit() and len(text) < 7 else None
        day = day or date.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise StartupError(f"{text!r} is no night; write its date as 2026-11-23 or as an MJD like 61367") from error
    noon = datetime.combine(day, time(12), UTC)
    return _ms(noon), _ms(noon + timedelta(days=1))


def _ms(when: datetime) -> int:
    return int(when.timestamp() * 1000)
