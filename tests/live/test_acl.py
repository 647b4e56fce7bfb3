"""The whole suite as it is installed: every daemon its own Redis user, and never one right short, faults included.

A right that is missing shows in Redis's own list of refusals, whether or not somebody noticed.
"""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from dsmil.cli.stack import shipped
from dsmil.clock import SYSTEM
from dsmil.store.loss import read_losses
from dsmil.store.verify import verify

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]
PROJECT = Path(__file__).resolve().parents[2]
QUICK = {
    "DSMIL_STREAMS_CAP": "1000", "DSMIL_AUDIT_JANITOR_S": "1", "DSMIL_STREAMS_CLAIM_IDLE_S": "1",
    "DSMIL_STREAMS_CHECKPOINT_S": "0.5",
}  # fmt: skip
"""Trims, claims and checkpoints within the test's time."""
GOLDEN = (
    ("rf", "sigmfrs-minimal.sigmf-meta"), ("nmap", "gen-lo-sv-sc.xml"), ("nmap", "hostile-billion-laughs.xml"),
    ("ndpi", "made-eve.json"), ("ndpi", "made.ndpid"), ("ais", "gfw-errors.nmea"), ("ais", "pyais-sample.ais"),
)  # fmt: skip
"""Something of every family; some of it is refused, which ends on DEAD_LETTER."""


FOR_THE_ADMIN = ("operator: command config|set (toplevel)",)
"""What `dsmil doctor --fix` tries, and says when it may not."""


@pytest.fixture
def suite(suites: Any, installed_redis: Any, golden: Path) -> Iterator[Any]:
    """All daemons under their users, as their units start them: the name in the environment, the password as a
    credential."""
    servers: list[Any] = []

    def server(place: Path) -> Any:
        servers.append(installed_redis(place))
        return servers[-1]

    def env(place: Path) -> Mapping[str, Mapping[str, str]]:
        made = {}
        for name in shipped():
            folder = place / "etc" / "given" / name
            folder.mkdir(parents=True)
            (folder / "redis-password").write_text(servers[0].passwords[name])
            made[name] = {
                "REDIS_URL": "", "DSMIL_REDIS_SOCKET": str(servers[0].socket), "DSMIL_REDIS_USERNAME": name,
                "CREDENTIALS_DIRECTORY": str(folder),
            }  # fmt: skip
        return made

    played = {"ais-playback": [str(golden / "ais" / "gpsd-ais-18-27.log"), "--speed", "max"]}
    made = suites(server=server, env_by_daemon=env, env=QUICK, args=played)
    made.server, made.redis = servers[0], servers[0].as_("admin")
    made.ready()
    yield made
    made.redis.close()


def refused(suite: Any) -> list[str]:
    """What Redis has refused to whom."""
    rows: Any = suite.redis.acl_log()
    return [f"{row['username']}: {row['reason']} {row['object']} ({row['context']})" for row in rows]


def all_clean(suite: Any) -> None:
    assert refused(suite) == []
    assert "errorstat_NOPERM" not in suite.redis.info("errorstats")
    assert suite.supervisor.failed == {}


def connected(suite: Any) -> bool:
    """Whether every daemon is there, and nobody under another's name."""
    there = {(client["name"], client["user"]) for client in suite.redis.client_list()}
    for name, user in there:
        coming = not name  # somebody who has not said yet who he is
        assert coming or user == "admin" or name.startswith(f"dsmil-{user}"), (name, user)
    return set(shipped()) <= {user for _, user in there}


def level(suite: Any) -> bool:
    """Whether every stream that exists is wholly audited."""
    return all(
        suite.caught_up(name, "drainer") for name in ("L3_IN", "L3_OUT", "L4_OUT", "SOC_EVENTS", "L8_ALERTS")
    )


def ended(suite: Any) -> None:
    """Wait until nobody is left, and start nobody again."""
    deadline = SYSTEM.monotonic() + 30.0
    while {client["user"] for client in suite.redis.client_list()} - {"admin"}:
        assert SYSTEM.monotonic() < deadline, suite.words()
        SYSTEM.sleep(0.05)


def kept(suite: Any) -> set[tuple[str, str, str]]:
    return {(row.kind, row.stream, row.reader) for row in read_losses(suite.settings.paths.audit)}


def drop_golden(suite: Any, golden: Path) -> None:
    for family, name in GOLDEN:
        suite.drop(family, name, (golden / family / name).read_bytes())


def test_every_daemon_works_with_its_own_rights(suite: Any, golden: Path, jumps: Any) -> None:
    suite.until("all there", lambda: connected(suite))
    drop_golden(suite, golden)
    events = [*jumps(60), *jumps(60, first=1000)]
    suite.add("L3_IN", events)
    suite.add("L3_IN", [b"no event"])
    suite.until("alerts", lambda: suite.redis.xlen("L8_ALERTS"))
    suite.until("dead letters", lambda: suite.redis.xlen("DEAD_LETTER") > 2)
    suite.until("all audited", lambda: suite.all_in_audit(events) and level(suite))
    number = itertools.count(2000)

    def trimmed() -> bool:
        """Checkpoints move on while something comes, and the trimming behind them."""
        suite.add("L3_IN", jumps(1, first=next(number)))
        about = suite.redis.xinfo_stream("L3_IN")
        return bool(about["length"] < about["entries-added"])

    suite.until("trimmed", trimmed)
    suite.until("the playback is over", lambda: suite.redis.hget("dsmil:ais:playback", "state") == b"stop")
    suite.until("all well", lambda: {suite.state(name) for name in shipped()} == {"ready"})
    for name in shipped():
        suite.supervisor.kill(name, signal.SIGTERM)
    ended(suite)
    all_clean(suite)


