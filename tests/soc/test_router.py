"""One SOC event for each entity, decision and window; the rest is counted, through restarts and any batches."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from dsmil.errors import BadEvent, Corrupt
from dsmil.events import envelope
from dsmil.events.enums import Category, Severity, StreamName
from dsmil.events.envelope import Event
from dsmil.events.soc import Repeats, ShrinkSignal, SocPayload
from dsmil.fabric.entry import Entry
from dsmil.soc import suppression
from dsmil.soc.router import Router

T0 = 1_700_000_000.0
Decide = Callable[..., Event]


def kinds(events: Sequence[Event]) -> list[str]:
    return [event.kind for event in events]


def soc(event: Event) -> SocPayload:
    return envelope.unpack(event, SocPayload)


def repeats(event: Event) -> Repeats:
    return envelope.unpack(event, Repeats)


def test_row_06_two_entities_give_two_events_also_after_a_restart(decide: Decide) -> None:
    router = Router()
    first, second = decide("ais.jump", "vessel:1"), decide("ais.rendezvous", "vessel:2", layer=4)
    made = router.process([first, second])
    assert kinds(made) == ["soc", "soc"]
    restarted = Router()
    restarted.restore(router.dump())
    assert restarted.process([first, second]) == []
    again = restarted.process([decide("ais.jump", "vessel:1"), decide("ais.rendezvous", "vessel:2", layer=4)])
    assert again == []


def test_row_06_phase_4_shape(decide: Decide) -> None:
    made = Router().process([decide("ais.jump", "vessel:1", score=0.8)])[0]
    body = msgspec.json.decode(envelope.encode(made))
    assert body["kind"] == "soc" and body["category"] == "SECURITY" and body["severity"] == "MEDIUM"
    assert body["source_device"] == 52 and body["source_layer"] == 8 and body["source"] == "soc-router"
    payload = body["payload"]
    assert {"event_id", "ts", "source_layer", "device_id_src", "severity", "category", "classification",
            "compartment", "signals", "l8_enrichment"} <= payload.keys()  # fmt: skip
    assert set(payload["signals"]) == {"l3", "l4", "l5", "l6", "l7", "shrink"}
    assert payload["signals"]["l3"] == {
        "decision": "ais.jump", "score": 0.8, "device_id": 20, "ref": made.refs[0],
    }  # fmt: skip
    assert payload["signals"]["shrink"]["available"] is False
    assert payload["signals"]["shrink"]["crisis_level"] is None
    assert payload["event_id"] == made.event_id and payload["l8_enrichment"]["processed_by"] == [52]


def test_repeats_are_counted_and_reported_when_the_window_closes(decide: Decide) -> None:
    router = Router(span_s=600)
    made = router.process([decide(ts=T0 + i) for i in range(5)])
    assert kinds(made) == ["soc"]
    assert router.take_bumps(10) == [(made[0].event_id, 5, T0 + 4)]
    assert router.take_bumps(10) == []
    later = router.process([decide(ts=T0 + 599.9), decide(ts=T0 + 600)])
    assert kinds(later) == ["soc.repeats", "soc"]
    told = repeats(later[0])
    assert (told.first, told.count, told.first_ts, told.last_ts) == (made[0].event_id, 6, T0, T0 + 599.9)
    assert later[0].refs == (made[0].event_id,) and later[1].event_id != made[0].event_id


def test_another_entity_moves_the_watermark_and_closes_the_window(decide: Decide) -> None:
    router = Router(span_s=600)
    router.process([decide(ts=T0), decide(ts=T0 + 1)])
    assert kinds(router.process([decide("ais.jump", "vessel:2", ts=T0 + 601)])) == ["soc.repeats", "soc"]
    assert len(router._windows) == 1


def test_an_idle_stream_closes_windows_by_the_clock_once(decide: Decide) -> None:
    router = Router(span_s=600)
    router.process([decide(ts=T0, ingest_ts=T0 + 50), decide(ts=T0 + 1, ingest_ts=T0 + 51)])
    assert router.tick(T0 + 640) == []
    assert kinds(router.tick(T0 + 651)) == ["soc.repeats"]
    assert router.tick(T0 + 9999) == []


def test_a_single_decision_is_never_reported_as_repeated(decide: Decide) -> None:
    router = Router(span_s=600)
    router.process([decide(ts=T0)])
    assert kinds(router.process([decide("ais.zone", ts=T0 + 2000)])) == ["soc"]
    assert router.tick(T0 + 99_999) == []


def test_two_times_of_one_key_do_not_close_each_other(decide: Decide) -> None:
    """A playback of an old day beside the live feed, same ship, same decision."""
    router, made = Router(span_s=600), []
    for i in range(50):
        made += router.process(
            [decide(ts=T0 + i, ingest_ts=T0 + i), decide(ts=T0 - 86_400 + i, ingest_ts=T0 + i)]
        )
    assert kinds(made) == ["soc", "soc"]


def test_signals_on_one_entity_are_joined(decide: Decide) -> None:
    router = Router()
    jump = decide("ais.jump", "vessel:1", score=0.9)
    meet = decide("ais.rendezvous", "vessel:1", "vessel:2", layer=4, score=0.7, ts=T0 + 60)
    first, second = router.process([jump, meet])
    told = soc(second)
    assert soc(first).joined == () and soc(first).signals.l4 is None
    assert told.joined == ("ais.jump",) and second.refs == (meet.event_id, jump.event_id)
    assert told.signals.l3 is not None and told.signals.l3.score == 0.9
    assert told.signals.l4 is not None and told.signals.l4.label == "ais.rendezvous"
    assert soc(router.process([decide("ais.gone_dark", "vessel:2", ts=T0 + 90)])[0]).joined == ("ais.rendezvous",)


def test_signals_far_apart_or_on_shared_nodes_are_not_joined(decide: Decide) -> None:
    router = Router(span_s=600)
    router.process([decide("net.new_service", "host:ip:1", "port:tcp/443", ts=T0)])
    other = router.process([decide("net.weak_tls", "host:ip:2", "port:tcp/443", ts=T0 + 1)])
    late = router.process([decide("net.beacon", "host:ip:1", ts=T0 + 700)])
    assert [soc(event).joined for event in (*other, *late) if event.kind == "soc"] == [(), ()]


def test_severity_is_the_table_or_what_the_detector_raised_it_to(decide: Decide) -> None:
    events = [
        decide("ais.distress", "vessel:1", severity=Severity.LOW),
        decide("ais.jump", "vessel:2", severity=Severity.HIGH, score=0.95),
        decide("ais.kinematics", "vessel:3"),
    ]
    assert [event.severity for event in Router().process(events)] == ["CRITICAL", "HIGH", "LOW"]


def test_device_52_flags(decide: Decide) -> None:
    router = Router()
    made = router.process([decide("net.scan_seen", f"host:ip:{i}") for i in range(5)])
    flags = [soc(event).l8_enrichment.analytics_flags for event in made]
    assert flags[0] == ("NEW_PATTERN",) and flags[1] == () and flags[4] == ("CAMPAIGN_SUSPECTED",)
    rf = soc(router.process([decide("rf.freq_shift", "rf:abc", "host:ip:1")])[0])
    assert rf.l8_enrichment.analytics_flags == ("NEW_PATTERN", "MULTI_VECTOR")


def test_shrink_colours_what_leaves_but_never_the_state(decide: Decide) -> None:
    events = [decide("ais.jump", f"vessel:{i % 3}", ts=T0 + 300 * i) for i in range(12)]
    calm = Router(shrink=lambda: ShrinkSignal(available=True, age_s=0.0, crisis_level=0.1))
    crisis = Router(shrink=lambda: ShrinkSignal(available=True, age_s=0.0, crisis_level=0.8))
    one, other = calm.process(events), crisis.process(events)
    assert [e.event_id for e in one] == [e.event_id for e in other] and calm.dump() == crisis.dump()
    worst = [e for e in other if e.kind == "soc"]
    assert {e.severity for e in worst} == {Severity.CRITICAL}
    assert soc(worst[0]).base_severity is Severity.MEDIUM
    assert soc(worst[0]).escalated_by == ("shrink.crisis_level",)


def test_the_same_event_again_changes_nothing(decide: Decide) -> None:
    router = Router()
    event = decide()
    assert kinds(router.process([event, event])) == ["soc"]
    assert router.process([event]) == [] and router.take_bumps(10) == []
    assert router.counts()["duplicates"] == 2


@pytest.mark.parametrize("payload", [
    b'{"decision":"ais.jump","score":"high","entities":["vessel:1"]}',
    b'{"decision":"ais.jump","score":null,"entities":["vessel:1"]}',
    b'{"decision":"ais.jump","score":1e400,"entities":["vessel:1"]}',
    b'{"decision":"ais.jump","score":0.5,"entities":[7]}',
    b'{"decision":["x"],"score":0.5,"entities":["vessel:1"]}',
])  # fmt: skip
def test_a_poisoned_entry_is_refused_and_leaves_no_trace(decide: Decide, payload: bytes) -> None:
    router = Router()
    router.process([decide("ais.zone", "vessel:9")])
    before = router.dump()
    bad = msgspec.structs.replace(decide(), payload=msgspec.Raw(payload))
    with pytest.raises(BadEvent, match="decode payload"):
        router.process([decide("ais.jump", "vessel:5"), bad])
    assert router.dump() == before


def test_documented_client_events_are_routed_by_what_they_say() -> None:
    def foreign(payload: dict[str, object], event_id: str) -> Event:
        return Event(
            event_id=event_id, ts=T0, ingest_ts=T0, source_device=15, source_layer=3, source="user",
            category=Category.SECURITY, severity=Severity.HIGH, kind="event", payload=envelope.pack(payload),
        )  # fmt: skip

    alert, other = Router().process(
        [foreign({"alert": "Anomaly detected"}, "a"), foreign({"label": "intrusion", "confidence": 0.4}, "b")]
    )
    assert (soc(alert).entity, soc(alert).decision, soc(alert).explanation) == (
        "device:15", "Anomaly detected", "Anomaly detected",
    )  # fmt: skip
    assert alert.severity is Severity.HIGH and soc(other).decision == "intrusion"


def rules(tmp_path: Path, where: str, until: str = "2999-01-01") -> suppression.Suppression:
    (tmp_path / "a.toml").write_text(f"[[suppress]]\nwhere = '{where}'\nuntil = '{until}'\nreason = 'known'\n")
    return suppression.load(tmp_path)


def test_suppressed_decisions_are_counted_and_reported(decide: Decide, tmp_path: Path) -> None:
    router = Router(suppression=rules(tmp_path, 'decision = "ais.jump" AND entity = "vessel:1"'))
    first = decide("ais.jump", "vessel:1", ts=T0)
    made = router.process([first, decide("ais.jump", "vessel:1", ts=T0 + 1), decide("ais.jump", "vessel:2")])
    assert [soc(event).entity for event in made] == ["vessel:2"]
    report = router.process([decide("ais.zone", ts=T0 + 700)])[0]
    told = repeats(report)
    assert (told.count, told.suppressed, told.first) == (0, 2, first.event_id)
    assert router.counts()["suppressed"] == 2 and router.suppression.held == {"known": 2}


def test_the_first_decision_let_through_makes_the_event_of_a_suppressed_window(
    decide: Decide, tmp_path: Path
) -> None:
    router = Router(suppression=rules(tmp_path, "score < 0.5"))
    assert router.process([decide(score=0.2, ts=T0), decide(score=0.3, ts=T0 + 1)]) == []
    shown = decide(score=0.9, ts=T0 + 2)
    made = router.process([shown, decide(score=0.1, ts=T0 + 3), decide(score=0.8, ts=T0 + 4)])
    assert kinds(made) == ["soc"] and made[0].refs == (shown.event_id,)
    told = repeats(router.tick(T0 + 9999)[0])
    assert (told.count, told.suppressed, told.first) == (2, 3, made[0].event_id)


def test_an_expired_rule_holds_nothing(decide: Decide, tmp_path: Path) -> None:
    router = Router(suppression=rules(tmp_path, 'decision = "ais.jump"', "2023-11-14T22:13:20Z"))  # T0
    made = router.process(
        [decide("ais.jump", "vessel:1", ingest_ts=T0 - 1), decide("ais.jump", "vessel:2", ingest_ts=T0)]
    )
    assert [soc(event).entity for event in made] == ["vessel:2"]


def test_open_windows_are_bounded_and_none_goes_unreported(decide: Decide) -> None:
    router = Router(windows_max=100)
    made: list[Event] = []
    for i in range(300):
        made += router.process([decide("ais.jump", f"vessel:{i}"), decide("ais.jump", f"vessel:{i}", ts=T0 + 1)])
    assert len(router._windows) == 100 and router.counts()["windows_forced"] == 200
    assert kinds(made).count("soc.repeats") == 200


def test_a_clock_that_was_wrong_for_a_while_does_not_pin_windows(decide: Decide) -> None:
    router = Router(span_s=600)
    router.process([decide("ais.jump", "vessel:1", ingest_ts=T0 + 3e8)])
    for i in range(100):
        router.process([decide("ais.jump", f"vessel:x{i}", ts=T0 + 60 * i)])
    assert len(router._windows) <= 11


def test_the_largest_decision_still_fits_an_event(decide: Decide) -> None:
    wide = "\x01" * 250
    router = Router()
    for i in range(20):
        name = f"{i:02}{wide}"
        made = router.process([decide(name, *(f"{i}{wide}" for i in range(40)), explanation="\x01" * 8000)])
        assert len(envelope.encode(made[0])) < envelope.EVENT_BYTES_MAX


@pytest.mark.parametrize("seed", range(8))
def test_any_cut_and_any_restart_give_the_same_events(decide: Decide, seed: int) -> None:
    rng = random.Random(seed)
    names = ("ais.jump", "ais.zone", "net.beacon", "rf.freq_shift")
    events, ts = [], T0
    for _ in range(1500):
        ts += rng.choice((0.1, 1, 30, 200)) if rng.random() < 0.3 else 0.01
        entities = rng.sample([f"vessel:{n}" for n in range(12)], k=rng.randint(1, 3))
        events.append(
            decide(rng.choice(names), *entities, ts=ts - rng.choice((0, 0, 5, 900, 90_000)),
                   ingest_ts=ts, layer=rng.choice((3, 4)), score=rng.random())
        )  # fmt: skip
    whole = Router(windows_max=40)
    wanted = whole.process(events)
    router, made, at = Router(windows_max=40), [], 0
    while at < len(events):
        step = rng.randint(1, 200)
        made += router.process(events[at : at + step])
        at += step
        if rng.random() < 0.5:
            state, router = router.dump(), Router(windows_max=40)
            router.restore(state)
    assert made == wanted and router.dump() == whole.dump()


def test_a_foreign_state_is_refused() -> None:
    for data in (b"", b"junk", msgspec.msgpack.encode({"version": 99})):
        with pytest.raises(Corrupt):
            Router().restore(data)


def test_row_17_burst_of_ten_thousand(decide: Decide) -> None:
    """A functional burst; the figure is the bench's to give."""
    router = Router()
    events = [decide("ais.jump", f"vessel:{i % 500}", ts=T0 + i * 0.01) for i in range(10_000)]
    entries = [
        Entry(StreamName.L3_OUT, f"{i}-0", envelope.encode(event), event) for i, event in enumerate(events)
    ]
    out = [output for at in range(0, 10_000, 200) for output in router(entries[at : at + 200])]
    assert {output.stream for output in out} == {StreamName.SOC_EVENTS} and len(out) == 500
    assert sum(count for _, count, _ in router.take_bumps(20_000)) == 10_000
    assert len(router.take_fresh()) == 500
