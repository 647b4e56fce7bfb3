"""A drop folder: every file put into it is taken once, and then lies in `done/` or `rejected/`.

A file is taken when its writer has closed it or it was renamed in (inotify), or when a look at the folder finds
it at rest. Names are somebody else's: files are opened without following links, and nothing is overwritten.
"""

from __future__ import annotations

import io
import logging
import os
import queue
import stat
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from watchdog.events import (
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers.inotify import InotifyObserver

from dsmil.clock import Clock
from dsmil.errors import Unavailable
from dsmil.events.envelope import cut_text
from dsmil.sensors.files import Broken, open_regular
from dsmil.sensors.formats import META_SUFFIX, RECORDING_SUFFIX

DONE, REJECTED = "done", "rejected"
WHY = ".why"
LOOK_EVERY_S = 10.0
"""How often the folder is looked through in case a notice was lost (inotify queues are bounded)."""
REST_S = 2.0
"""A file found by looking is taken once it has not changed for this long: somebody may still be writing it."""
NAMES_MAX = 10_000
"""Names waiting at once; the next look finds the others again."""
NAME_BYTES_MAX = 255
"""The longest file name Linux's file systems take."""
NOT_YET = (".part", ".tmp", ".crdownload", ".filepart")
"""Endings of files that are still being brought; they are renamed when they are whole. Dot files too."""


class Dropped(Broken):
    """A file of the folder that was refused unread, and has been put into `rejected/`."""


class DropFolder:
    """One drop folder; `open` first. Not for two users at once: the daemon's lock sees to that."""

    def __init__(self, path: Path, *, clock: Clock) -> None:
        self.path = path
        self._clock = clock
        self._closed: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._names: dict[str, None] = {}  # at rest, in the order they came
        self._observer: InotifyObserver | None = None
        self._looked_s = float("-inf")
        self._fd = -1
        self._told = -1  # an eventfd: readable once the observer has passed a name on

    def open(self) -> None:
        """Make the folder where it is absent and watch it; Unavailable where that cannot be done."""
        try:
            for part in (self.path, self.path / DONE, self.path / REJECTED):
                part.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self._told = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            # It complains of being stopped; what matters of it shows in what we find by looking.
            logging.getLogger("watchdog").setLevel(logging.CRITICAL)
            # Full events: a file moved in from elsewhere is told as moved, not as one just created.
            self._observer = InotifyObserver(generate_full_events=True)
            self._observer.schedule(_Notices(self._closed, self._told), str(self.path), event_filter=_TOLD)
            self._observer.start()
        except OSError as error:
            self.close()
            raise Unavailable(f"watch {self.path}: {error.strerror or error}", hint="make it writable") from None

    def close(self) -> None:
        """Stop watching."""
        if self._observer is not None:
            if self._observer.is_alive():
                self._observer.stop()
                self._observer.join(timeout=2)
            self._observer = None
        for fd in (self._fd, self._told):
            if fd >= 0:
                os.close(fd)
        self._fd = self._told = -1

    def fileno(self) -> int | None:
        """Readable once something has come; `take` makes it unreadable again."""
        return self._told if self._told >= 0 else None

    def due_s(self) -> float:
        """Seconds until the folder wants a look."""
        if self._names or not self._closed.empty():
            return 0.0
        return max(0.0, self._looked_s + LOOK_EVERY_S - self._clock.monotonic())

    def take(self) -> str | None:
        """The name of the next file that is ready, or null. It stays in the folder until it is put away."""
        self._collect()
        while self._names:
            name = next(iter(self._names))
            del self._names[name]
            if self._there(name):
                return name
        return None

    def open_file(self, name: str) -> io.FileIO:
        """Open a file of the folder; Dropped where it is a link, no regular file, or too large."""
        try:
            return open_regular(name, dir_fd=self._fd, follow=False)
        except Broken as error:
            why = str(error)
            self.put_away(name, REJECTED, why=f"{error.reason}: {why}")
            raise Dropped(error.reason, why) from None

    def place(self, name: str, folder: str) -> Path:
        """Where `put_away` would put a file now: its own name, or one with a number nobody has."""
        target = self.path / folder / _fitting(name, "")
        number = 1
        while os.path.lexists(target):
            number += 1
            target = self.path / folder / _fitting(name, f".{number}")
        return target

    def put_away(self, name: str, folder: str, *, why: str = "") -> Path | None:
        """Move a file into `done` or `rejected`, with a `.why` line beside it where there is something to say.
        Null where the file has gone meanwhile."""
        target = self.place(name, folder)
        try:
            os.rename(name, target, src_dir_fd=self._fd)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unavailable(f"move {self.path / name}: {error.strerror}", hint="make it writable") from None
        if why:
            self._write_why(target, why)
        if folder == DONE and name.endswith(META_SUFFIX):
            samples = name.removesuffix(META_SUFFIX) + RECORDING_SUFFIX
            if self._there(samples):
                self.put_away(samples, DONE)
        return target

    def _write_why(self, target: Path, why: str) -> None:
        line = "".join(c if c.isprintable() else "?" for c in cut_text(why))
        when = datetime.fromtimestamp(self._clock.now(), UTC).isoformat(timespec="seconds")
        try:
            beside = target.with_name(target.name + WHY)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            with os.fdopen(os.open(beside, flags, 0o640), "w", encoding="utf-8") as file:
                file.write(f"{when} {line}\n")
        except OSError as error:
            raise Unavailable(f"write {target}.why: {error.strerror}", hint="make it writable") from None

    def _collect(self) -> None:
        with suppress(BlockingIOError):
            os.eventfd_read(self._told)
        while len(self._names) < NAMES_MAX:
            try:
                name = self._closed.get_nowait()
            except queue.Empty:
                break
            if _wanted(name):
                self._names[name] = None
        if self._clock.monotonic() - self._looked_s >= LOOK_EVERY_S:
            self._look()

    def _look(self) -> None:
        restless = False
        try:
            with os.scandir(self._fd) as entries:
                for entry in entries:
                    if len(self._names) >= NAMES_MAX:
                        break
                    if not _wanted(entry.name) or entry.is_dir(follow_symlinks=False):
                        continue
                    if self._at_rest(entry):
                        self._names[entry.name] = None
                    else:
                        restless = True
        except OSError as error:
            raise Unavailable(f"look into {self.path}: {error.strerror}", hint="make it readable") from None
        now = self._clock.monotonic()
        self._looked_s = now - LOOK_EVERY_S + REST_S if restless else now

    def _at_rest(self, entry: os.DirEntry[str]) -> bool:
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError:
            return False
        age_s = self._clock.now() - status.st_mtime
        return age_s >= REST_S or age_s < 0 or not stat.S_ISREG(status.st_mode)

    def _there(self, name: str) -> bool:
        try:
            os.stat(name, dir_fd=self._fd, follow_symlinks=False)
        except (OSError, ValueError):
            return False
        return True


_TOLD: list[type[FileSystemEvent]] = [FileClosedEvent, FileCreatedEvent, FileMovedEvent, DirMovedEvent]


class _Notices(FileSystemEventHandler):
    """Runs in the observer's thread, and only passes names on."""

    def __init__(self, names: queue.SimpleQueue[str], told: int) -> None:
        self._names = names
        self._told = told

    def on_closed(self, event: FileSystemEvent) -> None:
        self._pass(event.src_path)

    def on_moved(self, event: FileSystemEvent) -> None:
        # Within the folder or into it; one that leads out of it has no destination here.
        self._pass(event.dest_path)

    def on_created(self, event: FileSystemEvent) -> None:
        # A link or a FIFO is whole at once; any other new file is open yet and is told again when closed.
        path = os.fsdecode(event.src_path)
        try:
            status = os.lstat(path)
        except OSError:
            return
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            self._pass(path)

    def _pass(self, path: bytes | str) -> None:
        if self._names.qsize() < NAMES_MAX:
            self._names.put(os.path.basename(os.fsdecode(path)))
            os.eventfd_write(self._told, 1)


def _fitting(name: str, tail: str) -> str:
    """The name with that tail, cut where a `.why` beside it would be too long: a file that could not be put away
    would hold up all the others for ever."""
    room = NAME_BYTES_MAX - len(tail) - len(WHY)
    return os.fsdecode(os.fsencode(name)[:room]) + tail


def _wanted(name: str) -> bool:
    return bool(
        name
        and not name.startswith(".")
        and name not in (DONE, REJECTED)
        and not name.endswith((*NOT_YET, RECORDING_SUFFIX))
    )
