"""A file that grows, followed from where it was left: Suricata's EVE log, an rtl_433 log.

A record is named by the file and its place in it, so following it again after any crash makes the same events.
Rotation is noticed by the inode, truncation by the size; what the old file still held is read first.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import structs

from dsmil.sensors.files import CHUNK_BYTES, Broken, open_regular
from dsmil.sensors.formats import format_of
from dsmil.sensors.ledger import Ledger, Mark
from dsmil.sensors.lines import LINE_BYTES_MAX
from dsmil.sensors.record import Ignored, Item, Parser
from dsmil.sensors.source import Intake, Kit, guarded
from dsmil.sensors.stamp import Origin

LOOK_EVERY_S = 0.5
"""How often a file at its end is looked at: inotify does not tell of writes over a network file system."""
BEGINNING_BYTES = 1024
"""What tells a file from the next one in the same place, with the inode: less than that is not followed yet,
unless a line is whole."""


class TailSource:
    """One followed file."""

    ended = False
    events_for_write = False

    def __init__(
        self, path: Path, family: str, kit: Kit, ledger: Ledger, *, parser: Callable[[], Parser] | None = None
    ) -> None:
        self._path = path
        self._family = family
        self._kit = kit
        self._ledger = ledger
        self._make_parser = parser
        self._file: io.FileIO | None = None
        self._mark: Mark | None = None
        self._intake: Intake | None = None
        self._parser: Parser | None = None
        self._offset = 0  # where the next line begins
        self._base = 0  # where the parser thinks the file begins
        self._part = b""
        self._until_s = 0.0
        self._error: str | None = None

    def fileno(self) -> int | None:
        """Nothing to wait on: it is looked at now and then."""
        return None

    def due_s(self) -> float | None:
        """Seconds until the next look."""
        return max(0.0, self._until_s - self._kit.clock.monotonic())

    def pump(self) -> int:
        """Read on, at most one chunk; returns the lines taken."""
        try:
            if self._file is None and not self._begin():
                return self._rest()
            return self._read() or self._at_end()
        except (Broken, OSError) as error:
            self._error = str(error)
            self._let_go()
            return self._rest()

    def tell(self) -> None:
        """Say how it stands."""
        if self._intake is not None:
            self._intake.counts.last_error = self._error
            self._intake.tell()

    def shown(self) -> dict[str, Any]:
        """Its row in the status."""
        return {"path": str(self._path), "offset": self._offset, "error": self._error}

    def close(self) -> None:
        """Let the file go; its mark says how far it was read."""
        self._let_go()

    def _begin(self) -> bool:
        file = open_regular(self._path)
        head = file.read(BEGINNING_BYTES)
        if b"\n" not in head and len(head) < BEGINNING_BYTES:
            file.close()
            return False
        line = head.split(b"\n", 1)[0]
        identity = hashlib.sha256(b"%d\n%b" % (os.fstat(file.fileno()).st_ino, line)).hexdigest()
        self._mark = self._ledger.begin(identity, f"follow-{self._family}", path=str(self._path))
        origin = Origin(
            source=f"{self._family}:follow:{self._path.name}"[:512],
            epoch=identity[:16],
            device=self._kit.device,
            sha256=identity,
            path=str(self._path),
            live=True,
        )
        if self._intake is None or self._intake.origin.sha256 != identity:
            self._intake = Intake(origin, self._kit)
            self._intake.stamper.seq, self._offset = self._mark.seq, self._mark.offset
        made = self._make_parser or format_of(self._family, head, self._path.name).build
        self._base = self._offset
        self._file, self._parser, self._part, self._error = file, made(), b"", None
        file.seek(self._offset)
        return True

    def _read(self) -> int:
        assert self._file is not None
        data = self._file.read(CHUNK_BYTES) or b""
        end = data.rfind(b"\n") + 1
        if not end:
            self._part += data
            if len(self._part) > LINE_BYTES_MAX:
                return self._feed(b"")
            return 0
        return self._feed(data[:end], rest=data[end:])

    def _feed(self, data: bytes, *, rest: bytes = b"") -> int:
        """Give whole lines to the parser (or an endless one, which it refuses), and mark them once they are out."""
        assert self._intake is not None
        assert self._parser is not None
        assert self._mark is not None
        whole, self._part = self._part + data, rest
        self._offset += len(whole)
        self._intake.arrived()
        taken = 0
        for item in guarded(self._parser.feed(whole)):
            self._intake.take(self._placed(item))
            taken += 1
        mark, seq, offset = self._mark, self._intake.stamper.seq, self._offset
        self._kit.outbox.after((id(self), "mark"), lambda: self._ledger.advance(mark, seq=seq, offset=offset))
        return taken

    def _placed(self, item: Item) -> Item:
        if self._base == 0 or isinstance(item, Ignored):
            return item
        return structs.replace(item, offset=item.offset + self._base, line=0)

    def _at_end(self) -> int:
        assert self._file is not None
        here = os.fstat(self._file.fileno())
        try:
            there = os.stat(self._path)
        except FileNotFoundError:
            return self._rest()
        if there.st_ino != here.st_ino or here.st_size < self._offset:
            self._let_go()
            return 0
        return self._rest()

    def _rest(self) -> int:
        self._until_s = self._kit.clock.monotonic() + LOOK_EVERY_S
        return 0

    def _let_go(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
