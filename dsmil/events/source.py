"""What a source says of itself."""

from __future__ import annotations

from msgspec import Struct


class SourceStats(Struct, frozen=True, kw_only=True):
    """Kind `source.stats`, each 10 s and at end of file: counts of records since the run began.

    `received = accepted + sum(rejected)`. `live` is false for files. `last_data_ts` is Unix seconds of arrival.
    """

    source: str
    received: int = 0
    accepted: int = 0
    rejected: dict[str, int] = {}
    ignored: int = 0
    dropped: int = 0
    events: int = 0
    last_data_ts: float | None = None
    last_error: str | None = None
    live: bool = False
    ended: bool = False
