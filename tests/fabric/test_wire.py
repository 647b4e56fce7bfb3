"""The wire says what Redis said, and that Redis is away when it is."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from dsmil.errors import ConfigError, Unavailable
from dsmil.fabric.address import Address
from dsmil.fabric.wire import Wire, WireError


def test_calls_pipelines_and_transactions_answer(wire: Wire) -> None:
    assert wire.call("SET", "k", 5) == b"OK"
    replies = wire.pipeline([("GET", "k"), ("NOSUCH",), ("INCR", "k")])
    assert replies[0] == b"5"
    assert isinstance(replies[1], WireError)
    assert replies[2] == 6
    assert wire.transaction([("INCR", "k"), ("GET", "missing")]) == [7, None]


def test_an_error_reply_is_raised_with_its_code(wire: Wire) -> None:
    wire.call("SET", "k", "v")
    with pytest.raises(WireError) as caught:
        wire.call("LPUSH", "k", "v")
    assert caught.value.code == "WRONGTYPE"


def test_a_refused_command_leaves_a_transaction_undone(wire: Wire, client: redis.Redis) -> None:
    client.config_set("maxmemory", "1mb")
    try:
        with pytest.raises(Unavailable, match="OOM"):
            wire.transaction([("DEL", "a"), ("SET", "k", "v")])
    finally:
        client.config_set("maxmemory", "0")
    assert wire.call("EXISTS", "k") == 0
    with pytest.raises(WireError):
        wire.transaction([("SET", "k", "v"), ("NOSUCH",)])
    assert wire.call("EXISTS", "k") == 0


def test_large_replies_and_commands_pass_whole(wire: Wire) -> None:
    big = bytes(range(256)) * 8192
    wire.call("SET", "big", big)
    assert wire.pipeline([("GET", "big"), ("STRLEN", "big")]) == [big, len(big)]


def test_it_connects_again_after_the_connection_was_killed(wire: Wire, client: redis.Redis) -> None:
    wire.call("PING")
    client.client_kill_filter(_id=wire.client_id)
    with pytest.raises(Unavailable):
        wire.call("PING")
    assert wire.call("PING") == b"PONG"
    assert wire.connections == 2


def test_no_redis_is_unavailable_and_names_the_place(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="none.sock"):
        Wire(f"unix://{tmp_path}/none.sock").call("PING")
    with pytest.raises(Unavailable, match="localhost:1"):
        Wire("redis://localhost:1/0").call("PING")


def test_database_name_and_password_are_used(redis_socket: str, client: redis.Redis) -> None:
    other = Wire(f"unix://{redis_socket}?db=3", name="l3-0")
    other.call("SET", "there", 1)
    assert client.exists("there") == 0
    assert b"name=dsmil-l3-0 " in bytes(other.call("CLIENT", "INFO"))  # type: ignore[call-overload]
    client.execute_command("ACL", "SETUSER", "bob", "on", ">s3cret", "+@all", "~*")
    assert Wire(f"unix://bob:s3cret@{redis_socket}").call("ACL", "WHOAMI") == b"bob"
    with pytest.raises(ConfigError, match="WRONGPASS") as caught:
        Wire(f"unix://bob:wrong@{redis_socket}").call("PING")
    assert "wrong" not in str(caught.value).replace("WRONGPASS", "")
    client.execute_command("ACL", "DELUSER", "bob")


@contextmanager
def serving(path: Path, answer: bytes) -> Iterator[str]:
    """A server that answers the greeting and then says only `answer`."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        done = threading.Event()

        def serve() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.recv(4096)
                peer.sendall(b"+OK\r\n:7\r\n" + answer)
                done.wait(10)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"unix://{path}"
        done.set()
        thread.join()


def test_a_silent_server_is_given_up_after_the_timeout(tmp_path: Path) -> None:
    with serving(tmp_path / "s", b"") as url:
        wire = Wire(url, timeout_s=0.1)
        begun = time.monotonic()
        with pytest.raises(Unavailable, match="timed out"):
            wire.call("PING")
        assert time.monotonic() - begun < 2
        assert not wire.connected


@pytest.mark.parametrize("answer", [b"-LOADING dataset\r\n", b"-MISCONF disk\r\n", b"?rubbish\r\n", b"$-5\r\n"])
def test_a_server_that_cannot_serve_or_talks_rubbish_is_unavailable(tmp_path: Path, answer: bytes) -> None:
    with serving(tmp_path / "s", answer) as url, pytest.raises(Unavailable):
        Wire(url, timeout_s=1).call("PING")


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("unix:///run/redis.sock", Address(path="/run/redis.sock")),
        (
            "unix://u:p%40@/run/redis.sock?db=2",
            Address(path="/run/redis.sock", db=2, username="u", password="p@"),
        ),
        ("redis://localhost", Address()),
        ("redis://:pw@box:7000/4", Address(host="box", port=7000, db=4, password="pw")),
    ],
)
def test_addresses_are_read(url: str, address: Address) -> None:
    assert Address.parse(url) == address
    assert "p@" not in str(address)


@pytest.mark.parametrize("url", ["", "http://x", "unix://", "redis://h:port", "redis://h/x", "rediss://h"])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="hint|use unix"):
        Address.parse(url)
