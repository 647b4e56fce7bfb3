"""Asking another program, for a bounded time: one that is missing or hangs says nothing, and no more."""

from __future__ import annotations

import subprocess
from pathlib import Path

from msgspec import Struct

from dsmil.errors import Unavailable

ASK_S = 5.0
ACT_S = 60.0
"""A unit that is started may take its time: Redis loads its file first."""


class Reply(Struct, frozen=True):
    """What a program answered."""

    code: int
    out: str
    err: str

    @property
    def why(self) -> str:
        """The last line it complained in."""
        lines = (self.err.strip() or self.out.strip()).splitlines()
        return lines[-1] if lines else f"exit code {self.code}"


def ask(*words: str, wait_s: float = ASK_S) -> Reply | None:
    """The program's answer; None where it is not there or does not answer in time."""
    try:
        done = subprocess.run(words, capture_output=True, stdin=subprocess.DEVNULL, timeout=wait_s, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return Reply(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))


def act(*words: str) -> None:
    """Do it; Unavailable where it does not succeed."""
    reply = ask(*words, wait_s=ACT_S)
    if reply is None:
        raise Unavailable(f"run {words[0]}: not there, or no answer within {ACT_S:.0f} s")
    if reply.code:
        raise Unavailable(f"run {' '.join(words)}: {reply.why}")


def first_line(path: Path) -> str:
    """The first line of a small file of the kernel's; empty where it is hidden or absent."""
    try:
        return path.read_text("utf-8", "replace").partition("\n")[0].strip()
    except OSError:
        return ""
