"""`dsmil config` and shell completions.

`check` is what a script asks before a restart; `show --origin` answers "where does this value come from".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from dsmil import config
from dsmil.cli.place import dir_option
from dsmil.cli.show import emit, json_option, table
from dsmil.config.kinds import to_toml
from dsmil.config.load import is_secret
from dsmil.config.places import redact


@click.group("config")
def config_() -> None:
    """The settings: are they right, what are they, and where does each come from."""


@config_.command()
@dir_option
@json_option
def check(directory: Path | None, as_json: bool) -> None:
    """Read all settings; exit 78 with the place and the mend when something is wrong."""
    loaded = _load(directory)
    changed = sum(origin != "default" for origin in loaded.origins.values())
    if as_json:
        emit({"ok": True, "keys": len(loaded.origins), "changed": changed})
    else:
        click.echo(f"settings are right: {len(loaded.origins)} keys, {changed} of them not at their default")


@config_.command()
@dir_option
@click.option("--origin", is_flag=True, help="Also where each value was set.")
@click.option("--changed", is_flag=True, help="Only what is not at its default.")
@json_option
def show(directory: Path | None, origin: bool, changed: bool, as_json: bool) -> None:
    """Every setting in force; secrets are not shown."""
    loaded = _load(directory)
    values = _values(loaded)
    names = [name for name in values if not changed or loaded.origins[name] != "default"]
    if as_json:
        emit(
            {
                name: {"value": values[name], "origin": loaded.origins[name]} if origin else values[name]
                for name in names
            }
        )
        return
    columns = ("key", "value", "origin") if origin else ("key", "value")
    rows = ((name, to_toml(values[name]), loaded.origins[name]) for name in names)
    table(columns, (row[: len(columns)] for row in rows))


def _load(directory: Path | None) -> config.Loaded:
    return config.load(environ=config.private_environment(directory)) if directory else config.load()


def _values(loaded: config.Loaded) -> dict[str, Any]:
    sections = msgspec.to_builtins(loaded.settings, enc_hook=str)
    return {
        f"{section}.{key}": _shown(f"{section}.{key}", value)
        for section, keys in sections.items()
        for key, value in keys.items()
    }


def _shown(name: str, value: Any) -> Any:
    if is_secret(name):
        return "***" if value else value
    return redact(value) if isinstance(value, str) else value


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script, e.g. `eval "$(dsmil completion bash)"`."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    root = ctx.find_root().command
    click.echo(kind(root, {}, "dsmil", "_DSMIL_COMPLETE").source())


COMMANDS = (config_, completion)
