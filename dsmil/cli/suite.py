"""Running a suite: up, run.

`up` needs nothing installed but redis-server: one directory, a Redis of its own, every daemon as a child.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import click

from dsmil import config
from dsmil.cli.place import dir_option
from dsmil.cli.show import emit, json_option
from dsmil.cli.stack import private_suite, shipped
from dsmil.clock import SYSTEM
from dsmil.config.sources import split_address
from dsmil.errors import DsmilError, Unavailable
from dsmil.runtime import logs

API, LISTEN = "api", "DSMIL_API_LISTEN"
READY_S_MAX = 60.0
"""Eight interpreters on a slow two-core machine start in a few seconds; a minute means something is wrong."""
POLL_S = 0.25


@click.command()
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep everything in DIR. Without it: a temporary directory, removed at the end.",
)
@click.option(
    "--port", type=click.IntRange(1, 65_535), help="Port of the API on 127.0.0.1; [api] listen without it."
)
@click.option("--profile", type=click.Choice(["fast", "durable"]), default="fast", show_default=True,
              help="Redis append-only file: synced each second, or at every write.")  # fmt: skip
@json_option
def up(directory: Path | None, port: int | None, profile: Literal["fast", "durable"], as_json: bool) -> None:
    """Run all daemons and a private Redis in one directory until stopped.

    Prints one JSON line {dir, redis, api, pid} when all are ready. Where the API's port is taken it says so and takes
    a free one.
    """
    settings = config.load().settings
    logs.setup("up", settings.log.level)
    listen = api_address(settings.api.listen, port)
    with _place(directory) as place, _stop_flag() as stopping:
        suite = private_suite(place, profile=profile, extra_env={LISTEN: listen})
        try:
            suite.start()
            _await_ready(suite, stopping)
            if not stopping:
                url = f"http://{listen}" if API in shipped() else None
                emit({"dir": str(place), "redis": suite.server.url, "api": url, "pid": os.getpid()})
                sys.stdout.flush()
            while not stopping:
                suite.poll(POLL_S)
        finally:
            codes = suite.stop()
            logs.get().info("suite_stopped", exit_codes=codes)


def api_address(configured: str, port: int | None = None) -> str:
    """Where the API of a private suite is to listen: as asked for, with a free port where that one is taken."""
    at = split_address(configured)
    assert at is not None, "[api] refuses an empty listen"
    host, wanted = (at[0], at[1]) if port is None else ("127.0.0.1", port)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for number in (wanted, 0):
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, number))
            except OSError as error:
                logs.get().warning("port_taken", address=f"{host}:{number}", error=str(error), next="a free one")
                continue
            found = probe.getsockname()[1]
            return f"[{host}]:{found}" if ":" in host else f"{host}:{found}"
    raise Unavailable(
        f"find a port on {host}: none can be had", hint="set [api] listen to an address of this machine"
    )


@contextmanager
def _place(directory: Path | None) -> Iterator[Path]:
    if directory is not None:
        yield directory.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="dsmil-") as folder:
        yield Path(folder)


@contextmanager
def _stop_flag() -> Iterator[list[int]]:
    """A list that gets the number of the first stop signal; a second one ends everything at once."""
    seen: list[int] = []

    def note(number: int, frame: Any) -> None:
        if seen:
            os._exit(1)  # the children die with this process
        seen.append(number)

    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    old = {number: signal.signal(number, note) for number in numbers}
    try:
        yield seen
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def _await_ready(suite: Any, stopping: list[int]) -> None:
    until = SYSTEM.monotonic() + READY_S_MAX
    while not stopping and not suite.wait_ready(POLL_S):
        if suite.failed:
            said = "; ".join(f"{name}: {line}" for name, line in suite.failed.items())
            raise DsmilError(f"start suite: {said}", hint="mend the setting and start again")
        if SYSTEM.monotonic() > until:
            slow = [f"{name} ({line})" for name, line in suite.unready.items()]
            raise DsmilError(f"start suite: not ready: {', '.join(slow)}", hint=f"see {suite.directory}/log")


@click.command(context_settings={"ignore_unknown_options": True})
@dir_option
@click.argument("daemon")
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def run(directory: Path | None, daemon: str, args: tuple[str, ...]) -> None:
    """Run one DAEMON in the foreground, as its unit would."""
    if daemon not in shipped():
        raise click.BadParameter(f"{daemon!r} is none of {', '.join(shipped())}", param_hint="DAEMON")
    command = [sys.executable, "-m", f"dsmil.daemons.{daemon.replace('-', '_')}", *args]
    if directory is None:
        os.execv(sys.executable, command)  # noqa: S606 - no shell
    os.execve(sys.executable, command, config.private_environment(directory))  # noqa: S606 - no shell


COMMANDS = (up, run)
