"""A recording played at a pace, under the pointer every operator shares.

The pointer is the hash `dsmil:ais:playback` {state play|pause|stop, position_ts, speed, window}. We write where
we are; whatever else stands in it when we look was put there by an operator and is obeyed: another position is
a seek. `window` is the operators' own and left alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from math import inf, isfinite
from typing import Any, Protocol

from dsmil.clock import Clock
from dsmil.errors import ConfigError
from dsmil.sensors.pace import Pace, parse_speed, show_speed

POINTER_KEY = "dsmil:ais:playback"
LOOK_EVERY_S = 0.25
"""How often the pointer is read and our position written: a click takes hold within this."""
MINE_MAX = 64
"""Positions of ours remembered, some 16 s: a Redis that was killed may show one of them again, and whether a write
that failed was carried out nobody knows. None of them is an operator's seek."""
FROM_THE_START = -inf
"""A seek to the very beginning."""


class Pointer(Protocol):
    """The shared hash; either verb may raise Unavailable."""

    def read(self) -> Mapping[str, str]:
        """All its fields; empty where it does not exist."""

    def write(self, fields: Mapping[str, str]) -> None:
        """Set some fields."""


class SharedPointer:
    """The pointer in Redis, through anything that can `call` a command (fabric.wire)."""

    def __init__(self, call: Callable[..., Any], key: str = POINTER_KEY) -> None:
        self._call = call
        self._key = key

    def read(self) -> Mapping[str, str]:
        """All fields as text; bytes that are no text are shown as such and match nothing."""
        reply = self._call("HGETALL", self._key) or []
        if isinstance(reply, dict):
            reply = [part for pair in reply.items() for part in pair]
        words = [part.decode("utf-8", "replace") if isinstance(part, bytes) else str(part) for part in reply]
        return dict(zip(words[::2], words[1::2], strict=False))

    def write(self, fields: Mapping[str, str]) -> None:
        """Set some fields."""
        self._call("HSET", self._key, *(part for pair in fields.items() for part in pair))


class Player:
    """Says when the next event is due, and passes the operators' wishes on to the recording being read."""

    def __init__(self, *, speed: float | None, clock: Clock, pointer: Pointer | None = None) -> None:
        self.playing = True
        self._speed = speed
        self._pace = Pace(speed)
        self._clock = clock
        self._pointer = pointer
        self._position: float | None = None
        self._written = ""
        self._mine: deque[str] = deque(maxlen=MINE_MAX)
        self._before = ("", "")
        self._began: Mapping[str, str] = {}
        self._seek: float | None = None
        self._looked_s = -inf

    def begin(self) -> None:
        """A recording begins: play it at the configured speed, unless an operator holds everything."""
        self._pace = Pace(self._speed)
        self._position, self._seek, self._written, self.playing = None, None, "", True
        if self._pointer is not None:
            found = self._pointer.read()
            self._before = _gist(found)
            self._mine.append(found.get("position_ts", ""))
            fields = {"position_ts": "", "speed": show_speed(self._speed)}
            self._began = fields if found.get("state") == "pause" else {**fields, "state": "play"}
            self._pointer.write(self._began)
            self._looked_s = -inf

    def end(self) -> None:
        """The recording is over."""
        if self._pointer is not None:
            place = self._place()
            self._mine.extend(place.values())
            self._pointer.write({"state": "stop", **place})

    def look(self) -> None:
        """Read the pointer and write our position, where it is time to."""
        if self._pointer is None or self._clock.monotonic() - self._looked_s < LOOK_EVERY_S:
            return
        fields = self._pointer.read()
        if _gist(fields) == self._before and self._before[0] == "stop":  # a killed Redis forgot that we began
            self._pointer.write(self._began)
            fields = {**fields, **self._began}
        self._looked_s = self._clock.monotonic()
        self._obey_speed(fields.get("speed", ""))
        self._obey_state(fields.get("state", "play"))
        self._obey_position(fields.get("position_ts", ""))
        place = self._place()
        if self._seek is None and place and place["position_ts"] != self._written:
            self._mine.append(place["position_ts"])
            self._pointer.write(place)
            self._written = place["position_ts"]

    def take_seek(self) -> float | None:
        """The event time an operator wants to go on from, once; null where nobody asked."""
        seek = self._seek if self.playing else None
        if seek is not None:
            self._seek = None
            self._pace.rest()
        return seek

    def wait_s(self, ts: float | None) -> float:
        """Seconds until an event of time `ts` is due; one without a time goes with those before it."""
        if ts is None or self._pace.speed is None:
            return 0.0
        return self._pace.wait_s(ts, self._clock.monotonic())

    def passed(self, ts: float | None) -> None:
        """An event of time `ts` has gone out."""
        if ts is not None:
            self._position = ts

    def _place(self) -> dict[str, str]:
        return {} if self._position is None else {"position_ts": f"{self._position:.3f}"}

    def _obey_speed(self, word: str) -> None:
        try:
            self._pace.set_speed(parse_speed(word))
        except ConfigError:
            return  # not a speed: keep the one in force, the pointer is anyone's to write

    def _obey_state(self, word: str) -> None:
        if word == "stop" and self.playing:
            self._seek = FROM_THE_START
        playing = word not in ("pause", "stop")
        if playing and not self.playing:
            self._pace.rest()
        self.playing = playing

    def _obey_position(self, word: str) -> None:
        if not word or word == self._written or word in self._mine:
            return
        try:
            wanted = float(word)
        except ValueError:
            return
        if isfinite(wanted):
            self._seek = wanted
            self._written = word


def _gist(fields: Mapping[str, str]) -> tuple[str, str]:
    return fields.get("state", ""), fields.get("position_ts", "")
