"""Makes the hot database's file and tables, once, before those who fill it start: `dsmil-hotpath-init.service`.

They would make it themselves; but then whoever opens it with sqlite3 first would find nothing, and a tmpfs that is
not there would first show in each daemon instead of in one failed unit.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from msgspec import structs

from dsmil import config
from dsmil.errors import ConfigError
from dsmil.runtime import logs
from dsmil.runtime.daemon import refuse
from dsmil.store.hot import HotPathDB, config_of

NAME = "hotpath-init"
EX_UNAVAILABLE = 69
"""sysexits.h: the directory is away or may not be written; trying again later may help, so not 78."""
HEADING = "Makes the hot database and ends; it takes no arguments: see `dsmil config show`."


def main(argv: Sequence[str] | None = None) -> int:
    """Make it; 0 where it stands, 69 where it cannot be made, 78 where the settings are wrong."""
    if given := sys.argv[1:] if argv is None else argv:
        import argparse  # noqa: PLC0415 - as for every daemon: a start, which has no arguments, is to be quick

        argparse.ArgumentParser(prog=f"dsmil-{NAME}", description=HEADING).parse_args(given)
    try:
        settings = config.load().settings
    except ConfigError as error:
        return refuse(NAME, error)
    logs.setup(NAME, "ERROR", form=settings.log.format, file=settings.log.file)  # the one line below says it all
    hot = HotPathDB(structs.replace(config_of(settings), fallback=None))
    made = hot.connect()
    stats = hot.get_stats()
    # SQLite only says that it cannot open the file; all else brings its mend along.
    mend = f" (let this user write in {settings.paths.hot})" if hot.message.endswith("database file") else ""
    said = hot.message + mend
    hot.disconnect()
    if made:
        size, budget = stats["db_size_bytes"] / (1 << 10), stats["budget_bytes"] / (1 << 20)
        sys.stdout.write(f"{settings.paths.hot_db}: stands, {size:.0f} KiB of at most {budget:.0f} MiB\n")
        return 0
    logs.refusal(NAME, said)
    return EX_UNAVAILABLE


if __name__ == "__main__":
    raise SystemExit(main())
