"""A Redis that speaks TLS: Debian's, for the one from a Python package does not."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from broker.embedded.ports import HOST, free_port, listening
from broker.embedded.server import Server
from tests.support.certificates import Certificates

PACKAGES = ("redis-server", "redis-tools", "libjemalloc2", "liblzf1", "libatomic1")
FOLDER = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "misweeper" / "redis"


@cache
def redis_binary() -> list[str]:
    """How to start it: the machine's own, or the one in the cache, fetched and unpacked there without root."""
    if found := shutil.which("redis-server"):
        return [found]
    binary = FOLDER / "root" / "usr" / "bin" / "redis-server"
    if not binary.exists():
        fetch(FOLDER)
    libraries = ":".join(str(path) for path in sorted((FOLDER / "root").glob("usr/lib/*-linux-gnu")))
    return ["/usr/bin/env", f"LD_LIBRARY_PATH={libraries}", str(binary)]


def fetch(folder: Path) -> None:
    """Debian's packages by its own client; its lists are fetched too where the machine has none."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("debs", "lists/partial", "archives/partial"):
        (folder / name).mkdir(parents=True)
    try:
        apt(folder / "debs", "download", *PACKAGES)
    except subprocess.CalledProcessError:
        own = [f"Dir::State::lists={folder / 'lists'}", f"Dir::Cache::archives={folder / 'archives'}"]
        options = [part for option in own for part in ("-o", option)]
        apt(folder / "debs", *options, "update")
        apt(folder / "debs", *options, "download", *PACKAGES)
    for package in sorted((folder / "debs").glob("*.deb")):
        subprocess.run(["dpkg", "-x", package, folder / "unpacked"], check=True)
    (folder / "unpacked").rename(folder / "root")


def apt(folder: Path, *arguments: str) -> None:
    subprocess.run(["apt-get", "-q", *arguments], cwd=folder, check=True, capture_output=True, timeout=200)


class TlsRedis(Server):
    """Speaks TLS alone, and wants a certificate of its clients where `mutual`."""

    name = "Redis with TLS"
    start_timeout_s = 30.0

    def __init__(self, certificates: Certificates, *, mutual: bool, called: str = "server") -> None:
        super().__init__()
        self.certificates, self.mutual, self.called, self.port = certificates, mutual, called, 0

    def prepare(self) -> None:
        self.port = free_port()

    def command(self) -> list[str]:
        ours = self.certificates
        place = ["--bind", HOST, "--port", "0", "--tls-port", str(self.port), "--dir", str(self.folder)]
        files = ["--tls-cert-file", ours[f"{self.called}.crt"], "--tls-key-file", ours[f"{self.called}.key"]]
        trusted = ["--tls-ca-cert-file", str(ours.ca)]
        mutual = ["--tls-auth-clients", "yes" if self.mutual else "no"]
        return [*redis_binary(), *place, *files, *trusted, *mutual, "--save", "", "--appendonly", "yes"]

    def client(self) -> redis.Redis:
        """One that may do all."""
        ours = self.certificates
        files = {"ssl_ca_certs": str(ours.ca), "ssl_certfile": ours["client.crt"], "ssl_keyfile": ours["client.key"]}
        patience = {"socket_timeout": 1.0, "retry": Retry(NoBackoff(), 0)}
        return redis.Redis(HOST, self.port, ssl=True, ssl_check_hostname=False, **patience, **files)

    def answers(self) -> bool:
        if not listening(self.port):
            return False
        try:
            with self.client() as client:
                return bool(client.info("server")["process_id"] == self.pid)
        except redis.RedisError:
            return False
