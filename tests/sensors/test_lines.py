"""Lines come out the same however the bytes were cut, and an endless line costs no memory."""

from __future__ import annotations

import pytest

from dsmil.sensors.lines import Line, LineCutter

TEXT = b"one\r\ntwo\n\nthree without end"
WANTED: list[Line] = [(0, 1, b"one"), (5, 2, b"two"), (9, 3, b""), (10, 4, b"three without end")]


def cut(data: bytes, size: int, max_bytes: int = 64) -> list[Line]:
    cutter = LineCutter(max_bytes)
    lines = [line for at in range(0, len(data), size) for line in cutter.feed(data[at : at + size])]
    return lines + list(cutter.close())


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 1000])
def test_any_cut_gives_the_same_lines_and_places(size: int) -> None:
    assert cut(TEXT, size) == WANTED


@pytest.mark.parametrize("size", [1, 4, 9, 1000])
def test_a_line_beyond_the_bound_is_told_once_without_its_text(size: int) -> None:
    data = b"ok\n" + b"x" * 100 + b"\nagain\n" + b"y" * 100
    assert cut(data, size) == [(0, 1, b"ok"), (3, 2, None), (104, 3, b"again"), (110, 4, None)]


def test_an_endless_line_is_not_held() -> None:
    cutter = LineCutter(1000)
    lines = [line for _ in range(1000) for line in cutter.feed(b"z" * 1000)]
    assert lines == [(0, 1, None)]
    assert len(cutter._tail) <= 1000


def test_a_line_of_exactly_the_bound_is_kept() -> None:
    assert cut(b"a" * 64 + b"\n", 1000) == [(0, 1, b"a" * 64)]
