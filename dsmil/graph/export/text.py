"""Words of strangers made harmless for whoever reads an export.

A vessel's name may hold an escape sequence, a mark that turns the writing direction, or a formula. In JSON such
characters are written as escapes, which loses nothing; a table shows U+FFFD for them, and no cell of it is a formula.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from dsmil.runtime.logs import printable

FORMULA = tuple("=+-@＝＋－＠\t\r")
"""How a cell begins that a spreadsheet would carry out (OWASP, CSV injection)."""

# JSON itself escapes U+0000 to U+001F. Outside of its strings none of these can stand.
_HURTFUL = re.compile("[\x7f-\x9f\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")
_PLAIN = re.compile(rb"[\x20-\x7e\n]*")

_encode = msgspec.json.Encoder().encode


def to_json(value: Any) -> bytes:
    """`value` as JSON whose strings hold no character that could act on a screen."""
    data = _encode(value)
    if _PLAIN.fullmatch(data):
        return data
    return _HURTFUL.sub(lambda found: f"\\u{ord(found[0]):04x}", data.decode()).encode()


def to_cell(value: Any) -> str | int | float:
    """`value` as one table cell: numbers as they are, lists and objects as JSON."""
    if value is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    text = printable(value if isinstance(value, str) else _encode(value).decode())
    return f"'{text}" if text.startswith(FORMULA) else text
