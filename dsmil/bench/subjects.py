"""The measured processes of topic `graph`: dsmil's own engine, and each peer with the same world in it.

A peer holds the same ids, members and attributes; it is asked the one question all of them can answer: the nodes of
one flag, and the edges all of whose members are among them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from itertools import islice
from time import perf_counter
from typing import Any

from dsmil.bench import world
from dsmil.bench.figures import Sample
from dsmil.bench.graphing import timed
from dsmil.bench.stopwatch import Stopwatch
from dsmil.events.enums import Category
from dsmil.events.envelope import Event, decode, encode, pack
from dsmil.events.graph import EDGE_UPDATE, NODE_UPDATE, Patch

ROUNDS = 30
TAIL = 50_000
"""Events folded in after a snapshot was read: what a minute of a busy suite leaves."""
CHANGES = 1_000
FLAG = "F7"
CHUNK = 20_000


def hypergraph(count: int) -> Sample:
    """dsmil: everything the goals speak of."""
    from dsmil.graph.diff import diff
    from dsmil.graph.hypergraph import Hypergraph
    from dsmil.graph.snapshot import encode as snapshot
    from dsmil.graph.state import relax_collector
    from dsmil.graph.subgraph import extract
    from dsmil.query import parse_query

    relax_collector()  # as the projector and the API do
    watch, graph, told = Stopwatch(), Hypergraph(), dict[str, Any]()
    told["build_s"] = _in_chunks(world.nodes(count), _applying(graph, NODE_UPDATE))
    told["build_s"] += _in_chunks(world.edges(2 * count, count), _applying(graph, EDGE_UPDATE))
    sample = watch.read(3 * count)  # the memory of the graph itself, before questions bring in numpy and scipy
    for name, moving in (("apply_per_s", False), ("apply_position_per_s", True)):
        told[name] = count / _in_chunks(world.updates(count, count, moving=moving), _applying(graph, NODE_UPDATE))
    flagged = parse_query(f'FIND SUBGRAPH WHERE labels.flag = "{FLAG}"')
    told["subgraph_ms"] = 1e3 * timed(ROUNDS, lambda: extract(graph, flagged), perf_counter)
    told["radius_ms"] = 1e3 * timed(ROUNDS, lambda: graph.nodes_near(54.0, 10.0, 10_000.0), perf_counter)
    told["band_ms"] = 1e3 * timed(ROUNDS, lambda: graph.nodes_in_band(433.05, 434.79), perf_counter)
    last = graph.sequence
    told["diff_ms"] = 1e3 * timed(
        5, lambda: diff(graph, flagged, from_sequence=last - CHANGES, to_sequence=last), perf_counter
    )
    began = perf_counter()
    data = snapshot(graph)
    told["snapshot_s"] = perf_counter() - began
    told |= _recovered(data, count)
    return Sample(items=sample.items, seconds=sample.seconds, cpu_s=sample.cpu_s, rss_mb=sample.rss_mb, more=told)


def _recovered(data: bytes, count: int) -> dict[str, float]:
    """From the bytes of a snapshot and of the events since to a graph that answers."""
    from dsmil.graph.fold import fold
    from dsmil.graph.hypergraph import Hypergraph
    from dsmil.graph.snapshot import decode as loaded
    from dsmil.graph.state import restore

    tail = [encode(_event(patch)) for patch in world.updates(TAIL, count, moving=True)]
    began = perf_counter()
    graph, found = Hypergraph(), loaded(data)
    restore(graph, sequence=found.sequence, ts=found.ts, epoch=found.epoch, nodes=found.nodes, edges=found.edges)
    middle = perf_counter()
    for number, one in enumerate(tail, graph.sequence + 1):
        fold(graph, number, decode(one))
    ended = perf_counter()
    return {"recover_s": ended - began, "fold_per_s": TAIL / (ended - middle)}


def _event(patch: Patch) -> Event:
    return Event(
        event_id="bench", ts=world.START_TS, ingest_ts=world.START_TS, source_device=16, source_layer=3, source="l3",
        category=Category.INTEL, kind=NODE_UPDATE, payload=pack(patch),
    )  # fmt: skip


Take = Callable[[list[Patch]], None]


def _applying(graph: Any, kind: str) -> Take:
    from dsmil.graph.fold import apply

    def take(chunk: list[Patch]) -> None:
        for patch in chunk:
            number = graph.sequence + 1
            ts = world.START_TS + number * 0.001
            apply(graph, number, kind, patch, ts=ts, ingest_ts=ts)

    return take


def _in_chunks(patches: Iterable[Patch], take: Take) -> float:
    """Seconds `take` needs for all of them; making them is not counted, and few of them are held at a time."""
    seconds, held = 0.0, iter(patches)
    while chunk := list(islice(held, CHUNK)):
        began = perf_counter()
        take(chunk)
        seconds += perf_counter() - began
    return seconds


def peer(name: str, count: int) -> Sample:
    """One peer: how long the world takes to build, and how long the question; `missing` where it is not installed."""
    try:
        module = None if name == "dict" else import_module(name)
    except ImportError:
        return Sample(items=0, seconds=0.0, more={"missing": "pip install 'dsmil[bench]'"})
    nodes, edges, ask = {"xgi": _xgi, "hypergraphx": _hypergraphx, "networkx": _networkx, "dict": _dict}[name](
        module
    )
    watch = Stopwatch()
    build_s = _in_chunks(world.nodes(count), nodes) + _in_chunks(world.edges(2 * count, count), edges)
    sample = watch.read(3 * count)
    more = {"build_s": build_s, "subgraph_ms": 1e3 * timed(3, ask, perf_counter)}
    return Sample(items=sample.items, seconds=build_s, cpu_s=sample.cpu_s, rss_mb=sample.rss_mb, more=more)


Peer = tuple[Take, Take, Callable[[], Any]]
"""How it takes nodes, how it takes edges, and the question."""


def _facts(patch: Patch) -> dict[str, Any]:
    return {
        "kind": patch.kind, "position": patch.position, "frequency": patch.frequency, "labels": patch.labels,
        "metadata": patch.metadata,
    }  # fmt: skip


def _members(patch: Patch) -> tuple[str, ...]:
    return patch.nodes or ()


def _xgi(xgi: Any) -> Peer:
    held = xgi.Hypergraph()

    def nodes(chunk: list[Patch]) -> None:
        held.add_nodes_from((one.id, _facts(one)) for one in chunk)

    def edges(chunk: list[Patch]) -> None:
        held.add_edges_from((one.nodes, one.id, {"kind": one.kind, "weight": one.weight}) for one in chunk)

    def ask() -> Any:
        wanted = {one for one, facts in held.nodes.attrs.asdict().items() if facts["labels"]["flag"] == FLAG}
        return wanted, [one for one, members in held.edges.members(dtype=dict).items() if members <= wanted]

    return nodes, edges, ask


def _hypergraphx(hypergraphx: Any) -> Peer:
    held = hypergraphx.Hypergraph(weighted=True)

    def nodes(chunk: list[Patch]) -> None:
        for one in chunk:
            held.add_node(one.id, metadata=_facts(one))

    def edges(chunk: list[Patch]) -> None:
        for one in chunk:
            held.add_edge(one.nodes, weight=one.weight, metadata={"kind": one.kind, "id": one.id})

    def ask() -> Any:
        facts = held.get_nodes(metadata=True)
        wanted = {one for one, fact in facts.items() if fact["labels"]["flag"] == FLAG}
        return wanted, [members for members in held.get_edges() if wanted.issuperset(members)]

    return nodes, edges, ask


def _networkx(networkx: Any) -> Peer:
    """A hyperedge as a node of its own, joined to its members."""
    held = networkx.Graph()

    def nodes(chunk: list[Patch]) -> None:
        held.add_nodes_from((one.id, _facts(one)) for one in chunk)

    def edges(chunk: list[Patch]) -> None:
        for one in chunk:
            held.add_node(one.id, kind=one.kind, weight=one.weight, edge=True)
            held.add_edges_from((one.id, member) for member in _members(one))

    def ask() -> Any:
        facts = held.nodes(data=True)
        wanted = {one for one, fact in facts if fact.get("labels", {}).get("flag") == FLAG}
        return wanted, [one for one, fact in facts if "edge" in fact and wanted.issuperset(held.adj[one])]

    return nodes, edges, ask


def _dict(_: Any) -> Peer:
    """What one would write by hand: a dictionary of nodes, one of edges, one of who is in what."""
    known: dict[str, Any] = {}
    links: dict[str, Any] = {}
    joined: dict[str, set[str]] = {}

    def nodes(chunk: list[Patch]) -> None:
        for one in chunk:
            known[one.id] = _facts(one)
            joined[one.id] = set()

    def edges(chunk: list[Patch]) -> None:
        for one in chunk:
            links[one.id] = {"kind": one.kind, "weight": one.weight, "nodes": one.nodes}
            for member in _members(one):
                joined[member].add(one.id)

    def ask() -> Any:
        wanted = {one for one, facts in known.items() if facts["labels"]["flag"] == FLAG}
        return wanted, [one for one, link in links.items() if wanted.issuperset(link["nodes"])]

    return nodes, edges, ask
