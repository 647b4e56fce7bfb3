"""The suite's own word: daemons, streams, sources, dead letters and losses."""

from __future__ import annotations

from pathlib import Path

import msgspec
import redis

from dsmil.cli.checks.site import Site
from dsmil.cli.checks.suite import daemons, letters, losses, read, sources, streams
from dsmil.config import Settings
from dsmil.config.places import Paths
from dsmil.events.enums import Category
from dsmil.events.envelope import Event, encode, pack
from dsmil.events.source import SourceStats
from dsmil.fabric.client import ensure_topology
from dsmil.fabric.deadletter import DeadLetter, dead_letter_event
from dsmil.runtime.health import Heartbeat, State
from dsmil.store.loss import LossLog, LossRow
from dsmil.watch.readings import DaemonReading, GroupReading, StreamReading

NOW = 1_700_000_000.0
SITE = Site(directory=Path("/suite"))


def test_a_daemon_that_is_not_ready_fails_with_its_own_word(client: redis.Redis) -> None:
    beat = Heartbeat(daemon="l3", pid=1, state=State.DEGRADED, since=0, state_since=0, now=NOW, error="no room")
    rows = [
        DaemonReading(daemon="l3", state=State.DEGRADED, beat=beat),
        DaemonReading(daemon="l4", state=State.ABSENT),
        DaemonReading(daemon="l8", state=State.READY),
    ]
    first, second, well = daemons(rows, SITE)
    assert (first.said, first.mend) == ("degraded: no room", "tail -n 50 /suite/log/l3.log")
    assert second.said == "absent" and well.said == "1 of 3 ready"
    installed = list(daemons(rows, Site(installed=True)))
    assert installed[0].mend == "journalctl -u dsmil-l3 -n 50"


def test_an_id_in_the_future_and_a_group_that_lags_are_told(client: redis.Redis) -> None:
    slow = [GroupReading(group="l3", pending=1, lag_s=90.0), GroupReading(group="dsmil", pending=0, lag_s=9e9)]
    ahead = StreamReading(stream="L3_IN", length=1, added=0, last_id=f"{int((NOW + 120) * 1000)}-0", groups=slow)
    graph = StreamReading(stream="GRAPH_EVENTS", length=1, added=0, last_id="0-5")
    found = list(streams(client, [ahead, graph], SITE, NOW))
    assert [row.verdict for row in found] == ["fail", "warn"]
    assert "120 s in the future" in found[0].said
    assert found[1].said == "l3 lags by 90 s", "the group for users is theirs to read"


def test_groups_that_are_missing_are_made_when_asked_for(client: redis.Redis) -> None:
    client.xadd("L3_IN", {"a": "b"})
    _, rows, now = read(client)
    (finding,) = streams(client, rows, SITE, now)
    assert finding.verdict == "warn" and "L3_IN/drainer" in finding.said
    (finding,) = streams(client, rows, msgspec.structs.replace(SITE, fix=True), now)
    assert finding.verdict == "fixed"
    assert {group["name"] for group in client.xinfo_groups("L3_IN")} >= {b"l3", b"drainer"}


def test_sources_that_fell_silent_or_cannot_be_had_are_told(client: redis.Redis) -> None:
    for stats in (
        SourceStats(source="ais:udp:1", live=True, last_data_ts=NOW - 3600),
        SourceStats(source="ndpid:h:1", live=True, last_error="refused"),
        SourceStats(source="rf:udp:1", live=True),
        SourceStats(source="nmap:x.xml", last_data_ts=1.0),
    ):
        body = encode(
            Event(
                event_id=stats.source, ts=NOW, ingest_ts=NOW, source_device=11, source_layer=0, source=stats.source,
                category=Category.SYSTEM, kind="source.stats", payload=pack(stats),
            )
        )  # fmt: skip
        client.xadd("L3_IN", {"event": body})
    found = {row.check: row for row in sources(client, NOW)}
    assert set(found) == {"source ais:udp:1", "source ndpid:h:1"}
    assert found["source ais:udp:1"].said == "had data, and none for 60 min"
    assert 'ndpid = ""' in found["source ndpid:h:1"].mend


def test_dead_letters_are_counted(client: redis.Redis) -> None:
    ensure_topology(client)
    assert [row.verdict for row in letters(client)] == ["ok"]
    letter = DeadLetter(stream="L3_IN", id="1-0", group="l3", error="no")
    client.xadd("DEAD_LETTER", {"event": encode(dead_letter_event(letter, now=NOW))})
    (finding,) = letters(client)
    assert finding.verdict == "warn" and finding.said.startswith("1 ")


def test_losses_of_the_last_day_are_told(client: redis.Redis, tmp_path: Path) -> None:
    site = Site(settings=Settings(paths=Paths(data=tmp_path, run=tmp_path, hot=tmp_path)))
    site.settings.paths.audit.mkdir()
    assert [row.verdict for row in losses(client, site, NOW)] == ["ok"]
    log = LossLog(site.settings.paths.audit)
    log.add([LossRow(NOW - 3600, "entries_gone"), LossRow(NOW - 200_000, "old")])
    log.close()
    client.lpush("dsmil:loss", b"{}")
    waiting, recent = losses(client, site, NOW)
    assert "1 records wait" in waiting.said and recent.said == "1 in the last day (entries_gone)"
