"""`dsmil top`: daemons and streams with their rates, as a sequence of frames and a live screen of them.

Frames are values, so the screen, the plain text and the JSON show the same.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from dsmil.cli.place import redis_of
from dsmil.cli.show import age, cell, drawn
from dsmil.clock import Clock
from dsmil.config import Settings
from dsmil.errors import Unavailable
from dsmil.watch import readings


class StreamRow(Struct):
    """A stream and how fast it grows."""

    stream: str
    length: int
    per_s: float
    pending: int
    lag_s: float

    def cells(self) -> list[str]:
        """For a table."""
        return [self.stream, cell(self.length), f"{self.per_s:.0f}", cell(self.pending), age(self.lag_s)]


class DaemonRow(Struct):
    """A daemon and what it takes."""

    daemon: str
    state: str
    lag_s: float
    memory_mb: float | None
    error: str | None

    def cells(self) -> list[str]:
        """For a table."""
        memory = "-" if self.memory_mb is None else f"{self.memory_mb:.0f} MB"
        return [self.daemon, self.state, age(self.lag_s), memory, cell(self.error)]


class Frame(Struct):
    """One look. `error` is set while Redis is away."""

    ts: float
    streams: list[StreamRow] = []
    daemons: list[DaemonRow] = []
    error: str | None = None


def screens(settings: Settings, *, clock: Clock, every_s: float, count: int | None) -> Iterator[Frame]:
    """A frame each `every_s` seconds; an outage gives frames that say so."""
    before: dict[str, int] = {}
    then = clock.monotonic()
    shown = 0
    while count is None or shown < count:
        if shown:
            clock.sleep(every_s)
        now = clock.monotonic()
        try:
            frame, before = _frame(settings, clock.now(), before, now - then)
        except Unavailable as error:
            frame = Frame(clock.now(), error=str(error))
        then = now
        shown += 1
        yield frame


def live(frames: Iterator[Frame]) -> None:
    """Draw the frames on the terminal until they end or Ctrl-C."""
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    with Live(auto_refresh=False, screen=True) as screen:
        for frame in frames:
            parts = [
                drawn(("stream", "length", "per s", "pending", "lag"), [row.cells() for row in frame.streams]),
                drawn(("daemon", "state", "lag", "memory", "error"), [row.cells() for row in frame.daemons]),
                Text(cell(frame.error) if frame.error else "Ctrl-C ends"),
            ]
            screen.update(Group(*parts), refresh=True)


def _frame(settings: Settings, now: float, before: dict[str, int], span_s: float) -> tuple[Frame, dict[str, int]]:
    with redis_of(settings) as client:
        streams = readings.streams(client, now)
        daemons = readings.daemons(client, now, streams)
    rows = [
        StreamRow(
            row.stream,
            row.length,
            max(0.0, (row.added - before.get(row.stream, row.added)) / span_s) if span_s > 0 else 0.0,
            row.pending,
            row.lag_s,
        )
        for row in streams
        if row.added
    ]
    return Frame(now, rows, [_daemon(row) for row in daemons]), {row.stream: row.added for row in streams}


def _daemon(row: readings.DaemonReading) -> DaemonRow:
    memory = _memory_mb(row.beat.metrics) if row.beat else None
    return DaemonRow(row.daemon, row.state.value, row.lag_s, memory, row.beat.error if row.beat else None)


def _memory_mb(metrics: str) -> float | None:
    for line in metrics.splitlines():
        if line.startswith("dsmil_system_memory_bytes"):
            return float(line.rpartition(" ")[2]) / 1e6
    return None
