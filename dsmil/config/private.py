"""The environment of a private suite: one directory, one Redis, nothing of the installed configuration.

`dsmil up`, `demo`, `bench` and the tests start their daemons with it, so that they can never touch another suite.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import dsmil
from dsmil.config.settings import ALIASES

SOCKET = Path("run/redis.sock")
"""Where a private Redis listens, under the suite's directory."""
OURS_ALONE = (
    "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "CREDENTIALS_DIRECTORY",
    "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID",
)  # fmt: skip
"""What systemd tells one process alone."""


def private_settings(directory: Path, redis_url: str = "") -> dict[str, str]:
    """The variables that make `directory` a suite of its own; no others are needed."""
    place = directory.absolute()
    return {
        "DSMIL_ETC": str(place / "etc"),
        "DSMIL_PATHS_DATA": str(place),
        "DSMIL_PATHS_RUN": str(place / "run"),
        "DSMIL_PATHS_HOT": str(place),
        "DSMIL_SOC_ROUTER_RULES_DIR": str(place / "etc" / "rules.d"),
        "REDIS_URL": redis_url or f"unix://{place / SOCKET}",
    }


def private_environment(
    directory: Path, redis_url: str = "", *, extra: Mapping[str, str] | None = None
) -> dict[str, str]:
    """This process's environment for a child daemon of the suite in `directory`.

    Whatever says where an installed suite is gets taken out; other settings of the environment stay, because
    whoever sets them beside `dsmil up` means this suite. `extra` wins over everything.
    """
    kept = {name: value for name, value in os.environ.items() if not _names_a_place(name)}
    source = str(Path(dsmil.__file__).parent.parent)
    kept["PYTHONPATH"] = os.pathsep.join(filter(None, (source, kept.get("PYTHONPATH"))))
    # One thread for linear algebra: eight daemons with a pool each would fight over two cores.
    kept.setdefault("OPENBLAS_NUM_THREADS", "1")
    return kept | private_settings(directory, redis_url) | dict(extra or {})


def _names_a_place(name: str) -> bool:
    return (
        name.startswith(("DSMIL_PATHS_", "DSMIL_REDIS_", "DSMIL_ETC", "DSMIL_LOG_FILE"))
        or ALIASES.get(name, ("",))[0] == "redis"
        or name in OURS_ALONE
    )
