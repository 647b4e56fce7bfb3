"""What the tests of transports and files share: an outbox into lists, and AIS sentences with a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from pathlib import Path

import pytest

from dsmil.clock import FakeClock
from dsmil.errors import Unavailable
from dsmil.events.envelope import Event, decode
from dsmil.sensors.ledger import Ledger
from dsmil.sensors.source import Kit, Outbox
from dsmil.sensors.stats import Speaker

SENTENCE = "!AIVDM,1,1,,B,177KQJ5000G?tO`K>RA1wUbN0TKH,0*5C"


class Sink:
    """Stands where Redis stands: takes events, or is away while `away`, or takes only `room` more."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.dead: list[Event] = []
        self.away = False
        self.room: int | None = None

    def publish(self, encoded: Sequence[bytes]) -> None:
        if self.away or (self.room is not None and self.room < len(encoded)):
            raise Unavailable("reach Redis: away")
        if self.room is not None:
            self.room -= len(encoded)
        self.events += map(decode, encoded)

    def bury(self, encoded: Sequence[bytes]) -> None:
        if self.away:
            raise Unavailable("reach Redis: away")
        self.dead += map(decode, encoded)

    @property
    def seen(self) -> list[Event]:
        """Observations, without the sources' statistics."""
        return [event for event in self.events if event.kind != "source.stats"]

    @property
    def stats(self) -> list[Event]:
        return [event for event in self.events if event.kind == "source.stats"]


@pytest.fixture
def sink() -> Sink:
    return Sink()


@pytest.fixture
def kit(sink: Sink, clock: FakeClock) -> Kit:
    return kit_of(sink, clock)


def kit_of(sink: Sink, clock: FakeClock, run: str = "run") -> Kit:
    outbox = Outbox(sink.publish, sink.bury)
    return Kit(device=11, clock=clock, outbox=outbox, speaker=Speaker("test", device=11, clock=clock, run=run))


@pytest.fixture
def new_kit(sink: Sink, clock: FakeClock) -> Callable[[], Kit]:
    """A kit as a daemon has it after a restart: an empty outbox onto the same Redis."""
    return lambda: kit_of(sink, clock)


@pytest.fixture
def ledger(tmp_path: Path, clock: FakeClock) -> Iterator[Ledger]:
    opened = Ledger(tmp_path / "ingest.db", clock=clock)
    opened.open()
    yield opened
    opened.close()


def tagged(ts: int, sentence: str = SENTENCE) -> str:
    """A sentence under a TAG block that says when it was received."""
    body = f"c:{ts}"
    checksum = reduce(lambda total, char: total ^ ord(char), body, 0)
    return f"\\{body}*{checksum:02X}\\{sentence}"


@pytest.fixture
def nmea(tmp_path: Path) -> Callable[..., Path]:
    """Writes a recording of `count` sentences, `step_s` apart, and says where."""

    def write(name: str, count: int, *, step_s: int = 10, first_ts: int = 1_700_000_000, tail: str = "") -> Path:
        lines = [tagged(first_ts + number * step_s) for number in range(count)]
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n" + tail)
        return path

    return write
