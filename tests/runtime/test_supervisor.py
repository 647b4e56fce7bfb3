"""The supervisor keeps children running, leaves a misconfigured one down, and leaves nothing behind."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import dsmil
from dsmil.errors import ConfigError
from dsmil.runtime.child import Fate
from dsmil.runtime.supervisor import Supervisor

TOY = """
import sys
from dsmil.runtime.daemon import Daemon, start
class Work:
    def step(self, timeout_s):
        import select; select.select([], [], [], 0.05); return 0
    def drain(self): open(sys.argv[1], "a").write(__name__ and NAME + "\\n")
    def stats(self): return {}
NAME = __spec__.name.rpartition(".")[2]
raise SystemExit(start(NAME, lambda settings: Daemon(NAME, Work(), settings=settings)))
"""
BAD = "import sys; sys.stderr.write('dsmil-bad: set x: no (do y)\\n'); raise SystemExit(78)"


class NoRedis:
    url, pid = "unix:///nowhere.sock", 1

    def __init__(self) -> None:
        self.story: list[str] = []

    def start(self) -> None:
        self.story.append("start")

    def stop(self) -> None:
        self.story.append("stop")


@pytest.fixture
def toys(tmp_path: Path) -> Path:
    package = tmp_path / "src" / "toys"
    package.mkdir(parents=True)
    for name, text in (("first", TOY), ("last", TOY), ("bad", BAD), ("__init__", "")):
        (package / f"{name}.py").write_text(text)
    return package.parent


@pytest.fixture
def suite(toys: Path, tmp_path: Path) -> Iterator[Supervisor]:
    suite = make(toys, tmp_path)
    with suite:
        yield suite


def make(toys: Path, tmp_path: Path, *groups: str) -> Supervisor:
    source = str(Path(dsmil.__file__).parent.parent)
    story = str(tmp_path / "story")
    return Supervisor(
        tmp_path / "suite",
        [[name] for name in groups or ("last", "first")],
        server=NoRedis(),
        extra_env={"PYTHONPATH": f"{toys}:{source}"},
        args_by_daemon={"first": [story], "last": [story]},
        package="toys",
    )


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def test_all_become_ready_and_stop_in_reverse_order(suite: Supervisor, tmp_path: Path) -> None:
    assert suite.wait_ready(20)
    pids = suite.pids
    assert set(pids) == {"first", "last"} and set(suite.fates.values()) == {Fate.READY}
    assert suite.stop() == {"first": 0, "last": 0}
    assert (tmp_path / "story").read_text().split() == ["first", "last"]
    assert all(gone(pid) for pid in pids.values())
    assert suite.server.story[:2] == ["start", "stop"]  # type: ignore[attr-defined]


def test_a_store_with_a_folder_of_its_own_is_found_where_people_look(suite: Supervisor, tmp_path: Path) -> None:
    (tmp_path / "suite" / "graph" / "graph.db").write_text("there")
    assert (tmp_path / "suite" / "graph.db").read_text() == "there"


def test_a_killed_child_is_started_again(suite: Supervisor) -> None:
    assert suite.wait_ready(20)
    before = suite.pids["first"]
    suite.kill("first")
    while suite.pids.get("first") in (before, None):
        suite.poll(0.1)
    assert suite.wait_ready(20)
    assert suite.restarts == {"first": 1, "last": 0}


def test_a_hanging_child_is_replaced(toys: Path, tmp_path: Path) -> None:
    with make(toys, tmp_path, "first") as suite:
        assert suite.wait_ready(20)
        suite._watchdog_s = 1.5
        before = suite.pids["first"]
        suite.kill("first", signal.SIGSTOP)
        while suite.pids.get("first") in (before, None):
            suite.poll(0.1)
        assert gone(before)


def test_a_misconfigured_child_stays_down_and_says_why(toys: Path, tmp_path: Path) -> None:
    with make(toys, tmp_path, "first", "bad") as suite:
        assert not suite.wait_ready(20)
        assert suite.failed == {"bad": "dsmil-bad: set x: no (do y)"}
        suite.poll(0.3)
        assert suite.fates["bad"] is Fate.FAILED and suite.restarts["bad"] == 0


def test_one_directory_holds_one_suite(suite: Supervisor, toys: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"already running as pid {os.getpid()}"):
        make(toys, tmp_path).start()


def test_children_die_with_a_killed_supervisor(toys: Path, tmp_path: Path) -> None:
    code = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from test_supervisor import make
suite = make(Path({str(toys)!r}), Path({str(tmp_path)!r})); suite.start(); suite.wait_ready(20)
print(*suite.pids.values(), flush=True)
while True: suite.poll(1)
"""
    env = os.environ | {"PYTHONPATH": str(Path(dsmil.__file__).parent.parent)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=env) as parent:
        assert parent.stdout
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == 2 and not any(gone(pid) for pid in pids)
        fds = [os.pidfd_open(pid) for pid in pids]
        parent.kill()
        parent.wait()
        for fd in fds:  # a pidfd turns readable when its process ends
            assert select.select([fd], [], [], 5)[0], "a child outlived its supervisor"
            os.close(fd)
