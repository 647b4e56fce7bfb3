"""Reads the settings: dsmil.toml < conf.d/*.toml < environment < flags, key by key.

The only reader of settings in the environment. Every fault is a `ConfigError` naming key, place, allowed range and
mend; nothing is guessed and nothing unknown is passed over, because a misspelt key is a setting that silently fails.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, ValidationError

from dsmil.config.kinds import allowed_of, literal
from dsmil.config.places import redact
from dsmil.config.settings import ALIASES, Settings
from dsmil.errors import ConfigError

ETC_DIR = Path("/etc/dsmil")
PREFIX = "DSMIL_"
NOT_SETTINGS = ("DSMIL_TEST_", "DSMIL_ETC")
"""Variables of ours that are no settings: the tests' own, and the one that moves the configuration directory."""
FILE_BYTES_MAX = 1 << 20
"""A configuration file larger than 1 MiB is some other file."""
CREDENTIAL = "redis-password"
"""Name of the systemd credential that holds the Redis password."""

Values = dict[tuple[str, str], tuple[Any, str]]
"""(section, key) -> (raw value, where it was set)."""


class Loaded(Struct, frozen=True):
    """The settings and where each value came from: `default`, `file:line`, `environment NAME` or `flag`."""

    settings: Settings
    origins: dict[str, str]


def load(
    *,
    flags: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
    etc_dir: Path = ETC_DIR,
) -> Loaded:
    """Read all settings. `flags` maps "section.key" to text; `DSMIL_ETC` moves `etc_dir`. Raises ConfigError."""
    env = os.environ if environ is None else environ
    etc = Path(env.get("DSMIL_ETC") or etc_dir)
    values: Values = {}
    for path in _files(etc):
        values.update(_from_file(path))
    values.update(_from_credentials(env))
    values.update(_from_environment(env))
    values.update(_from_flags(flags or {}))
    sections = {name: _section(name, shape, values) for name, shape in shapes().items()}
    origins = {
        f"{name}.{key}": values.get((name, key), ("", "default"))[1]
        for name, shape in shapes().items()
        for key in shape.__struct_fields__
    }
    return Loaded(Settings(**sections), origins)  # type: ignore[arg-type] # each built by its own struct above


def shapes() -> dict[str, type[Struct]]:
    """Each section's name and struct, in the order of `Settings`."""
    return {item.name: item.type for item in msgspec.structs.fields(Settings)}


def _files(etc: Path) -> list[Path]:
    try:
        dropins = sorted(path for path in (etc / "conf.d").iterdir() if path.suffix == ".toml")
    except (FileNotFoundError, NotADirectoryError):
        dropins = []
    except OSError as error:
        raise ConfigError(
            f"list {etc / 'conf.d'}: {error.strerror}", hint="let the daemon's user read it"
        ) from None
    main = etc / "dsmil.toml"
    return [main, *dropins] if os.path.lexists(main) else dropins


def _from_file(path: Path) -> Values:
    text = _read(path)
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(path, error) from None
    values: Values = {}
    for section, table in tables.items():
        where = f"{path}:{_line(text, section)}"
        _known_section(section, where)
        if not isinstance(table, dict):
            raise ConfigError(f"read {where}: {section} is not a table", hint=f"write [{section}] above its keys")
        for key, value in table.items():
            where = f"{path}:{_line(text, section, key)}"
            _known_key(section, key, where)
            values[section, key] = (value, where)
    return values


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(
            f"read {path}: {error.strerror}", hint="let the daemon's user read it, or remove it"
        ) from None
    if len(data) > FILE_BYTES_MAX:
        raise ConfigError(f"read {path}: larger than {FILE_BYTES_MAX} bytes", hint="put the settings file back")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"read {path}: not UTF-8 at byte {error.start}", hint="save the file as UTF-8"
        ) from None


def _syntax_error(path: Path, error: tomllib.TOMLDecodeError) -> ConfigError:
    found = re.search(r"^(.*) \(at line (\d+), column (\d+)\)$", str(error))
    if not found:
        return ConfigError(f"read {path}: {error}", hint="the file ends too early")
    cause, line, column = found.groups()
    return ConfigError(
        f"read {path}:{line}: {cause} at column {column}", hint="TOML: text in quotes, lists in []"
    )


