"""Kafka's jars: pinned in `kafka.lock.toml`, downloaded once by jgo, checked against their sha256 at every start.

The lock is jgo's own and holds the whole resolved dependency graph, so a start resolves nothing: the jars it names are
the class path. A mirror of Maven Central goes in jgo's settings file. relock.py makes the lock.
"""

import fcntl
import hashlib
import os
import tempfile
import tomllib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from broker.errors import StartupError

KAFKA_VERSION = "4.3.1"
LOCK = Path(__file__).with_name("kafka.lock.toml")
DOWNLOADS_AT_ONCE = 6
TRIES = 3
TIMEOUT_S = 15


@dataclass(frozen=True, slots=True)
class Jar:
    """One line of the class path."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        """As repositories name it."""
        return f"{self.artifact}-{self.version}.jar"


@cache
def locked_jars() -> tuple[Jar, ...]:
    """The jars of the lock."""
    entries = tomllib.loads(LOCK.read_text())["dependencies"]
    return tuple(Jar(e["groupId"], e["artifactId"], e["version"], e["sha256"]) for e in entries)


def cache_folder() -> Path:
    """Where this user's downloads are kept: XDG_CACHE_HOME or ~/.cache, in `misweeper`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "misweeper"


def kafka_jars(console: Console) -> list[Path]:
    """The class path, every file as the lock says; what is not in the cache is downloaded, with a progress bar.

    Raises:
        StartupError: the cache cannot be written, a download failed, or a file is not what the lock says.
    """
    folder = cache_folder() / f"kafka-{KAFKA_VERSION}"
    paths = [folder / jar.file_name for jar in locked_jars()]
    if missing_jars(folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / "lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)  # another process may be downloading: then wait, and look again
                if missing := missing_jars(folder):
                    download(missing, folder, console)
        except OSError as error:
            raise StartupError(f"{error.filename} cannot be written; name another cache in XDG_CACHE_HOME") from None
    return paths


def missing_jars(folder: Path) -> list[Jar]:
    """Those that are not in the folder, or not as they should be."""
    return [jar for jar in locked_jars() if not intact(folder / jar.file_name, jar.sha256)]


def intact(path: Path, sha256: str) -> bool:
    """Whether the file is there, can be read and has this digest."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError:
        return False


def download(jars: list[Jar], folder: Path, console: Console) -> None:
    """Bring the jars to the folder; each appears there whole or not at all. Raises StartupError."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("jars"),
        TimeElapsedColumn(),
    )
    with (
        tempfile.TemporaryDirectory(dir=folder, prefix="partial-") as partial,
        Progress(*columns, console=console) as progress,
        ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool,
    ):
        task = progress.add_task(f"downloading Apache Kafka {KAFKA_VERSION} (43 MB, once)", total=len(jars))
        fetch = fetcher(Path(partial))

        def bring(jar: Jar) -> None:
            fetch(jar).replace(folder / jar.file_name)
            progress.advance(task)

        try:
            list(pool.map(bring, jars))
        except StartupError:
            pool.shutdown(wait=False, cancel_futures=True)  # the others would fail alike, one by one
            raise


def fetcher(repository: Path) -> Callable[[Jar], Path]:
    """A function that downloads one jar into a local repository and checks it. Raises StartupError."""
    try:
        from jgo.config import GlobalSettings  # noqa: PLC0415 - an extra: the service runs without it
        from jgo.constants import MAVEN_CENTRAL_URL  # noqa: PLC0415
        from jgo.maven import MavenContext  # noqa: PLC0415
    except ImportError:
        raise StartupError("the embedded Kafka comes with an extra: pip install 'misweeper[embedded]'") from None
    remotes = {"central": MAVEN_CENTRAL_URL} | GlobalSettings.load().repositories
    context = MavenContext(repo_cache=repository, remote_repos=remotes, timeout=TIMEOUT_S)

    def fetch(jar: Jar) -> Path:
        artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
        reason = ""
        for _ in range(TRIES):
            try:
                path = artifact.resolve()
            except (OSError, RuntimeError) as error:  # of the connection; of jgo, when no repository has it
                reason = str(error)
            else:
                if intact(path, jar.sha256):
                    return path
                reason = f"its sha256 is not the one in {LOCK.name}"
            assert artifact.cached_path
            artifact.cached_path.unlink(missing_ok=True)
        raise StartupError(
            f"cannot download {jar.file_name}: {reason}. The first start needs Maven Central, "
            "or a mirror named in jgo's settings; later starts need no network."
        )

    return fetch
