"""A mend is tried when asked for only, and one that fails leaves its finding standing."""

from __future__ import annotations

from collections.abc import Iterator

import redis

from dsmil.cli.checks.finding import Finding, guarded, in_order, mended
from dsmil.errors import Unavailable

BAD = Finding("x", "fail", "is bad", "mend it")


def refuse() -> None:
    raise Unavailable("do it: no")


def test_a_mend_is_tried_when_asked_for_only() -> None:
    done: list[int] = []
    assert mended(BAD, lambda: done.append(1), fix=False) == BAD and not done
    assert mended(BAD, lambda: done.append(1), fix=True) == Finding("x", "fixed", "is bad") and done


def test_a_mend_that_fails_leaves_the_finding_with_the_reason() -> None:
    assert mended(BAD, refuse, fix=True) == Finding("x", "fail", "is bad; not fixed: do it: no", "mend it")


def test_where_rights_end_the_next_check_goes_on() -> None:
    def checks(error: Exception) -> Iterator[Finding]:
        yield BAD
        raise error

    assert [row.verdict for row in guarded("y", checks(PermissionError("no")))] == ["fail", "skip"]
    first, second = guarded("y", checks(redis.exceptions.NoPermissionError("may not")))
    assert first == BAD and second.mend == "sudo dsmil doctor"
    assert [row.verdict for row in guarded("y", checks(OSError("away")))] == ["fail", "skip"]


def test_what_needs_hands_comes_first() -> None:
    rows = [
        Finding("a", "ok", ""),
        Finding("b", "warn", ""),
        BAD,
        Finding("c", "skip", ""),
        Finding("d", "warn", ""),
    ]
    assert [row.check for row in in_order(rows)] == ["x", "b", "d", "c", "a"]
