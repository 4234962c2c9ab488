"""What a registry answers, and what of it is believed; what is kept of it in a folder."""

import socket
import threading

import pytest

from broker.errors import PoisonMessage, Reason, TransientError
from broker.packets.schema_registry import ANSWER_BYTES, KeptSchemas, SchemaRegistry, file_name
from tests.support.registry_server import registry_server

TEXT = b'{"type":"record","name":"\xc3\xa9","fields":[]}'


@pytest.fixture
def server():
    with registry_server() as running:
        running.schemas[1101] = TEXT
        yield running


def registry(server) -> SchemaRegistry:
    return SchemaRegistry(server.url, timeout_s=5)


def test_a_schema_by_its_id(server):
    assert registry(server).find(1101) == TEXT
    assert registry(server).find(7) is None
    assert server.asked == ["/schemas/ids/1101", "/schemas/ids/7"]


def test_a_registry_below_a_path(server):
    SchemaRegistry(f"{server.url}/apis/ccompat/v7/", 5).find(7)
    assert server.asked == ["/apis/ccompat/v7/schemas/ids/7"]


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (404, b'{"error_code": 404, "message": "HTTP 404 Not Found"}', "answers 404: 'HTTP 404 Not Found'"),
        (404, b"<html>nginx</html>", "answers 404, and no JSON object"),
        (401, b'{"error_code": 401, "message": "Unauthorized"}', "answers 401: 'Unauthorized'"),
        (500, b'{"error_code": 50001, "message": "Error in the backend"}', "answers 500"),
        (503, b"", "answers 503, and no JSON object"),
        (302, b"{}", "answers 302"),
        (200, b"{}", "answers 200: 'no schema'"),
        (200, b'{"schema": 7}', "answers 200: 'no schema'"),
        (200, b"[" * 100_000, "answers 200, and no JSON object"),
        (200, b'"\x1b[2J"', "answers 200, and no JSON object"),
        (404, b'{"message": "\x1b[2J\xc3\xa9"}', "answers 404, and no JSON object"),
    ],
)
def test_what_is_no_registrys_answer_is_an_outage_that_names_where_to_look(server, status, body, said):
    server.answer = status, body
    with pytest.raises(TransientError) as caught:
        registry(server).find(1101)
    assert caught.value.server == "registry"
    assert str(caught.value).startswith(f"registry: {server.url} {said}")
    assert str(caught.value).endswith("see MISWEEPER_REGISTRY__URL")
    assert str(caught.value).isascii()


@pytest.mark.parametrize("extra", [{"schemaType": "PROTOBUF"}, {"references": [{"name": "a"}]}])
def test_a_schema_that_is_not_avro_or_not_whole_is_unknown(server, extra):
    server.extra = extra
    with pytest.raises(PoisonMessage, match=r"schema id 1101 of the registry .* is not Avro, or refers") as caught:
        registry(server).find(1101)
    assert caught.value.reason is Reason.UNKNOWN_SCHEMA


def test_no_more_of_an_answer_is_read_than_a_schema_can_have(server):
    server.answer = 200, b'{"schema": "' + b"x" * (4 * ANSWER_BYTES) + b'"}'
    with pytest.raises(PoisonMessage, match="too long for a schema"):
        registry(server).find(1101)


def test_nobody_there():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(TransientError, match=rf"^registry: http://127.0.0.1:{port} does not answer: .*refused"):
        SchemaRegistry(f"http://127.0.0.1:{port}", 5).find(1101)


def test_an_answer_that_drips_is_given_up_after_the_whole_timeout():
    stop = threading.Event()

    def drip(listening: socket.socket) -> None:
        client, _ = listening.accept()
        with client:
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while not stop.wait(0.05):
                try:
                    client.sendall(b" ")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=drip, args=(listening,))
        thread.start()
        with pytest.raises(TransientError, match=r"not done within 0\.3 s"):
            SchemaRegistry(f"http://127.0.0.1:{listening.getsockname()[1]}", 0.3).find(1)
        stop.set()
        thread.join()


def test_a_schema_that_is_kept_outlives_the_registry(tmp_path):
    with registry_server() as server:
        server.schemas[1101] = TEXT
        kept = KeptSchemas(registry(server), tmp_path)
        assert [kept.find(1101), kept.find(1101), kept.find(7)] == [TEXT, TEXT, None]
        assert len(server.asked) == 2
        other = KeptSchemas(SchemaRegistry(f"{server.url}/other", 5), tmp_path)
    assert KeptSchemas(kept.registry, tmp_path).find(1101) == TEXT
    for registry_away, schema_id in ((kept, 1102), (other, 1101)):
        with pytest.raises(TransientError):
            registry_away.find(schema_id)
    assert not list(tmp_path.rglob("*.new"))


@pytest.mark.parametrize("damaged", [b"", TEXT[:-1], TEXT + b" ", b"x" * 1_000_000])
def test_what_is_kept_and_damaged_is_asked_for_again(server, tmp_path, damaged):
    kept = KeptSchemas(registry(server), tmp_path)
    kept.find(1101)
    (path,) = tmp_path.rglob("*.avsc")
    path.write_bytes(damaged)
    assert kept.find(1101) == TEXT
    assert path.read_bytes() == TEXT
    assert path.name == file_name(1101, TEXT)


def test_an_answer_that_is_no_schema_is_not_kept(server, tmp_path):
    kept = KeptSchemas(registry(server), tmp_path)
    server.schemas[1101] = b"{}"
    assert kept.find(1101) == b"{}"
    server.schemas[1101] = TEXT
    assert kept.find(1101) == TEXT


def test_a_folder_that_cannot_be_written_is_no_fault(server, tmp_path):
    (tmp_path / "file").write_text("")
    kept = KeptSchemas(registry(server), tmp_path / "file")
    assert [kept.find(1101), kept.find(1101)] == [TEXT, TEXT]
    assert len(server.asked) == 2
