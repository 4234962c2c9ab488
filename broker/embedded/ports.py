"""Free TCP ports on loopback."""

import secrets
import socket

from broker.errors import StartupError

HOST = "127.0.0.1"
# Below what Linux (32768) and macOS (49152) give to outgoing connections: no client that retries while a server is
# away can be given the server's own port, which would keep the server from coming back on it.
LOWEST, HIGHEST = 15_000, 32_000
TRIES = 200


def free_port() -> int:
    """A port that nobody has now. Another process may still take it first: servers try again on others.

    Raises:
        StartupError: no port was free in many tries.
    """
    for _ in range(TRIES):
        port = LOWEST + secrets.randbelow(HIGHEST - LOWEST)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise StartupError(f"no free port on {HOST} in {TRIES} tries from {LOWEST} to {HIGHEST}: stop servers left over")


def listening(port: int) -> bool:
    """Whether something accepts connections on the port."""
    try:
        with socket.create_connection((HOST, port), timeout=1.0):
            return True
    except OSError:
        return False
