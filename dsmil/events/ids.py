"""Ids that come out the same however often something is run again.

A file record is named by what stood where, a network datagram by its source and counter, a derived event by
what it was made from and by which rule. Only acts of people get a fresh id. All are BLAKE2b-128 in hex
(RFC 7693), or a UUID version 7 (RFC 9562) for acts.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from hashlib import blake2b

REFS_MAX = 32
"""Refs an event carries by name; the rest go into one digest (64 KiB must hold them and a payload)."""


def _digest(*parts: str) -> str:
    # A separator no id or path may hold keeps ("ab", "c") apart from ("a", "bc").
    return blake2b("\x1f".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def file_record(file_sha256: str, offset: int, nth: int = 0, loop: int = 0) -> str:
    """Id of the `nth` event made from the record at byte `offset` of a file, in playback round `loop`."""
    return _digest("file", file_sha256, str(offset), str(nth), str(loop))


def network(source: str, source_epoch: str, source_seq: int) -> str:
    """Id of an event that arrived over a network: its source, that source's run, and its counter there."""
    return _digest("net", source, source_epoch, str(source_seq))


def derived(refs: Iterable[str], rule: str, version: str = "1") -> str:
    """Id of an event made from `refs` by `rule`: the same inputs give the same id, in any order."""
    return _digest("derived", rule, version, *sorted(refs))


def digest(*parts: str) -> str:
    """A stable 32-digit name for a tuple of texts (flow ids, node ids)."""
    return _digest(*parts)


def bounded_refs(refs: Iterable[str]) -> tuple[str, ...]:
    """At most 32 refs by name, then `digest:<count>:<hash>` of all the others."""
    listed = list(dict.fromkeys(refs))
    if len(listed) <= REFS_MAX:
        return tuple(listed)
    rest = listed[REFS_MAX:]
    return (*listed[:REFS_MAX], f"digest:{len(rest)}:{_digest('refs', *rest)}")


def act(now_s: float) -> str:
    """A fresh, time-ordered id for something a person did: UUID version 7 of `now_s` (Unix seconds)."""
    value = bytearray(int(now_s * 1000).to_bytes(6, "big") + os.urandom(10))
    value[6] = (value[6] & 0x0F) | 0x70
    value[8] = (value[8] & 0x3F) | 0x80
    text = value.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
