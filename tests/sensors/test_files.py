"""Files are read in bounded chunks, gunzipped by content, and what is wrong with them has a reason."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
from pathlib import Path

import pytest

from dsmil.sensors.files import CHUNK_BYTES, Broken, chunks, hashing, head_of, open_regular
from dsmil.sensors.record import Reason


def whole(path: Path) -> bytes:
    with open_regular(path) as file:
        return b"".join(chunks(file))


def test_plain_and_gzip_give_the_same_bytes_in_bounded_chunks(tmp_path: Path) -> None:
    data = os.urandom(3 * CHUNK_BYTES + 17)
    (tmp_path / "plain").write_bytes(data)
    # By content, not by name; and two members, as `cat a.gz b.gz` makes them.
    (tmp_path / "packed").write_bytes(gzip.compress(data[:1000]) + gzip.compress(data[1000:]))
    for name in ("plain", "packed"):
        with open_regular(tmp_path / name) as file:
            pieces = list(chunks(file))
        assert b"".join(pieces) == data
        assert max(map(len, pieces)) <= CHUNK_BYTES


def test_the_file_stays_open_for_another_round(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    with open_regular(tmp_path / "x") as file:
        assert b"".join(chunks(file)) == b"abc"
        file.seek(0)
        assert b"".join(chunks(file)) == b"abc"


def test_the_hash_is_that_of_the_file_as_it_stands(tmp_path: Path) -> None:
    data = os.urandom(9 * 1024 * 1024)
    (tmp_path / "x").write_bytes(data)
    with open_regular(tmp_path / "x") as file:
        steps = list(hashing(file))
        assert steps[-1] == hashlib.sha256(data).hexdigest()
        assert len(steps) == 4
        assert not any(steps[:-1])
        assert file.tell() == 0


def test_truncated_gzip_gives_what_there_was_and_then_breaks(tmp_path: Path) -> None:
    packed = gzip.compress(os.urandom(200_000))
    (tmp_path / "x").write_bytes(packed[:-5000])
    got: list[bytes] = []
    with open_regular(tmp_path / "x") as file, pytest.raises(Broken) as caught:
        got.extend(chunks(file))
    assert caught.value.reason is Reason.TRUNCATED
    assert sum(map(len, got)) > 100_000


def test_corrupt_gzip_is_unreadable(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(b"x" * 100_000))
    packed[20:40] = bytes(20)
    (tmp_path / "x").write_bytes(packed)
    with pytest.raises(Broken) as caught:
        whole(tmp_path / "x")
    assert caught.value.reason in (Reason.UNREADABLE, Reason.TRUNCATED)


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    os.mkfifo(tmp_path / "fifo")
    for name, follow in (("fifo", True), (".", True), ("missing", True), ("link", False), ("a\0b", True)):
        with pytest.raises(Broken) as caught:
            open_regular(str(tmp_path / name), follow=follow)
        assert caught.value.reason is Reason.UNREADABLE
    assert whole(tmp_path / "link") == b"x"


def test_a_pipe_gives_what_it_has() -> None:
    reader, writer = os.pipe()
    with io.FileIO(reader) as file:
        pieces = chunks(file)
        os.write(writer, b"first")
        assert next(pieces) == b"first"
        os.write(writer, b"second")
        os.close(writer)
        assert b"".join(pieces) == b"second"


def test_the_head_is_gunzipped(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(gzip.compress(b"!AIVDM"))
    (tmp_path / "empty").write_bytes(b"")
    assert head_of(tmp_path / "x") == b"!AIVDM"
    assert head_of(tmp_path / "empty") == b""
