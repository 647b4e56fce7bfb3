"""The Debian trees machines are copies of: built once from the host's own mirror, and kept.

`bare` is what debootstrap makes: no Python, no Redis. `stocked` has the packages set-up would fetch, for cases that
are not about fetching. They lie in ~/.cache/dsmil-system, or in the directory DSMIL_TEST_TREE names, and are built
anew after STALE_DAYS. No address is written here: suites, mirrors and keys are those of the host's apt, and pip's
settings those of the host's pip, its local indexes included.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

CACHE_VARIABLE = "DSMIL_TEST_TREE"
STALE_DAYS = 14
BUILD_S = 900
BARE = ("systemd", "systemd-sysv", "dbus", "ca-certificates", "procps")
STOCKED = ("python3", "python3-venv", "redis-server", "redis-tools", "sqlite3", "logrotate")
CA_BUNDLE = "etc/ssl/certs/ca-certificates.crt"
PIP_KEYS = ("index-url", "extra-index-url", "find-links", "cert", "trusted-host", "proxy", "no-index")
APT_KEYS = re.compile(r"^Acquire::https?::(Proxy|CaInfo|\S+::Proxy)\b.*;$")


class Source(NamedTuple):
    """One entry of apt's sources: the distribution's own, for this release."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    keyring: str


def cache() -> Path:
    """Where trees, wheels and machines lie."""
    place = Path(os.environ.get(CACHE_VARIABLE) or Path.home() / ".cache/dsmil-system")
    place.mkdir(parents=True, exist_ok=True)
    return place


def codename() -> str:
    """The host's release, for example bookworm."""
    said = re.search(r"^VERSION_CODENAME=\"?([\w-]+)", Path("/etc/os-release").read_text(), re.MULTILINE)
    assert said, "/etc/os-release names no VERSION_CODENAME: is this Debian or Ubuntu?"
    return said[1]


def host_sources(root: Path = Path("/etc/apt")) -> list[Source]:
    """The entries of the host's apt that carry its own release, its updates and its security updates."""
    files = [root / "sources.list", *sorted((root / "sources.list.d").glob("*"))]
    named = codename()
    ours = {named, f"{named}-updates", f"{named}-security"}
    found = []
    for file in files:
        if file.is_file() and file.suffix in (".list", ".sources"):
            text = file.read_text()
            for one in _deb822(text) if file.suffix == ".sources" else _one_line(text):
                suites = tuple(suite for suite in one.suites if suite in ours)
                if suites and "main" in one.components:
                    found.append(one._replace(suites=suites))
    assert any(named in source.suites for source in found), f"no apt source of this host offers {named}"
    return found


def _one_line(text: str) -> Iterator[Source]:
    for line in text.splitlines():
        said = re.match(r"deb\s+(?:\[([^]]*)\]\s+)?(\S+)\s+(\S+)\s+(.*)", line.split("#")[0].strip())
        if said:
            keyring = re.search(r"signed-by=(\S+)", said[1] or "")
            yield Source(said[2], (said[3],), tuple(said[4].split()), keyring[1] if keyring else "")


def _deb822(text: str) -> Iterator[Source]:
    for block in re.split(r"\n\s*\n", text):
        lines = [line for line in block.splitlines() if not line.startswith("#")]
        fields = dict(re.findall(r"^(\S+?):[ \t]*(.*)$", "\n".join(lines), re.MULTILINE))
        if "deb" in fields.get("Types", "").split() and fields.get("Enabled", "yes") != "no":
            for uri in fields["URIs"].split():
                suites, components = fields["Suites"].split(), fields.get("Components", "").split()
                yield Source(uri, tuple(suites), tuple(components), fields.get("Signed-By", "").strip())


def bare() -> Path:
    """The tree without Python and Redis."""
    return _kept("bare", "-".join((codename(), *BARE)), _build_bare)


def stocked() -> Path:
    """The tree with the packages set-up would fetch; the distribution's Redis is there and switched off."""

    def build(place: Path) -> None:
        subprocess.run(["cp", "-a", "--reflink=auto", str(bare()), str(place)], check=True, timeout=BUILD_S)
        lend(place)
        in_tree(place, "apt-get update -qq")
        in_tree(place, f"apt-get install -y -qq --no-install-recommends {' '.join(STOCKED)}")
        in_tree(place, "apt-get clean && systemctl disable redis-server")

    return _kept("stocked", "-".join((codename(), *BARE, *STOCKED)), build)