def _line(text: str, section: str, key: str | None = None) -> int:
    """The line, from 1, of a section's header or of one of its keys; 1 where it is written some other way."""
    inside, header = False, 1
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if found := re.match(r"\[+\s*([\w.\"-]+)\s*\]+", bare):
            inside = found[1].strip('"') == section
            header = number if inside and header == 1 else header
            if found[1] == f"{section}.{key}":
                return number
        elif inside and key is not None and re.match(rf"\"?{re.escape(key)}\"?\s*=", bare):
            return number
    return header


def _from_credentials(env: Mapping[str, str]) -> Values:
    folder = env.get("CREDENTIALS_DIRECTORY")
    path = Path(folder, CREDENTIAL) if folder else None
    return {("redis", "password_file"): (str(path), "credential")} if path and path.exists() else {}


def _from_environment(env: Mapping[str, str]) -> Values:
    names = _variables()
    values: Values = {}
    for name in sorted(
        env, key=lambda name: (name.startswith(PREFIX), name)
    ):  # ours win over the documented ones
        if name in names:
            section, key = names[name]
            values[section, key] = (literal(env[name], _field(section, key)), f"environment {name}")
        elif name.startswith(PREFIX) and not name.startswith(NOT_SETTINGS):
            raise ConfigError(f"read environment: unknown variable {name}", hint=_close(name, names))
    return values


def _from_flags(flags: Mapping[str, str]) -> Values:
    values: Values = {}
    for name, text in flags.items():
        section, _, key = name.partition(".")
        _known_section(section, f"flag {name}")
        _known_key(section, key, f"flag {name}")
        values[section, key] = (literal(text, _field(section, key)), f"flag {name}")
    return values


def _variables() -> dict[str, tuple[str, str]]:
    ours = {
        f"{PREFIX}{section}_{key}".upper(): (section, key)
        for section, shape in shapes().items()
        for key in shape.__struct_fields__
    }
    return ALIASES | ours


def _field(section: str, key: str) -> Any:
    return next(item.type for item in msgspec.structs.fields(shapes()[section]) if item.name == key)


def _known_section(section: str, where: str) -> None:
    if section not in shapes():
        raise ConfigError(f"read {where}: unknown section [{section}]", hint=_close(section, shapes()))


def _known_key(section: str, key: str, where: str) -> None:
    keys = shapes()[section].__struct_fields__
    if key not in keys:
        raise ConfigError(f"read {where}: unknown key {section}.{key}", hint=_close(key, keys))


def _close(word: str, known: Iterable[str]) -> str:
    words = sorted(known)
    near = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(words[:20])}"


def _section(name: str, shape: type[Struct], values: Values) -> Struct:
    given: dict[str, Any] = {}
    where = "default"
    for item in msgspec.structs.fields(shape):
        if (name, item.name) not in values:
            continue
        raw, where = values[name, item.name]
        given[item.name] = _value(f"{name}.{item.name}", raw, item.type, where)
    try:
        return shape(**given)
    except (ValueError, TypeError) as error:  # __post_init__ of a section: keys that only clash together
        raise ConfigError(f"set [{name}]: {error}", hint=f"last set by {where}") from None


def _value(name: str, raw: Any, kind: Any, where: str) -> Any:
    loose = where.startswith(("environment ", "flag "))  # text: "10" means 10
    try:
        return msgspec.convert(raw, kind, strict=not loose, dec_hook=_path)
    except ValidationError as error:
        shown = "***" if is_secret(name) else redact(repr(raw))[:200]
        allowed = allowed_of(kind)
        raise ConfigError(
            f"set {name} = {shown} ({where}): {str(error)[:1].lower()}{str(error)[1:]}",
            hint=f"allowed: {allowed}" if allowed else "see etc/dsmil.toml",
        ) from None


def _path(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str) and value and "\0" not in value:
        return Path(value)
    raise ValueError(f"expected a path, got {value!r}")


def is_secret(name: str) -> bool:
    """True for keys whose value is never shown."""
    return name.rpartition(".")[2].endswith(("password", "secret", "token", "api_key"))
