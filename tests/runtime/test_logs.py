"""A log line is one line, whatever is in it: JSON for machines, readable for a terminal."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dsmil.clock import FakeClock
from dsmil.runtime import logs
from dsmil.runtime.journal import PRIORITIES


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


@pytest.fixture
def journal(ear: Any, clock: FakeClock) -> Iterator[Any]:
    """The journal, with a stderr beside it that nothing may be written to."""
    stream = io.StringIO()
    logs.setup("l3", "DEBUG", stream=stream, form="journal", socket=ear.path, clock=clock)
    yield ear
    assert stream.getvalue() == ""
    logs.setup("dsmil")


def test_in_the_journal_a_line_is_words_and_fields(journal: Any) -> None:
    logs.get("window").warning("late", event_id="e1", source="ais:x", lag_s=0.5, error="reach Redis: refused")
    assert journal.heard() == [
        {
            "MESSAGE": "late: reach Redis: refused part=window event_id=e1 source=ais:x lag=0.5s", "PRIORITY": "4",
            "SYSLOG_IDENTIFIER": "dsmil-l3", "DSMIL_DAEMON": "l3", "DSMIL_EVENT": "late", "DSMIL_PART": "window",
            "DSMIL_EVENT_ID": "e1", "DSMIL_SOURCE": "ais:x", "DSMIL_LAG_S": "0.5",
            "DSMIL_ERROR": "reach Redis: refused",
        }
    ]  # fmt: skip


def test_each_level_has_its_priority(journal: Any) -> None:
    for level in PRIORITIES:
        getattr(logs.get(), level.lower())("said")
    assert [entry["PRIORITY"] for entry in journal.heard()] == ["2", "3", "4", "6", "7"]


def test_the_journal_gets_no_control_characters_and_no_endless_repeats(journal: Any, clock: FakeClock) -> None:
    heard = []
    for number in range(logs.REPEATS_MAX + 400):
        logs.get().warning("seen", name="EVIL\x1b[2J\r\nMESSAGE=fake\n", number=number)
        heard += journal.heard()
    assert len(heard) == logs.REPEATS_MAX
    assert not any(char in value for entry in heard for value in entry.values() for char in "\x1b\r\n")
    clock.advance(logs.REPEATS_S)
    logs.settle()
    assert [(e["DSMIL_EVENT"], e["DSMIL_LEFT_OUT"]) for e in journal.heard()] == [("seen", "400")]


def test_without_a_journal_the_line_is_on_stderr_with_its_level(tmp_path: Path, clock: FakeClock) -> None:
    stream = io.StringIO()
    logs.setup("l3", stream=stream, form="journal", socket=str(tmp_path / "away"), clock=clock)
    logs.get().warning("late", lag_s=2)
    logs.get().info("ready")
    logs.setup("dsmil")
    assert stream.getvalue() == "<4>late lag=2s\n<6>ready\n"


def test_a_stderr_nobody_reads_does_not_stop_a_daemon_without_a_journal(tmp_path: Path, clock: FakeClock) -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        logs.setup("l3", stream=stream, form="journal", socket=str(tmp_path / "away"), clock=clock)
        for number in range(5000):  # far more than a pipe holds
            logs.get().info(f"said_{number % 200}", text="x" * 200)
        logs.setup("dsmil")
        os.close(reader)


def test_auto_takes_the_journal_where_stderr_leads_there(
    tmp_path: Path, ear: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "stream").open("w+") as stream:
        found = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
        logs.setup("l3", stream=stream, socket=ear.path)
        logs.get().info("ready")
        logs.setup("l3", stream=stream, socket=ear.path, form="json")
        logs.get().info("asked_for_json")
        logs.setup("dsmil")
        stream.seek(0)
        assert [json.loads(line)["event"] for line in stream] == ["asked_for_json"]
    assert [entry["MESSAGE"] for entry in ear.heard()] == ["ready"]


def test_why_a_daemon_stays_down_is_an_error_in_the_journal_and_plain_elsewhere(
    ear: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.setup("l3", form="journal", socket=ear.path)
    logs.refusal("l3", "set redis.port = x: not a number (1..65535)")
    logs.setup("l3", form="journal", socket=ear.path + ".away")
    logs.refusal("l3", "no\x1b[2J")
    logs.setup("dsmil")
    logs.refusal("l4", "not set up yet")
    logs.setup("dsmil")
    entry = ear.heard()[0]
    assert (entry["PRIORITY"], entry["DSMIL_EVENT"], entry["DSMIL_DAEMON"]) == ("3", "refused", "l3")
    assert entry["MESSAGE"] == "refused: set redis.port = x: not a number (1..65535)"
    assert capsys.readouterr().err == "<3>dsmil-l3: no\ufffd[2J\ndsmil-l4: not set up yet\n"


def test_the_flat_file_has_the_same_lines_as_json(tmp_path: Path, ear: Any, clock: FakeClock) -> None:
    file = tmp_path / "log" / "dsmil.log"
    logs.setup("l3", form="journal", socket=ear.path, file=str(file), clock=clock)
    logs.get().info("one")
    file.parent.mkdir()
    clock.advance(10)
    logs.get().info("two", lag_s=1)
    logs.refusal("l3", "no")
    logs.setup("dsmil")
    events = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(line["daemon"], line["event"]) for line in events] == [
        ("l3", "two"), ("l3", "log_file_back"), ("l3", "refused"),
    ]  # fmt: skip
    assert [entry["DSMIL_EVENT"] for entry in ear.heard()] == [
        "one", "log_file_lost", "two", "log_file_back", "refused",
    ]  # fmt: skip


def test_a_full_disk_costs_no_line_of_the_other_log(clock: FakeClock, out: io.StringIO) -> None:
    logs.setup("l3", stream=out, file="/dev/full", clock=clock)
    for _ in range(20):
        logs.get().info("said")
        clock.advance(10)
    assert [line["event"] for line in lines(out)] == ["said", "log_file_lost", *["said"] * 19]
