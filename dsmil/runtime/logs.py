"""Log lines: an event name with keys; JSON for machines, one readable line for a terminal, fields for the journal.

Hand-written because importing structlog costs a daemon 0.2 s and pulls in asyncio and rich, which is most of the
time a restart may take; its face (`log.info("event", key=value)`, `bind`) is kept.
"""

from __future__ import annotations

import io
import re
import select
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal, TextIO

import msgspec

from dsmil.clock import SYSTEM, Clock
from dsmil.config.load import is_secret
from dsmil.runtime import wording
from dsmil.runtime.discretion import HIDDEN, discreet, hide
from dsmil.runtime.journal import PRIORITIES, SOCKET, Journal, leads_to_journal
from dsmil.runtime.logfile import LogFile

LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}
REPEATS_MAX, REPEATS_S = 50, 10.0
"""Lines of one event name in one span of seconds; the others are counted in one line. A fault that comes with
every entry must neither fill the journal nor push out of it what explains the fault."""
NAMES_MAX = 256
"""Event names counted at a time; ours are a closed set, so more is a mistake of ours."""
VALUE_CHARS_MAX = 4096
"""A longer value is cut: a log line is no place for a payload."""

_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
"""C0 and C1 controls (escape sequences begin there), line separators, invisible and turning characters."""


class _Sink:
    """Where lines go. One per process: a daemon has one log, and a flat file beside it where one is asked for."""

    stream: TextIO | None = None
    daemon = "dsmil"
    level = LEVELS["INFO"]
    human = False
    journal: Journal | None = None
    file: LogFile | None = None
    clock: Clock = SYSTEM
    spans: ClassVar[dict[tuple[str, str], list[float]]] = {}
    """Per (level, event): end of its span in monotonic seconds, lines in it."""


def setup(  # noqa: PLR0913 - all but two are keywords
    daemon: str,
    level: str = "INFO",
    *,
    stream: TextIO | None = None,
    form: Literal["auto", "json", "human", "journal"] = "auto",
    file: str = "",
    secrets: Iterable[str] = (),
    clock: Clock = SYSTEM,
    socket: str = SOCKET,
) -> None:
    """Send this process's log to `stream` (stderr), and as JSON lines to `file` too. `auto` is journald's native
    `socket` where `stream` leads into the journal, human on a terminal, else JSON lines. None of `secrets` is
    ever written."""
    end = stream or sys.stderr
    if _Sink.journal:
        _Sink.journal.close()
    if _Sink.file:
        _Sink.file.close()
    journal = form == "journal" or (form == "auto" and leads_to_journal(end))
    _Sink.stream = stream
    _Sink.daemon = daemon
    _Sink.level = LEVELS[level]
    _Sink.human = form == "human" or (form == "auto" and end.isatty())
    _Sink.journal = Journal(daemon, socket) if journal else None
    _Sink.file = LogFile(file, clock=clock) if file else None
    _Sink.clock = clock
    _Sink.spans = {}
    hide(secrets)


def relevel(level: str) -> None:
    """Change the least severe line that is written; all else stays."""
    _Sink.level = LEVELS[level]


def printable(text: str) -> str:
    """`text` with every character that could move a cursor, recolour or reorder a line made U+FFFD."""
    return _UNPRINTABLE.sub("\ufffd", text)


class Logger:
    """Writes lines that carry its keys."""

    __slots__ = ("_keys",)

    def __init__(self, **keys: Any) -> None:
        self._keys = keys

    def bind(self, **keys: Any) -> Logger:
        """A logger with more keys."""
        return Logger(**{**self._keys, **keys})

    def debug(self, event: str, /, **keys: Any) -> None:
        """For whoever hunts a fault."""
        self._write("DEBUG", event, keys)

    def info(self, event: str, /, **keys: Any) -> None:
        """What normally happens."""
        self._write("INFO", event, keys)

    def warning(self, event: str, /, **keys: Any) -> None:
        """Something is amiss, and handled."""
        self._write("WARNING", event, keys)

    def error(self, event: str, /, **keys: Any) -> None:
        """Somebody has to look."""
        self._write("ERROR", event, keys)

    def critical(self, event: str, /, **keys: Any) -> None:
        """Somebody has to look now: a part of the suite is down until then."""
        self._write("CRITICAL", event, keys)

    def _write(self, level: str, event: str, keys: dict[str, Any]) -> None:
        if LEVELS[level] >= _Sink.level and _allowed(level, event):
            _put(level, event, {**self._keys, **keys})


