"""A checkpoint is whole or it is not used, and the one before it is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsmil.errors import Unavailable
from dsmil.fabric.checkpoint import Checkpoint


def test_what_was_saved_is_loaded_newest_first(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "deep" / "l3.ckpt")
    assert checkpoint.load() == ([], [])
    for seq in (1, 2, 3):
        checkpoint.save({"L3_IN": f"{seq}-0"}, b"state %d" % seq, seq=seq, epochs={"L3_IN": "e"})
    good, faults = checkpoint.load()
    assert [(saved.seq, saved.state, saved.positions) for saved in good] == [
        (3, b"state 3", {"L3_IN": "3-0"}),
        (2, b"state 2", {"L3_IN": "2-0"}),
    ]
    assert not faults


def test_every_single_flipped_byte_is_noticed(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "l3.ckpt")
    checkpoint.save({"L3_IN": "1-0"}, b"state", seq=1)
    data = (tmp_path / "l3.ckpt").read_bytes()
    for place in range(len(data)):
        (tmp_path / "l3.ckpt").write_bytes(data[:place] + bytes([data[place] ^ 0x40]) + data[place + 1 :])
        good, faults = Checkpoint(tmp_path / "l3.ckpt").load()
        assert not good
        assert len(faults) == 1


def test_a_rotten_file_does_not_push_out_the_good_one_before(tmp_path: Path) -> None:
    path = tmp_path / "l3.ckpt"
    checkpoint = Checkpoint(path)
    checkpoint.save({}, b"one", seq=1)
    checkpoint.save({}, b"two", seq=2)
    path.write_bytes(b"rotten")
    again = Checkpoint(path)
    again.load()
    again.save({}, b"three", seq=3)
    assert [saved.seq for saved in again.load()[0]] == [3, 1]


def test_a_disk_that_refuses_is_unavailable_and_keeps_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "l3.ckpt"
    Checkpoint(path).save({}, b"one", seq=1)
    (tmp_path / "l3.ckpt.new").mkdir()
    with pytest.raises(Unavailable, match=r"save checkpoint .*l3\.ckpt"):
        Checkpoint(path).save({}, b"two", seq=2)
    assert [saved.seq for saved in Checkpoint(path).load()[0]] == [1]
