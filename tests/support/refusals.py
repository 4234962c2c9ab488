"""What `misweeper check` and `misweeper run` say where something is wrong: both in this process, as torch is slow."""

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from typer.testing import CliRunner

from broker.commands.main import EXIT_CONFIGURATION, app
from broker.errors import StartupError

MARKS = ("✗", "misweeper: ")


@contextmanager
def own_signals() -> Iterator[None]:
    """`run` takes these for its own."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def said(environment: Mapping[str, str], command: str) -> tuple[int, str]:
    """The exit code of a command that ends by itself, and what it printed."""
    with own_signals():
        done = CliRunner().invoke(app, [command], env={"MISWEEPER_HTTP__PORT": "0", **environment})
    if isinstance(done.exception, StartupError):  # which `main` prints, and ends with 2
        return EXIT_CONFIGURATION, f"misweeper: {done.exception}"
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


def refused_by_both(environment: Mapping[str, str], words: str, *secrets: str) -> None:
    """Both end with 2 and one line that has these words, and no secret is in anything they say."""
    for command in ("check", "run"):
        code, text = said(environment, command)
        assert code == EXIT_CONFIGURATION, text
        (line,) = (line for line in text.splitlines() if words in line and line.startswith(MARKS))
        assert "\n" not in line
        assert not [secret for secret in secrets if secret in text]
