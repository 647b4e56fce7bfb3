"""journald's native protocol, read strictly; a journal that is away or full holds nobody up."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dsmil.runtime.journal import ENTRY_BYTES_MAX, FIELDS_MAX, WAIT_S, Journal, encode, leads_to_journal


def test_a_line_becomes_fields(ear: Any) -> None:
    keys = {
        "event_id": "e1",
        "lag_s": 0.5,
        "ok": True,
        "list": ["a", 1],
        "none": None,
        "rf-band": "vhf",
        "ä": "ö",
    }
    assert Journal("soc-router", ear.path).put("WARNING", "late", "late event_id=e1", keys)
    assert ear.heard() == [
        {
            "MESSAGE": "late event_id=e1", "PRIORITY": "4", "SYSLOG_IDENTIFIER": "dsmil-soc-router",
            "DSMIL_DAEMON": "soc-router", "DSMIL_EVENT": "late", "DSMIL_EVENT_ID": "e1", "DSMIL_LAG_S": "0.5",
            "DSMIL_OK": "true", "DSMIL_LIST": '["a",1]', "DSMIL_RF_BAND": "vhf", "DSMIL__": "ö",
        }
    ]  # fmt: skip


def test_a_value_with_a_newline_is_sent_with_its_length(ear: Any) -> None:
    data = encode([("MESSAGE", "two\nlines"), ("A", "=b=")])
    assert data == b"MESSAGE\n" + (9).to_bytes(8, "little") + b"two\nlines\nA==b=\n"
    Journal("l3", ear.path).put("INFO", "said", "two\nlines", {"more": "\n"})
    assert (ear.heard()[0]["MESSAGE"],) == ("two\nlines",)


def test_a_key_cannot_take_the_place_of_ours_nor_one_of_another(ear: Any) -> None:
    keys = {"daemon": "l3", "event": "x", "a b": 1, "a-b": 2, "_pid": 1, "x\n=y": 3}
    Journal("l4", ear.path).put("INFO", "said", "said", keys)
    entry = ear.heard()[0]
    assert (entry["DSMIL_DAEMON"], entry["DSMIL_EVENT"], entry["DSMIL_A_B"]) == ("l4", "said", "1")
    assert entry["DSMIL_X__Y"] == "3"


def test_an_entry_is_bounded_and_says_what_it_lacks(ear: Any) -> None:
    journal = Journal("l3", ear.path)
    journal.put("INFO", "many", "many", {f"key_{number}" + "x" * 100: number for number in range(10)})
    journal.put("INFO", "many", "many", {f"key_{number}": number for number in range(FIELDS_MAX + 7)})
    journal.put("INFO", "big", "big", {f"key_{number}": "é" * 4096 for number in range(40)})
    long_names, many, big = ear.heard()
    assert len(long_names) == 5 + 10
    assert many["DSMIL_FIELDS_LEFT_OUT"] == "7"
    assert int(big["DSMIL_FIELDS_LEFT_OUT"]) > 30
    assert sum(len(value.encode()) for value in big.values()) < ENTRY_BYTES_MAX


def test_no_journal_is_said_and_one_that_comes_back_is_found(
    tmp_path: Path, listen: Callable[[Path], Any]
) -> None:
    path = tmp_path / "journal"
    journal = Journal("l3", str(path))
    assert not journal.put("INFO", "one", "one", {})
    first = listen(path)
    assert journal.put("INFO", "two", "two", {})
    first.socket.close()
    assert not journal.put("INFO", "three", "three", {}), "a socket nobody listens on"
    path.unlink()
    second = listen(path)
    assert journal.put("INFO", "four", "four", {})
    assert [entry["MESSAGE"] for entry in second.heard()] == ["four"]


def test_a_full_journal_costs_one_short_wait_and_tells_what_it_lost(ear: Any) -> None:
    journal = Journal("l3", ear.path)
    sent = 0
    while not journal._dropped:  # until one had to wait, in vain
        began = time.monotonic()
        assert journal.put("INFO", "fill", f"fill {sent}", {})
        sent += 1
    assert time.monotonic() - began > WAIT_S / 2, "the kernel's timer may end a tick early"
    began = time.monotonic()
    for _ in range(100):
        assert journal.put("INFO", "more", "more", {})
    assert time.monotonic() - began < WAIT_S * 4, "nothing waits for a journal that is full already"
    kept = ear.heard()
    assert len(kept) == sent - 1
    assert journal.put("INFO", "again", "again", {})
    again, told = ear.heard()
    assert again["MESSAGE"] == "again"
    assert (told["DSMIL_EVENT"], told["DSMIL_COUNT"], told["PRIORITY"]) == ("log_lines_dropped", "101", "4")
    journal.put("INFO", "last", "last", {})
    assert len(ear.heard()) == 1


def test_only_the_stream_systemd_connected_is_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "a").open("w") as journal, (tmp_path / "b").open("w") as redirected:
        monkeypatch.delenv("JOURNAL_STREAM", raising=False)
        assert not leads_to_journal(journal)
        found = os.fstat(journal.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
        assert leads_to_journal(journal)
        assert not leads_to_journal(redirected)
        for nonsense in ("", ":", "1", "1:", "a:b", "-1:2", f"{found.st_dev}:{found.st_ino}:0", "9" * 30 + ":1"):
            monkeypatch.setenv("JOURNAL_STREAM", nonsense)
            assert not leads_to_journal(journal)
    assert not leads_to_journal(journal), "closed"
