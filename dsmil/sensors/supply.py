"""Where files come from: a drop folder, or a list of paths; and the source that works them off one by one.

A file stays where it is until its last event is out, so whatever stops the daemon, the file is found again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

from dsmil.sensors.drop import DONE, REJECTED, DropFolder
from dsmil.sensors.files import Broken, head_of, open_regular
from dsmil.sensors.formats import sniff
from dsmil.sensors.record import Reject
from dsmil.sensors.recording import Outcome, Recording
from dsmil.sensors.rounds import Found, Shelf, Which
from dsmil.sensors.source import Intake, Kit
from dsmil.sensors.stamp import Origin, source_name

NOT_INPUT = frozenset({"expected", "LICENSES", "done", "rejected"})
"""Directories whose files are no recordings, whatever they look like."""
FOREVER = 0
"""Rounds of a playback that never ends."""


class Supply(Protocol):
    """Gives files one at a time, and takes each back before the next."""

    @property
    def exhausted(self) -> bool:
        """True when there will never be another."""

    def take(self) -> Found | None:
        """The next file, or null; Broken where there was one that cannot be opened (it has been dealt with)."""

    def put_away(self, outcome: Outcome) -> None:
        """The file last taken is through."""

    def fileno(self) -> int | None:
        """A descriptor that becomes readable when `take` may have another, or null."""

    def due_s(self) -> float:
        """Seconds until `take` may have another anyway."""

    def close(self) -> None:
        """Let go of it."""


class DropSupply:
    """The files of a drop folder, into `done/` or, where nothing of them was accepted, `rejected/`."""

    exhausted = False

    def __init__(self, folder: DropFolder) -> None:
        self._folder = folder
        self._name = ""

    def take(self) -> Found | None:
        """The next file at rest."""
        name = self._folder.take()
        if name is None:
            return None
        file = self._folder.open_file(name)
        self._name = name
        return Found(
            file=file, name=name, path=str(self._folder.place(name, DONE)), disk=self._folder.path / name
        )

    def put_away(self, outcome: Outcome) -> None:
        """Move it; a `.why` line says what was refused."""
        refused = outcome.received > 0 and outcome.accepted == 0
        reasons = " ".join(f"{reason}={number}" for reason, number in sorted(outcome.rejected.items()))
        why = f"{reasons}: {outcome.error}" if outcome.error else reasons
        self._folder.put_away(self._name, REJECTED if refused else DONE, why=why)

    def fileno(self) -> int | None:
        """Readable when the folder has got something."""
        return self._folder.fileno()

    def due_s(self) -> float:
        """Seconds until the folder wants a look."""
        return self._folder.due_s()

    def close(self) -> None:
        """Stop watching."""
        self._folder.close()


class PathSupply:
    """Paths in order, `rounds` times over (0: for ever). The files stay where they are."""

    def __init__(self, paths: Iterable[Path], *, which: Which = "first", rounds: int = 1) -> None:
        self._paths = tuple(paths)
        self._which: Which = which
        self._rounds_left = rounds if rounds != FOREVER else -1
        self._left = deque(self._paths)

    @property
    def exhausted(self) -> bool:
        """True after the last path of the last round."""
        return not self._left and (self._rounds_left in (0, 1) or not self._paths)

    def take(self) -> Found | None:
        """The next path, opened."""
        if not self._left:
            if self.exhausted:
                return None
            self._rounds_left -= 1
            self._which = "next"
            self._left.extend(self._paths)
        path = self._left.popleft()
        return Found(file=open_regular(path), name=path.name, path=str(path), disk=path, which=self._which)

    def put_away(self, outcome: Outcome) -> None:
        """Nothing: a path is the user's."""

    def fileno(self) -> int | None:
        """Nothing to wait on."""
        return None

    def due_s(self) -> float:
        """0 while there are more."""
        return 0.0

    def close(self) -> None:
        """Nothing."""


class FileSource:
    """Works off a supply, one recording at a time. `outcomes` holds the newest results, `totals` all."""

    events_for_write = False

    def __init__(self, supply: Supply, shelf: Shelf, kit: Kit, *, keep: int = 100) -> None:
        self.family = shelf.family
        self.totals = Outcome(path="")
        self.files = 0
        self.outcomes: deque[Outcome] = deque(maxlen=keep or None)
        self._supply = supply
        self._shelf = shelf
        self._kit = kit
        self._current: Recording | None = None

    @property
    def ended(self) -> bool:
        """True when the last file of a list is through."""
        return self._current is None and self._supply.exhausted

    def fileno(self) -> int | None:
        """What to wait on for another file; a file itself is always ready."""
        return self._supply.fileno() if self._current is None else None

    def due_s(self) -> float | None:
        """Seconds until it wants a turn; null: never again."""
        if self._current is not None:
            return self._current.due_s()
        return None if self._supply.exhausted else self._supply.due_s()

    def pump(self) -> int:
        """One turn of the current file, or the next one."""
        if self._current is None:
            self._next()
            return 0
        settled = self._current.pump()
        if self._current.ended:
            self._settle(self._current)
        return settled

    def tell(self) -> None:
        """Say how the current file stands."""
        if self._current is not None:
            self._current.tell()

    def shown(self) -> dict[str, Any]:
        """Its row in the daemon's status."""
        return {"files": self.files, "now": self._current.outcome.path if self._current else None}

    def close(self) -> None:
        """Let the current file and the supply go."""
        if self._current is not None:
            self._current.close()
        self._supply.close()

    def _next(self) -> None:
        try:
            found = self._supply.take()
        except Broken as error:
            self._refuse(error)
            return
        if found is not None:
            self._current = Recording(found, self._shelf, self._kit)

    def _settle(self, recording: Recording) -> None:
        self._supply.put_away(recording.outcome)
        recording.put_away()
        self._current = None
        self._add(recording.outcome)

    def _refuse(self, error: Broken) -> None:
        outcome = Outcome(path=str(error))
        outcome.refuse(error.reason, str(error))
        origin = Origin(
            source=source_name(self._shelf.family, "unreadable"),
            epoch=self._kit.speaker.run,
            device=self._kit.device,
        )
        intake = Intake(origin, self._kit)
        intake.take(Reject(reason=error.reason, detail=str(error)))
        self._add(outcome)

    def _add(self, outcome: Outcome) -> None:
        self.files += 1
        self.outcomes.append(outcome)
        self.totals.add(outcome)


def expand(paths: Iterable[Path], family: str) -> Iterator[Path]:
    """Paths as given, and in place of each directory those of its files, in order, that are of that family."""
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        for found in sorted(path.rglob("*")):
            inside = found.relative_to(path).parts[:-1]
            if NOT_INPUT.isdisjoint(inside) and found.is_file() and _is_of(found, family):
                yield found


def _is_of(path: Path, family: str) -> bool:
    try:
        return sniff(head_of(path), path.name, family) is not None
    except Broken:
        return False
