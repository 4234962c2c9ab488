import socket

from broker.embedded.ports import HIGHEST, HOST, LOWEST, free_port, listening


def test_a_free_port_is_one_that_a_server_can_take_and_no_client_is_given():
    port = free_port()
    assert LOWEST <= port < HIGHEST
    assert not listening(port)
    with socket.create_server((HOST, port)):
        assert listening(port)
