"""A machine with real systemd: a copy of a tree, booted by systemd-nspawn, driven from outside through nsenter.

It shares the host's kernel and clock, so moments measured inside and outside can be compared; its root directory can
be read from outside (`root`). `net="host"` shares the host's network, and with it its ports: one such machine at a
time. `net="none"` has a loopback of its own only. It ends with the process that made it, however that ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from tests.system import tree

T = TypeVar("T")
PORTS = (
    (socket.SOCK_STREAM, 6379),
    (socket.SOCK_STREAM, 8052),
    (socket.SOCK_DGRAM, 10110),
    (socket.SOCK_DGRAM, 1514),
)
CHECKOUT, WHEELS = "/src", "/wheels"
BOOT_S, DOWN_S, RUN_S, LOOK_S = 60.0, 60.0, 60.0, 0.1
REBOOTED = 133
"""How nspawn with --keep-unit says that the machine asked for a reboot: whoever started it starts it again."""
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "TERM": "dumb",
    "DEBIAN_FRONTEND": "noninteractive", "SYSTEMD_PAGER": "", "SYSTEMD_COLORS": "0",
}  # fmt: skip
CLONE_NEWNET = 0x40000000


class Machine:
    """One booted machine. Every wait ends; `close` leaves neither processes nor files."""

    def __init__(
        self, name: str, template: Path, *, checkout: Path, net: str = "none", wheels: Path | None = None
    ) -> None:
        self.name = name
        self.root = tree.cache() / "machines" / f"{name}-{os.getpid()}"
        self.log = self.root.with_suffix(".console")
        self.checkout, self.net, self.wheels = checkout, net, wheels
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._leader = 0
        _sweep(self.root.parent)
        subprocess.run(["cp", "-a", "--reflink=auto", str(template), str(self.root)], check=True, timeout=300)
        (self.root / "etc/hostname").write_text(f"{name}\n")
        # An installer writes this; debootstrap does not.
        (self.root / "etc/hosts").write_text(f"127.0.0.1\tlocalhost\n127.0.1.1\t{name}\n::1\tlocalhost\n")
        if net == "host":
            tree.lend(self.root)
        else:
            (self.root / "etc/pip.conf").unlink(missing_ok=True)  # what it has must do

    def start(self) -> None:
        """Boot, and wait until systemd has started what it starts."""
        if self.net == "host":
            until = time.monotonic() + PORTS_S
            while (taken := ports_taken()) and time.monotonic() < until:
                time.sleep(1.0)  # a suite somebody has just ended may still hold one
            assert not taken, f"the machine shares this host's network, where these ports are taken: {taken}"
        network = ["--private-network", "--resolv-conf=off"]
        if self.net == "host":
            network = ["--resolv-conf=copy-host", *tree.local_binds()]
        wheels = [f"--bind-ro={self.wheels}:{WHEELS}"] if self.wheels else []
        command = [
            "setpriv", "--pdeathsig", "TERM", "systemd-nspawn", "-q", "-b", "-D", str(self.root), "--register=no",
            "--keep-unit", f"--machine={self.name}", *network, *wheels,
            f"--bind-ro={self.checkout}:{CHECKOUT}",
        ]  # fmt: skip
        with self.log.open("ab") as log:
            self._nspawn = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._leader = self.until("a leader", self._find_leader, within_s=BOOT_S)
        self.until("systemd up", lambda: self.settled() in ("running", "degraded"), within_s=BOOT_S)

    def _find_leader(self) -> int:
        assert self._nspawn is not None
        assert self._nspawn.poll() is None, f"nspawn ended: {self.log.read_text(errors='replace')[-2000:]}"
        pid = self._nspawn.pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                return int(child)
        return 0

    def settled(self) -> str:
        """What systemd says of the whole system: starting, running, degraded, ..."""
        return self.run("systemctl is-system-running", check=False).stdout.strip()

    def run(
        self, command: str | Sequence[str], *, user: str = "root", check: bool = True, timeout: float = RUN_S,
        cwd: str = "/", env: Mapping[str, str] | None = None, stdin: str | None = None,
    ) -> subprocess.CompletedProcess[str]:  # fmt: skip
        """Run a command (a text goes to sh) inside. Its whole process group ends with the timeout."""
        words = ["sh", "-c", command] if isinstance(command, str) else list(command)
        home = "/root" if user == "root" else f"/home/{user}"
        given = {**ENVIRONMENT, "HOME": home, "USER": user, "LOGNAME": user, **(env or {})}
        become = _become(user)
        # With its starter ends nsenter too: a stopped one would hold the machine's end up.
        whole = ["setpriv", "--pdeathsig", "KILL", "nsenter", "-t", str(self._leader), "-a",
                 "env", "-i", f"--chdir={cwd}", *(f"{k}={v}" for k, v in given.items()), *become, *words]  # fmt: skip
        child = subprocess.Popen(
            whole, text=True, errors="replace", start_new_session=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
        )  # fmt: skip
        try:
            out, err = child.communicate(stdin, timeout=timeout)
        except BaseException as error:
            os.killpg(child.pid, signal.SIGKILL)
            out, err = child.communicate()
            if isinstance(error, subprocess.TimeoutExpired):
                raise AssertionError(
                    f"not done in {timeout} s: {words[-1]}\n{out[-3000:]}{err[-3000:]}"
                ) from None
            raise
        done = subprocess.CompletedProcess(words, child.returncode, out, err)
        assert not check or child.returncode == 0, (
            f"exit {child.returncode}: {words[-1]}\n{out[-6000:]}{err[-4000:]}"
        )
        return done

    def say(self, command: str, **how: Any) -> str:
        """The output of a command that must succeed."""
        return self.run(command, **how).stdout.strip()

    def until(self, what: str, look: Callable[[], T], *, within_s: float = 30.0, every_s: float = LOOK_S) -> T:
        """The first true answer of `look`."""
        deadline = time.monotonic() + within_s
        while not (found := look()):
            assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
            time.sleep(every_s)
        return found

    def show(self, unit: str, *names: str) -> dict[str, str]:
        """Properties of a unit."""
        words = ["systemctl", "show", unit, *(f"-p{name}" for name in names)]
        return dict(line.split("=", 1) for line in self.run(words).stdout.splitlines() if "=" in line)

    def active(self, *units: str) -> bool:
        """Whether all these units are active."""
        said = self.run(["systemctl", "is-active", *units], check=False).stdout.split()
        return said == ["active"] * len(units)

    def journal(self, unit: str = "", *, since: str = "", lines: int = 0) -> list[dict[str, Any]]:
        """Journal entries, oldest first, of this boot and of one unit where it is named."""
        words = ["journalctl", "-b", "-o", "json", "--no-pager", "-q", *(["-u", unit] if unit else []),
                 *([f"--since={since}"] if since else []), *([f"-n{lines}"] if lines else [])]  # fmt: skip
        return [json.loads(line) for line in self.run(words).stdout.splitlines()]

    def words(self, lines: int = 60) -> str:
        """The end of the journal and what failed, for a failure."""
        look = f"systemctl --failed --no-legend --plain; journalctl -b -n {lines} --no-pager -o short-monotonic"
        return self.run(look, check=False).stdout

    def read(self, path: str) -> bytes:
        """A file, as root inside sees it: tmpfs included."""
        whole = ["nsenter", "-t", str(self._leader), "-a", "cat", path]
        return subprocess.run(whole, capture_output=True, check=True, timeout=RUN_S).stdout

    def write(self, path: str, data: bytes | str, *, user: str = "root") -> None:
        """Put a file there whole at once, as a user."""
        folder, name = path.rsplit("/", 1)
        beside = f"{folder}/.{name}"
        become = _become(user)
        whole = ["nsenter", "-t", str(self._leader), "-a", *become, "sh", "-c",
                 'umask 002; cat > "$0" && mv "$0" "$1"', beside, path]  # fmt: skip
        given = data.encode() if isinstance(data, str) else data
        done = subprocess.run(whole, input=given, capture_output=True, timeout=RUN_S, check=False)
        assert done.returncode == 0, done.stderr.decode(errors="replace")

    def socket(self, kind: int = socket.SOCK_DGRAM) -> socket.socket:
        """A socket on the machine's own network."""
        made: list[socket.socket] = []

        def make() -> None:
            libc = ctypes.CDLL(None, use_errno=True)
            with open(f"/proc/{self._leader}/ns/net") as file:
                if libc.setns(file.fileno(), CLONE_NEWNET) == 0:
                    made.append(socket.socket(socket.AF_INET, kind))

        thread = threading.Thread(target=make)  # the namespace is the thread's own
        thread.start()
        thread.join()
        assert made, "could not enter the machine's network"
        return made[0]

    def reboot(self) -> float:
        """Reboot as its operator would; the seconds until systemd is up again."""
        began = time.monotonic()
        self.run("systemctl reboot", check=False)
        assert self._ended(DOWN_S) == REBOOTED, self.log.read_text(errors="replace")[-2000:]
        self.start()
        return time.monotonic() - began

    def power_off(self) -> None:
        """Shut down as its operator would."""
        self.run("systemctl poweroff", check=False)
        assert self._ended(DOWN_S) == 0, self.log.read_text(errors="replace")[-2000:]

    def _ended(self, within_s: float) -> int:
        assert self._nspawn is not None
        code = self._nspawn.wait(within_s)
        self._nspawn = None
        return code

    def close(self) -> None:
        """End it at once and remove its files."""
        if self._nspawn is not None and self._nspawn.poll() is None:
            if self._leader:
                _kill(self._leader)  # the kernel ends everything in its pid namespace with it
            else:
                self._nspawn.terminate()
            try:
                self._nspawn.wait(20)
            except subprocess.TimeoutExpired:
                self._nspawn.kill()
                self._nspawn.wait(20)
        self._nspawn = None
        shutil.rmtree(self.root, ignore_errors=True)
        self.log.unlink(missing_ok=True)


def _become(user: str) -> list[str]:
    """Not runuser: it writes two lines into the journal each time."""
    return [] if user == "root" else ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--"]


PORTS_S = 90.0
"""Wait for ports this machine shares with its host."""


def ports_taken() -> list[str]:
    """The ports the suite needs that something on this host holds."""
    taken = []
    for kind, port in PORTS:
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                taken.append(f"{port}/{'tcp' if kind == socket.SOCK_STREAM else 'udp'}")
    return taken


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _sweep(place: Path) -> None:
    """Remove what a run that was killed has left."""
    place.mkdir(parents=True, exist_ok=True)
    for one in place.iterdir():
        pid = one.name.split(".")[0].rsplit("-", 1)[-1]
        if pid.isdigit() and not Path("/proc", pid).exists():
            shutil.rmtree(one, ignore_errors=True) if one.is_dir() else one.unlink()
