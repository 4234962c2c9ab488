"""What every embedded server has: a folder, a log, a guard, and ways to trouble it in tests."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from rich.console import Console

from broker.embedded import guard
from broker.errors import StartupError

PORT_TRIES = 5
LOG_LINES = 25
LOOK_EVERY_S = 0.05
TERMINATE_S = 30.0


def temporary_folder() -> Path:
    """Where servers keep their data. Raises StartupError."""
    try:
        return Path(tempfile.gettempdir())
    except OSError as error:
        raise StartupError("no folder takes temporary files; free the disk, or name a folder in TMPDIR") from error


class Server(ABC):
    """One server process on loopback. `with` starts it, and removes it with all its data at the end."""

    name: ClassVar[str]  # as people say it
    start_timeout_s: ClassVar[float]

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        slug = type(self).__name__.removeprefix("Embedded").lower()
        self.folder = temporary_folder() / f"misweeper-{slug}-{secrets.token_hex(6)}"
        self.log_path = self.folder / "server.log"
        self._guard: subprocess.Popen[str] | None = None
        self._pid: int | None = None

    @abstractmethod
    def prepare(self) -> None:
        """Take free ports and write what the server reads; `folder` is there, and empty but for the log."""

    @abstractmethod
    def command(self) -> list[str]:
        """What to execute."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether this very server, and no other on its port, answers a client."""

    @property
    def pid(self) -> int:
        """The server's process id, also its process group's."""
        if self._pid is None:
            raise RuntimeError(f"{self.name} is not running")
        return self._pid

    def start(self) -> None:
        """Start it, or start it again after `kill` with the same port and data; returns once it answers.

        Raises:
            StartupError: it ended or did not answer in time; the text has its log's last lines.
        """
        again = self.folder.exists()
        with self.console.status(f"starting {self.name}"):
            try:
                for tries_left in reversed(range(1 if again else PORT_TRIES)):
                    if not again:
                        self.folder.mkdir(mode=0o700)
                        self.prepare()
                    self._spawn()
                    if self._wait_for_answer(may_retry=tries_left > 0):
                        return
                    self.stop()  # somebody took the port between our look and the server's bind
            except OSError as error:
                self.stop()
                raise StartupError(
                    f"{self.name} cannot use {self.folder} ({error.strerror}); "
                    "free the disk, or name another folder in TMPDIR"
                ) from error
            except BaseException:
                self.stop()
                raise

    def stop(self) -> None:
        """End it at once and remove its folder. Nothing happens if it is not there."""
        self._leave()
        shutil.rmtree(self.folder, ignore_errors=True)

    def kill(self) -> None:
        """SIGKILL, as a power cut would; `start` brings it back with the same port and data."""
        self._signal(signal.SIGKILL)
        self._leave(wait_s=TERMINATE_S)

    def restart(self) -> None:
        """End it politely and start it again with the same port and data. Raises StartupError."""
        self.resume()  # a stopped process hears no SIGTERM
        self._signal(signal.SIGTERM)
        self._leave(wait_s=TERMINATE_S)
        self.start()

    def pause(self) -> None:
        """SIGSTOP: its connections stay open and nothing answers on them."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT: it goes on where it was paused."""
        self._signal(signal.SIGCONT)

    def log_tail(self) -> str:
        """The log's last lines, indented."""
        try:
            lines = self.log_path.read_text(errors="replace").splitlines()[-LOG_LINES:]
        except OSError:
            lines = []
        return "\n".join(f"    {line}" for line in lines) or "    (its log is empty)"

    def _spawn(self) -> None:
        with self.log_path.open("ab") as log:
            self._guard = subprocess.Popen(  # noqa: S603 - our own command
                # -I -S: no site packages, no environment; a session of its own: Ctrl-C is for the owner alone.
                [sys.executable, "-I", "-S", guard.__file__, str(self.folder), *self.command()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=self.folder,
                env=os.environ | {"LC_ALL": "C.UTF-8"},  # else Java knows no folder whose name is not ASCII
                start_new_session=True,
                text=True,
            )
        assert self._guard.stdout
        told = self._guard.stdout.readline()
        if not told:
            raise StartupError(f"{self.name} could not be executed; its log ends:\n{self.log_tail()}")
        self._pid = int(told)

    def _wait_for_answer(self, *, may_retry: bool) -> bool:
        """True once it answers; False if it may be tried on another port."""
        assert self._guard
        deadline = time.monotonic() + self.start_timeout_s
        while (code := self._guard.poll()) is None:
            if self.answers():
                return True
            if time.monotonic() > deadline:
                raise StartupError(
                    f"{self.name} did not answer within {self.start_timeout_s:g} s; its log ends:\n{self.log_tail()}"
                )
            time.sleep(LOOK_EVERY_S)
        tail = self.log_tail()
        if may_retry and "Address already in use" in tail:
            return False
        raise StartupError(f"{self.name} ended with exit code {code} while starting; its log ends:\n{tail}")

    def _signal(self, number: signal.Signals) -> None:
        os.killpg(self.pid, number)

    def _leave(self, wait_s: float | None = None) -> None:
        """Part from the guard: wait for the server's own end first, or close the pipe and so have it killed."""
        if self._guard is None:
            return
        assert self._guard.stdin
        assert self._guard.stdout
        if wait_s is not None:
            try:
                self._guard.wait(wait_s)
            except subprocess.TimeoutExpired:
                self._signal(signal.SIGKILL)
                self._guard.wait()
        self._guard.stdin.close()
        self._guard.wait()
        self._guard.stdout.close()
        self._guard = self._pid = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
