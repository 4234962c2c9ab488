"""The page for people who watch a night: `misweeper web`."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from broker.config import Settings
from broker.connections import connect_kafka, connect_redis
from broker.errors import StartupError
from broker.kafka.spans import partitions


def web(
    host: Annotated[str, typer.Option(help="Where it listens; loopback alone, unless told otherwise.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes a free one.")] = 8480,
    index: Annotated[
        Path | None, typer.Option(help="File of the index, kept for the next time; by default a temporary one.")
    ] = None,
    days: Annotated[float, typer.Option(min=0, max=3_650, help="How far back a new index begins.")] = 1.0,
    password_file: Annotated[
        Path | None, typer.Option(help="A file with user:password; whoever looks has to sign in.")
    ] = None,
    proxy_header: Annotated[
        str | None, typer.Option(help="Header that a trusted proxy sets for who has signed in, as X-Forwarded-User.")
    ] = None,
) -> None:
    """Show classifications as they come, and every object, in a browser.

    Reads the classification topic and the light curves, writes to neither: it may be started, stopped and lost at will.

    Example: misweeper web --index /var/lib/misweeper/index.sqlite --days 30
    """
    try:
        from broker.web.server import serve  # noqa: PLC0415 - an extra
    except ImportError:
        raise StartupError("the page comes with an extra: pip install 'misweeper[web]'") from None
    settings = Settings.load()
    partitions(connect_kafka(settings), [settings.outputs.classifications])
    since = datetime.now(UTC) - timedelta(days=days)
    serve(
        settings,
        connect_redis(settings),
        console=Console(stderr=True),
        host=host,
        port=port,
        index_path=index,
        since_ms=int(since.timestamp() * 1000),
        password=read_password(password_file),
        proxy_header=proxy_header,
    )


def read_password(file: Path | None) -> str | None:
    """The user:password that a file holds. Raises StartupError."""
    if file is None:
        return None
    try:
        text = file.read_text().strip()
    except UnicodeDecodeError:
        raise StartupError(f"--password-file {file} is no text; it holds user:password on one line") from None
    except OSError as error:
        raise StartupError(f"--password-file {file} cannot be read: {error.strerror}") from None
    user, colon, password = text.partition(":")
    if not (user and colon and password) or "\n" in text:
        raise StartupError(f"--password-file {file} holds no user:password on one line")
    return text