def get(name: str = "", **keys: Any) -> Logger:
    """A logger; `name` says which part of the daemon speaks."""
    return Logger(part=name, **keys) if name else Logger(**keys)


def settle() -> None:
    """Tell what was left out so far: a daemon's last word."""
    _tell_left_out(float("inf"))


def refusal(daemon: str, text: str) -> None:
    """Say why `daemon` stays down, as an error: on stderr in plain words, whatever the form. Maybe its log has not
    been set up yet, because the settings that say how are what is wrong."""
    if _Sink.daemon != daemon:
        setup(daemon)
    said = _clean(text)
    if not (_Sink.journal and _Sink.journal.put("ERROR", "refused", f"refused: {said}", {"error": said})):
        _to_stream(sys.stderr, _marked("ERROR", f"dsmil-{daemon}: {said}"))
    _to_file("ERROR", "refused", {"error": said})


def _allowed(level: str, event: str) -> bool:
    """Whether there is room for one more line of this event."""
    now, spans = _Sink.clock.monotonic(), _Sink.spans
    _tell_left_out(now)
    if len(spans) >= NAMES_MAX:
        return True
    span = spans.setdefault((level, event), [now + REPEATS_S, 0.0])
    span[1] += 1
    return span[1] <= REPEATS_MAX


def _tell_left_out(now: float) -> None:
    for (level, event), (end, lines) in list(_Sink.spans.items()):
        if now >= end:
            _Sink.spans.pop((level, event), None)  # another thread may have told it
            if lines > REPEATS_MAX:
                _put(level, event, {"left_out": int(lines) - REPEATS_MAX, "within_s": REPEATS_S})


def _put(level: str, event: str, keys: dict[str, Any]) -> None:
    fields = {key: _clean(value, key) for key, value in keys.items()}
    if _Sink.journal:
        said = wording.line(event, fields)
        if not _Sink.journal.put(level, event, said, fields):
            _to_stream(_Sink.stream or sys.stderr, _marked(level, said))
    else:
        _to_stream(_Sink.stream or sys.stderr, (_human if _Sink.human else _json)(level, event, fields))
    _to_file(level, event, fields)


def _to_stream(out: TextIO, line: str) -> None:
    try:
        if _Sink.journal and not _has_room(out):
            return  # journald neither took the line nor reads what it gets by the stream: do not wait for it
        out.write(line + "\n")
        out.flush()
    except (OSError, ValueError):  # a log whose reader is gone must not stop the work
        return


def _has_room(out: TextIO) -> bool:
    try:
        fd = out.fileno()
    except io.UnsupportedOperation:  # a buffer of a test's
        return True
    watched = select.poll()
    watched.register(fd, select.POLLOUT)
    return bool(watched.poll(0))


def _to_file(level: str, event: str, fields: dict[str, Any]) -> None:
    news = _Sink.file.put(_json(level, event, fields)) if _Sink.file else None
    if news:
        _put("WARNING", *news)


def _marked(level: str, line: str) -> str:
    """A line for stderr; where that is the journal's, with the level as sd-daemon(3) has it."""
    return f"<{PRIORITIES[level]}>{line}" if _Sink.journal else line


def _clean(value: Any, key: str = "") -> Any:
    if key and value is not None and is_secret(key):
        return HIDDEN
    if isinstance(value, str):
        text = printable(discreet(value[: 4 * VALUE_CHARS_MAX]))
        return text if len(text) <= VALUE_CHARS_MAX else text[:VALUE_CHARS_MAX] + "…"
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, bool | int | None):
        return value
    if isinstance(value, dict):
        return {_clean(str(name)): _clean(item, str(name)) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(item, key) for item in value]
    return _clean(str(value), key)


def _now() -> datetime:
    return datetime.fromtimestamp(_Sink.clock.now(), UTC)


def _json(level: str, event: str, fields: dict[str, Any]) -> str:
    stamp = _now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    line = {"ts": stamp, "level": level.lower(), "daemon": _Sink.daemon, "event": event, **fields}
    return msgspec.json.encode(line).decode()


def _human(level: str, event: str, fields: dict[str, Any]) -> str:
    return f"{_now():%H:%M:%S}Z {level.lower():8} {_Sink.daemon:12} {wording.line(event, fields)}"
