"""`dsmil why` leads from any event to the raw records it was made from, and says where the trail ends."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from dsmil.cli import main
from dsmil.cli.why import DEPTH_MAX, EVENTS_MAX, NOT_FOLLOWED, NOT_THERE, explain
from dsmil.clock import FakeClock
from dsmil.config.stores import Audit
from dsmil.events import ids
from dsmil.events.enums import Category
from dsmil.events.envelope import Event, RawRecord, encode, pack
from dsmil.store.audit import AuditLog
from dsmil.store.chain import AuditRow

Keep = Callable[[Sequence[Event]], None]


def event(name: str, *refs: str, kind: str = "decision", raw: RawRecord | None = None, **payload: Any) -> Event:
    return Event(
        event_id=name, ts=1_700_000_000.0, ingest_ts=1_700_000_000.0, source_device=20, source_layer=3, source="l3",
        category=Category.INTEL, kind=kind, refs=refs, raw=raw, payload=pack(payload),
    )  # fmt: skip


@pytest.fixture
def log(tmp_path: Path, clock: FakeClock) -> Iterator[AuditLog]:
    # Small segments: the trail leads through several.
    made = AuditLog(tmp_path / "audit", clock=clock, settings=Audit(segment_bytes=1 << 20))
    yield made
    made.close()


@pytest.fixture
def keep(log: AuditLog) -> Keep:
    def add(events: Sequence[Event]) -> None:
        log.append(
            [
                AuditRow("L3_IN", f"{n}-0", e.event_id, e.ts, e.ingest_ts, e.kind, e.source, encode(e))
                for n, e in enumerate(events, 1)
            ]
        )

    return add


def why(place: Path, *args: str) -> Result:
    return CliRunner().invoke(main, ["why", *args, "--dir", str(place)])


def test_the_tree_leads_down_to_the_raw_records(keep: Keep, tmp_path: Path) -> None:
    keep(
        [
            event(
                "seen-1",
                kind="ais.position",
                raw=RawRecord(path="a.nmea", line=7, offset=99, text="!AIVDM,\x1b[2J"),
            ),
            event("seen-2", kind="ais.position", raw=RawRecord(peer="10.0.0.5:1234", text="!AIVDM,2")),
            event("jump", "seen-1", "seen-2", explanation="went too fast", decision="ais.jump"),
            event("soc", "jump", kind="soc", explanation="went too fast"),
        ]
    )
    done = why(tmp_path, "soc", "--json")
    assert done.exit_code == 0, done.output
    tree = json.loads(done.stdout)
    assert (tree["kind"], tree["refs"][0]["said"]) == ("soc", "went too fast")
    first, second = tree["refs"][0]["refs"]
    assert first["raw"]["path"] == "a.nmea" and first["raw"]["line"] == 7 and first["raw"]["offset"] == 99
    assert second["raw"]["peer"] == "10.0.0.5:1234"
    shown = why(tmp_path, "soc").stdout
    assert "\x1b" not in shown
    assert "      raw: a.nmea, line 7, offset 99: !AIVDM," in shown and "raw: 10.0.0.5:1234: !AIVDM,2" in shown
    assert [line.index(name) for line in shown.splitlines() for name in ("soc  ", "jump  ", "seen-1  ")
            if line.lstrip().startswith(name)] == [0, 2, 4]  # fmt: skip


def test_an_unknown_id_is_a_clear_failure(keep: Keep, tmp_path: Path) -> None:
    keep([event("known")])
    done = why(tmp_path, "unknown")
    assert done.exit_code == 1 and "no such event" in done.stderr and "unknown" in done.stderr
    assert why(tmp_path / "nowhere", "known").exit_code == 1
    (tmp_path / "empty").mkdir()
    assert why(tmp_path / "empty", "known").exit_code == 69, "no drainer ran there"


def test_the_trail_says_where_it_ends(keep: Keep, log: AuditLog) -> None:
    refs = ids.bounded_refs(["gone", *(f"r{n}" for n in range(40))])
    keep([event("top", *refs, "top"), event("r0", "deep"), event("deep")])
    tree = explain(log.reader(), "top", depth=1)
    told = {cause.event_id: cause for cause in tree.refs}
    assert told["gone"].missing == NOT_THERE and told["top"].again
    assert next(c for name, c in told.items() if name.startswith("digest:")).missing.startswith("9 more")
    assert told["r0"].refs[0].missing == NOT_FOLLOWED
    assert explain(log.reader(), "top").refs[1].refs[0].kind == "decision"


def test_depth_and_count_are_bounded(keep: Keep, log: AuditLog) -> None:
    """A loop, a chain longer than any of ours, and a fan wider than anybody reads."""
    chain = [event(f"c{n}", f"c{n + 1}", "c0") for n in range(3 * DEPTH_MAX)]
    fan = [event(f"f{n}", *(f"f{30 * n + k}" for k in range(1, 31))) for n in range(900)]
    keep([*chain, *fan])

    def size(cause: Any) -> int:
        return 1 + sum(map(size, cause.refs))

    def depth(cause: Any) -> int:
        return 1 + max(map(depth, cause.refs), default=0)

    long, wide = explain(log.reader(), "c0"), explain(log.reader(), "f0")
    assert depth(long) == DEPTH_MAX + 2 and long.refs[1].again
    assert size(wide) <= 31 * EVENTS_MAX and depth(wide) < 10


def test_what_was_no_event_is_shown_as_it_stands(log: AuditLog) -> None:
    log.append(
        [AuditRow("L3_IN", "1-0", "bad", 1.0, 1.0, "undecodable", "", b"{broken", "decode event: no JSON")]
    )
    cause = explain(log.reader(), "bad")
    assert cause.raw == {"text": "{broken"} and cause.said == "decode event: no JSON" and cause.refs == []


def graphed(name: str, entity: str, *refs: str, n: int, kind: str = "graph.edge_update", **more: Any) -> AuditRow:
    """A row of GRAPH_EVENTS."""
    told = event(name, *refs, kind=kind, id=entity, **more)
    data = encode(told)
    return AuditRow("GRAPH_EVENTS", f"0-{n}", name, told.ts, told.ingest_ts, kind, told.source, data)


def test_an_edge_leads_over_its_decision_to_the_raw_line(keep: Keep, log: AuditLog, tmp_path: Path) -> None:
    keep(
        [
            event("seen", kind="ais.position", raw=RawRecord(path="a.nmea", line=7, text="!AIVDM")),
            event("met", "seen", explanation="close to each other", decision="ais.rendezvous"),
        ]
    )
    edge = "he:rendezvous:9f"
    log.append(
        [
            graphed("g1", "vessel:1", "seen", n=1, kind="graph.node_update"),
            graphed("g2", edge, "seen", n=2, metadata={"event_id": "met"}),
            graphed("g3", "he:other:1", n=3, labels={"id": edge}),
        ]
    )
    tree = explain(log.reader(), edge)
    assert (tree.kind, tree.event_id, [cause.event_id for cause in tree.refs]) == ("edge", edge, ["g2"])
    decision = tree.refs[0].refs[0]
    assert (decision.event_id, decision.said) == ("met", "close to each other")
    assert decision.refs[0].raw == {"path": "a.nmea", "line": 7, "text": "!AIVDM"}
    shown = why(tmp_path, edge).stdout
    assert "raw: a.nmea, line 7: !AIVDM" in shown and shown.startswith(edge)
    node = json.loads(why(tmp_path, "vessel:1", "--json").stdout)
    assert node["kind"] == "node" and node["refs"][0]["refs"][0]["raw"]["line"] == 7


def test_the_newest_events_of_a_node_are_told_from_all_segments(log: AuditLog, tmp_path: Path) -> None:
    rows = [
        graphed(f"g{n}", f"vessel:{n % 7}", n=n, kind="graph.node_update", pad="x" * 1500) for n in range(3000)
    ]
    for start in range(0, len(rows), 500):
        log.append(rows[start : start + 500])
    newest = [f"g{n}" for n in range(2999, 0, -1) if n % 7 == 3]
    assert [cause.event_id for cause in explain(log.reader(), "vessel:3").refs] == newest[:5]
    assert len(list((tmp_path / "audit").glob("segment-*.db"))) > 1, "the trail leads through several segments"
    told = json.loads(why(tmp_path, "vessel:3", "-n", "50", "--json").stdout)
    assert [cause["event_id"] for cause in told["refs"]] == newest[:50]
    failed = why(tmp_path, "vessel:9")
    assert failed.exit_code == 1 and "dsmil graph" in failed.stderr
