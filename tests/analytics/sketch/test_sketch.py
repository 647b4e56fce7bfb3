"""One patch per entity and batch, which comes to the same as one per observation; ids say which delivery it was."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from dsmil.analytics.sketch import sketch
from dsmil.events import ids
from dsmil.events.ais import Position, Static
from dsmil.events.enums import StreamName, TsBasis
from dsmil.events.envelope import Event, unpack
from dsmil.events.graph import Patch, Seen
from dsmil.events.net import Flow, Host, Port
from dsmil.fabric.entry import Entry
from dsmil.graph.state import state_hash

T0 = 1_700_000_000.0
LINKED = ("rf:1", "vessel:1")


def at(mmsi: int, lat: float, **more: Any) -> Position:
    return Position(mmsi=mmsi, msg_type=1, lat=lat, lon=10.0, **more)


def test_one_patch_per_entity_in_order_of_first_touch_nodes_before_their_edges(drawing: Any) -> None:
    events = [
        drawing.event("ais.position", at(2, 54.0)),
        drawing.event("net.flow", Flow(flow_id="f", src_ip="10.0.0.1", dst_ip="10.0.0.2")),
        drawing.event("ais.position", at(1, 54.0)),
        drawing.event("ais.position", at(2, 54.1), 10.0),
    ]
    told = [unpack(event, Patch).id for event in drawing.draw(*events)]
    assert told == ["vessel:2", "host:ip:10.0.0.1", "host:ip:10.0.0.2", "flow:f", "vessel:1"]


def test_the_later_value_of_each_key_stands_and_earlier_keys_keep_their_time(drawing: Any) -> None:
    events = [
        drawing.event("ais.position", at(1, 54.2, sog_kn=9.0), 20.0),
        drawing.event("ais.static", Static(mmsi=1, msg_type=5, name="ANNA"), 10.0),
        drawing.event("ais.position", at(1, 54.0, sog_kn=1.0, heading_deg=90.0), 5.0),
    ]
    (event,) = drawing.draw(*events)
    patch = unpack(event, Patch)
    assert event.ts == T0 + 20.0 and event.ingest_ts == events[-1].ingest_ts
    assert patch.position == (54.2, 10.0) and patch.metadata == {"sog_kn": 9.0, "heading_deg": 90.0}
    assert patch.times == {"labels.name": T0 + 10.0, "metadata.heading_deg": T0 + 5.0}
    assert patch.seen == (Seen("test:file", T0 + 5.0, T0 + 20.0, 3),)
    assert set(event.refs) == {one.event_id for one in events}


def test_an_event_says_who_drew_it_and_what_it_rests_on(drawing: Any) -> None:
    seen = drawing.event("ais.position", at(1, 54.0), ts_basis=TsBasis.INGEST)
    (event,) = drawing.draw(seen)
    assert (event.source, event.source_device, event.source_layer) == ("l3", 16, 3)
    assert (event.kind, event.category, event.ts_basis) == ("graph.node_update", seen.category, TsBasis.INGEST)


def test_the_same_batch_gives_the_same_ids_and_another_delivery_others(drawings: Callable[..., Any]) -> None:
    drawing = drawings()
    events = [drawing.event("ais.position", at(mmsi, 54.0)) for mmsi in (1, 2, 1)]
    entries = drawing.entries(events)
    news = [(n, unpack(event, Position)) for n, event in enumerate(events)]
    first, again = (drawing.sketch.draw(entries, news, []) for _ in range(2))
    assert first == again
    elsewhere = [Entry(one.stream, f"9-{n}", one.data, one.event) for n, one in enumerate(entries)]
    others = drawing.sketch.draw(elsewhere, news, [])
    assert not {one[:60] for one in first} & {one[:60] for one in others}
    assert len({one[:60] for one in first}) == 2


def test_what_the_engine_has_seen_before_says_nothing(drawing: Any) -> None:
    events = [drawing.event("ais.position", at(mmsi, 54.0)) for mmsi in (1, 2)]
    assert len(drawing.draw(*events)) == 2
    assert drawing.draw(*events) == [] and drawing.engine.repeats == 2


def test_only_what_came_by_its_stream_is_drawn(drawings: Callable[..., Any]) -> None:
    drawing = drawings()
    event = drawing.event("ais.position", at(1, 54.0))
    other = [Entry(StreamName.L4_IN, "1-1", b"", event)]
    assert drawing.sketch.draw(other, [(0, unpack(event, Position))], []) == []


def test_a_clock_far_ahead_does_not_hold_a_ship_for_ever(drawing: Any) -> None:
    ahead = drawing.event("ais.position", at(1, 10.0), ts=4e9)
    (event,) = drawing.draw(ahead)
    assert event.ts == ahead.ingest_ts


def test_an_older_observation_goes_out_with_its_own_time(drawing: Any) -> None:
    drawing.fold(drawing.event("ais.position", at(1, 54.0), 100.0))
    (event,) = drawing.draw(drawing.event("ais.position", at(1, 10.0), 50.0))
    assert event.ts == T0 + 50.0
    graph = drawing.fold(drawing.event("ais.position", at(1, 11.0), 60.0))
    assert graph.nodes["vessel:1"].position == (54.0, 10.0)


def test_a_batch_touches_no_more_entities_than_its_bound(drawing: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sketch, "PATCHES_MAX", 3)
    events = [drawing.event("ais.position", at(mmsi, 54.0)) for mmsi in (1, 2, 3, 4, 1)]
    told = [unpack(event, Patch) for event in drawing.draw(*events)]
    assert [patch.id for patch in told] == ["vessel:1", "vessel:2", "vessel:3"] and drawing.sketch.left_out == 1
    assert told[0].seen[0].count == 2


def test_an_id_nobody_could_fold_is_left_out(drawing: Any) -> None:
    graph = drawing.fold(drawing.event("net.flow", Flow(flow_id="f" * 600, src_ip="10.0.0.1", dst_ip="10.0.0.2")))
    assert not graph.edges and len(graph.nodes) == 2 and drawing.sketch.left_out == 1


def test_refs_are_bounded(drawing: Any) -> None:
    events = [drawing.event("ais.position", at(1, 54.0), n) for n in range(500)]
    (event,) = drawing.draw(*events)
    assert len(event.refs) == ids.REFS_MAX + 1


OBSERVATIONS = st.one_of(
    st.tuples(
        st.just("ais.position"),
        st.builds(
            Position, mmsi=st.integers(1, 2), msg_type=st.sampled_from([1, 9]), lat=st.sampled_from([None, 1.0, 2.0]),
            lon=st.just(3.0), sog_kn=st.sampled_from([None, 1.0, 2.0]), nav_status=st.sampled_from([None, 0, 1]),
        ),
    ),
    st.tuples(
        st.just("ais.static"),
        st.builds(
            Static, mmsi=st.integers(1, 2), msg_type=st.just(5), name=st.sampled_from([None, "A", "B"]),
            ship_type=st.sampled_from([None, 0, 1]),
        ),
    ),
    st.tuples(
        st.just("net.flow"),
        st.builds(
            Flow, flow_id=st.sampled_from("fg"), src_ip=st.sampled_from(["10.0.0.1", "10.0.0.2"]),
            dst_ip=st.just("10.0.0.3"), l7_proto=st.sampled_from([None, "DNS", "TLS.X"]),
            bytes_src=st.sampled_from([None, 0, 10]),
        ),
    ),
    st.tuples(
        st.just("net.host"),
        st.builds(
            Host, ip=st.sampled_from(["10.0.0.1", "10.0.0.2"]), ports_total=st.just(1), open_total=st.just(1),
            ports=st.sampled_from([
                (Port(proto="tcp", port=22, state="open", service="ssh"),),
                (Port(proto="tcp", port=22, state="closed"),),
            ]),
        ),
    ),
    st.tuples(
        st.sampled_from(["link.emitter_vessel", "unlink.emitter_vessel", "ais.jump"]), st.just(LINKED),
    ),
)  # fmt: skip
SAID = st.lists(st.tuples(OBSERVATIONS, st.integers(0, 5), st.sampled_from(["a", "b"])), min_size=1, max_size=14)


@settings(max_examples=300, deadline=None)
@given(said=SAID, cuts=st.lists(st.integers(0, 14), max_size=3))
def test_folding_coalesced_patches_equals_folding_one_of_each_observation(
    drawings: Callable[..., Any], said: list[Any], cuts: list[int]
) -> None:
    batched, single = drawings(), drawings()
    for drawing in (batched, single):  # both ends of the link have been heard before
        drawing.fold(drawing.event("ais.position", at(1, 1.0), -1.0))
    events = [_event(batched, *one) for one in said]
    edges = sorted({0, len(events), *(cut for cut in cuts if cut < len(events))})
    for start, end in pairwise(edges):
        _fold(batched, events[start:end])
    for event in events:
        _fold(single, [event])
    assert _plain(batched.graph) == _plain(single.graph)
    assert state_hash(batched.graph) == state_hash(single.graph)


def _event(drawing: Any, what: tuple[str, Any], at_s: int, source: str) -> Event:
    kind, payload = what
    if isinstance(payload, tuple):
        return drawing.decision(kind, payload, float(at_s), score=0.5 + at_s / 100)
    return drawing.event(kind, payload, float(at_s), source=source)


def _fold(drawing: Any, events: list[Event]) -> None:
    """Observations first, then decisions, as a layer makes them of a batch."""
    seen = [replace(event, source_epoch="") for event in events if event.kind != "decision"]
    drawing.fold(*seen, made=[event for event in events if event.kind == "decision"])


def _plain(graph: Any) -> tuple[Any, Any]:
    return (
        {key: one.to_dict() for key, one in graph.nodes.items()},
        {key: one.to_dict() for key, one in graph.edges.items()},
    )
