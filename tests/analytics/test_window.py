"""A table never holds more than it may, and forgets the least recently seen first."""

from __future__ import annotations

import pytest
from msgspec import Struct

from dsmil.analytics.window import Table, median, pack_parts, restore_parts, spread, variation


class Row(Struct):
    seen: float
    note: str = ""


def table(count_max: int = 3, idle_s: float = 100.0) -> Table[str, Row]:
    return Table(str, Row, count_max=count_max, idle_s=idle_s)


def test_count_bounds_and_touch_keeps() -> None:
    rows = table()
    for number, key in enumerate("abc"):
        rows.put(key, Row(number))
    assert rows.touch("a", 5.0) is not None
    rows.put("d", Row(6.0))
    assert [key for key, _ in rows] == ["c", "a", "d"] and rows.evicted == 1


def test_idle_rows_go() -> None:
    rows = table()
    rows.put("a", Row(0.0))
    rows.put("b", Row(50.0))
    rows.put("c", Row(101.0))
    assert [key for key, _ in rows] == ["b", "c"]


def test_dump_and_restore_keep_rows_and_order() -> None:
    rows, other = table(), table()
    for key in "ab":
        rows.put(key, Row(1.0, key))
    other.put("x", Row(1.0))
    rows.touch("a", 2.0)
    fresh, also = table(), table()
    restore_parts(pack_parts(rows, other), fresh, also)
    assert list(fresh) == list(rows) and list(also) == list(other)
    fresh.put("c", Row(3.0))
    fresh.put("d", Row(3.0))
    assert fresh.get("b") is None and fresh.get("a") is not None


def test_robust_statistics() -> None:
    assert median([3, 1, 2]) == 2 and median([4, 1, 2, 3]) == 2.5
    assert spread([10, 10, 10, 11, 9, 500]) < 2
    assert variation([5, 5, 5]) == 0
    with pytest.raises(ValueError, match="no values"):
        median([])
