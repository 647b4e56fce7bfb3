"""The janitor: trims what every required reader has let go of, and nothing else.

A stream is cut below the least of: each required group's oldest unacknowledged entry or, with none, its last
delivered one; each checkpoint's place; and what retention still keeps. Above the high-water mark of its cap a
stream loses acknowledged entries however young they are. A required group that does not exist yet has read
nothing, so it holds everything.

What retention keeps goes by a table (minute, last id) of each stream, not by the ids' own clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, cast

import redis
from msgspec import Struct

from dsmil.clock import SYSTEM, Clock
from dsmil.config.streams import Streams
from dsmil.events.enums import StreamName
from dsmil.fabric.client import translated
from dsmil.fabric.entry import ZERO, id_key
from dsmil.fabric.journal import CHECKPOINTS_KEY, checkpoint_key
from dsmil.fabric.topology import CREATED_BY_PROJECTOR, DAEMONS, required_groups_of

HIGH_WATER = 0.7
LOW_WATER = 0.5
"""Parts of the cap: above the high mark acknowledged entries go until the low one is reached, so producers meet
the cap only when readers are behind."""
CONSUMERS_S = 600.0
"""Between two sweeps for idle consumers."""
GRAPH_KEPT = 10_000
"""Graph events that stay however old they are: so far back a client may have been away and still catch up."""
MINUTE_S = 60
_UNTIL_NOTHING = (0, 0)

# Looking and removing must be one act: a consumer that reads in between would lose what it was given.
_SWEEP = """
local gone = {}
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], group[2])) do
    if consumer[4] == 0 and consumer[6] > tonumber(ARGV[1]) then
      redis.call('XGROUP', 'DELCONSUMER', KEYS[1], group[2], consumer[2])
      gone[#gone + 1] = group[2] .. '/' .. consumer[2]
    end
  end
end
return gone
"""

Key = tuple[int, int]


class Trimmed(Struct, frozen=True):
    """What one round did to one stream: entries removed, entries left, and who holds it back furthest."""

    removed: int
    length: int
    held_by: str


class Janitor:
    """Trims all streams. `required` says which groups hold a stream back."""

    def __init__(
        self,
        client: redis.Redis,
        settings: Streams | None = None,
        *,
        clock: Clock = SYSTEM,
        required: Callable[[StreamName], Sequence[str]] = required_groups_of,
    ) -> None:
        self._redis = client
        self._settings = settings or Streams()
        self._clock = clock
        self._required = required
        self._minutes: dict[StreamName, dict[int, str]] = {}
        self._last: dict[StreamName, str] = {}
        self._next_sweep = 0.0

    def trim(self) -> dict[StreamName, Trimmed]:
        """One round over all streams that exist; cheap enough for every second. Unavailable: Redis is away."""
        with translated("trim streams"):
            held = self._checkpoints()
            done = {}
            for stream, facts in self._streams().items():
                self._remember(stream, facts)
                done[stream] = self._trim(stream, facts, held.get(stream.value, {}))
            if self._clock.monotonic() >= self._next_sweep:
                self.sweep()
                self._next_sweep = self._clock.monotonic() + CONSUMERS_S
        return done

    def sweep(self) -> list[str]:
        """Remove consumers idle too long that hold no entries; gives `group/consumer` of each."""
        idle_ms = int(self._settings.consumer_idle_s * 1000)
        gone: list[str] = []
        with translated("remove idle consumers"):
            for stream in self._streams():
                found = cast(list[bytes], self._redis.eval(_SWEEP, 1, stream.value, str(idle_ms)))
                gone += [f"{stream.value}/{name.decode()}" for name in found]
        return gone

    def _streams(self) -> dict[StreamName, dict[str, Any]]:
        """Facts of the streams that exist: length and last id."""
        with self._redis.pipeline(transaction=False) as ask:
            for stream in StreamName:
                ask.xinfo_stream(stream.value)
            answers = ask.execute(raise_on_error=False)
        return {
            stream: facts for stream, facts in zip(StreamName, answers, strict=True) if isinstance(facts, dict)
        }

    def _checkpoints(self) -> dict[str, dict[str, str]]:
        """Per stream, the place of each checkpoint by daemon."""
        known = {name.decode() for name in cast(set[bytes], self._redis.smembers(CHECKPOINTS_KEY))}
        held: dict[str, dict[str, str]] = {}
        # An optional daemon that is away for days must not stop its producers: overrun, it says what it lost.
        optional = {daemon.name for daemon in DAEMONS if not daemon.required}
        for daemon in (known | {daemon.name for daemon in DAEMONS}) - optional:
            places = cast(dict[bytes, bytes], self._redis.hgetall(checkpoint_key(daemon)))
            for stream, entry_id in places.items():
                held.setdefault(stream.decode(), {})[f"checkpoint of {daemon}"] = entry_id.decode()
        return held

    def _trim(self, stream: StreamName, facts: dict[str, Any], held: dict[str, str]) -> Trimmed:
        length = int(facts["length"])
        holder, limit = self._limit(stream, held)
        if stream in CREATED_BY_PROJECTOR:
            limit = min(limit, (0, id_key(facts["last-generated-id"].decode())[1] - GRAPH_KEPT))
        if limit <= _UNTIL_NOTHING or not length:
            return Trimmed(0, length, holder)
        removed = self._cut(stream, min(limit, self._expired(stream)))
        cap = self._settings.cap_of(stream)
        if length - removed > HIGH_WATER * cap:
            surplus = int(length - removed - LOW_WATER * cap)
            # LIMIT bounds how many go, MINID how far: never beyond what readers have let go.
            removed += self._command("XTRIM", stream.value, "MINID", "~", _text(limit), "LIMIT", max(1, surplus))
        return Trimmed(removed, length - removed, holder)

    def _cut(self, stream: StreamName, below: Key) -> int:
        if below <= _UNTIL_NOTHING:
            return 0
        return self._command("XTRIM", stream.value, "MINID", "=", _text(below))

    def _command(self, *words: str | int) -> int:
        return cast(int, self._redis.execute_command(*words))  # type: ignore[no-untyped-call]

    def _limit(self, stream: StreamName, held: dict[str, str]) -> tuple[str, Key]:
        """Who holds the stream back furthest, and the first id that must stay."""
        places = dict(held)
        groups = {
            group["name"].decode(): group for group in cast(list[Any], self._redis.xinfo_groups(stream.value))
        }
        for name in self._required(stream):
            group = groups.get(name)
            if group is None:
                return f"group {name} (missing)", _UNTIL_NOTHING
            places[f"group {name}"] = group["last-delivered-id"].decode()
            if group["pending"]:
                oldest = self._redis.xpending(stream.value, name)["min"]
                places[f"group {name}"] = (oldest or group["last-delivered-id"]).decode()
        if not places:
            return "nobody required", _UNTIL_NOTHING
        holder = min(places, key=lambda who: id_key(places[who]))
        return holder, id_key(places[holder])

    def _remember(self, stream: StreamName, facts: dict[str, Any]) -> None:
        """Note the stream's last id of this minute."""
        table = self._table(stream)
        minute = int(self._clock.now() // MINUTE_S)
        last_id = cast(bytes, facts["last-generated-id"]).decode()
        if last_id not in (ZERO, self._last.get(stream)) and last_id not in table.values():
            table[minute] = self._last[stream] = last_id
            with suppress(redis.exceptions.OutOfMemoryError):  # trimming is what helps then
                self._redis.hset(minutes_key(stream), str(minute), last_id)

    def _expired(self, stream: StreamName) -> Key:
        """The first id that retention keeps; the minutes before it are forgotten."""
        table = self._table(stream)
        before = self._clock.now() - self._settings.retention_of(stream)
        old = [minute for minute in table if (minute + 1) * MINUTE_S <= before]
        if not old:
            return _UNTIL_NOTHING
        newest = max(old)
        if past := [minute for minute in old if minute != newest]:
            for minute in past:
                del table[minute]
            self._redis.hdel(minutes_key(stream), *map(str, past))
        ms, seq = id_key(table[newest])
        return ms, seq + 1

    def _table(self, stream: StreamName) -> dict[int, str]:
        if stream not in self._minutes:
            flat = cast(dict[bytes, bytes], self._redis.hgetall(minutes_key(stream)))
            self._minutes[stream] = {int(minute): entry_id.decode() for minute, entry_id in flat.items()}
        return self._minutes[stream]


def minutes_key(stream: StreamName) -> str:
    """Hash: minute since 1970 -> last id of the stream in that minute."""
    return f"dsmil:minutes:{stream.value}"


def _text(key: Key) -> str:
    return f"{key[0]}-{key[1]}"
