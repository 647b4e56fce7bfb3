"""What dsmil-alert@.service runs when a unit is down for good: one critical line with the mend, in the journal.

A unit that restarts by itself never gets here; so whoever reads this line has something to do.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence

from dsmil import config
from dsmil.config.systemd import Failure, unit_failure
from dsmil.errors import ConfigError
from dsmil.runtime import logs

NAME = "alert"
EX_USAGE, EX_OSERR, EX_CONFIG = 64, 71, 78
"""sysexits.h."""
SYSTEMD_STATUS = range(200, 246)
"""Exit statuses by which systemd says what it could not set up for a unit: systemd.exec(5)."""

_UNIT = re.compile(r"[A-Za-z0-9:_.\\-]{1,200}(@[A-Za-z0-9:_.\\-]{0,50})?\.(service|mount|socket|target)")
_AGAIN = "then systemctl restart {service}; what it said last: journalctl -u {unit} -n 50"
_PORT_TAKEN = "somebody else has its port: ss -lntup names him; free it"
_MENDS = {
    "watchdog": "it hung for WatchdogSec and was ended",
    "signal": "it was killed by {status}; memory first: systemctl show -p MemoryMax,MemoryPeak {unit}",
    "core-dump": "it was ended by {status}; coredumpctl info has where, if it is installed",
    "oom-kill": "it ran out of memory: free some, or raise MemoryMax with systemctl edit {unit}",
    "timeout": "it did not start or stop in time: look for a disk or a Redis that does not answer",
    "start-limit-hit": "it failed too often in a row: systemctl reset-failed {unit}",
    "resources": "the machine refused it memory, a process or a file",
    "exit-code": "it ended with status {status}",
}


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Write the line for the unit named; 0, or 64 where that is no unit's name."""
    args = sys.argv[1:] if argv is None else argv
    logs.setup(NAME, file=_log_file())
    if len(args) != 1 or not _UNIT.fullmatch(args[0]):
        logs.get().error("alert_refused", error="not one name of a unit", given=list(args)[:4])
        return EX_USAGE
    unit, ended = args[0], unit_failure(environ)
    if ended.result == "success":
        return 0  # somebody started this unit by hand: `systemctl start --all 'dsmil-*'`
    if ended.unit not in ("", unit):
        ended = Failure()  # another unit's end is no help for this one
    logs.get().critical(
        "unit_failed",
        unit=unit,
        result=ended.result or None,
        status=ended.status or None,
        invocation=ended.invocation or None,
        mend=mend_of(unit, ended),
    )
    return 0


def mend_of(unit: str, ended: Failure) -> str:
    """What to do about a unit that ended so."""
    number = int(ended.status) if ended.status.isascii() and ended.status.isdecimal() else -1
    what = _MENDS.get(ended.result, "see why it ended")
    if unit.endswith(".socket") or number == EX_OSERR:  # of a socket's end systemd tells nothing
        what = _PORT_TAKEN
    elif number == EX_CONFIG:
        what = "its last line says which setting or right is wrong, `dsmil config check` looks at all settings"
    elif number in SYSTEMD_STATUS:
        what = "systemd could not set it up: `systemd-analyze exit-status {status}`; run the set-up script again"
    # A socket comes and goes with its service.
    service = unit.replace(".socket", ".service")
    return f"{what}; {_AGAIN}".format(unit=unit, service=service, status=ended.status)


def _log_file() -> str:
    try:
        return config.load().settings.log.file
    except ConfigError:  # the very reason, perhaps, why the unit is down
        return ""


if __name__ == "__main__":
    raise SystemExit(main())