def _cut(suite: Any) -> None:
    suite.redis.client_kill_filter(_type="normal", skipme=True)


def _destroy(suite: Any) -> None:
    """... until each reader has found out and made its group anew; who connects afresh does so silently."""
    lost = (("L3_IN", "l3"), ("SOC_EVENTS", "drainer"))
    for stream, group in lost:
        suite.redis.xgroup_destroy(stream, group)

    def made() -> bool:
        return all(
            group.encode() in {row["name"] for row in suite.redis.xinfo_groups(stream)} for stream, group in lost
        )

    suite.until("the groups are back", made)


def _strangers(suite: Any) -> None:
    """Entries lie with a consumer that is gone."""
    for stream, group in (("L3_IN", "l3"), ("L3_OUT", "soc-router"), ("L3_IN", "drainer")):
        suite.redis.xclaim(stream, group, "gone", 0, [suite.redis.xrevrange(stream, count=1)[0][0]], force=True)


def test_no_fault_needs_a_right_that_is_missing(suite: Any, golden: Path, jumps: Any) -> None:
    suite.until("all there", lambda: connected(suite))
    drop_golden(suite, golden)
    added: list[bytes] = []

    def feed() -> None:
        more = jumps(20, first=len(added) * 10)
        added.extend(more)
        suite.add("L3_IN", more)

    def killed(name: str) -> Callable[[], None]:
        def kill() -> None:
            times = suite.supervisor.restarts[name]
            suite.supervisor.kill(name)
            suite.until(f"{name} again", lambda: suite.supervisor.restarts[name] > times)

        return kill

    faults: list[Callable[[], None]] = [killed(name) for name in shipped()]
    faults += [lambda: _cut(suite), lambda: _strangers(suite), lambda: _destroy(suite), lambda: _cut(suite)]
    faults += [lambda: all_clean(suite), suite.supervisor.server.kill]  # who was refused what ends with it
    for fault in faults:
        feed()
        suite.until("some decisions", lambda: suite.redis.xlen("L3_OUT"))
        fault()
        suite.until("everybody back", lambda: connected(suite) and not suite.supervisor.unready)
    feed()
    suite.until("all audited", lambda: suite.all_in_audit(added) and level(suite))
    suite.until("nothing is left lying", lambda: not suite.redis.xpending("L3_IN", "l3")["pending"])
    all_clean(suite)
    assert all(suite.supervisor.restarts.values())
    expected = {("group_lost", "L3_IN", "l3"), ("group_lost", "SOC_EVENTS", "drainer")}
    suite.until("the losses are kept", lambda: suite.redis.llen("dsmil:loss") == 0 and kept(suite))
    assert kept(suite) == expected
    whole = verify(suite.settings.paths.audit)
    assert whole.ok, whole.faults


def test_people_work_as_operator(suite: Any, golden: Path, jumps: Any) -> None:
    def run(*words: object, user: str = "operator", module: str = "dsmil.cli") -> str:
        script = [sys.executable, "-m", module] if module else [sys.executable]
        environ = {**suite.environ, "REDIS_URL": suite.server.url_of(user)}
        command = [*script, *map(str, words)]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, cwd=PROJECT)
        assert done.returncode == 0 or words[0] in ("doctor", "ingest", "replay"), f"{words}: {done}"
        return done.stdout

    suite.add("L3_IN", [*jumps(20), b"no event", b"nor this"])
    suite.until("alerts", lambda: suite.redis.xlen("L8_ALERTS"))
    suite.until("dead letters", lambda: suite.redis.xlen("DEAD_LETTER") > 1)
    suite.until("all well", lambda: {suite.state(name) for name in shipped()} == {"ready"})
    assert json.loads(run("status", "--json"))["healthy"]
    for words in (
        ("doctor", "--json"), ("doctor", "--fix"), ("devices",), ("streams",), ("events", "-n", 5), ("loss",),
        ("top", "-n", 1), ("tap", "--from-start", "-n", 3), ("pause", "l8"), ("resume", "l8"), ("audit", "verify"),
        ("ingest", "ais", golden / "ais" / "pyais-sample.ais"), ("metrics",),
        ("replay", "--speed", "max", golden / "ais" / "gfw-errors.nmea"),
    ):  # fmt: skip
        run(*words)
    letters = json.loads(run("dlq", "list", "--json"))
    buried = next(row["id"] for row in letters if row["stream"])
    refused_record = next(row["id"] for row in letters if row["id"] != buried)
    run("dlq", "show", buried)
    run("dlq", "retry", buried)
    run("dlq", "drop", refused_record)
    suite.until("audited", lambda: level(suite))
    run(
        "why",
        json.loads(run("events", "--json", "--stream", "SOC_EVENTS", "-n", 1).splitlines()[0])[0]["event_id"],
    )
    assert "dsmil_daemon_up" in run("metrics", user="api")
    assert "Total: 4/4 tests passed" in run(PROJECT / "scripts" / "test_soc_router.py", "--verbose", module="")
    assert {what for what in refused(suite) if what not in FOR_THE_ADMIN} == set()
