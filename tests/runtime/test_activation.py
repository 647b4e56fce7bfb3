"""Descriptors systemd passes are found by name, kept from children, and nonsense counts as none."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest

from dsmil.config import listen_names
from dsmil.runtime import activation

ASK = (
    "import json, os, sys\n"
    "from dsmil.runtime.activation import all_passed, passed\n"
    "name = sys.argv[1]\n"
    "fds = all_passed(name)\n"
    "print(json.dumps([passed(name), fds, [os.get_inheritable(fd) for fd in fds]]))\n"
)


def ask(name: str, given: int, **environ: str) -> tuple[int | None, list[int], list[bool]]:
    """What a process that was passed `given` sockets says about `name`. Its first descriptors are moved to 3, 4...
    by a shell, which also knows its pid."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(given)]
    # Clear of 3.., where they are to go: nothing may be overwritten before it was moved.
    moved = [os.dup2(each.fileno(), 40 + number) for number, each in enumerate(sockets)]
    words = "".join(f" {3 + number}<&{fd} {fd}<&-" for number, fd in enumerate(moved))
    start = f'LISTEN_PID="${{LISTEN_PID:-$$}}" exec "$@"{words}'
    kept = {key: value for key, value in os.environ.items() if not key.startswith("LISTEN_")}
    try:
        done = subprocess.run(
            ["/bin/bash", "-c", start, "-", sys.executable, "-c", ASK, name],
            env={**kept, **environ},
            pass_fds=moved,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    finally:
        for each in sockets:
            each.close()
        for fd in moved:
            os.close(fd)
    assert done.returncode == 0, done.stderr
    first, fds, inheritable = json.loads(done.stdout)
    return first, fds, inheritable


def test_a_descriptor_is_found_by_its_name_and_stays_with_the_process() -> None:
    assert ask("nmea", 1, LISTEN_FDS="1", LISTEN_FDNAMES="nmea") == (3, [3], [False])
    assert ask("http", 2, LISTEN_FDS="2", LISTEN_FDNAMES="syslog:http") == (4, [4], [False])
    assert ask("nmea", 3, LISTEN_FDS="3", LISTEN_FDNAMES="nmea:other:nmea") == (3, [3, 5], [False, False])
    assert ask("nmea", 1, LISTEN_FDS="1", LISTEN_FDNAMES="syslog") == (None, [], [])


@pytest.mark.parametrize("names", [{}, {"LISTEN_FDNAMES": ""}, {"LISTEN_FDNAMES": "unknown"}])
def test_a_single_one_without_a_name_counts_for_any(names: dict[str, str]) -> None:
    assert ask("nmea", 1, LISTEN_FDS="1", **names) == (3, [3], [False])
    assert ask("nmea", 2, LISTEN_FDS="2", **names) == (None, [], [])


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"LISTEN_FDS": "0"},
        {"LISTEN_FDS": "-1"},
        {"LISTEN_FDS": "one"},
        {"LISTEN_FDS": "٣"},
        {"LISTEN_FDS": "9" * 30},
        {"LISTEN_FDS": "1", "LISTEN_PID": "1"},
        {"LISTEN_FDS": "1", "LISTEN_PID": "me"},
    ],
)
def test_what_makes_no_sense_or_is_anothers_counts_as_none(environ: dict[str, str]) -> None:
    assert ask("nmea", 1, LISTEN_FDNAMES="nmea", **environ) == (None, [], [])


def test_a_descriptor_that_is_not_open_is_none() -> None:
    assert ask("nmea", 0, LISTEN_FDS="1", LISTEN_FDNAMES="nmea") == (None, [], [])


def test_without_systemd_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        monkeypatch.delenv(name, raising=False)
    assert activation.passed("nmea") is None
    assert activation.all_passed("") == ()


def test_names_are_filled_up_and_cut_to_the_number() -> None:
    ours = {"LISTEN_PID": str(os.getpid())}
    assert listen_names(ours | {"LISTEN_FDS": "3", "LISTEN_FDNAMES": "a:unknown"}) == ["a", "", ""]
    assert listen_names(ours | {"LISTEN_FDS": "1", "LISTEN_FDNAMES": "a:b"}) == ["a"]
    assert listen_names(ours | {"LISTEN_FDS": "65"}) == []
