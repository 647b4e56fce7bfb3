"""SHRINK away, slow or wrong is shown as such; it never looks calm and never holds anybody up."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from dsmil.clock import FakeClock
from dsmil.errors import Unavailable
from dsmil.events import envelope
from dsmil.events.envelope import Event
from dsmil.events.soc import SocPayload
from dsmil.soc.router import Router
from dsmil.soc.shrink import ShrinkClient, ShrinkPoller, signal_of

DOCUMENTED = {
    "risk_acute_stress": 0.35,
    "crisis_level": 0.12,
    "lbi_hyperfocus_density": 0.58,
    "sentiment_score": 0.72,
    "entropy": 0.45,
}


class Shrink(ThreadingHTTPServer):
    """A tiny SHRINK: `body` and `status` may be set; `hang` holds every reply back until it is set free."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int] = ("127.0.0.1", 0)) -> None:
        super().__init__(address, _Handler)
        self.body = json.dumps(DOCUMENTED).encode()
        self.status = 200
        self.hang = threading.Event()
        self.hang.set()
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def stop(self) -> None:
        self.hang.set()
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Shrink)
        server.hang.wait(10)
        body = server.body if self.path == "/api/v1/metrics" else b'{"alerts": [{"metric": "entropy"}]}'
        self.send_response(server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def shrink() -> Iterator[Shrink]:
    server = Shrink()
    yield server
    server.stop()


def test_documented_body_is_read(shrink: Shrink) -> None:
    client = ShrinkClient(shrink.url)
    assert client.check_availability() and client.get_metrics() == DOCUMENTED
    assert client.get_alerts() == [{"metric": "entropy"}]
    signal = signal_of(client.get_metrics())
    assert (signal.risk_acute_stress, signal.crisis_level, signal.lbi_hyperfocus) == (0.35, 0.12, 0.58)
    assert signal.cognitive_load is None


def test_either_name_of_the_crisis_level_is_read() -> None:
    assert signal_of({"shrink_crisis_level": 0.8}).crisis_level == 0.8
    assert signal_of({"crisis_level": 0}).crisis_level == 0.0


def test_row_08_shrink_down_events_flow_unknown_stays_unknown_and_recovery_takes_one_poll(
    shrink: Shrink, decide: Callable[..., Event]
) -> None:
    clock, url, port = FakeClock(), shrink.url, shrink.server_port
    poller = ShrinkPoller(url, clock=clock)
    router = Router(shrink=poller.signal, shrink_age_max_s=30)

    def route(entity: str) -> SocPayload:
        return envelope.unpack(router.process([decide("ais.jump", entity)])[0], SocPayload)

    never = route("vessel:1").signals.shrink
    assert (never.available, never.age_s, never.crisis_level, never.risk_acute_stress) == (
        False,
        None,
        None,
        None,
    )
    assert poller.poll()
    assert route("vessel:2").signals.shrink.available
    shrink.stop()
    clock.advance(5)
    assert not poller.poll() and poller.error
    down = route("vessel:3").signals.shrink
    assert (down.available, down.age_s, down.crisis_level) == (False, 5.0, 0.12)
    back = Shrink(("127.0.0.1", port))
    try:
        assert poller.poll()
        assert route("vessel:4").signals.shrink == signal_of(DOCUMENTED)
    finally:
        back.stop()
    assert [row.metrics for row in poller.take_rows()] == [DOCUMENTED, DOCUMENTED] and not poller.take_rows()


def test_row_08_a_hung_shrink_holds_nobody_up(shrink: Shrink, decide: Callable[..., Event]) -> None:
    shrink.hang.clear()
    poller = ShrinkPoller(shrink.url, poll_s=0.05, timeout_s=0.2)
    router = Router(shrink=poller.signal)
    poller.open()
    try:
        began = time.monotonic()
        made = [router.process([decide("ais.jump", f"vessel:{i}")])[0] for i in range(100)]
        assert time.monotonic() - began < 2.0, "routing waited for SHRINK"
        assert not any(envelope.unpack(e, SocPayload).signals.shrink.available for e in made)
    finally:
        shrink.hang.set()
        poller.close()


def test_silence_shows_in_the_age_before_any_poll_fails(shrink: Shrink) -> None:
    clock = FakeClock()
    poller = ShrinkPoller(shrink.url, poll_s=1.0, timeout_s=0.5, clock=clock)
    poller.poll()
    clock.advance(2.0)
    assert poller.signal().available
    clock.advance(0.1)
    assert not poller.signal().available and poller.signal().crisis_level == 0.12


@pytest.mark.parametrize(("status", "body"), [
    (500, b"{}"), (302, b"{}"), (200, b""), (200, b"[1]"), (200, b"{}"), (200, b"not json"),
    (200, b'{"crisis_level": "calm"}'), (200, b'{"crisis_level": NaN}'), (200, b'{"crisis_level": true}'),
    (200, b'{"entropy": 1, "x": "' + b"y" * 70_000 + b'"}'), (200, b"[" * 30_000),
])  # fmt: skip
def test_nonsense_is_no_answer(shrink: Shrink, status: int, body: bytes) -> None:
    shrink.status, shrink.body = status, body
    poller = ShrinkPoller(shrink.url)
    assert not poller.poll() and poller.signal().available is False
    assert poller.signal().crisis_level is None


def test_without_a_url_nothing_is_polled() -> None:
    poller = ShrinkPoller("")
    poller.open()
    poller.close()
    assert poller.polls == 0 and poller.signal().available is False


def test_a_broken_url_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        ShrinkClient("nonsense").get_metrics()
