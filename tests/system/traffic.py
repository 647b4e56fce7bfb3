"""What the tests send, and how it is found again: every message carries a number of its own, the vessel's."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from pathlib import Path

import msgspec
from pyais.encode import encode_dict

from dsmil.events.envelope import decode
from dsmil.store.reader import AuditReader
from tests.system.machine import Machine

NMEA, SYSLOG = ("127.0.0.1", 10110), ("127.0.0.1", 1514)
FIRST_MMSI = 305_000_001


class Sent:
    """Numbers given out, each for one message, and which of them must be in the audit log."""

    def __init__(self, first: int = FIRST_MMSI) -> None:
        self._next = first
        self.promised: set[int] = set()
        """By a way that loses nothing: a file, or a port that systemd holds."""
        self._lock = threading.Lock()

    def message(self) -> tuple[int, str]:
        """A number and the sentence that carries it."""
        with self._lock:
            number, self._next = self._next, self._next + 1
        return number, position(number)

    def lines(self, count: int) -> str:
        """A recording of so many messages, all of them promised."""
        made = [self.message() for _ in range(count)]
        self.promised |= {number for number, _ in made}
        return "".join(f"{line}\r\n" for _, line in made)


def position(mmsi: int, *, lat: float = 54.4, lon: float = 10.2, status: int = 0) -> str:
    """One AIS position report of a vessel under way."""
    fields: dict[str, str | int | float | bytes | bool] = {
        "type": 1, "mmsi": mmsi, "status": status, "lat": lat, "lon": lon, "speed": 10.0, "course": 90.0,
        "heading": 90, "turn": 0, "second": 0, "accuracy": 1,
    }  # fmt: skip
    return encode_dict(fields, talker_id="AI", radio_channel="A", sentence_type="VDM")[0]


class Udp:
    """Sends messages to a port of a machine at a steady rate, in the background, until it is left."""

    def __init__(self, machine: Machine, sent: Sent, *, per_s: float = 20.0) -> None:
        self._socket: socket.socket = machine.socket()
        self._sent, self._every_s = sent, 1.0 / per_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.numbers: set[int] = set()
        self.refused = 0

    def __enter__(self) -> Udp:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(5.0)
        self._socket.close()

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            number, line = self._sent.message()
            try:
                self._socket.sendto(f"{line}\r\n".encode(), NMEA)
                self.numbers.add(number)
            except OSError:
                self.refused += 1
            due += self._every_s


def datagrams(machine: Machine, address: tuple[str, int], lines: list[str], *, per_s: float = 500.0) -> None:
    """Send lines, a datagram each, slowly enough for any receiver."""
    with machine.socket() as out:
        for line in lines:
            out.sendto(f"{line}\r\n".encode(), address)
            time.sleep(1.0 / per_s)


class Audit:
    """The audit log of a machine, read from outside while the drainer writes."""

    def __init__(self, machine: Machine) -> None:
        self._reader = AuditReader(machine.root / "var/lib/dsmil/audit")

    def count(self) -> int:
        return self._reader.count()

    def doubles(self) -> int:
        """Rows beyond the first of an event."""
        return self._reader.count() - self._reader.distinct()

    def vessels(self) -> Counter[int]:
        """How often each vessel's number stands in an observation."""
        found: Counter[int] = Counter()
        for row in self._reader.rows("L3_IN"):
            event = decode(row.data)
            if event.kind == "ais.position":
                found[msgspec.json.decode(event.payload)["mmsi"]] += 1
        return found

    def by_source(self) -> Counter[str]:
        """Observations of each source."""
        return Counter(decode(row.data).source for row in self._reader.rows("L3_IN"))


def golden(project: Path) -> dict[str, list[Path]]:
    """The committed recordings by family, and the shared ones beside the project where they are."""
    root = project / "tests/golden"
    return {family: sorted((root / family).iterdir()) for family in ("ais", "nmap", "ndpi", "rf")}
