"""One check's result, and the one way a mend is tried.

A mend is never tried unasked, and one that fails leaves the finding standing with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import redis
from msgspec import Struct
from msgspec.structs import replace

from dsmil.errors import DsmilError

Verdict = Literal["fail", "warn", "fixed", "skip", "ok"]
ORDER: tuple[Verdict, ...] = ("fail", "warn", "fixed", "skip", "ok")
"""What needs hands comes first. `skip` is what could not be looked at; it is no fault of the machine's."""


class Finding(Struct, frozen=True):
    """One check: its verdict, what was seen, and what to do about it."""

    check: str
    verdict: Verdict
    said: str
    mend: str = ""


def mended(finding: Finding, act: Callable[[], Any], *, fix: bool) -> Finding:
    """The finding; with `fix`, after `act`: fixed, or standing with the reason why not."""
    if not fix:
        return finding
    try:
        act()
    except (OSError, DsmilError, redis.RedisError) as error:
        return replace(finding, said=f"{finding.said}; not fixed: {error}")
    return Finding(finding.check, "fixed", finding.said)


def guarded(check: str, found: Iterator[Finding]) -> Iterator[Finding]:
    """The findings, as far as the caller may look; where rights end, that is said and the next check goes on."""
    try:
        yield from found
    except (redis.exceptions.NoPermissionError, PermissionError) as error:
        yield Finding(check, "skip", f"not for this account to see: {error}", "sudo dsmil doctor")
    except (OSError, DsmilError) as error:
        yield Finding(check, "skip", f"cannot be looked at: {error}")


def in_order(findings: list[Finding]) -> list[Finding]:
    """Those that need hands first, each verdict's in the order of the checks."""
    return sorted(findings, key=lambda finding: ORDER.index(finding.verdict))
