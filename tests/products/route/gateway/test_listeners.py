"""Listening sockets of the gateway."""

from __future__ import annotations

import socket

import pytest

from dd0c.base.errors import SetupError
from dd0c.products.route.gateway import listeners


def test_a_port_that_another_program_holds_is_refused() -> None:
    """A taken port is one line that says what to do, exit status 2 (K-2)."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(SetupError, match=f"port {port} .* is taken") as caught:
            listeners.open_listeners("127.0.0.1", port, 2)
    assert "--gateway-port" in caught.value.hint
    assert caught.value.exit_status == 2


def test_a_port_that_our_own_gateway_holds_is_refused() -> None:
    """SO_REUSEPORT alone would share the port with another gateway of ours without a word (K-2)."""
    ours = listeners.open_listeners("127.0.0.1", 0, 2)
    try:
        port = ours[0].getsockname()[1]
        assert {one.getsockname()[1] for one in ours} == {port}
        with pytest.raises(SetupError, match="is taken"):
            listeners.open_listeners("127.0.0.1", port, 2)
    finally:
        for one in ours:
            one.close()


def test_a_port_with_closing_connections_is_free() -> None:
    """A restart does not wait for the connections of the last run to fade (K-6)."""
    (first,) = listeners.open_listeners("127.0.0.1", 0, 1)
    address = first.getsockname()
    first.setblocking(True)
    client = socket.create_connection(address)
    served, _ = first.accept()
    served.close()  # we close first: the port keeps a connection in TIME_WAIT
    client.close()
    first.close()
    (second,) = listeners.open_listeners(address[0], address[1], 1)
    second.close()


def test_an_address_that_is_not_ours_is_refused() -> None:
    """A wrong host is one line, not a traceback (K-2)."""
    with pytest.raises(SetupError, match="cannot listen on 192"):
        listeners.open_listeners("192.0.2.1", 0, 1)


def test_a_following_program_keeps_every_socket_and_adds_what_it_lacks() -> None:
    """Closing one would reset who waits in it, so fewer workers close none (K-7)."""
    ours = listeners.open_listeners("127.0.0.1", 0, 2)
    descriptors = [one.detach() for one in ours]
    fewer = listeners.adopt(descriptors, 1)
    assert [one.fileno() for one in fewer] == descriptors
    more = listeners.adopt([one.detach() for one in fewer], 3)
    assert len({one.getsockname() for one in more}) == 1
    assert len(more) == 3
    for one in more:
        one.close()
