"""A log line is one line, whatever is in it: JSON for machines, readable for a terminal."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest

from dsmil.clock import FakeClock
from dsmil.runtime import logs


@pytest.fixture
def out(clock: FakeClock) -> Iterator[io.StringIO]:
    stream = io.StringIO()
    logs.setup("l3", "INFO", stream=stream, clock=clock)
    yield stream
    logs.setup("dsmil")


def test_a_line_carries_time_level_daemon_event_and_keys(out: io.StringIO) -> None:
    logs.get("window").bind(source="ais:x").info("burst_seen", freq_hz=433_920_000, snr_db=12.5, at=None)
    assert json.loads(out.getvalue()) == {
        "ts": "2023-11-14T22:13:20.000Z", "level": "info", "daemon": "l3", "event": "burst_seen",
        "part": "window", "source": "ais:x", "freq_hz": 433920000, "snr_db": 12.5, "at": None,
    }  # fmt: skip


def test_less_than_the_level_is_silent(out: io.StringIO) -> None:
    logs.get().debug("detail")
    assert out.getvalue() == ""
    logs.get().warning("amiss")
    assert "amiss" in out.getvalue()


@pytest.mark.parametrize("form", ["json", "human"])
def test_hostile_text_stays_on_its_line(form: str, clock: FakeClock) -> None:
    stream = io.StringIO()
    logs.setup("l3", stream=stream, form=form, clock=clock)  # type: ignore[arg-type]
    logs.get().error("seen", name="EVIL\x1b[2J\r\nfake line\x9b\u202e", deep={"a\x00": ["\x07", 1]}, other=object)
    text = stream.getvalue()
    logs.setup("dsmil")
    assert text.count("\n") == 1
    assert not any(char in text for char in "\x1b\r\x9b\u202e\x07\x00")


def test_a_long_value_is_cut(out: io.StringIO) -> None:
    logs.get().info("long", text="x" * 100_000)
    assert len(out.getvalue()) < 5000


def test_a_closed_stream_does_not_stop_the_work(out: io.StringIO) -> None:
    out.close()
    logs.get().info("nobody_listens")


def test_printable_keeps_ordinary_text() -> None:
    assert logs.printable("MÆRSK \N{SNOWMAN} 12.5°") == "MÆRSK \N{SNOWMAN} 12.5°"


def lines(out: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_an_event_that_comes_over_and_over_is_one_line_with_a_count(out: io.StringIO, clock: FakeClock) -> None:
    log = logs.get()
    for number in range(logs.REPEATS_MAX + 400):
        log.warning("entries_undecodable", number=number)
        if number < 5:
            log.info("stats")
    assert len(lines(out)) == logs.REPEATS_MAX + 5
    clock.advance(logs.REPEATS_S)
    log.info("stats")
    told = lines(out)[-2:]
    assert (told[0]["event"], told[0]["level"], told[0]["left_out"]) == ("entries_undecodable", "warning", 400)
    assert told[1]["event"] == "stats"
    for _ in range(logs.REPEATS_MAX):
        log.warning("entries_undecodable")
    assert "left_out" not in lines(out)[-1], "a new span has room again"


def test_the_last_word_tells_what_was_left_out(out: io.StringIO) -> None:
    for _ in range(logs.REPEATS_MAX + 3):
        logs.get().error("disk_full")
    logs.settle()
    assert lines(out)[-1]["left_out"] == 3
    logs.settle()
    assert len(lines(out)) == logs.REPEATS_MAX + 1


def test_the_same_name_at_another_level_is_another_event(out: io.StringIO) -> None:
    for _ in range(logs.REPEATS_MAX + 1):
        logs.get().info("redis")
    logs.get().error("redis")
    assert lines(out)[-1]["level"] == "error"
