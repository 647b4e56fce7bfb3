"""Only a socket that listens is taken from systemd, and an address somebody else has is waited for."""

from __future__ import annotations

import os
import socket

import pytest

from dsmil.errors import ConfigError, Unavailable
from dsmil.runtime.door import listen, taken


def test_only_a_socket_that_listens_can_be_passed() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        fd = datagrams.fileno()
        with pytest.raises(ConfigError, match="does not listen"):
            taken(fd)
        assert datagrams.getsockname(), "it is still its owner's"
    with pytest.raises(ConfigError, match="descriptor 987"):
        taken(987)
    with listen("127.0.0.1", 0) as door, taken(os.dup(door.fileno())) as same:
        assert same.getsockname() == door.getsockname()


def test_an_address_in_use_is_waited_for() -> None:
    with listen("127.0.0.1", 0) as door, pytest.raises(Unavailable, match=r"listen on .*in use.*ss -ltnp"):
        listen("127.0.0.1", door.getsockname()[1])
