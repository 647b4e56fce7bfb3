"""A heartbeat is believed while it is fresh."""

from __future__ import annotations

import msgspec
import pytest

from dsmil.errors import BadEvent
from dsmil.runtime.health import SILENT_AFTER_S, Heartbeat, State, decode, judge


def test_the_verdict_is_its_own_word_until_it_falls_silent() -> None:
    beat = Heartbeat(daemon="l3", pid=1, state=State.DEGRADED, since=0, state_since=0, now=100.0)
    assert judge(beat, 100.0 + SILENT_AFTER_S) is State.DEGRADED
    assert judge(beat, 100.1 + SILENT_AFTER_S) is State.SILENT
    assert judge(None, 0) is State.ABSENT
    assert decode(msgspec.json.encode(beat)) == beat


@pytest.mark.parametrize("data", [b"", b"{}", b"[" * 100, b"\xff", b'{"daemon": 1}'])
def test_garbage_is_no_heartbeat(data: bytes) -> None:
    with pytest.raises(BadEvent, match="decode heartbeat"):
        decode(data)
