"""The command line: one root group whose commands are loaded when they are asked for.

Loading lazily keeps `dsmil decode` from paying for Redis and `dsmil status` from paying for parsers.
"""

from __future__ import annotations

import importlib
from typing import Any

import click

import dsmil
from dsmil.errors import ConfigError, DsmilError, QueryError, Unavailable

MODULES: dict[str, tuple[str, ...]] = {
    "suite": ("up", "run"),
    "state": ("status", "devices", "metrics"),
    "doctor": ("doctor",),
    "look": ("events", "streams", "tap", "top", "dlq"),
    "settings": ("config", "completion"),
    "ingest": ("ingest", "decode", "replay", "pause", "resume"),
    "audit": ("audit", "loss"),
    "why": ("why",),
    "query": ("query", "diff"),
    "graph": ("graph",),
    "export": ("export", "import"),
    "snapshot": ("snapshot",),
    "user": ("user",),
    "demo": ("demo",),
    "bench": ("bench",),
}
"""Which module is asked first for a command; each exports `COMMANDS`."""

EPILOG = """\b
Exit codes:
  0   done
  1   failed, or something is down or was rejected
  2   wrong usage, or a file that cannot be read
  69  Redis or a store is away (EX_UNAVAILABLE)
  78  the configuration is wrong (EX_CONFIG)
"""


class Root(click.Group):
    """Finds commands in `MODULES`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command of every module that is there."""
        return sorted({name for module in MODULES for name in _commands(module)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, loading as little as possible."""
        likely = [module for module, names in MODULES.items() if cmd_name in names]
        for module in [*likely, *(name for name in MODULES if name not in likely)]:
            if found := _commands(module).get(cmd_name):
                return found
        return None

    def invoke(self, ctx: click.Context) -> Any:
        """Run, with our errors as one line and an exit code of their own."""
        try:
            return super().invoke(ctx)
        except DsmilError as error:
            from dsmil.runtime.logs import printable

            click.echo(f"dsmil: {printable(str(error))}", err=True)
            codes = {QueryError: 2, ConfigError: 78, Unavailable: 69}
            ctx.exit(next((code for kind, code in codes.items() if isinstance(error, kind)), 1))


def _commands(module: str) -> dict[str, click.Command]:
    path = f"{__name__}.{module}"
    try:
        found = importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name != path:
            raise
        return {}
    return {command.name or "": command for command in found.COMMANDS}


@click.group(cls=Root, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(dsmil.__version__, prog_name="dsmil")
def main() -> None:
    """One live, replayable picture of radios, ships, hosts and the people who watch them."""
