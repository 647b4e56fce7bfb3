"""What is looked at: a private suite, an installed machine, or a checkout on a machine without either.

`root` is / but in tests. Only on an installed machine does `--fix` touch what is the machine's and not the suite's.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from msgspec import Struct, field

from dsmil.config import Settings

PROGRAM = "opt/dsmil/current"
ETC = "etc/dsmil"
SETUP = "run set-up again: sudo ./scripts/setup_data_fabric.sh"
GROUP = "dsmil"


class Site(Struct, frozen=True, kw_only=True):
    """The suite and the machine it stands on, and whether to mend what is safely mended."""

    settings: Settings = field(default_factory=Settings)
    directory: Path | None = None
    installed: bool = False
    fix: bool = False
    root: Path = Path("/")

    @property
    def etc(self) -> Path:
        """Where the configuration is."""
        return self.directory / "etc" if self.directory else self.root / ETC

    @property
    def fixes_machine(self) -> bool:
        """Whether this run may change the machine itself: asked to, installed, and root."""
        return self.fix and self.installed and os.geteuid() == 0

    @property
    def admin_file(self) -> Path:
        """Where the password of Redis's administrator is."""
        return self.root / ETC / "credentials" / "admin"

    def journal(self, daemon: str) -> str:
        """The command that shows what a daemon said last."""
        if self.directory:
            return f"tail -n 50 {shlex.quote(str(self.directory / 'log' / daemon))}.log"
        return f"journalctl -u dsmil-{daemon} -n 50"

    def redis_cli(self, words: str) -> str:
        """The shell command that says `words` to this suite's Redis as its administrator."""
        redis = self.settings.redis
        if redis.url:
            return f"redis-cli -u {shlex.quote(redis.shown())} {words}"
        where = f"-s {shlex.quote(redis.socket)}" if redis.socket else f"-h {redis.host} -p {redis.port}"
        if not self.installed:
            return f"redis-cli {where} {words}"
        said = f"REDISCLI_AUTH=$(cat {self.admin_file}) redis-cli {where} --user admin {words}"
        return f"sudo sh -c {shlex.quote(said)}"
