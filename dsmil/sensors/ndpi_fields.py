"""Flow fields as nDPI and Suricata print them, read into the suite's units, or null where they say nothing.

The tools write the same thing as number, text or not at all, and some of it comes from the wire, so every
reader here takes any value, bounds it, and never raises.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from dsmil.events import ids
from dsmil.events.envelope import TS_MAX

TEXT_MAX = 512
"""Characters kept of a name from the wire: twice the longest host name."""
ADDRESS_MAX = 64
"""Longest text tried as an address: an IPv6 address with its zone is shorter."""
INT_MAX = 2**63 - 1
"""What SQLite and JSON readers elsewhere hold."""
_MICRO, _MILLI = 1e14, 1e11  # Unix times beyond these can only be micro- or milliseconds
_NEVER = 1e18  # and beyond this no time at all, but perhaps an integer too large for a float

_L4_NUMBERS = {
    1: "ICMP", 2: "IGMP", 4: "IPIP", 6: "TCP", 17: "UDP", 41: "IPV6", 47: "GRE", 50: "ESP", 51: "AH",
    58: "ICMPV6", 89: "OSPF", 103: "PIM", 112: "VRRP", 132: "SCTP",
}  # fmt: skip
_L4_WORDS = {"ICMP6": "ICMPV6", "IPV6-ICMP": "ICMPV6"}


def text(value: object) -> str | None:
    """A name, cut at 512 characters; null for anything but a text that says something."""
    if not isinstance(value, str):
        return None
    return value[:TEXT_MAX].strip() or None


def whole(value: object, most: int = INT_MAX) -> int | None:
    """A count from 0 to `most`, as number or digits."""
    if isinstance(value, str):
        # 19 digits are INT_MAX; int() of thousands of digits is slow, or refused.
        if not (0 < len(value) < 20 and value.isascii() and value.isdigit()):
            return None
        value = int(value)
    elif isinstance(value, float):
        if not value.is_integer():
            return None
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= most else None


def port(value: object) -> int | None:
    """A port number, 0 to 65535."""
    return whole(value, 65535)


def seconds(value: object) -> float | None:
    """Unix seconds out of seconds, milli- or microseconds; null for no time, or one the envelope cannot hold."""
    if isinstance(value, str):
        try:
            value = float(value[:32])
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not abs(value) < _NEVER:  # NaN is not below either
        return None
    if value > _MILLI:
        value = value / 1e6 if value > _MICRO else value / 1e3
    return float(value) if 0 <= value <= TS_MAX else None


def address(value: object) -> str | None:
    """An IPv4 or IPv6 address in its canonical form."""
    return _canonical(value) if isinstance(value, str) and len(value) <= ADDRESS_MAX else None


@lru_cache(maxsize=4096)  # a few hosts make most flows
def _canonical(value: str) -> str | None:
    try:
        return str(ip_address(value))
    except ValueError:
        return None


def l4_name(value: object) -> str | None:
    """The transport in capitals (`TCP`, `UDP`, `ICMPV6`), from its name or its IP protocol number."""
    number = whole(value, 255)
    if number is not None:
        return _L4_NUMBERS.get(number, str(number))
    word = (text(value) or "").upper()
    return _L4_WORDS.get(word, word) or None


def flow_id(l4: str | None, one: tuple[str, int | None], other: tuple[str, int | None], *own: object) -> str:
    """A flow's name, the same from either end. `own` is what its reader tells flows of the same ends apart by
    (its own number, the first time), so that two connections between the same ports stay two."""
    ends = sorted(f"{host}|{'' if number is None else number}" for host, number in (one, other))
    return ids.digest("flow", l4 or "", *ends, *("" if part is None else str(part) for part in own))


def table(value: object) -> Mapping[str, Any]:
    """A JSON object, or an empty one where something else stands."""
    return value if isinstance(value, dict) else {}
