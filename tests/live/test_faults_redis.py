"""Redis away, killed, emptied, full, or short of a stream: daemons stay up, say so, go on, lose nothing quietly."""

from __future__ import annotations

from typing import Any

import pytest

from dsmil.errors import Unavailable
from dsmil.fabric.private import PrivateRedis
from dsmil.store.loss import read_losses

pytestmark = pytest.mark.live
CHAIN = ("drainer", "l3", "soc-router")
MANY = 40


class Late(PrivateRedis):
    """A private Redis that does not come up while it is `away`; nobody wants to know at first."""

    away = True
    asked = 0

    def start(self) -> None:
        self.asked += 1
        if not self.away:
            super().start()
        elif self.asked > 1:
            raise Unavailable("start redis-server: not today")


def kinds(suite: Any) -> set[str]:
    return {row.kind for row in read_losses(suite.settings.paths.audit)}


def decided(suite: Any, many: int) -> bool:
    return len({event.event_id for event in suite.events("L3_OUT")}) >= many


def test_redis_missing_at_start(suites: Any, jumps: Any) -> None:
    suite = suites(CHAIN, server=Late)
    suite.ready()
    assert set(suite.supervisor.fates.values()) == {"ready"}, "READY does not wait for Redis"
    degraded = [(suite.directory / "log" / f"{name}.log") for name in CHAIN]
    suite.until("all say it", lambda: all("degraded" in log.read_text() for log in degraded))
    suite.supervisor.server.away = False
    suite.until("all go on", lambda: {suite.state(name) for name in CHAIN} == {"ready"})
    events = jumps(MANY)
    suite.add("L3_IN", events)
    suite.until("decisions", lambda: decided(suite, MANY))
    suite.until("all audited", lambda: suite.all_in_audit(events))
    assert not any(suite.supervisor.restarts.values()), "nobody died of it"


def test_redis_killed_under_load(suites: Any, jumps: Any) -> None:
    suite = suites(CHAIN)
    suite.ready()
    added: list[bytes] = []
    for turn in range(3):
        more = jumps(200, first=turn * 1000)
        suite.add("L3_IN", more)
        added += more
        suite.supervisor.server.kill()
        suite.until("it is back", suite.redis.ping)
    suite.until("all audited", lambda: suite.all_in_audit(added))
    suite.until("all decided", lambda: decided(suite, 600))
    suite.until(
        "all of it level", lambda: all(suite.caught_up(name, "drainer") for name in ("L3_OUT", "SOC_EVENTS"))
    )
    assert suite.audit.count() == suite.audit.distinct()
    assert len({event.event_id for event in suite.events("L3_OUT")}) == 600
    assert not any(suite.supervisor.restarts.values())


def test_redis_flushed(suites: Any, jumps: Any) -> None:
    suite = suites(CHAIN)
    suite.ready()
    before, after = jumps(MANY), jumps(MANY, first=1000)
    suite.add("L3_IN", before)
    suite.until("all audited", lambda: suite.all_in_audit(before) and decided(suite, MANY))
    suite.redis.flushall()
    suite.add("L3_IN", after)
    suite.until("what comes after is audited", lambda: suite.all_in_audit(after))
    suite.until("and decided on", lambda: decided(suite, MANY))
    suite.until("the loss is on record", lambda: "stream_replaced" in kinds(suite))
    suite.until("the groups are back", lambda: suite.caught_up("L3_OUT", "soc-router"))
    assert suite.all_in_audit(before), "what was audited stays"
    assert not any(suite.supervisor.restarts.values())


def test_stream_deleted(suites: Any, jumps: Any) -> None:
    suite = suites(CHAIN)
    suite.ready()
    suite.add("L3_IN", jumps(MANY))
    suite.until("decided", lambda: decided(suite, MANY) and suite.caught_up("L3_OUT", "drainer"))
    suite.redis.delete("L3_OUT")
    suite.add("L3_IN", jumps(MANY, first=1000))
    suite.until("decided anew", lambda: decided(suite, MANY))
    suite.until("the group is back", lambda: suite.caught_up("L3_OUT", "drainer"))
    suite.until("routed", lambda: suite.caught_up("L3_OUT", "soc-router"))
    suite.until(
        "the loss is on record", lambda: kinds(suite) & {"group_lost", "stream_went_back", "stream_replaced"}
    )
    assert sum(1 for row in suite.audit.rows("L3_OUT")) == 2 * MANY
    assert not any(suite.supervisor.restarts.values())


def test_group_destroyed(suites: Any, jumps: Any) -> None:
    suite = suites(CHAIN)
    suite.ready()
    suite.add("L3_IN", jumps(MANY))
    suite.until("decided", lambda: decided(suite, MANY))
    suite.redis.xgroup_destroy("L3_IN", "l3")
    suite.add("L3_IN", jumps(MANY, first=1000))
    suite.until("decided on", lambda: decided(suite, 2 * MANY))
    suite.until("the loss is on record", lambda: "group_lost" in kinds(suite))
    ids = [event.event_id for event in suite.events("L3_OUT")]
    assert len(ids) == len(set(ids)), "read again, not decided again"


def test_redis_out_of_memory(suites: Any) -> None:
    suite = suites(("drainer", "l3", "ais-playback"))
    suite.ready()
    suite.drop("ais", "much.nmea", _sentences(20_000))
    suite.until("some of it is in", lambda: suite.redis.xlen("L3_IN") > 500)
    suite.redis.config_set("maxmemory", suite.redis.info("memory")["used_memory"] - 100_000)
    suite.until("producers wait", lambda: "OOM" in suite.log("ais-playback"))
    full_at = suite.redis.xlen("L3_IN")
    suite.until("the drainer goes on", lambda: suite.caught_up("L3_IN", "drainer"), within_s=15.0)
    assert suite.redis.xlen("L3_IN") == full_at < 20_000
    suite.redis.config_set("maxmemory", 0)
    suite.until("all is taken", lambda: _accepted(suite) == 20_000)
    suite.until("all audited", lambda: suite.caught_up("L3_IN", "drainer"))
    suite.until("and read", lambda: suite.caught_up("L3_IN", "l3"))
    rows = [row for row in suite.audit.rows("L3_IN") if row.kind.startswith("ais.")]
    assert len(rows) == len({row.event_id for row in rows}) == 20_000
    assert kinds(suite) == set()
    assert not any(suite.supervisor.restarts.values())


def _accepted(suite: Any) -> int:
    return int(suite.stat("ais-playback", "accepted"))


def _sentences(many: int) -> bytes:
    from pyais.encode import encode_dict

    found: list[str] = []
    for number in range(many):
        data = {"type": 1, "mmsi": 245_000_000 + number, "lat": 52.0, "lon": 4.0, "speed": 10.0, "course": 90.0}
        found += encode_dict(data)
    return ("\n".join(found) + "\n").encode()
