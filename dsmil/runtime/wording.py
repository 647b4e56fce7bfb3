"""Log lines as people read them: `degraded: reach Redis: refused`, `stats uptime=30s processed=1200 shrink=no`.

Machines have the JSON form or the journal's fields, where every key stands as it is and no zero is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

COUNTING = frozenset({"stats", "stopped"})
"""Events whose keys are counters: those that stand at nought are left out, or nobody would find the others."""
FIRST = ("uptime_s", "processed", "published", "shrink")
"""Counters looked for first; these stand there even at nought (surface: the stats line)."""
CHARS_MAX = 4096

_PLAIN = re.compile(r"[\w./:@%+,*-]+")


def line(event: str, fields: Mapping[str, Any]) -> str:
    """The words of one log line: what happened, why, what more is known, and the mend."""
    rest = {key: value for key, value in fields.items() if key not in ("error", "mend")}
    error, mend = fields.get("error"), fields.get("mend")
    words = [f"{event}: {error}" if error else event]
    words.append(counts(rest) if event in COUNTING else _pairs(rest))
    words.append(f"(mend: {mend})" if mend else "")
    text = " ".join(filter(None, words))
    return text if len(text) <= CHARS_MAX else text[:CHARS_MAX] + "…"


def counts(stats: Mapping[str, Any]) -> str:
    """Counters: the first ones, then all that do not stand at nought."""
    first = {key: stats[key] for key in FIRST if key in stats}
    return _pairs(first | {key: value for key, value in stats.items() if key not in first and value})


def _pairs(fields: Mapping[str, Any]) -> str:
    return " ".join(_pair(key, value) for key, value in fields.items() if value is not None and value != "")


def _pair(key: str, value: Any) -> str:
    if isinstance(value, bool):
        return f"{key}={'yes' if value else 'no'}"
    if isinstance(value, int | float):
        if key.endswith("_s"):
            return f"{key[:-2]}={f'{value:.0f}' if abs(value) >= 10 else f'{value:.3g}'}s"
        return f"{key}={value:.10g}" if isinstance(value, float) else f"{key}={value}"
    if isinstance(value, str):
        return f"{key}={value}" if _PLAIN.fullmatch(value) else f'{key}="{value}"'
    return f"{key}={msgspec.json.encode(value).decode()}"
