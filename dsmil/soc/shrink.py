"""SHRINK: how the people on watch are doing, polled beside the loop.

SHRINK is optional. Away, slow or talking nonsense it only makes its signal old: `available` turns false, the last
values stay with their age, and nothing is ever filled with calm-looking zeros. The router's loop never waits for
it, because only the poller's thread does.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from dsmil.clock import SYSTEM, Clock
from dsmil.errors import Unavailable
from dsmil.events.soc import ShrinkSignal

if TYPE_CHECKING:
    import requests

TIMEOUT_S = 0.5
"""One poll's time-out (sensors 5)."""
POLL_S = 1.0
"""Default seconds between polls."""
REPLY_BYTES_MAX = 64 * 1024
"""The reply is five numbers; more than this is not SHRINK."""
ROWS_MAX = 256
"""Readings kept for the hot database while nobody takes them: four minutes at one poll a second."""
_USER_AGENT = {"Accept": "application/json", "User-Agent": "dsmil-soc-router"}


class Reading(Struct, frozen=True):
    """One answer of SHRINK: when (Unix seconds), the values we know, and all it said."""

    ts: float
    known: ShrinkSignal
    metrics: dict[str, Any]


class ShrinkClient:
    """The documented calls: availability, metrics, alerts. `get_*` raise Unavailable; the facade does not."""

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S, clock: Clock = SYSTEM) -> None:
        self.url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._clock = clock
        self._session: requests.Session | None = None

    def check_availability(self) -> bool:
        """Whether SHRINK answers its metrics now."""
        try:
            self.get_metrics()
        except Unavailable:
            return False
        return True

    def get_metrics(self) -> dict[str, Any]:
        """What `/api/v1/metrics` says."""
        reply = self._get("/api/v1/metrics")
        if not isinstance(reply, dict):
            raise Unavailable(f"read {self.url}: metrics are no object")
        return reply

    def get_alerts(self) -> list[Any]:
        """What `/api/v1/alerts` says, as a list."""
        reply = self._get("/api/v1/alerts")
        alerts = reply.get("alerts", []) if isinstance(reply, dict) else reply
        return alerts if isinstance(alerts, list) else []

    def close(self) -> None:
        """Let go of the connection."""
        if self._session is not None:
            self._session.close()

    def _get(self, path: str) -> Any:
        """A JSON reply. The whole of it must come within the time-out, not just its next byte."""
        session = self._opened()
        deadline = self._clock.monotonic() + self._timeout_s
        try:
            with session.get(
                self.url + path,
                timeout=self._timeout_s,
                stream=True,
                allow_redirects=False,
                headers=_USER_AGENT,
            ) as reply:
                if reply.status_code != 200:
                    raise Unavailable(f"read {self.url}{path}: HTTP {reply.status_code}")
                data = b""
                for piece in reply.iter_content(4096):
                    data += piece
                    if len(data) > REPLY_BYTES_MAX or self._clock.monotonic() > deadline:
                        raise Unavailable(f"read {self.url}{path}: reply too long or too slow")
            return msgspec.json.decode(data)
        except (OSError, ValueError, RecursionError) as error:  # what requests raises is an OSError
            raise Unavailable(f"read {self.url}{path}: {error}", hint="SHRINK is optional") from None

    def _opened(self) -> requests.Session:
        # The first poll, beside the loop, has the time to load this; the start of a daemon has not.
        import requests  # noqa: PLC0415

        if self._session is None:
            self._session = requests.Session()
            self._session.trust_env = False  # a proxy variable must not send readings of people off the box
        return self._session


def signal_of(metrics: Mapping[str, Any]) -> ShrinkSignal:
    """The values of a metrics reply, under either of their names; Unavailable where one is no finite number or
    where there is none at all."""
    known = ShrinkSignal(
        available=True,
        age_s=0.0,
        risk_acute_stress=_number(metrics, "risk_acute_stress"),
        crisis_level=_number(metrics, "crisis_level", "shrink_crisis_level"),
        lbi_hyperfocus=_number(metrics, "lbi_hyperfocus_density", "lbi_hyperfocus"),
        cognitive_load=_number(metrics, "cognitive_load_index", "cognitive_load"),
        anomaly_score=_number(metrics, "anomaly_score"),
        sentiment_score=_number(metrics, "sentiment_score"),
        entropy=_number(metrics, "entropy"),
    )
    if known == ShrinkSignal(available=True, age_s=0.0):
        raise Unavailable("read SHRINK metrics: none of the known values is there")
    return known


def _number(metrics: Mapping[str, Any], *names: str) -> float | None:
    for name in names:
        value = metrics.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Unavailable(f"read SHRINK metrics: {name} is no number")
        return float(value)
    return None


class ShrinkPoller:
    """Polls in a thread of its own; `signal` tells what is known, at once."""

    def __init__(
        self, url: str, *, poll_s: float = POLL_S, timeout_s: float = TIMEOUT_S, clock: Clock = SYSTEM
    ) -> None:
        self.url = url
        self._poll_s = poll_s
        self._fresh_s = poll_s + 2 * timeout_s
        self._clock = clock
        self._client = ShrinkClient(url, timeout_s=timeout_s, clock=clock)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._last: tuple[float, ShrinkSignal] | None = None
        self._answers = False
        self._rows: deque[Reading] = deque(maxlen=ROWS_MAX)
        self.error = "never polled"
        self.polls = self.failures = 0

    def open(self) -> None:
        """Start polling; nothing where no URL is set."""
        if self.url and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="shrink", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stop polling; a poll that hangs is left to end by itself."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=self._fresh_s)
        self._client.close()

    def signal(self) -> ShrinkSignal:
        """The last values and their age; `available` only while SHRINK answers in time."""
        last = self._last
        if last is None:
            return ShrinkSignal()
        age_s = max(0.0, self._clock.monotonic() - last[0])
        # A poll that hangs fails nothing yet: its silence shows in the age.
        available = self._answers and age_s <= self._fresh_s
        return msgspec.structs.replace(last[1], available=available, age_s=round(age_s, 3))

    def take_rows(self) -> list[Reading]:
        """Readings since the last call, for the hot database."""
        rows: list[Reading] = []
        while self._rows:
            rows.append(self._rows.popleft())
        return rows

    def poll(self) -> bool:
        """Ask once; whether SHRINK answered."""
        self.polls += 1
        try:
            metrics = self._client.get_metrics()
            known = signal_of(metrics)
        except Unavailable as error:
            self._answers, self.error = False, str(error)
            self.failures += 1
            return False
        self._last = (self._clock.monotonic(), known)
        self._answers, self.error = True, ""
        self._rows.append(Reading(self._clock.now(), known, metrics))
        return True

    def _run(self) -> None:
        while not self._stop.is_set():
            self.poll()
            self._stop.wait(self._poll_s)
