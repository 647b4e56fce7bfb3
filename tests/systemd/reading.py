"""Reads unit files as systemd does: a key may stand several times, an empty value forgets those before it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from dsmil.fabric.topology import DAEMONS

FOLDER = Path(__file__).resolve().parent.parent.parent / "systemd"
REDIS, MOUNT, INIT = "dsmil-redis.service", r"mnt-dsmil\x2dram.mount", "dsmil-hotpath-init.service"
SHIPPED = tuple(daemon.name for daemon in DAEMONS if daemon.shipped)
INGEST = ("rf-ingest", "ais-playback", "net-parser")
BASE = tuple(f"dsmil-{name}.service" for name in SHIPPED)
TEMPLATES = tuple(f"dsmil-{name}@.service" for name in INGEST)
RUNNING = (*BASE, *TEMPLATES)
"""The units that run a daemon."""
ONE_SHOT = (INIT, "dsmil-redis-admit.service", "dsmil-alert@.service")
SERVICES = (*RUNNING, *ONE_SHOT, REDIS)
SOCKETS = tuple(f"dsmil-{name}.socket" for name in ("rf-ingest", "ais-playback", "api"))
LISTS = {
    "Environment", "EnvironmentFile", "LoadCredential", "ReadWritePaths", "InaccessiblePaths", "NoExecPaths",
    "ExecPaths", "SystemCallFilter", "RestrictAddressFamilies", "IPAddressAllow", "IPAddressDeny",
    "CapabilityBoundingSet", "AmbientCapabilities",
}  # fmt: skip
"""Keys whose values add up; of every other one the last counts."""

Sections = dict[str, list[tuple[str, str]]]


def parse(text: str) -> Sections:
    """The sections of a unit file, each key with its value in their order."""
    sections: Sections = {}
    keys: list[tuple[str, str]] = []
    for line in text.replace("\\\n", " ").splitlines():
        bare = line.strip()
        if not bare or bare[0] in "#;":
            continue
        if bare.startswith("["):
            keys = sections.setdefault(bare.strip("[]"), [])
            continue
        key, found, value = bare.partition("=")
        assert found, f"not KEY=VALUE: {line}"
        keys.append((key.strip(), value.strip()))
    return sections


class Unit:
    """One unit with the walls that systemd reads after it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.own = parse((FOLDER / name).read_text("utf-8"))
        self._sections = {section: list(keys) for section, keys in self.own.items()}
        if name.startswith("dsmil-") and name.endswith(".service"):
            for section, keys in walls().items():
                self._sections.setdefault(section, []).extend(keys)

    def all(self, key: str, section: str = "Service") -> list[str]:
        """Every value of a key, those of one line apart."""
        values: list[str] = []
        for name, value in self._sections.get(section, []):
            if name == key:
                values = [*values, *value.split()] if value else []
        return values

    def one(self, key: str, section: str = "Service") -> str:
        """The value that counts; empty where there is none."""
        return next((value for name, value in reversed(self._sections.get(section, [])) if name == key), "")

    def paths(self, key: str) -> set[str]:
        """The paths of a key, without the - that lets them be absent."""
        return {path.lstrip("-+") for path in self.all(key)}

    def environment(self) -> dict[str, str]:
        """What Environment= sets."""
        return dict(item.split("=", 1) for item in self.all("Environment"))


def walls() -> Sections:
    """What systemd reads after every dsmil-*.service."""
    return parse((FOLDER / "dsmil-.service.d" / "10-walls.conf").read_text("utf-8"))


def columns(path: str) -> list[list[str]]:
    """The lines of a sysusers.d or tmpfiles.d file, by columns."""
    lines = (FOLDER / path).read_text("utf-8").splitlines()
    return [line.split() for line in lines if line and not line.startswith("#")]


def below(path: str, folders: Iterable[str]) -> bool:
    """Whether `path` is one of these folders or lies in one."""
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)
