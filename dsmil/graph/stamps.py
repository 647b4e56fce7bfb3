"""When each key of an entity was seen, in as little memory as there is to tell.

Nearly always all keys that were told last were told together. So an entity keeps the set of those (`fresh`, one
object shared by all entities that were told of alike), whose time is the entity's own last time, and a time for
each of the rest. Both together are one stamp a key; there is one way only to write the same stamps down.
"""

from __future__ import annotations

from sys import intern

from msgspec import UNSET

from dsmil.events.graph import Patch

Shape = frozenset[str]

SHAPES_MAX = 4096
"""Shapes shared; the suite's own sensors make some dozens."""
NEVER = float("-inf")
NONE: Shape = frozenset()
_PLAIN = ("kind", "position", "frequency", "nodes", "weight")
_shared: dict[Shape, Shape] = {}
_by_keys: dict[tuple[object, ...], Shape] = {}


def shape_of(patch: Patch) -> Shape:
    """The keys a patch names: `kind`, `position`, ..., `labels.name`, `metadata.sog_kn`."""
    labels, metadata = patch.labels, patch.metadata
    keys = (
        patch.kind is UNSET, patch.position is UNSET, patch.frequency is UNSET, patch.nodes is UNSET,
        patch.weight is UNSET, tuple(labels or ()), tuple(metadata or ()),
    )  # fmt: skip
    found = _by_keys.get(keys)
    if found is None:
        named = [name for name, unset in zip(_PLAIN, keys, strict=False) if not unset]
        named += [intern(f"labels.{key}") for key in labels or ()]
        named += [intern(f"metadata.{key}") for key in metadata or ()]
        if len(_by_keys) >= SHAPES_MAX:
            _by_keys.clear()
        found = _by_keys[keys] = shared(frozenset(named))
    return found


def shared(shape: Shape) -> Shape:
    """The one object that stands for equal shapes."""
    found = _shared.get(shape)
    if found is None:
        if len(_shared) >= SHAPES_MAX:
            _shared.clear()
        found = _shared[shape] = frozenset(map(intern, shape))
    return found


def later(
    fresh: Shape, times: dict[str, float], last_ts: float, told: tuple[Shape, float]
) -> tuple[Shape, dict[str, float]]:
    """`fresh` and `times` after the keys of `told` were seen at its time, which is `last_ts` or later."""
    shape, ts = told
    if ts == last_ts:
        if shape <= fresh:
            return fresh, times
        left = {key: at for key, at in times.items() if key not in shape} if times else times
        return shared(fresh | shape), left
    if shape is fresh:
        return fresh, times
    left = {key: at for key, at in times.items() if key not in shape} if times else {}
    for key in fresh:
        if key not in shape:
            left[key] = last_ts
    return shape, left


def spread(fresh: Shape, times: dict[str, float], last_ts: float) -> dict[str, float]:
    """A time for each key."""
    return {**times, **dict.fromkeys(fresh, last_ts)}


def gathered(stamps: dict[str, float], last_ts: float) -> tuple[Shape, dict[str, float]]:
    """`spread` undone: `fresh` and `times`."""
    fresh = shared(frozenset(key for key, at in stamps.items() if at == last_ts))
    return fresh, {key: at for key, at in stamps.items() if at != last_ts}
