"""What systemd says in the environment; nonsense counts as not said."""

from __future__ import annotations

import pytest

from dsmil.config.systemd import Failure, journal_stream, unit_failure


@pytest.mark.parametrize(
    "text", ["", ":", "1", "1:", ":2", "a:b", "-1:2", "1:2:3", "1: 2", "٣:1", "9" * 40 + ":1"]
)
def test_a_stream_that_is_none(text: str) -> None:
    assert journal_stream({"JOURNAL_STREAM": text}) is None
    assert journal_stream({}) is None


def test_the_stream_is_device_and_inode() -> None:
    assert journal_stream({"JOURNAL_STREAM": "8:23456"}) == (8, 23456)


def test_how_a_unit_ended() -> None:
    told = {
        "MONITOR_UNIT": "a.service", "MONITOR_SERVICE_RESULT": "signal", "MONITOR_EXIT_CODE": "killed",
        "MONITOR_EXIT_STATUS": "KILL", "MONITOR_INVOCATION_ID": "ab",
    }  # fmt: skip
    assert unit_failure(told) == Failure(
        unit="a.service", result="signal", code="killed", status="KILL", invocation="ab"
    )
    assert unit_failure({}) == Failure()
