"""A graph as plainly as it can be written: every rule of contract 6 spelled out key by key, every state kept."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from msgspec import UNSET

from dsmil.events.graph import EDGE_DELETE, NODE_DELETE, SEEN_MAX, Patch
from dsmil.graph.picture import Picture

NEVER = float("-inf")
PLAIN = {"node": ("kind", "position", "frequency"), "edge": ("kind", "nodes", "weight")}


class Model:
    """`nodes` and `edges` by id, each {keys: {key: (value, ts)}, first, last, seen}; `history` by sequence."""

    def __init__(self) -> None:
        self.nodes: dict[str, dict[str, Any]] = {}
        self.edges: dict[str, dict[str, Any]] = {}
        self.sequence = 0
        self.history: dict[int, tuple[dict[str, Any], dict[str, Any]]] = {0: ({}, {})}

    def apply(self, kind: str, patch: Patch, ts: float) -> None:
        self.sequence += 1
        if kind == NODE_DELETE:
            for edge_id in [one for one, edge in self.edges.items() if patch.id in edge["keys"]["nodes"][0]]:
                del self.edges[edge_id]
            self.nodes.pop(patch.id, None)
        elif kind == EDGE_DELETE:
            self.edges.pop(patch.id, None)
        elif kind.startswith("graph.node"):
            self._patch(self.nodes, "node", patch, ts)
        elif patch.id in self.edges or patch.nodes is not UNSET:
            self._patch(self.edges, "edge", patch, ts)
            for node_id in self.edges[patch.id]["keys"]["nodes"][0]:
                self.nodes.setdefault(node_id, {"keys": {}, "first": ts, "last": ts, "seen": {}})
        self.history[self.sequence] = (copy.deepcopy(self.nodes), copy.deepcopy(self.edges))

    def _patch(self, held: dict[str, dict[str, Any]], what: str, patch: Patch, ts: float) -> None:
        one = held.setdefault(patch.id, {"keys": {}, "first": ts, "last": ts, "seen": {}})
        named = {name: getattr(patch, name) for name in PLAIN[what] if getattr(patch, name) is not UNSET}
        for group in ("labels", "metadata"):
            named |= {f"{group}.{key}": value for key, value in (getattr(patch, group) or {}).items()}
        for key, value in named.items():
            at = min(ts, patch.times.get(key, ts))
            known = one["keys"].get(key, (None, NEVER))[1]
            if at >= known or patch.by:
                one["keys"][key] = (value, max(at, known) if patch.by else at)
        since = [row.first_ts for row in patch.seen] or patch.times.values()
        one["first"] = min([one["first"], ts, *since])
        one["last"] = max(one["last"], ts)
        for row in patch.seen:
            seen = one["seen"].setdefault(row.source, [row.first_ts, row.last_ts, 0])
            seen[:] = [min(seen[0], row.first_ts), max(seen[1], row.last_ts), seen[2] + row.count]
        while len(one["seen"]) > SEEN_MAX:
            del one["seen"][min(one["seen"], key=lambda source: (one["seen"][source][1], _reversed(source)))]


def _reversed(text: str) -> list[int]:
    """Sorts texts the other way round."""
    return [-ord(letter) for letter in text] + [1]


def told(sequence: int, model: Model) -> tuple[dict[str, Any], dict[str, Any]]:
    """The model's state after `sequence` in the outside's form."""
    nodes, edges = model.history[sequence]
    return {key: _node(key, one) for key, one in nodes.items()}, {
        key: _edge(key, one) for key, one in edges.items()
    }


def shown(picture: Picture) -> tuple[dict[str, Any], dict[str, Any]]:
    """A picture in the same form."""
    return _plain(picture.nodes), _plain(picture.edges)


def _plain(entities: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for entity_id in entities:
        one = entities[entity_id].to_dict()
        rows = one["metadata"].get("provenance", [])
        one["metadata"] = {key: value for key, value in one["metadata"].items() if key != "provenance"}
        one["seen"] = {row["source"]: [row["first_ts"], row["last_ts"], row["count"]] for row in rows}
        found[entity_id] = one
    return found


def _facts(keys: dict[str, Any], group: str) -> dict[str, Any]:
    named = {key.removeprefix(group): value for key, (value, _) in keys.items() if key.startswith(group)}
    return {key: value for key, value in named.items() if value is not None}


def _value(keys: dict[str, Any], key: str, otherwise: Any) -> Any:
    return keys.get(key, (otherwise, 0.0))[0]


def _node(node_id: str, one: dict[str, Any]) -> dict[str, Any]:
    keys = one["keys"]
    return {
        "id": node_id, "kind": _value(keys, "kind", "entity"), "position": _value(keys, "position", None),
        "frequency": _value(keys, "frequency", None), "labels": _facts(keys, "labels."),
        "metadata": _facts(keys, "metadata."), "created_at": one["first"], "updated_at": one["last"],
        "seen": one["seen"],
    }  # fmt: skip


def _edge(edge_id: str, one: dict[str, Any]) -> dict[str, Any]:
    keys = one["keys"]
    return {
        "id": edge_id, "kind": _value(keys, "kind", "relationship"), "nodes": _value(keys, "nodes", ()),
        "weight": _value(keys, "weight", 0.0), "labels": _facts(keys, "labels."),
        "metadata": _facts(keys, "metadata."), "timestamp": one["last"], "seen": one["seen"],
    }  # fmt: skip
