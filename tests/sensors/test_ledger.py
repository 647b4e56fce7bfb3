"""The ledger knows content by its hash, how far each round came, and survives its process."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsmil.clock import FakeClock
from dsmil.errors import ConfigError, Unavailable
from dsmil.sensors.ledger import Ledger

SHA = "cd" * 32


def test_a_round_is_begun_once_and_remembered(tmp_path: Path, clock: FakeClock) -> None:
    ledger = Ledger(tmp_path / "deep" / "ingest.db", clock=clock)
    ledger.open()
    mark = ledger.begin(SHA, "ais", path="x")
    assert (mark.state, mark.seq, mark.ingested) == ("open", 0, False)
    ledger.advance(mark, seq=512, offset=4096)
    ledger.close()

    again = Ledger(tmp_path / "deep" / "ingest.db", clock=clock)
    again.open()
    mark = again.begin(SHA, "ais", path="other name")
    assert (mark.state, mark.seq, mark.offset) == ("open", 512, 4096)
    again.publish(mark, seq=600, received=601, accepted=600)
    mark = again.begin(SHA, "ais", path="x")
    assert (mark.state, mark.ingested) == ("published", True)
    again.finish(mark)
    assert again.begin(SHA, "ais", path="x").state == "done"
    again.close()


def test_families_and_rounds_are_apart(ledger: Ledger) -> None:
    assert ledger.last_loop(SHA, "ais") == -1
    mark = ledger.begin(SHA, "ais", path="x")
    ledger.publish(mark, seq=1, received=1, accepted=1)
    assert not ledger.begin(SHA, "rf", path="x").ingested
    assert not ledger.begin(SHA, "ais", path="x", loop=1).ingested
    assert ledger.last_loop(SHA, "ais") == 1


def test_a_file_without_records_may_come_again(ledger: Ledger) -> None:
    mark = ledger.begin(SHA, "ndpi", path="x")
    ledger.publish(mark, seq=0, received=0, accepted=0)
    assert not ledger.begin(SHA, "ndpi", path="x").ingested


def test_two_processes_share_it(tmp_path: Path, clock: FakeClock) -> None:
    one, two = (Ledger(tmp_path / "ingest.db", clock=clock) for _ in range(2))
    one.open()
    two.open()
    mark = one.begin(SHA, "ais", path="x\udcff")
    one.advance(mark, seq=3, offset=9)
    assert two.begin(SHA, "ais", path="x").seq == 3
    one.close()
    two.close()


def test_what_is_no_ledger_keeps_the_daemon_down(tmp_path: Path, clock: FakeClock) -> None:
    (tmp_path / "ingest.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(ConfigError, match="set the file aside"):
        Ledger(tmp_path / "ingest.db", clock=clock).open()


def test_a_place_that_cannot_be_had_is_waited_for(tmp_path: Path, clock: FakeClock) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable):
        Ledger(tmp_path / "file" / "ingest.db", clock=clock).open()
