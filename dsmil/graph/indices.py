"""What entities there are of a kind, with a label, heard since: sets of ids, kept up at every change.

A label whose value is a list is found by each element; a text that reads as a number also by that number, as the
query language compares it. Answers about time are supersets: buckets, not moments.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from typing import Any

BUCKET_S = 300.0
"""Width of a time bucket: wide enough that a moving ship seldom changes it."""
EXACT_DIGITS = 15
"""Whole numbers of so many digits are the same as a float."""

LISTS_MAX = 32
"""Lists in lists that are looked into."""

Ids = set[str]
Value = str | float | bool


class Index:
    """Of all nodes, or of all edges."""

    def __init__(self) -> None:
        self.kinds: dict[str, Ids] = {}
        self._labels: dict[str, dict[Value, str | Ids]] = {}
        self._buckets: dict[int, Ids] = {}

    def with_kind(self, kind: str) -> Collection[str]:
        """Ids of entities of a kind."""
        return self.kinds.get(kind, ())

    def with_label(self, key: str, value: Value) -> Collection[str]:
        """Ids of entities whose label `key` is, or lists, `value`; a number also finds texts that read as it."""
        values = self._labels.get(key)
        if values is None:
            return ()
        found = _ids(values.get(_spelled(value)))
        if isinstance(value, bool | str) or not float(value).is_integer() or abs(value) >= 10**EXACT_DIGITS:
            return found
        plain = _ids(values.get(str(int(value))))
        return {*found, *plain} if found and plain else found or plain

    def label_counts(self) -> Iterator[tuple[str, Value, int]]:
        """(key, value, entities) of every label there is."""
        for key, values in self._labels.items():
            for value, held in values.items():
                yield key, value, 1 if isinstance(held, str) else len(held)

    def since(self, ts: float) -> Collection[str]:
        """Ids of entities seen at `ts` (Unix seconds) or later, and of some seen a little earlier."""
        first = int(ts // BUCKET_S)
        return list(chain.from_iterable(held for bucket, held in self._buckets.items() if bucket >= first))

    def fill(self, entities: Iterable[tuple[str, str, dict[str, Any], float]]) -> None:
        """Many new entities at once: id, kind, labels, and when it was last seen."""
        kinds: dict[str, list[str]] = {}
        buckets: dict[int, list[str]] = {}
        for entity_id, kind, labels, seen in entities:
            kinds.setdefault(kind, []).append(entity_id)
            buckets.setdefault(int(seen // BUCKET_S), []).append(entity_id)
            for key, value in labels.items():
                for one in _values(value):
                    self._add(key, one, entity_id)
        for kind, ids in kinds.items():
            self.kinds.setdefault(kind, set()).update(ids)
        for bucket, ids in buckets.items():
            self._buckets.setdefault(bucket, set()).update(ids)

    def rekind(self, entity_id: str, old: str | None, new: str | None) -> None:
        """An entity's kind changed; null: it was not, or is not any more."""
        if old is not None:
            held = self.kinds[old]
            held.discard(entity_id)
            if not held:
                del self.kinds[old]
        if new is not None:
            held_new = self.kinds.get(new)
            if held_new is None:
                self.kinds[new] = {entity_id}
            else:
                held_new.add(entity_id)

    def relabel(self, entity_id: str, old: dict[str, Any], new: dict[str, Any]) -> None:
        """An entity's labels changed from `old` to `new`."""
        for key, value in old.items():
            if new.get(key) != value or key not in new:
                for one in _values(value):
                    self._drop(key, one, entity_id)
        for key, value in new.items():
            if old.get(key) != value or key not in old:
                for one in _values(value):
                    self._add(key, one, entity_id)

    def reseen(self, entity_id: str, old: float | None, new: float | None) -> None:
        """The last time an entity was seen changed; null: it was not, or is not any more."""
        was = None if old is None else int(old // BUCKET_S)
        now = None if new is None else int(new // BUCKET_S)
        if was == now:
            return
        if was is not None:
            held = self._buckets[was]
            held.discard(entity_id)
            if not held:
                del self._buckets[was]
        if now is not None:
            self._buckets.setdefault(now, set()).add(entity_id)

    def _add(self, key: str, value: Value, entity_id: str) -> None:
        values = self._labels.setdefault(key, {})
        held = values.get(value)
        if held is None:  # most labels are of one entity only: no set for those
            values[value] = entity_id
        elif isinstance(held, str):
            if held != entity_id:
                values[value] = {held, entity_id}
        else:
            held.add(entity_id)

    def _drop(self, key: str, value: Value, entity_id: str) -> None:
        values = self._labels[key]
        held = values.get(value)
        if isinstance(held, set):
            held.discard(entity_id)
            if not held:
                del values[value]
        elif held == entity_id:
            del values[value]
        if not values:
            del self._labels[key]


def _ids(held: str | Ids | None) -> Collection[str]:
    return (held,) if isinstance(held, str) else held or ()


def _spelled(value: Value) -> Value:
    """As it stands in the index: True is not 1 there."""
    return f"\0{value}" if isinstance(value, bool) else value


def _values(value: Any, deep: int = 0) -> tuple[Value, ...] | set[Value]:
    """What one label is found by; as deep in lists as predicates look."""
    if isinstance(value, str):
        return (value,) if _plain(value) else _read(value)
    if isinstance(value, bool | int | float):
        return (_spelled(value),)
    if isinstance(value, list | tuple) and deep < LISTS_MAX:
        return {one for element in value for one in _values(element, deep + 1)}
    return ()


def _plain(text: str) -> bool:
    """Whether a text is no number, or a whole one in its plain spelling, which a number looked for is spelled as."""
    if text.isdecimal() and text.isascii():
        return len(text) <= EXACT_DIGITS and (text[0] != "0" or text == "0")
    return text[:1].isalpha() and text[:1] not in "iInN"  # inf, infinity, nan


def _read(text: str) -> tuple[Value, ...]:
    try:
        return text, float(text)
    except ValueError:
        return (text,)
