import socket

import pytest
from rich.console import Console

from broker.config import Settings
from broker.errors import StartupError
from broker.lightcurves.store import InMemoryLightCurves
from broker.web.server import opened, serve, temporary


def test_a_port_that_is_taken_is_one_sentence(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(StartupError, match="--port"):
        serve(
            Settings(),
            InMemoryLightCurves(),
            console=Console(),
            host="127.0.0.1",
            port=taken.getsockname()[1],
            index_path=tmp_path / "index.sqlite",
            since_ms=0,
            password=None,
            proxy_header=None,
        )


@pytest.mark.parametrize("name", ["file/index.sqlite", "folder", "text"])
def test_an_index_that_cannot_be_used_is_one_sentence(tmp_path, name):
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("this is no database, and long enough to be seen as none " * 100)
    with pytest.raises(StartupError, match="--index"):
        opened(tmp_path / name)
    assert (tmp_path / "text").exists()


def test_an_index_that_nobody_asked_to_keep_is_gone_in_the_end():
    with temporary() as path:
        opened(path).close()
        assert path.exists()
    assert not path.parent.exists()
