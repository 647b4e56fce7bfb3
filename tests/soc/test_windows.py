"""Windows are found by key and time, joined by entity, and forgotten when both clocks have passed them."""

from __future__ import annotations

from dsmil.soc.windows import INDEXED_MAX, JOIN_MAX, Window, Windows, joinable

T0 = 1_700_000_000.0


def window(
    entity: str = "a", decision: str = "d", ts: float = T0, *more: str, ingest: float | None = None
) -> Window:
    entities = (entity, *more)
    return Window(
        entity=entity, decision=decision, entities=entities, joins=joinable(entities), layer=3, device=20, score=0.5,
        ref=f"{entity}{decision}{ts}", soc_id="x", first_ts=ts, last_ts=ts,
        opened_ingest=ts if ingest is None else ingest, count=1,
    )  # fmt: skip


def make(most: int = 100) -> tuple[Windows, list[Window]]:
    reported: list[Window] = []
    return Windows(600.0, most, reported.append), reported


def test_a_time_is_in_a_window_less_than_a_span_from_its_first() -> None:
    windows, _ = make()
    first = window()
    windows.open(first)
    for offset, found in ((0, True), (599.99, True), (600, False), (-599.99, True), (-600, False)):
        assert (windows.find("a", "d", T0 + offset) is first) is found
    assert windows.find("a", "other", T0) is None


def test_fast_playback_reports_at_once_but_forgets_by_ingest_time() -> None:
    windows, reported = make()
    first = window(ingest=T0)
    windows.open(first)
    windows.advance(T0 + 600, T0 + 1)
    assert reported == [first] and windows.find("a", "d", T0 + 1) is first
    windows.advance(T0 + 700, T0 + 600)
    assert len(windows) == 0 and windows.find("a", "d", T0 + 1) is None


def test_windows_set_aside_are_few_and_the_oldest_goes() -> None:
    windows, reported = make()
    made = [window(ts=T0 + day * 86_400, ingest=T0) for day in range(6)]
    for one in made:
        windows.open(one)
    assert [one.gone for one in made] == [True, True, False, False, False, False]
    assert windows.find("a", "d", made[2].first_ts) is made[2] and reported == made[:2]


def test_a_busy_node_joins_only_the_newest() -> None:
    windows, _ = make(1000)
    for i in range(300):
        windows.open(window(f"e{i}", f"d{i}", T0, "shared"))
    mine = window("mine", "x", T0, "shared")
    windows.open(mine)
    near = windows.near(mine, T0)
    assert [one.decision for one in near] == [f"d{i}" for i in range(300 - JOIN_MAX, 300)]


def test_forgetting_leaves_no_trace() -> None:
    windows, _ = make(50)
    for i in range(500):
        windows.open(window(f"e{i % 70}", f"d{i % 7}", T0 + i * 700, f"e{i % 11}", "port:tcp/1"))
    windows.advance(T0 + 1e7, T0 + 1e7)
    inside = vars(windows)
    assert not any(
        inside[name] for name in ("_latest", "_aside", "_order", "_by_entity", "_of_decision", "_ends")
    )


def test_entities_to_join_by() -> None:
    assert joinable(("port:tcp/443", "svc:x")) == ("port:tcp/443",)
    assert joinable(("a", "b", "a", "subnet:1", "c", "d", "e")) == ("a", "b", "c", "d")[:INDEXED_MAX]
