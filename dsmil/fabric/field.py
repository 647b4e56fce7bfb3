"""The one field of an entry, for whoever reads a stream: two that took different ones would hold different graphs."""

from __future__ import annotations

from collections.abc import Sequence

from dsmil.events.envelope import FIELD


def data_of(fields: Sequence[bytes]) -> bytes | None:
    """What stands in the field `event` (`fields` is [name, value, ...]), in the last where somebody gave it several;
    null where there is none."""
    if len(fields) == 2 and fields[0] == FIELD:
        return fields[1]
    return dict(zip(fields[::2], fields[1::2], strict=False)).get(FIELD)
