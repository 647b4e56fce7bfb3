"""Lines as people read them."""

from __future__ import annotations

from typing import Any

import pytest

from dsmil.runtime import wording


@pytest.mark.parametrize(
    ("event", "fields", "text"),
    [
        ("ready", {"error": None}, "ready"),
        ("degraded", {"error": "reach Redis: refused"}, "degraded: reach Redis: refused"),
        ("hot_db_ok", {"path": "/mnt/x.db"}, "hot_db_ok path=/mnt/x.db"),
        (
            "audit_tail_missing",
            {"last_seq": 0, "anchored_seq": 7},
            "audit_tail_missing last_seq=0 anchored_seq=7",
        ),
        ("late", {"lag_s": 0.123456, "within_s": 10.0, "ahead_s": -90}, "late lag=0.123s within=10s ahead=-90s"),
        (
            "asked",
            {"ok": False, "name": "a b", "list": ["x", 1], "empty": ""},
            'asked ok=no name="a b" list=["x",1]',
        ),
        ("down", {"unit": "a.service", "mend": "start it"}, "down unit=a.service (mend: start it)"),
        ("big", {"count": 12345678901, "rate": 1.5}, "big count=12345678901 rate=1.5"),
    ],
)
def test_what_happened_why_what_more_and_the_mend(event: str, fields: dict[str, Any], text: str) -> None:
    assert wording.line(event, fields) == text


def test_the_stats_line_has_what_is_looked_for_first_and_nothing_at_nought() -> None:
    counts = {
        "state": "ready", "uptime_s": 30.2, "failed": 0, "claimed": 0, "lag_s": 0.0, "processed": 1200,
        "published": 0, "windows": 3, "suppressed_by": "", "shrink": False, "paused": False, "hot": "ok",
    }  # fmt: skip
    assert wording.line("stats", counts) == (
        "stats uptime=30s processed=1200 published=0 shrink=no state=ready windows=3 hot=ok"
    )
    assert wording.line("stopped", {"processed": 0, "failed": 1}) == "stopped processed=0 failed=1"


def test_a_line_ends_somewhere() -> None:
    assert len(wording.line("crashed", {"error": "x" * 9000})) == wording.CHARS_MAX + 1
