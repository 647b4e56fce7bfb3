"""Several daemons of one kind: `ais-playback@harbour` beside `ais-playback`, each with sources of its own.

Which there are, nobody configures: an instance enters itself beside its heartbeat into one hash of names and
times, takes itself out when it is stopped, and is forgotten once it was silent for a day.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dsmil.clock import SYSTEM, Clock
from dsmil.fabric.topology import is_full_name
from dsmil.fabric.wire import Wire

if TYPE_CHECKING:
    import redis

KEY = "dsmil:instances"
"""Hash: an instance's full name, and the Unix second of its last heartbeat."""
KEPT_S = 86_400.0
"""How long one that fell silent is still shown as absent: it may have crashed."""
INSTANCES_MAX = 256
"""Most that are shown; the hash is anybody's who may write it."""


def known(client: redis.Redis, now: float) -> list[str]:
    """The full names of all instances heard of within a day, in order."""
    found: Any = client.hgetall(KEY)
    names = {_text(name): _seconds(at) for name, at in found.items()}
    return sorted(name for name, at in names.items() if is_full_name(name) and now - at < KEPT_S)[:INSTANCES_MAX]


class Entered:
    """Keeps one instance in the list. A `runtime.daemon.Part`: closing it takes the instance out."""

    def __init__(self, wire: Wire, name: str, *, clock: Clock = SYSTEM) -> None:
        self._wire = wire
        self._name = name
        self._clock = clock

    def open(self) -> None:
        """Nothing: the first heartbeat enters it."""

    def beside(self, write: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
        """A function that writes a heartbeat with `write` and the entry after it."""

        def beat(state: dict[str, Any]) -> None:
            write(state)
            self._wire.call("HSET", KEY, self._name, int(self._clock.now()))

        return beat

    def close(self) -> None:
        """Stopped on purpose: nobody need miss it."""
        self._wire.call("HDEL", KEY, self._name)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _seconds(value: Any) -> float:
    text = _text(value)
    return float(text) if text.isascii() and text.isdecimal() and len(text) <= 16 else 0.0
