"""A booted machine with dsmil on it, installed once by its own script, and what the tests of a real system share.

The files run in the order of their names and most of them on one machine, so that one installation serves all.
Without `make system` they are skipped: they need root and systemd-nspawn. There, whatever is missing is a failure.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system import tree
from tests.system.fabric import MEMBER, OFFLINE, STRANGER, Fabric
from tests.system.machine import Machine
from tests.system.traffic import Sent

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent
FIGURES_VARIABLE = "DSMIL_TEST_FIGURES"
OFFLINE_VARIABLE = "DSMIL_TEST_OFFLINE"
"""Set: the shared machine too has no network, its packages are there already and it is installed `--offline`."""

_machines: list[Machine] = []
_figures: dict[str, Any] = {}
_shown: list[str] = []


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "system: boots a machine with systemd-nspawn; `make system` runs it, as root"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    asked = "system" in (config.option.markexpr or "")
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.system)
            item.add_marker(pytest.mark.timeout(600))
            if not asked:
                item.add_marker(pytest.mark.skip(reason="boots a machine: run `make system` as root"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report: Any = yield
    if report.failed and HERE in item.path.parents:
        for one in _machines:
            try:
                report.sections.append((f"journal of {one.name}", one.words()))
            except (AssertionError, OSError, subprocess.SubprocessError) as error:
                report.sections.append((f"journal of {one.name}", f"cannot be read: {error}"))
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for text in _shown:
        terminalreporter.write_line(text)
    if _figures and (place := os.environ.get(FIGURES_VARIABLE)):
        Path(place).write_text(json.dumps(_figures, indent=1) + "\n")


@pytest.fixture(scope="session")
def show() -> Callable[..., None]:
    """Tell a person something at the end of the run, and keep figures for a machine."""

    def tell(text: str, **figures: Any) -> None:
        _shown.append(text)
        _figures.update(figures)

    return tell


@pytest.fixture(scope="session")
def checkout() -> Iterator[Path]:
    """What is in this checkout's version control, new files included, and nothing else."""
    place = tree.cache() / "machines" / f"checkout-{os.getpid()}"
    export(place)
    yield place
    shutil.rmtree(place, ignore_errors=True)


def export(place: Path) -> Path:
    """Copy the checkout's own files to a new directory, readable to everybody."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=PROJECT, capture_output=True,
        text=True, check=True, timeout=60,
    ).stdout.split("\0")  # fmt: skip
    for name in filter(None, listed):
        if (PROJECT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, place / name, follow_symlinks=False)
    subprocess.run(["chmod", "-R", "u+rwX,go+rX,go-w", str(place)], check=True, timeout=60)
    return place


@pytest.fixture(scope="session")
def wheels(checkout: Path) -> Path:
    """Wheels for `--offline`."""
    return tree.wheelhouse(checkout)


@pytest.fixture(scope="session")
def boot(checkout: Path) -> Iterator[Callable[..., Machine]]:
    """Boots machines by name and ends them all."""

    def make(name: str, template: Path, **how: Any) -> Machine:
        for need in ("systemd-nspawn", "debootstrap", "nsenter", "setpriv"):
            assert shutil.which(need), f"{need} is missing: run `make system`, which installs it"
        assert os.geteuid() == 0, "machines are booted by root"
        made = Machine(name, template, **{"checkout": checkout, **how})
        _machines.append(made)
        made.start()
        made.run(f"useradd -m {MEMBER}; useradd -m {STRANGER}")  # group dsmil comes with dsmil
        return made

    yield make
    for one in _machines:
        one.close()
    _machines.clear()


@pytest.fixture(scope="session")
def machine(boot: Callable[..., Machine], request: pytest.FixtureRequest) -> Machine:
    """The bare machine most tests share: no Python, no Redis, on the host's network."""
    if os.environ.get(OFFLINE_VARIABLE):
        return boot("dsmil-system", tree.stocked(), wheels=request.getfixturevalue("wheels"))
    return boot("dsmil-system", tree.bare(), net="host")


@pytest.fixture(scope="session")
def fabric(machine: Machine) -> Fabric:
    """dsmil installed on the shared machine by the one command."""
    made = Fabric(machine)
    made.set_up(*(OFFLINE if machine.wheels else ()))
    return made


@pytest.fixture(scope="session")
def offline(boot: Callable[..., Machine], wheels: Path) -> Callable[..., Fabric]:
    """Boots a machine of its own, without network, that has the packages; `set_up` of it still has to be called."""

    def make(name: str, **how: Any) -> Fabric:
        return Fabric(boot(name, tree.stocked(), wheels=wheels, **how))

    return make


@pytest.fixture(scope="session")
def sent() -> Sent:
    """Everything that was sent to the shared machine, to be found in its audit log once each."""
    return Sent()
