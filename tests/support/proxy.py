"""A network between a client and a server that cuts off or is slow."""

import socket
import threading
import time
from contextlib import suppress

HANDSHAKE_BYTES = 10  # of answers, twice +OK, before redis-py lets go of a connection


class Proxy:
    """A port that passes everything on to a server's.

    Args:
        port: of the server.
        answered_bytes: so many bytes of answers come through on the first connection, then it is cut.
        piece_bytes: requests go on in pieces of so many bytes,
        pause_s: with so long between them.
    """

    def __init__(
        self, port: int, *, answered_bytes: int | None = None, piece_bytes: int = 65_536, pause_s: float = 0.0
    ) -> None:
        self.port, self.piece_bytes, self.pause_s = port, piece_bytes, pause_s
        self.left = None if answered_bytes is None else answered_bytes + HANDSHAKE_BYTES
        self.listener = socket.create_server(("127.0.0.1", 0))

    def __enter__(self) -> int:
        threading.Thread(target=self.serve, daemon=True).start()
        return int(self.listener.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes who accepts
        self.listener.close()

    def serve(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.port))
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.requests, args=(client, server), daemon=True).start()
            threading.Thread(target=answers, args=(server, client, self.left), daemon=True).start()
            self.left = None

    def requests(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(self.piece_bytes):
                target.sendall(data)
                time.sleep(self.pause_s)
        end(source, target)


def answers(source: socket.socket, target: socket.socket, left: int | None) -> None:
    with suppress(OSError):
        while left is None or left > 0:
            if not (data := source.recv(65_536)):
                break
            target.sendall(data if left is None else data[:left])
            left = None if left is None else left - len(data)
    if left is not None:
        time.sleep(0.2)  # everything that was sent is done
    end(source, target)


def end(source: socket.socket, target: socket.socket) -> None:
    for one in (source, target):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)  # wakes who reads it
    source.close()