def wheelhouse(checkout: Path) -> Path:
    """Wheels of everything `pip install CHECKOUT` needs, its build backend included, for the tree's own Python."""

    def build(place: Path) -> None:
        place.mkdir()
        in_tree(
            stocked(),
            # `wheel` first: Debian's pip cannot build the one dependency that comes as a source without it.
            "python3 -m venv /tmp/v && /tmp/v/bin/pip install -q wheel && cp -r /src /tmp/src && cd /tmp/src && "
            "/tmp/v/bin/pip wheel -q -w /wheels . hatchling && rm -f /wheels/dsmil-*.whl",
            binds=(f"--bind={place}:/wheels", f"--bind-ro={checkout}:/src", "--volatile=overlay"),
        )

    digest = hashlib.sha256((checkout / "pyproject.toml").read_bytes()).hexdigest()
    return _kept("wheels", f"{codename()}-{digest}", build)


def in_tree(place: Path, script: str, *, binds: tuple[str, ...] = ()) -> None:
    """Run a shell script in a tree that is not booted, on the host's network."""
    command = ["systemd-nspawn", "-q", "-D", str(place), "--register=no", "--keep-unit", "--pipe",
               "--resolv-conf=copy-host", "--setenv=DEBIAN_FRONTEND=noninteractive", *local_binds(), *binds,
               "/bin/sh", "-euc", script]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_S, stdin=subprocess.DEVNULL,
                          check=False)  # fmt: skip
    assert done.returncode == 0, f"{script}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"


def lend(place: Path) -> None:
    """Give a tree what the host uses to reach its mirrors: apt's sources and proxy, certificates, pip's settings."""
    lines = []
    for source in host_sources():
        signed = (
            f"[signed-by={source.keyring}] " if source.keyring and (place / source.keyring[1:]).exists() else ""
        )
        lines += [f"deb {signed}{source.uri} {suite} {' '.join(source.components)}" for suite in source.suites]
    (place / "etc/apt/sources.list").write_text("\n".join(lines) + "\n")
    said = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, timeout=30, check=True).stdout
    _private(place / "etc/apt/apt.conf.d/90host", [line for line in said.splitlines() if APT_KEYS.match(line)])
    if Path("/", CA_BUNDLE).exists():
        (place / CA_BUNDLE).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(Path("/", CA_BUNDLE), place / CA_BUNDLE)
    settings = {**pip_settings(), **({"cert": f"/{CA_BUNDLE}"} if "cert" in pip_settings() else {})}
    _private(place / "etc/pip.conf", ["[global]", *(f"{key} = {value}" for key, value in settings.items())])


def _private(path: Path, lines: list[str]) -> None:
    path.write_text("\n".join(lines) + "\n")
    path.chmod(0o644)


def pip_settings() -> dict[str, str]:
    """How the host's pip finds packages, its environment included."""
    said = subprocess.run(["python3", "-m", "pip", "config", "list"], capture_output=True, text=True, timeout=60,
                          check=False).stdout  # fmt: skip
    found: dict[str, str] = {}
    for section in ("global", "install", ":env:"):
        for key, value in re.findall(rf"^{section}\.([\w-]+)='(.*)'$", said, re.MULTILINE):
            if key in PIP_KEYS:
                found[key] = " ".join(value.replace("\\n", " ").split())
    return found


def local_binds() -> list[str]:
    """Directories of the host that its pip takes packages from, read-only at the same place."""
    settings = pip_settings()
    found = set()
    for key in ("index-url", "extra-index-url", "find-links"):
        for word in settings.get(key, "").split():
            path = Path(unquote(urlsplit(word).path)) if word.startswith("file:") else Path(word)
            if path.is_absolute() and path.exists():
                # An index points to files beside itself: ../../files of simple/NAME.
                found.add(path if path.is_dir() and key == "find-links" else path.parent)
    return [f"--bind-ro={path}" for path in sorted(found)]


def _build_bare(place: Path) -> None:
    source = next(one for one in host_sources() if codename() in one.suites)
    keyring = [f"--keyring={source.keyring}"] if source.keyring else []
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(BARE)}", *keyring, codename(), str(place),
               source.uri]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_S, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    (place / "etc/fstab").write_text("")


def _kept(name: str, made_of: str, build: Callable[[Path], None]) -> Path:
    """The directory of that name, built where it is absent, stale, or made of something else."""
    place, mark = cache() / name, cache() / f"{name}.made"
    with _locked(cache() / f"{name}.lock"):
        fresh = mark.exists() and time.time() - mark.stat().st_mtime < STALE_DAYS * 86400
        if not (fresh and place.is_dir() and mark.read_text() == made_of):
            began, new = time.monotonic(), cache() / f"{name}.new"
            mark.unlink(missing_ok=True)
            shutil.rmtree(place, ignore_errors=True)
            shutil.rmtree(new, ignore_errors=True)
            build(new)
            new.rename(place)
            mark.write_text(made_of)
            sys.stderr.write(f"{name}: built in {time.monotonic() - began:.0f} s, kept in {place}\n")
    return place


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
