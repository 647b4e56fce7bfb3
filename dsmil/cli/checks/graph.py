"""The graph and its face: is what the projector keeps fresh, and does the API answer on its port."""

from __future__ import annotations

import http.client
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from dsmil.cli.checks.finding import Finding
from dsmil.cli.checks.site import Site
from dsmil.cli.show import age
from dsmil.events.enums import StreamName
from dsmil.runtime.health import State
from dsmil.watch import standing
from dsmil.watch.readings import DaemonReading, waiting_since

if TYPE_CHECKING:
    from redis import Redis

ANSWER_S_MAX = 2.0
LATE_FACTOR = 3
"""So many times the cadence may an event wait for a snapshot before that is worth a look."""
MIB = 1 << 20
ALIVE = (State.READY, State.DEGRADED)


def snapshot(client: Redis, rows: Sequence[DaemonReading], site: Site, now: float) -> Iterator[Finding]:
    """How old the newest snapshot is, and for how long an event has been waiting for the next."""
    kept = standing.snapshots(site.settings)
    if kept is None or not any(row.daemon == "projector" and row.state in ALIVE for row in rows):
        return  # that it is away is said already
    since = waiting_since(client, StreamName.GRAPH_EVENTS, f"0-{kept[0].sequence if kept else 0}")
    size = standing.sizes(site.settings).get("graph", 0) / MIB
    newest = f"the newest of {len(kept)} {age(now - kept[0].created_ts)} old" if kept else "none yet"
    said = f"snapshots: {newest}; graph.db {size:.1f} MiB"
    if since is not None and now - since > LATE_FACTOR * site.settings.projector.snapshot_s:
        late = f"{said}: what came in the last {age(now - since)} is in none"
        yield Finding("graph", "warn", late, f"{site.journal('projector')}; is the disk full?")
    else:
        yield Finding("graph", "ok", said)


def api(rows: Sequence[DaemonReading], site: Site) -> Iterator[Finding]:
    """Whether each API process that lives answers where it says it listens."""
    for row in rows:
        url = str(row.beat.stats.get("url", "")) if row.beat and row.daemon.partition("@")[0] == "api" else ""
        if row.state not in ALIVE or not url.startswith("http://"):
            continue
        why = refusal(url)
        if why:
            mend = f"{site.journal(row.daemon)}; who has the port: ss -lntp"
            yield Finding(row.daemon, "fail", f"does not answer at {url}: {why}", mend)
        else:
            yield Finding(row.daemon, "ok", f"answers at {url}")


def refusal(url: str) -> str:
    """Why nobody answers /health there as the API does; empty where it does."""
    at = urlsplit(url)
    line = http.client.HTTPConnection(at.hostname or "", at.port or 80, timeout=ANSWER_S_MAX)
    try:
        line.request("GET", "/health")
        reply = line.getresponse()
        body = reply.read(4096)
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        line.close()
    return "" if reply.status == http.client.OK and b'"status"' in body else f"HTTP {reply.status}"
