"""Redis's users: does everybody the suite needs exist, and who was refused what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import redis as redis_py

from dsmil.cli.checks.finding import Finding
from dsmil.cli.checks.site import SETUP, Site
from dsmil.cli.show import age
from dsmil.fabric import acl
from dsmil.watch.readings import text

if TYPE_CHECKING:
    from redis import Redis

SHOWN_MAX = 3
FILE_READER = "18446744073709551615"
"""The id of the client that plays the append-only file back. It is the user default, and Redis 7.0 holds each
transaction in the file against that user's rights."""


def may_ask(client: Redis, *words: str) -> bool:
    """Whether this client's user may say so. Asked beforehand, for watchers alarm at each refusal Redis counts."""
    try:
        answer: Any = client.acl_dryrun(text(client.acl_whoami()), *words)  # type: ignore[no-untyped-call, unused-ignore]
    except redis_py.exceptions.NoPermissionError:  # nor may it ask that
        return False
    return text(answer) == "OK"


def users(client: Redis, site: Site) -> Iterator[Finding]:
    """Every user the suite needs; a private suite has none but the default one."""
    if not site.installed or not site.settings.redis.username:
        return
    there: Any = client.acl_users()  # type: ignore[no-untyped-call, unused-ignore]
    names = {text(name) for name in there}
    missing = [name for name in (*acl.users(), "default") if name not in names]
    if missing:
        yield Finding("redis users", "fail", f"unknown to Redis: {', '.join(missing)}",
                      f"sudo systemctl restart dsmil-redis; if that is not it, {SETUP}")  # fmt: skip
    else:
        yield Finding("redis users", "ok", f"{len(names)} users, each of ours among them")


def refused(client: Redis, site: Site) -> Iterator[Finding]:
    """Who was refused what, as Redis remembers it."""
    if not may_ask(client, "ACL", "LOG"):
        yield Finding(
            "redis refusals", "skip", "only Redis's administrator sees whom it refused", "sudo dsmil doctor"
        )
        return
    yield from refusals(client.acl_log(), site)  # type: ignore[no-untyped-call, unused-ignore]


def refusals(rows: Sequence[dict[str, Any]], site: Site) -> Iterator[Finding]:
    """What the rows of ACL LOG mean."""
    if not rows:
        yield Finding("redis refusals", "ok", "nobody was refused anything")
        return
    if any(text(_client(row).get("id", "")) == FILE_READER for row in rows):
        said = "reading its append-only file back, Redis left out transactions: their entries are lost"
        data = site.settings.paths.data / "redis"
        yield Finding(
            "redis file", "fail", said, f"keep what is on disk: sudo cp -a {data} {data}.kept; then {SETUP}"
        )
    counts: Counter[str] = Counter()
    for row in rows:
        counts[_who(row)] += int(row.get("count", 1))
    youngest = min(float(row.get("age-seconds", 0)) for row in rows)
    names = "; ".join(f"{who} ({count}x)" for who, count in counts.most_common(SHOWN_MAX))
    more = f" and {len(counts) - SHOWN_MAX} more" if len(counts) > SHOWN_MAX else ""
    said = f"{names}{more}; last {age(youngest)} ago"
    yield Finding("redis refusals", "warn", said, f"once explained: {site.redis_cli('ACL LOG RESET')}")


def _client(row: dict[str, Any]) -> dict[str, Any]:
    found = row.get("client-info", {})
    return (
        found
        if isinstance(found, dict)
        else dict(word.split("=", 1) for word in text(found).split() if "=" in word)
    )


def _who(row: dict[str, Any]) -> str:
    user, what = text(row.get("username", "?")), text(row.get("object", "?"))
    reason = text(row.get("reason", ""))
    if reason == "auth":
        return f"{user} with a wrong password"
    return f"{user}: {reason} {what}"
