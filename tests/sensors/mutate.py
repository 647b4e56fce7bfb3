"""Seeded damage for parser tests: what lines, disks and attackers do to a recording, the same for a seed."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

INPUT_BYTES_MAX = 8192
"""A mutated input: long enough for several records, short enough for a hundred thousand of them."""
CHANGES_MAX = 4

_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")
_TOKEN = re.compile(rb"[A-Za-z_][A-Za-z0-9_]+|\"[^\"]{0,64}\"|\S")
_HUGE = (
    b"9" * 400, b"9" * 5000, b"-1", b"1e999", b"-0", b"NaN", b"Infinity", b"0x10", b"18446744073709551616",
    b"4294967295", b"2147483648", b"1e308", b"0.1e-400", b"null", b"true", b'""', b"[]", b"{}", "١٢٣".encode(),
)  # fmt: skip
_NESTS = (
    (b"[", b"]"), (b'{"a":', b"}"), (b"<a>", b"</a>"), (b"<table>", b"</table>"), (b"<host>", b"</host>"),
    (b"<!--", b"-->"), (b"(", b")"), (b'"', b'"'), (b"\\", b"\\"),
)  # fmt: skip
_STRAY = (
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"\n", b"\r\n", b"\x1b[31m", b"\xed\xa0\x80", b"\\ud800", b"&x;",
    b"<!ENTITY x SYSTEM 'file:///etc/passwd'>", b"<!DOCTYPE a [", b"<![CDATA[", b"]]>", b"<?xml", b"%s%n", b"00000{",
    b"99999{\"", b",,,,,,,,", b"\xe2\x80\xae", b"*FF", b"!AIVDM,", b"\\g:1-2-3*00\\",
)  # fmt: skip

Change = Callable[[random.Random, bytes, Sequence[bytes]], bytes]


def mutate(rng: random.Random, corpus: Sequence[bytes]) -> bytes:
    """One damaged input made of `corpus`: 1 to 4 changes to a piece of one of its members."""
    data = _piece(rng, rng.choice(corpus), INPUT_BYTES_MAX)
    for _ in range(rng.randint(1, CHANGES_MAX)):
        data = rng.choice(_CHANGES)(rng, data, corpus)
    return data[: INPUT_BYTES_MAX * 4]


def _piece(rng: random.Random, data: bytes, most: int) -> bytes:
    """A stretch of `data`; half of the time its beginning, where headers stand."""
    if len(data) <= most:
        return data
    start = 0 if rng.random() < 0.5 else rng.randrange(len(data) - most)
    return data[start : start + most]


def _place(rng: random.Random, data: bytes) -> int:
    return rng.randint(0, len(data))


def _flip(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    out = bytearray(data)
    for _n in range(rng.randint(1, 16)):
        if out:
            out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def _noise(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    at = _place(rng, data)
    return data[:at] + rng.randbytes(rng.randint(1, 64)) + data[at + rng.randint(0, 64) :]


def _truncate(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    return data[: _place(rng, data)] if rng.random() < 0.7 else data[_place(rng, data) :]


def _drop(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    at = _place(rng, data)
    return data[:at] + data[at + rng.randint(1, 200) :]


def _duplicate(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    at = _place(rng, data)
    part = data[at : at + rng.randint(1, 400)]
    return data[:at] + part * rng.randint(2, 12) + data[at:]


def _splice(rng: random.Random, data: bytes, corpus: Sequence[bytes]) -> bytes:
    at = _place(rng, data)
    return data[:at] + _piece(rng, rng.choice(corpus), rng.randint(1, 2000)) + data[at:]


def _number(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    places = list(_NUMBER.finditer(data))
    if not places:
        return data
    found = rng.choice(places)
    value = rng.choice(_HUGE) if rng.random() < 0.7 else str(rng.randint(-(2**65), 2**65)).encode()
    return data[: found.start()] + value + data[found.end() :]


def _swap(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    places = list(_TOKEN.finditer(data))
    if len(places) < 2:
        return data
    one, other = sorted(rng.sample(places, 2), key=lambda found: found.start())
    between = data[one.end() : other.start()]
    return data[: one.start()] + other.group() + between + one.group() + data[other.end() :]


def _nest(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    at, depth = _place(rng, data), rng.choice((3, 40, 200, 3000))
    begin, end = rng.choice(_NESTS)
    return data[:at] + begin * depth + (end * depth if rng.random() < 0.5 else b"") + data[at:]


def _stray(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    at = _place(rng, data)
    return data[:at] + rng.choice(_STRAY) * rng.choice((1, 1, 2, 300)) + data[at:]


def _shuffle(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    lines = data.split(b"\n")
    rng.shuffle(lines)
    return b"\n".join(lines)


_CHANGES: tuple[Change, ...] = (
    _flip, _noise, _truncate, _drop, _duplicate, _splice, _number, _swap, _nest, _stray, _shuffle,
)  # fmt: skip
