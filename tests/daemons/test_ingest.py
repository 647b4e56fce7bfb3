"""The three ingest daemons, as processes on a real Redis: files, drop folder, UDP, pause, kill and stop."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import reduce
from pathlib import Path

import pytest
import redis

from dsmil import config
from dsmil.events.enums import StreamName
from dsmil.events.envelope import Event, decode
from dsmil.fabric.topology import BY_NAME

SENTENCE = "!AIVDM,1,1,,B,177KQJ5000G?tO`K>RA1wUbN0TKH,0*5C"
BURST = (
    b'<14>1 2024-01-01T00:00:00+00:00 host rtl_433 - - - {"time":"2024-01-01 00:00:00","model":"Prologue","id":7}'
)
WAIT_S = 20.0

pytestmark = pytest.mark.live


class Suite:
    """A private suite whose Redis is the test's."""

    def __init__(self, directory: Path, socket_path: str) -> None:
        self.directory = directory
        self.redis = redis.Redis(unix_socket_path=socket_path)
        self.udp = free_port()
        extra = {
            "DSMIL_AIS_PLAYBACK_UDP": f"127.0.0.1:{self.udp}",
            "DSMIL_RF_INGEST_SYSLOG": f"127.0.0.1:{self.udp}",
            "DSMIL_NET_PARSER_NDPID": "",
        }
        self.environment = config.private_environment(directory, f"unix://{socket_path}", extra=extra)
        self.children: list[subprocess.Popen[bytes]] = []

    def start(self, module: str, *words: str) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(
            [sys.executable, "-m", f"dsmil.daemons.{module}", *words],
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self.children.append(child)
        return child

    def passing(self, module: str, port: socket.socket, name: str, *words: str) -> subprocess.Popen[bytes]:
        """Start it as systemd would, with `port` already open; the shell knows the pid."""
        self.environment |= {"LISTEN_FDS": "1", "LISTEN_FDNAMES": name}
        start = f'LISTEN_PID=$$ exec "$@" 3<&{port.fileno()} {port.fileno()}<&-'
        child = subprocess.Popen(
            ["/bin/bash", "-c", start, "-", sys.executable, "-m", f"dsmil.daemons.{module}", *words],
            env=self.environment,
            pass_fds=[port.fileno()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self.children.append(child)
        return child

    def run(self, module: str, *words: str) -> tuple[int, str]:
        child = self.start(module, *words)
        _, said = child.communicate(timeout=60)
        return child.returncode, said.decode()

    def events(self, stream: StreamName = StreamName.L3_IN) -> list[Event]:
        return [decode(fields[b"event"]) for _, fields in self.redis.xrange(stream.value)]

    def seen(self) -> list[Event]:
        return [event for event in self.events() if event.kind != "source.stats"]


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not done():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)


@pytest.fixture
def suite(tmp_path: Path, redis_socket: str) -> Iterator[Suite]:
    made = Suite(tmp_path, redis_socket)
    yield made
    for child in made.children:
        if child.poll() is None:
            child.kill()
        child.communicate()
    made.redis.close()


def recording(path: Path, count: int) -> Path:
    def line(number: int) -> str:
        body = f"c:{1_700_000_000 + number}"
        return f"\\{body}*{reduce(lambda total, char: total ^ ord(char), body, 0):02X}\\{SENTENCE}\n"

    path.write_text("".join(map(line, range(count))))
    return path


def test_a_recording_is_played_and_the_daemon_ends(suite: Suite) -> None:
    path = recording(suite.directory / "x.nmea", 3000)
    code, said = suite.run("ais_playback", str(path), "--speed", "max", "--once")
    assert code == 0, said
    seen = suite.seen()
    assert [event.source_seq for event in seen] == list(range(1, 3001))
    assert {event.source_device for event in seen} == {BY_NAME["ais-playback"].device}
    assert seen[0].source == "ais:file:x.nmea"
    code, said = suite.run("ais_playback", str(path), "--once")
    assert code == 0
    assert len(suite.seen()) == 3000
    code, said = suite.run("ais_playback", str(path), "--once", "--again", "--speed", "max")
    assert code == 0
    again = suite.seen()[3000:]
    assert {event.source_epoch for event in again} == {seen[0].source_epoch[:-1] + "1"}


def test_killed_in_the_middle_it_goes_on_where_it_was(suite: Suite) -> None:
    path = recording(suite.directory / "x.nmea", 60_000)
    for _ in range(3):
        before = suite.redis.xlen("L3_IN")
        child = suite.start("ais_playback", str(path), "--speed", "max", "--once")
        until(lambda before=before: suite.redis.xlen("L3_IN") > before + 2000)  # type: ignore[misc]
        child.kill()
        child.wait()
    code, said = suite.run("ais_playback", str(path), "--speed", "max", "--once")
    assert code == 0, said
    by_counter: dict[int, str] = {}
    for event in suite.seen():
        assert by_counter.setdefault(event.source_seq, event.event_id) == event.event_id
    assert sorted(by_counter) == list(range(1, 60_001))
    assert len(suite.seen()) <= 60_000 + 3 * 2048


def test_drop_folder_udp_pause_and_stop(suite: Suite) -> None:
    child = suite.start("ais_playback")
    drop = suite.directory / "drop" / "ais"
    until(lambda: (drop / "done").is_dir() and suite.redis.exists("dsmil:hb:ais-playback") == 1)
    recording(suite.directory / "x.nmea", 100).rename(drop / "x.nmea")
    until(lambda: len(suite.seen()) == 100)
    until((drop / "done" / "x.nmea").exists)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(SENTENCE.encode(), ("127.0.0.1", suite.udp))
        until(lambda: len(suite.seen()) == 101)
        live = suite.seen()[-1]
        assert live.source == f"ais:udp:{suite.udp}"
        assert live.ts_basis == "ingest"

        suite.redis.set("dsmil:pause:ais-playback", "1")
        time.sleep(1.0)  # a pause takes hold within half a second and one step
        sender.sendto(SENTENCE.encode(), ("127.0.0.1", suite.udp))
        time.sleep(1.0)
        assert len(suite.seen()) == 101
        suite.redis.delete("dsmil:pause:ais-playback")
        until(lambda: len(suite.seen()) == 102)

    child.send_signal(signal.SIGTERM)
    _, said = child.communicate(timeout=10)
    assert child.returncode == 0, said.decode()
    stats = [event for event in suite.events() if event.kind == "source.stats"]
    assert {event.source for event in stats} == {"ais-playback"}


def test_rf_and_net_take_their_own(suite: Suite, shared_data: Path) -> None:
    suite.start("rf_ingest")
    suite.start("net_parser")
    nmap = suite.directory / "drop" / "nmap"
    until(
        lambda: (nmap / "done").is_dir() and suite.redis.exists("dsmil:hb:rf-ingest", "dsmil:hb:net-parser") == 2
    )
    (nmap / "scan.xml").write_bytes((shared_data / "nmap" / "libnmap-2_hosts.xml").read_bytes())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:

        def both() -> bool:
            sender.sendto(BURST, ("127.0.0.1", suite.udp))
            return {"net.host", "rf.burst"} <= {event.kind for event in suite.seen()}

        until(both)
    by_kind = {event.kind: event for event in suite.seen()}
    assert by_kind["net.host"].source == "nmap:scan.xml"
    assert by_kind["net.host"].source_device == 5
    assert by_kind["rf.burst"].source_device == 10


def test_once_without_files_is_a_wrong_configuration(suite: Suite) -> None:
    code, said = suite.run("net_parser", "--once")
    assert code == 78
    assert "name the files" in said


def test_a_wrong_speed_is_a_wrong_configuration(suite: Suite) -> None:
    suite.environment["DSMIL_AIS_PLAYBACK_SPEED"] = "warp"
    code, said = suite.run("ais_playback", os.devnull)
    assert code == 78
    assert "0.1 to 1000" in said


def send(port: int, *datagrams: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for datagram in datagrams:
            sender.sendto(datagram, ("127.0.0.1", port))


@pytest.fixture
def port() -> Iterator[socket.socket]:
    """A port that somebody else holds open: systemd."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", 0))
        os.dup2(held.fileno(), 40)  # clear of 3, where it goes
        with socket.socket(fileno=40) as moved:
            yield moved


def test_a_passed_port_loses_nothing_while_the_daemon_is_away(suite: Suite, port: socket.socket) -> None:
    number = port.getsockname()[1]
    suite.environment["DSMIL_AIS_PLAYBACK_UDP"] = ""  # off, but what was passed wins
    send(number, SENTENCE.encode())
    first = suite.passing("ais_playback", port, "nmea")
    until(lambda: len(suite.seen()) == 1)
    first.kill()
    first.wait()
    send(number, *[SENTENCE.encode()] * 20)
    second = suite.passing("ais_playback", port, "nmea")
    until(lambda: len(suite.seen()) == 21)
    assert {event.source for event in suite.seen()} == {f"ais:udp:{number}"}
    assert len({event.event_id for event in suite.seen()}) == 21
    second.send_signal(signal.SIGTERM)
    _, said = second.communicate(timeout=10)
    assert second.returncode == 0, said.decode()
    assert b"warning" not in said


def test_where_the_address_stands_is_said(suite: Suite, port: socket.socket) -> None:
    child = suite.passing("rf_ingest", port, "syslog")
    send(port.getsockname()[1], BURST)
    until(lambda: len(suite.seen()) == 1)
    assert suite.seen()[0].source == f"rf:udp:{port.getsockname()[1]}"
    child.send_signal(signal.SIGTERM)
    _, said = child.communicate(timeout=10)
    assert "systemctl edit dsmil-rf-ingest.socket" in said.decode(), "the configured address is another"


def test_a_wrong_kind_of_socket_is_a_wrong_configuration(suite: Suite) -> None:
    with socket.socket() as wrong:
        os.dup2(wrong.fileno(), 40)
        with socket.socket(fileno=40) as moved:
            child = suite.passing("ais_playback", moved, "nmea")
            _, said = child.communicate(timeout=20)
    assert child.returncode == 78
    assert "ListenDatagram=host:port in dsmil-ais-playback.socket" in said.decode()


def test_an_instance_has_a_life_of_its_own(suite: Suite) -> None:
    suite.start("ais_playback")
    drop = suite.directory / "drop" / "ais"
    until(lambda: (drop / "done").is_dir() and suite.redis.exists("dsmil:hb:ais-playback") == 1)
    other = free_port()
    suite.environment["DSMIL_AIS_PLAYBACK_UDP"] = f"127.0.0.1:{other}"
    more = suite.start("ais_playback", "--instance", "harbour")
    name = "ais-playback@harbour"
    until(lambda: suite.redis.hexists("dsmil:instances", name))
    assert suite.redis.exists(f"dsmil:hb:{name}")
    assert (suite.directory / "run" / f"{name}-0.lock").read_text().strip() == str(more.pid)

    def both() -> bool:
        send(suite.udp, SENTENCE.encode())
        send(other, SENTENCE.encode())
        return {event.source for event in suite.seen()} == {f"ais:udp:{suite.udp}", f"ais:udp:{other}"}

    until(both)
    seen = suite.seen()  # once: what was sent last is still on its way
    assert len({event.source_epoch for event in seen}) == 2
    assert len({event.event_id for event in seen}) == len(seen)
    code, said = suite.run("ais_playback", "--instance", "harbour")
    assert code == 78 and f"already running as pid {more.pid}" in said
    more.send_signal(signal.SIGTERM)
    assert more.wait(10) == 0
    assert not suite.redis.hexists("dsmil:instances", name), "stopped on purpose"


def test_a_name_no_instance_may_have_is_a_wrong_configuration(suite: Suite) -> None:
    for wrong in ("Harbour", "a b", "x" * 33, "../x", "é"):
        code, said = suite.run("net_parser", "--instance", wrong)
        assert code == 78 and "a-z, 0-9 and -" in said
