"""The codes of AIS as tables write them: a number, or the words of the Danish and the older NOAA files.

The code is what the rest of the suite knows (ITU-R M.1371-5, tables 48 and 53), so words become codes here.
"""

from __future__ import annotations

_NAV_STATUS = {
    "under way using engine": 0,
    "at anchor": 1,
    "not under command": 2,
    "restricted maneuverability": 3,
    "restricted manoeuverability": 3,
    "constrained by her draught": 4,
    "moored": 5,
    "aground": 6,
    "engaged in fishing": 7,
    "under way sailing": 8,
    "ais-sart": 14,
    "ais-sart (active)": 14,
    "undefined": 15,
    "not defined": 15,
}
_SHIP_TYPE = {
    "wig": 20,
    "fishing": 30,
    "towing": 31,
    "towing long/wide": 32,
    "dredging": 33,
    "diving": 34,
    "military": 35,
    "sailing": 36,
    "pleasure": 37,
    "hsc": 40,
    "pilot": 50,
    "sar": 51,
    "tug": 52,
    "port tender": 53,
    "anti-pollution": 54,
    "law enforcement": 55,
    "medical": 58,
    "not party to conflict": 59,
    "passenger": 60,
    "cargo": 70,
    "tanker": 80,
    "other": 90,
}


def code_of(text: str, high: int) -> int | None:
    """A whole number from 1 to `high`, also written `70.0`; anything else is null."""
    digits = text.strip().removesuffix(".0")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 9):
        return None
    return int(digits) if 1 <= int(digits) <= high else None


def nav_status_of(text: str) -> int | None:
    """Navigational status 0..15 of a number or its words; null where blank or unknown."""
    word = text.strip().lower()
    if word in ("0", "0.0"):
        return 0
    return _NAV_STATUS[word] if word in _NAV_STATUS else code_of(word, 15)


def ship_type_of(text: str) -> int | None:
    """Ship type 1..255 of a number or its words; null where blank, unknown or NOAA's own code (1001...)."""
    word = text.strip().lower()
    return _SHIP_TYPE[word] if word in _SHIP_TYPE else code_of(word, 255)
