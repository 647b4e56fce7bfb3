"""Pages answer whoever asks plainly, and nobody who is slow, huge or hostile holds them or what they hold."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from dsmil.clock import FakeClock
from dsmil.errors import ConfigError, Unavailable
from dsmil.watch.pages import HEAD_BYTES_MAX, VISIT_S_MAX, VISITORS_MAX, Answer, Pages, listen, taken

TURNS_MAX = 400
BIG = b"x" * (4 << 20)


class House:
    """Pages on a port of their own, served from the test's one thread."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.codes: list[int] = []
        self.made = 0
        pages = {"/a": self._page, "/big": lambda: Answer(200, BIG), "/slow": self._slow}
        self.pages = Pages(pages, counted=self.codes.append, clock=clock)
        door = listen("127.0.0.1", 0)
        self.at = door.getsockname()
        self.pages.open(door)
        self.lines: list[socket.socket] = []

    def _page(self) -> Answer:
        self.made += 1
        return Answer(200, b"hello\n")

    def _slow(self) -> Answer:
        self.clock.advance(10 * VISIT_S_MAX)
        return Answer(503, b"late\n")

    def visit(self, data: bytes = b"") -> socket.socket:
        line = socket.create_connection(self.at)
        line.setblocking(False)
        self.lines.append(line)
        if data:
            line.sendall(data)
        return line

    def heard(self, line: socket.socket) -> bytes:
        """All that comes until the other side ends."""
        got = b""
        for _ in range(TURNS_MAX):
            self.pages.serve(0.02)
            try:
                while data := line.recv(1 << 20):
                    got += data
                return got
            except BlockingIOError:
                continue
        raise AssertionError(f"no end after {len(got)} bytes: {got[:200]!r}")

    def asked(self, data: bytes) -> tuple[int, dict[str, str], bytes]:
        head, _, body = self.heard(self.visit(data)).partition(b"\r\n\r\n")
        first, *rest = head.decode().split("\r\n")
        return int(first.split()[1]), dict(line.split(": ", 1) for line in rest), body

    def close(self) -> None:
        for line in self.lines:
            line.close()
        self.pages.close()


@pytest.fixture
def house(clock: FakeClock) -> Iterator[House]:
    made = House(clock)
    yield made
    made.close()


def test_a_page_is_served_and_head_tells_its_length_without_it(house: House) -> None:
    status, headers, body = house.asked(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (status, body, headers["Content-Length"], headers["Connection"]) == (200, b"hello\n", "6", "close")
    assert headers["Date"].endswith("GMT") and "Access-Control-Allow-Origin" not in headers
    status, headers, body = house.asked(b"HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (status, headers["Content-Length"], body) == (200, "6", b"")
    assert house.asked(b"GET http://host:1/a?x=y HTTP/1.0\n\n")[2] == b"hello\n"
    assert house.asked(b"HEAD /none HTTP/1.1\r\n\r\n")[::2] == (404, b"")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /b HTTP/1.1\r\n\r\n", 404),
        (b"GET /a/../a HTTP/1.1\r\n\r\n", 404),
        (b"POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", 405),
        (b"DELETE /a HTTP/1.1\r\n\r\n", 405),
        (b"GET /a\r\n\r\n", 400),
        (b"GET  /a HTTP/1.1\r\n\r\n", 400),
        (b"get /a HTTP/1.1\r\n\r\n", 400),
        (b"GET /a HTTP/2.0\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\n\r\n", 400),
        (b"GET /a HTTP/1.1\r\nX: " + b"y" * HEAD_BYTES_MAX + b"\r\n\r\n", 431),
        (b"z" * 4 * HEAD_BYTES_MAX, 431),
    ],
)
def test_what_is_no_request_for_a_page_gets_a_plain_refusal(house: House, request_: bytes, status: int) -> None:
    found, headers, body = house.asked(request_)
    assert found == status and body.startswith(str(status).encode())
    assert headers.get("Allow") == ("GET, HEAD" if status == 405 else None)
    assert house.codes == [status] and house.made == 0


def test_a_request_may_come_byte_by_byte_but_not_for_ever(house: House) -> None:
    line = house.visit()
    for byte in b"GET /a HTTP/1.1\r\nHost: x\r\n\r":
        line.send(bytes([byte]))
        house.pages.serve(0.0)
    assert house.made == 0
    line.send(b"\n")
    assert house.heard(line).endswith(b"hello\n")
    line = house.visit(b"GET /a")
    for _ in range(8):  # a byte now and then buys no time
        house.pages.serve(0.0)
        house.clock.advance(VISIT_S_MAX / 6)
        try:
            line.send(b"a")
        except OSError:
            break
    house.pages.serve(0.0)
    assert not house.pages._visitors and house.made == 1


def test_slow_visitors_keep_nobody_waiting_and_leave_in_the_end(house: House) -> None:
    slow = [house.visit(b"GET /a HT") for _ in range(VISITORS_MAX - 1)]
    assert house.asked(b"GET /a HTTP/1.1\r\n\r\n")[0] == 200
    more = [house.visit() for _ in range(3 * VISITORS_MAX)]
    last = house.visit(b"GET /a HTTP/1.1\r\n\r\n")
    for _ in range(6):  # no time passes: whoever comes takes the place of the slowest
        house.pages.serve(0.0)
        assert len(house.pages._visitors) <= VISITORS_MAX
    assert house.heard(last).endswith(b"hello\n")
    house.clock.advance(VISIT_S_MAX)
    house.pages.serve(0.0)
    for line in (*slow, *more):
        assert house.heard(line) == b""


def test_one_who_does_not_read_is_cut_off(house: House) -> None:
    line = house.visit(b"GET /big HTTP/1.1\r\n\r\n")
    for _ in range(20):
        house.pages.serve(0.0)
    assert len(house.pages._visitors) == 1
    house.clock.advance(VISIT_S_MAX)
    house.pages.serve(0.0)
    assert not house.pages._visitors
    line.close()
    assert house.asked(b"GET /big HTTP/1.1\r\n\r\n")[2] == BIG


def test_the_time_a_page_takes_is_not_the_visitors(house: House) -> None:
    waiting = house.visit(b"GET /a HTTP/1.1\r\n")
    house.pages.serve(0.02)
    assert house.asked(b"GET /slow HTTP/1.1\r\n\r\n")[::2] == (503, b"late\n")
    waiting.send(b"\r\n")
    assert house.heard(waiting).endswith(b"hello\n")


def test_whoever_goes_away_in_between_is_forgotten(house: House) -> None:
    for data in (b"", b"GET /a", b"GET /big HTTP/1.1\r\n\r\n"):
        line = house.visit(data)
        house.pages.serve(0.02)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
        line.close()
        for _ in range(3):
            house.pages.serve(0.02)
    assert not house.pages._visitors


def test_only_a_socket_that_listens_can_be_passed() -> None:
    with socket.socket() as still:
        fd = os.dup(still.fileno())
        with pytest.raises(ConfigError, match="does not listen"):
            taken(fd)
        os.close(fd)
    with pytest.raises(ConfigError, match="descriptor 987"):
        taken(987)
    with listen("127.0.0.1", 0) as door, taken(os.dup(door.fileno())) as same:
        assert same.getsockname() == door.getsockname()


def test_an_address_in_use_is_waited_for() -> None:
    with listen("127.0.0.1", 0) as door, pytest.raises(Unavailable, match=r"listen on .*in use.*ss -ltnp"):
        listen("127.0.0.1", door.getsockname()[1])
