"""What is said of variables that no setting reads, and of values that cannot be; of secrets nothing is shown."""

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches

from pydantic import SecretStr, ValidationError
from pydantic_settings import SettingsError

PREFIX = "MISWEEPER_"
TESTS = "MISWEEPER_TEST_"  # the tests' own, of no concern to the service
ROUTES = "MISWEEPER_OUTPUTS__ROUTES__"  # of a route, by its name: pydantic knows which fields it has
GONE = {"MISWEEPER_BATCH__MAX_WAIT_MS": "no alert waits for another, a batch is what has come"}
LIST = "`misweeper check --list` prints every variable there is"
UNSHOWN = ("url", "password", "secret", "token", "user", "client", "servers")  # what may be a secret, or have one in it
LONGEST_SHOWN = 60  # characters

HOST = r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[?[0-9A-Fa-f]*:[0-9A-Fa-f:.]+\]?"
PORT = r"[0-9]{1,5}"
ADDRESS = rf"(?:tcp|udp|sctp)://(?:{HOST}):{PORT}"
# What Kubernetes tells each container of each service, also of one named misweeper (docs: "Environment variables").
LINKS = [
    (re.compile(rf"{PREFIX}(\w+_)?{name}"), re.compile(value))
    for name, value in (
        ("SERVICE_HOST", HOST),
        (r"SERVICE_PORT(_\w+)?", PORT),
        ("PORT", ADDRESS),
        (r"PORT_\d+_(TCP|UDP|SCTP)", ADDRESS),
        (r"PORT_\d+_(TCP|UDP|SCTP)_ADDR", HOST),
        (r"PORT_\d+_(TCP|UDP|SCTP)_PORT", PORT),
        (r"PORT_\d+_(TCP|UDP|SCTP)_PROTO", "tcp|udp|sctp"),
    )
]


def strangers(environment: Mapping[str, str], known: Collection[str]) -> list[str]:
    """Variables with our prefix that no setting reads, sorted."""
    ours = [name for name in environment if name.upper().startswith(PREFIX) and not name.upper().startswith(TESTS)]
    unknown = [name for name in ours if name.upper() not in known and not name.upper().startswith(ROUTES)]
    return sorted(name for name in unknown if not is_service_link(name.upper(), environment[name]))


def is_service_link(name: str, value: str) -> bool:
    """Whether a variable is one of those that Kubernetes sets for each service; any other value is a typo of ours."""
    return any(names.fullmatch(name) and values.fullmatch(value) for names, values in LINKS)


def stranger(name: str, known: Collection[str]) -> str:
    """What to say of a variable that no setting reads."""
    if name.upper() in GONE:
        return f"{name} is no setting any more: {GONE[name.upper()]}; unset it"
    near = get_close_matches(name.upper(), known, 1)
    hint = f"did you mean {near[0]}?" if near else "see"
    return f"{name} is no setting of misweeper; {hint} {LIST}"


def invalid(error: ValidationError | SettingsError) -> str:
    """What to say of a value that cannot be."""
    if isinstance(error, SettingsError):
        return f"a setting cannot be read; {LIST}"
    first = error.errors()[0]
    parts = [str(part) for part in first["loc"]]
    name = PREFIX + "__".join(parts).upper() if parts else "the settings"
    told, given = first["msg"].removeprefix("Value error, "), first["input"]
    if "bootstrap_servers" in parts:
        told = "write host:port, several with commas between; who logs in has variables of their own"
    secret = isinstance(given, SecretStr) or any(word in part.lower() for part in parts for word in UNSHOWN)
    value = "" if secret or not isinstance(given, str | int | float) else f" is {str(given)[:LONGEST_SHOWN]!r}"
    return f"{name}{value}: {told}; {LIST}"
