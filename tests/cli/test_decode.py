"""`dsmil decode` and `ingest` as a user runs them: rows, counts, exit codes, pipes, and files into a real Redis."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis

from dsmil import config
from dsmil.events.envelope import decode as read_event

GOOD = "!AIVDM,1,1,,B,177KQJ5000G?tO`K>RA1wUbN0TKH,0*5C\n"
BAD = "!AIVDM,1,1,,B,177KQJ5000G?tO`K>RA1wUbN0TKH,0*00\n"


def dsmil(
    *words: str, stdin: bytes | None = None, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "dsmil.cli", *words],
        input=stdin,
        capture_output=True,
        check=False,
        timeout=120,
        env=environment,
    )


def rows(done: subprocess.CompletedProcess[bytes]) -> list[Any]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_rows_have_kind_time_payload_and_place(tmp_path: Path) -> None:
    path = tmp_path / "x.nmea"
    path.write_text("# a comment\n" + GOOD + GOOD)
    done = dsmil("decode", "ais", str(path))
    assert done.returncode == 0, done.stderr
    first, second = rows(done)
    assert sorted(first) == ["kind", "payload", "raw", "ts"]
    assert first["kind"] == "ais.position"
    assert first["ts"] is None
    assert first["payload"]["mmsi"] == 477553000
    assert first["raw"] == {"path": str(path), "offset": 12, "line": 2, "text": GOOD.strip()}
    assert second["raw"]["offset"] == 12 + len(GOOD)
    assert b"received=2 accepted=2" in done.stderr


def test_exit_codes_say_how_it_went(tmp_path: Path) -> None:
    (tmp_path / "good").write_text(GOOD)
    (tmp_path / "bad").write_text(GOOD + BAD)
    (tmp_path / "empty").write_text("")
    assert dsmil("decode", "ais", str(tmp_path / "good")).returncode == 0
    assert dsmil("decode", "ais", str(tmp_path / "empty")).returncode == 0
    done = dsmil("decode", "ais", str(tmp_path / "bad"), str(tmp_path / "good"))
    assert done.returncode == 1
    assert len(rows(done)) == 2
    assert b"rejected=1 checksum=1" in done.stderr
    for wrong in (tmp_path / "missing", tmp_path):
        done = dsmil("decode", "ais", str(wrong), str(tmp_path / "good"))
        assert done.returncode == 2
        assert len(rows(done)) == 1, "the others are read all the same"
    assert b"Traceback" not in done.stderr
    assert dsmil("decode", "sonar", str(tmp_path / "good")).returncode == 2


def test_stdin_and_gzip(tmp_path: Path) -> None:
    done = dsmil("decode", "ais", "-", stdin=gzip.compress(GOOD.encode() * 3))
    assert done.returncode == 0, done.stderr
    assert len(rows(done)) == 3
    assert rows(done)[0]["raw"]["path"] == "-"


def test_a_reader_that_has_enough_hears_nothing_more(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text(GOOD * 50_000)
    reader, writer = os.pipe()
    child = subprocess.Popen(
        [sys.executable, "-m", "dsmil.cli", "decode", "ais", str(path)], stdout=writer, stderr=subprocess.PIPE
    )
    os.close(writer)
    os.read(reader, 100)
    os.close(reader)
    _, said = child.communicate(timeout=60)
    assert b"Traceback" not in said
    assert b"BrokenPipe" not in said
    assert b"Exception ignored" not in said


def test_a_large_host_is_printed_whole(tmp_path: Path) -> None:
    ports = "".join(
        f'<port protocol="tcp" portid="{n}"><state state="open"/><service name="s"/></port>'
        for n in range(1, 900)
    )
    path = tmp_path / "x.xml"
    path.write_text(
        '<?xml version="1.0"?><nmaprun scanner="nmap" start="1700000000"><host><status state="up"/>'
        f'<address addr="10.0.0.1" addrtype="ipv4"/><ports>{ports}</ports></host>'
        '<runstats><finished time="1700000009" exit="success"/></runstats></nmaprun>'
    )
    done = dsmil("decode", "nmap", str(path))
    assert done.returncode == 0, done.stderr
    (host,) = [row for row in rows(done) if row["kind"] == "net.host"]
    assert len(host["payload"]["ports"]) == 899
    assert not [row for row in rows(done) if row["kind"] == "net.ports"]


@pytest.mark.data
def test_the_world_feed_is_decoded_in_seconds(shared_data: Path) -> None:
    done = dsmil("decode", "ais", str(shared_data / "ais" / "aishub-3min.nmea.gz"))
    assert done.returncode == 1
    assert done.stdout.count(b"\n") > 80_000


@pytest.fixture
def suite(tmp_path: Path, redis_socket: str) -> tuple[dict[str, str], redis.Redis]:
    environment = config.private_environment(tmp_path / "suite", f"unix://{redis_socket}")
    return environment, redis.Redis(unix_socket_path=redis_socket)


@pytest.mark.live
def test_ingest_publishes_once_and_says_what_became_of_it(
    tmp_path: Path, suite: tuple[dict[str, str], redis.Redis]
) -> None:
    environment, client = suite
    (tmp_path / "x").write_text(GOOD * 10 + BAD)
    done = dsmil("ingest", "ais", str(tmp_path / "x"), "--json", environment=environment)
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)
    assert (told["files"], told["received"], told["accepted"], told["rejected"]) == (1, 11, 10, {"checksum": 1})
    assert client.xlen("L3_IN") == 11  # and one source.stats
    assert client.xlen("DEAD_LETTER") == 1
    done = dsmil("ingest", "ais", str(tmp_path / "x"), "--json", environment=environment)
    assert done.returncode == 1
    assert json.loads(done.stdout)["rejected"] == {"duplicate": 1}
    assert b"ingested before" in done.stderr
    assert client.xlen("L3_IN") == 11
    done = dsmil("ingest", "ais", "-", "--json", stdin=GOOD.encode(), environment=environment)
    assert done.returncode == 0, done.stderr
    last = [read_event(fields[b"event"]) for _, fields in client.xrange("L3_IN")][11:]
    assert [event.source for event in last] == ["ais:stdin", "dsmil-ingest"]
    done = dsmil("ingest", "ais", str(tmp_path / "none"), environment=environment)
    assert done.returncode == 2
    client.close()


@pytest.mark.live
def test_replay_makes_new_events(tmp_path: Path, suite: tuple[dict[str, str], redis.Redis]) -> None:
    environment, client = suite
    (tmp_path / "x").write_text(GOOD * 10)
    for _ in range(2):
        done = dsmil("replay", str(tmp_path / "x"), "--speed", "max", "--json", environment=environment)
        assert done.returncode == 0, done.stderr
    seen = [read_event(fields[b"event"]) for _, fields in client.xrange("L3_IN")]
    assert len({event.event_id for event in seen if event.kind == "ais.position"}) == 20
    assert client.hget("dsmil:ais:playback", "state") == b"stop"
    assert dsmil("replay", str(tmp_path / "x"), "--speed", "0", environment=environment).returncode == 78
    client.close()


@pytest.mark.live
def test_pause_and_resume_set_a_key(suite: tuple[dict[str, str], redis.Redis]) -> None:
    environment, client = suite
    assert dsmil("pause", "l3", environment=environment).returncode == 0
    assert client.exists("dsmil:pause:l3")
    assert b"resumed" in dsmil("resume", "l3", environment=environment).stdout
    assert not client.exists("dsmil:pause:l3")
    assert b"was not paused" in dsmil("resume", "l3", environment=environment).stdout
    assert json.loads(dsmil("pause", "l3", "--json", environment=environment).stdout)["paused"] is True
    assert json.loads(dsmil("resume", "l3", "--json", environment=environment).stdout)["was_paused"] is True
    assert dsmil("pause", "ais-playback@harbour", environment=environment).returncode == 0
    assert client.exists("dsmil:pause:ais-playback@harbour")
    for wrong in ("l33", "l3@harbour", "ais-playback@"):
        done = dsmil("pause", wrong, environment=environment)
        assert done.returncode == 78
        assert b"known:" in done.stderr
    client.close()


def test_redis_away_is_said_with_the_mend(tmp_path: Path) -> None:
    (tmp_path / "x").write_text(GOOD)
    environment = config.private_environment(tmp_path, f"unix://{tmp_path}/none.sock")
    done = dsmil("ingest", "ais", str(tmp_path / "x"), environment=environment)
    assert done.returncode == 69
    assert b"reach Redis" in done.stderr
    assert b"Traceback" not in done.stderr
