"""What a demo plays, and watching over it until nothing is left to do."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from msgspec import Struct

from dsmil.clock import SYSTEM
from dsmil.errors import DsmilError
from dsmil.runtime import logs
from dsmil.store.sqlite import connect_readonly

QUIET_CHECKS = 3
"""Looks in a row at which nobody has anything left to do."""
LOOK_S = 0.5
FEED_S_MAX = 1800.0
"""Longest a demo may take to run dry; real recordings at their own pace are ended by hand."""
NOWHERE = "http://127.0.0.1:1"
"""A SHRINK that is not there: recordings are shown as they are."""


class Feed(Struct, frozen=True):
    """What runs through: files `played` at `speed` and files `dropped` into the folders, by family; the SHRINK
    they go with; what was passed over."""

    played: Mapping[str, Sequence[Path]]
    shrink_url: str
    speed: str
    dropped: Mapping[str, Sequence[Path]] = {}
    skipped: Mapping[str, str] = {}
    note: str = ""

    @property
    def files(self) -> dict[str, list[Path]]:
        """All of it, by family."""
        return {family: [*paths, *self.dropped.get(family, ())] for family, paths in self.played.items()}


def recordings(data: Path, speed: str | None) -> Feed:
    """The recordings below a directory, and nothing else."""
    from dsmil.cli import inventory

    found = inventory.take(data)
    if not any(found.files.values()):
        raise DsmilError(
            f"play {data}: no recording in it", hint="AIS, Nmap XML, nDPI, EVE, rtl_433, SigMF, sweeps"
        )
    return Feed(found.files, NOWHERE, speed or "max", skipped=found.skipped)


def story_of(stack: ExitStack, place: Path, speed: str, seed: int) -> Feed:
    """The story written out, its SHRINK started, the bundled recordings beside it."""
    from dsmil.scenarios import story
    from dsmil.scenarios.stress import StressServer
    from dsmil.sensors.pace import parse_speed

    written = story.write(place / "story", seed=seed, start_ts=SYSTEM.now() - story.DURATION_S)
    rate = parse_speed(speed)
    server = stack.enter_context(StressServer(written.crisis_s / rate if rate else 0.0))
    note = (
        f"Made up for this demo: {story.VESSELS} vessels, 9 radios, 13 hosts, a SHRINK with a crisis (seed {seed}).\n"
        f"Real: every adapter, every daemon, Redis, the databases. {story.DURATION_S / 60:.0f} minutes at {speed}x."
    )
    bundled = _bundled()
    if any(bundled.values()):
        note += f"\nBeside it: {sum(map(len, bundled.values()))} real recordings (tests/golden/ATTRIBUTION.md)."
    return Feed(written.files, server.url, speed, bundled, note=note)


def _bundled() -> dict[str, list[Path]]:
    """The committed recordings, where this is a checkout."""
    import dsmil
    from dsmil.cli import inventory

    golden = Path(dsmil.__file__).parent.parent / "tests" / "golden"
    return inventory.take(golden).files if golden.is_dir() else {}


def arguments(feed: Feed) -> dict[str, list[str]]:
    """The command line of each ingest daemon."""
    from dsmil.cli.ingest import DAEMON_OF

    given: dict[str, list[str]] = {}
    for family, paths in feed.played.items():
        if paths:
            given.setdefault(DAEMON_OF[family], []).extend(str(path.absolute()) for path in paths)
    for name in ("ais-playback", "rf-ingest"):
        if name in given:
            given[name] += ["--speed", feed.speed]
    return given


def drop(feed: Feed, folders: Path) -> None:
    """Put the files to be dropped into their folders, whole at once: written beside, then renamed in."""
    for family, paths in feed.dropped.items():
        for number, path in enumerate(paths):
            beside = folders / f".{family}-{number}"
            shutil.copyfile(path, beside)
            beside.rename(folders / family / path.name)


class Watch:
    """Keeps the suite going while it plays, tells SOC events as they come, and sees when nothing is left."""

    def __init__(self, suite: Any, settings: Any, feed: Feed, say: Callable[[str], None]) -> None:
        self.suite = suite
        self.settings = settings
        self._say = say
        self._expected = {
            (sha256, family) for family, paths in feed.files.items() for sha256 in map(_sha256, paths) if sha256
        }
        self._last = "0-0"

    def until_ready(self) -> None:
        """Every daemon READY, or an error that says which is not."""
        if not self.suite.wait_ready(60.0):
            slow = [f"{name} ({fate})" for name, fate in self.suite.fates.items() if fate != "ready"]
            raise DsmilError(f"start demo: not ready: {', '.join(slow)}", hint=f"see {self.suite.directory}/log")

    def until_through(self) -> None:
        """Every file published, every group caught up, the audit level with the streams."""
        from dsmil.cli.place import redis_of

        until, quiet, before = SYSTEM.monotonic() + FEED_S_MAX, 0, -1
        with redis_of(self.settings) as client:
            while quiet < QUIET_CHECKS:
                if SYSTEM.monotonic() > until:
                    raise DsmilError(f"wait for demo: not through after {FEED_S_MAX:.0f} s", hint="--speed max")
                self._poll(LOOK_S)
                self._tell(client)
                added, waiting = self._state(client)
                quiet = quiet + 1 if added == before and not waiting else 0
                before = added

    def until_interrupted(self) -> None:
        """Until Ctrl-C or SIGTERM."""
        try:
            while True:
                self._poll(LOOK_S)
        except KeyboardInterrupt:
            return

    def _poll(self, seconds: float) -> None:
        until = SYSTEM.monotonic() + seconds
        while (left := until - SYSTEM.monotonic()) > 0:
            self.suite.poll(min(left, 0.1))

    def _state(self, client: Any) -> tuple[int, bool]:
        """(entries added to all streams, whether anybody still has something to do)."""
        from dsmil.watch import readings

        if self._files_open():
            return -1, True
        rows = readings.streams(client, SYSTEM.now())
        behind = any(row.pending or row.lag_s for row in rows)
        return sum(row.added for row in rows), behind

    def _files_open(self) -> bool:
        """Whether a file is not wholly published yet, by the ledger the ingest daemons keep."""
        path = self.settings.paths.ingest_db
        if not path.exists():
            return True
        with closing(connect_readonly(path)) as ledger:
            rows = ledger.execute("SELECT sha256, family FROM files WHERE state <> 'open'").fetchall()
        return not self._expected <= set(rows)

    def _tell(self, client: Any) -> None:
        from dsmil.events.envelope import FIELD, decode, unpack
        from dsmil.events.soc import SocPayload

        reply = client.xrange("SOC_EVENTS", min=f"({self._last}", count=500)
        for entry_id, fields in reply:
            self._last = entry_id.decode()
            event = decode(fields[FIELD])
            if event.kind == "soc":
                said = unpack(event, SocPayload)
                up = f" (raised by {', '.join(said.escalated_by)})" if said.escalated_by else ""
                self._say(logs.printable(f"{event.severity:8} {said.decision:22} {said.explanation}{up}"))


def _sha256(path: Path) -> str:
    """What the ledger knows a file by; empty where it cannot be read."""
    from dsmil.sensors.files import Broken, hashing, open_regular

    try:
        with open_regular(path) as file:
            return next(digest for digest in hashing(file) if digest)
    except Broken:
        return ""
