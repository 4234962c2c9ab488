"""`misweeper web` as a process of its own."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from broker.embedded import free_port

END_S = 30.0


@dataclass
class PageProcess:
    """Where the page is, and what it runs in."""

    home: str
    process: "subprocess.Popen[bytes]"

    def api(self, path: str) -> Any:
        """What an address of the interface for programs answers; no objects where nobody answers yet."""
        try:
            address = self.home + path.replace("[", "%5B").replace("]", "%5D")
            with urllib.request.urlopen(address, timeout=10) as answer:
                return json.load(answer)
        except (ConnectionError, urllib.error.URLError):
            return {"objects": []}

    def stop(self) -> int:
        """End it as an orchestrator does; its exit code."""
        self.process.terminate()
        return self.process.wait(END_S)


@contextmanager
def page_process(variables: Mapping[str, str], log_path: Path, *options: str) -> Iterator[PageProcess]:
    """The page, which ends with the block however that ends; `options` are those of `misweeper web`."""
    port = free_port()
    command = [sys.executable, "-m", "broker.commands.main", "web", "--port", str(port), *options]
    with log_path.open("ab") as log:
        process = subprocess.Popen(command, env=os.environ | variables, stdout=log, stderr=log)
    page = PageProcess(f"http://127.0.0.1:{port}", process)
    try:
        yield page
    finally:
        try:
            page.stop()
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
