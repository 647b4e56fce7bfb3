"""What the projector keeps is told with its age, and the API counts as there only where it answers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from dsmil import config
from dsmil.cli.checks.graph import api, refusal, snapshot
from dsmil.cli.checks.site import Site
from dsmil.events.enums import Category
from dsmil.events.envelope import Event, encode, pack
from dsmil.runtime.health import Heartbeat, State
from dsmil.store.graphdb import About, GraphDb
from dsmil.watch.readings import DaemonReading

NOW = 1_800_000_000.0


def daemon(name: str, state: State = State.READY, **stats: Any) -> DaemonReading:
    beat = Heartbeat(daemon=name, pid=1, state=state, since=NOW - 9, state_since=NOW, now=NOW, stats=stats)
    return DaemonReading(daemon=name, state=state, beat=beat)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(directory=tmp_path, settings=config.load(environ=config.private_settings(tmp_path)).settings)


def keep(site: Site, sequence: int, created_ts: float) -> None:
    database = GraphDb(site.settings.paths.graph_db)
    about = About(sequence, "e", created_ts, "id", created_ts, nodes=3, edges=2, bytes=4, checksum="x")
    database.keep(about, b"data", last=5, hours=0)
    database.close()


def came(client: redis.Redis, sequence: int, ingest_ts: float) -> None:
    event = Event(
        event_id=str(sequence), ts=1.0, ingest_ts=ingest_ts, source_device=16, source_layer=3, source="l3",
        category=Category.SYSTEM, kind="graph.node_create", payload=pack({}),
    )  # fmt: skip
    client.xadd("GRAPH_EVENTS", {"event": encode(event)}, id=f"0-{sequence}")


def test_a_snapshot_is_late_when_events_wait_for_one_and_not_when_nothing_came(
    client: redis.Redis, site: Site
) -> None:
    rows = [daemon("projector")]
    assert list(snapshot(client, rows, site, NOW)) == [], (
        "no graph.db: that the projector is away is said elsewhere"
    )
    keep(site, 7, NOW - 86_400)
    came(client, 7, NOW - 86_400)
    (finding,) = snapshot(client, rows, site, NOW)
    assert finding.verdict == "ok" and "24 h old" in finding.said and "graph.db" in finding.said
    came(client, 8, NOW - 30)
    (finding,) = snapshot(client, rows, site, NOW)
    assert finding.verdict == "ok", "the next one is not due yet"
    (finding,) = snapshot(client, rows, site, NOW + 600)
    assert finding.verdict == "warn" and "projector.log" in finding.mend
    assert list(snapshot(client, [daemon("projector", State.SILENT)], site, NOW)) == []


@pytest.fixture
def answering() -> Iterator[Callable[[bytes], str]]:
    """A server that gives everybody the same answer; its URL."""
    doors: list[socket.socket] = []

    def serve(answer: bytes) -> str:
        door = socket.create_server(("127.0.0.1", 0))
        doors.append(door)

        def run() -> None:
            line, _ = door.accept()
            with line:
                line.recv(4096)
                line.sendall(answer)

        threading.Thread(target=run, daemon=True).start()
        return f"http://127.0.0.1:{door.getsockname()[1]}"

    yield serve
    for door in doors:
        door.close()


def test_the_api_is_there_where_it_answers_and_is_what_it_says(
    site: Site, answering: Callable[[bytes], str]
) -> None:
    url = answering(b'HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{"status":"healthy"}')
    (finding,) = api([daemon("api", url=url), daemon("l3")], site)
    assert (finding.verdict, finding.said) == ("ok", f"answers at {url}")
    url = answering(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    (finding,) = api([daemon("api@second", State.DEGRADED, url=url)], site)
    assert finding.verdict == "fail" and "HTTP 404" in finding.said and "ss -lntp" in finding.mend
    assert list(api([daemon("api", State.SILENT, url=url), daemon("api")], site)) == []


def test_nobody_there_and_something_else_there_are_told_apart(answering: Callable[[bytes], str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        url = f"http://127.0.0.1:{door.getsockname()[1]}"
    assert "refused" in refusal(url)
    assert refusal(answering(b"SSH-2.0-OpenSSH\r\n"))
