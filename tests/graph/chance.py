"""Histories by seed over the world of tests/graph/worlds.py: cheap to make, to be asked many questions."""

from __future__ import annotations

import random
from functools import lru_cache
from typing import Any

from msgspec import UNSET

from dsmil.events.graph import (
    EDGE_CREATE,
    EDGE_DELETE,
    EDGE_UPDATE,
    NODE_CREATE,
    NODE_DELETE,
    NODE_UPDATE,
    Patch,
    Seen,
)
from dsmil.graph.hypergraph import Hypergraph
from tests.graph.test_fold import Step, folded
from tests.graph.worlds import EDGE_IDS, NODE_IDS

STEPS = 40
_NODES = (*NODE_IDS, "room:ops", "room:a")
_TIMES = (0.0, 1.0, 250.0, 300.0, 5_000.0)
_KINDS = ("vessel", "rf_emitter", "host", "link", "room_membership", "room_entity")
_PLACES = (
    None, (0.0, 0.0), (89.999, 10.0), (90.0, -170.0), (-90.0, 0.0), (10.0, 179.999), (10.0, -179.999),
    (54.0, 10.0, 12.0),
)  # fmt: skip
_BANDS = (None, 433.92, 430.0, 440.0, 439.999, 0.0, 2400.0)
_VALUES = (
    None,
    "a",
    "b",
    "443",
    "0443",
    "1e3",
    True,
    False,
    1,
    443.0,
    "ops",
    ["a", 7],
    ["ops", "443"],
    {"b": "a"},
)
_KEYS = ("name", "port", "service", "rooms", "a.b", "a")


@lru_cache(maxsize=64)
def world(seed: int) -> Hypergraph:
    """The graph after a history of `STEPS` events."""
    return folded(history(seed))


def history(seed: int) -> list[Step]:
    """`STEPS` random events."""
    chance = random.Random(seed)
    return [_step(chance) for _ in range(STEPS)]


def _step(chance: random.Random) -> Step:
    kind = chance.choices(
        (NODE_CREATE, NODE_UPDATE, EDGE_CREATE, EDGE_UPDATE, NODE_DELETE, EDGE_DELETE), (3, 5, 6, 2, 1, 1)
    )[0]
    ts = chance.choice(_TIMES)
    if kind in (NODE_DELETE, EDGE_DELETE):
        return kind, Patch(id=chance.choice(_NODES if kind == NODE_DELETE else EDGE_IDS)), ts
    keys = _node_keys(chance) if kind in (NODE_CREATE, NODE_UPDATE) else _edge_keys(chance)
    named = {key: value for key, value in keys.items() if chance.random() < 0.6 or key in ("id", "nodes")}
    return kind, Patch(**named), ts


def _node_keys(chance: random.Random) -> dict[str, Any]:
    return {
        "id": chance.choice(_NODES), "kind": chance.choice(_KINDS[:3]), "position": chance.choice(_PLACES),
        "frequency": chance.choice(_BANDS), "by": chance.choice(("", "op-1")),
    } | _facts(chance)  # fmt: skip


def _edge_keys(chance: random.Random) -> dict[str, Any]:
    members = tuple(chance.choices(_NODES, k=chance.randint(1, 4)))
    return {
        "id": chance.choice(EDGE_IDS), "kind": chance.choice(_KINDS[3:]), "weight": chance.choice((-60.0, 0.0, 0.5)),
        "nodes": members if chance.random() < 0.8 else UNSET,
    } | _facts(chance)  # fmt: skip


def _facts(chance: random.Random) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for group in ("labels", "metadata"):
        found[group] = {key: chance.choice(_VALUES) for key in chance.sample(_KEYS, chance.randint(0, 2))}
        if chance.random() < 0.3:
            found[group]["severity"] = chance.choice(("LOW", "HIGH", "CRITICAL", None))
    found["seen"] = tuple(Seen(f"s{chance.randint(0, 3)}", 0.0, 1.0, 1) for _ in range(chance.randint(0, 2)))
    return found
