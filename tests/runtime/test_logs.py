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
