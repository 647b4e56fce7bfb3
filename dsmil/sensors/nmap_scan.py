"""What stands around the hosts of an Nmap or masscan file: the run itself, gathered into a `Scan`.

A run is complete when its end is in the file: Nmap writes `<runstats>` and closes `<nmaprun>` last, and an
aborted run has neither.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from dsmil.events.net import Scan, ScannedRange
from dsmil.sensors.nmap_host import number, unix_s

ARGS_MAX = 2048
"""Characters kept of the command line."""
RANGES_MAX = 8
"""`scaninfo` elements kept: Nmap writes one a protocol."""
SERVICES_MAX = 8192
"""Characters kept of all port lists together: twice Nmap's thousand default ports. Every host carries them."""
_WORD_MAX = 64
_COUNT_MAX = 2**32


Attrs = dict[str, str]


class ScanElements:
    """One run on its way. `starts` maps element names to what to do there."""

    def __init__(self, attrs: Attrs) -> None:
        self._scan = Scan(
            scanner=_word(attrs.get("scanner")),
            args=(attrs.get("args") or "")[:ARGS_MAX] or None,
            version=_word(attrs.get("version")),
            start_ts=unix_s(attrs.get("start")),
            complete=False,
        )
        self._room = SERVICES_MAX
        self._failed = False
        self.closed = False
        self.damaged = False
        self.starts: dict[str, Callable[[Attrs], None]] = {
            "scaninfo": self._take_scaninfo,
            "finished": self._take_finished,
            "hosts": self._take_hosts,
        }

    def scan(self) -> Scan:
        """The run as far as it is read: not known to be complete."""
        return self._scan

    def ended(self) -> Scan:
        """The run as the end of the file leaves it."""
        ended = self.closed or self._scan.end_ts is not None
        return replace(self._scan, complete=ended and not self._failed and not self.damaged)

    def _take_scaninfo(self, attrs: Attrs) -> None:
        if len(self._scan.ranges) >= RANGES_MAX:
            return
        services = attrs.get("services", "")
        if len(services) > self._room:
            services = services[: self._room].rpartition(",")[0]
        self._room -= len(services)
        found = ScannedRange(
            proto=attrs.get("protocol", "")[:_WORD_MAX], type=attrs.get("type", "")[:_WORD_MAX], services=services
        )
        self._scan = replace(self._scan, ranges=(*self._scan.ranges, found))

    def _take_finished(self, attrs: Attrs) -> None:
        self._failed = attrs.get("exit") == "error"
        self._scan = replace(self._scan, end_ts=unix_s(attrs.get("time")))

    def _take_hosts(self, attrs: Attrs) -> None:
        self._scan = replace(
            self._scan,
            hosts_up=number(attrs.get("up"), _COUNT_MAX),
            hosts_down=number(attrs.get("down"), _COUNT_MAX),
            hosts_total=number(attrs.get("total"), _COUNT_MAX),
        )


def _word(value: str | None) -> str | None:
    return value[:_WORD_MAX] if value else None
