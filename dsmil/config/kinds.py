"""What a key's type takes: in words for people, and as a value read out of environment text.

Types speak TOML; the environment speaks text. This file is the one bridge between the two.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect as known

_BOOLS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
_LISTS = (known.ListType, known.VarTupleType, known.SetType, known.FrozenSetType)


def literal(text: str, kind: Any) -> Any:
    """Environment text as a TOML value: text stays text, lists may be comma-separated."""
    info = known.type_info(kind)
    options = info.types if isinstance(info, known.UnionType) else (info,)
    if any(isinstance(option, (*_LISTS, known.DictType, known.StructType)) for option in options):
        try:
            return tomllib.loads(f"x = {text}")["x"]
        except tomllib.TOMLDecodeError:
            return [part.strip() for part in text.split(",") if part.strip()]
    if any(isinstance(option, known.BoolType) for option in options):
        return _BOOLS.get(text.strip().lower(), text)
    return text


def to_toml(value: Any) -> str:
    """A value as it is written in dsmil.toml."""
    plain = msgspec.to_builtins(value, enc_hook=lambda other: str(other) if isinstance(other, Path) else other)
    match plain:
        case bool():
            return str(plain).lower()
        case str():
            return msgspec.json.encode(plain).decode()  # a TOML basic string has JSON's escapes
        case dict():
            return (
                "{ " + ", ".join(f"{key} = {to_toml(item)}" for key, item in plain.items()) + " }"
                if plain
                else "{}"
            )
        case list() | tuple():
            return "[" + ", ".join(to_toml(item) for item in plain) + "]"
        case None:
            return '""'
        case _:
            return str(plain)


def allowed_of(kind: Any) -> str:
    """What a key takes, in words: `1..65535`, `auto | human | json`, `text`."""
    return _allowed(known.type_info(kind))


def _allowed(info: Any) -> str:
    match info:
        case known.LiteralType():
            return " | ".join(str(value) for value in info.values)
        case known.EnumType():
            return " | ".join(str(member.value) for member in info.cls)
        case known.UnionType():
            return " or ".join(filter(None, (_allowed(part) for part in info.types)))
        case known.IntType() | known.FloatType():
            return _span(info, "whole number" if isinstance(info, known.IntType) else "number")
        case known.ListType() | known.VarTupleType() | known.SetType() | known.FrozenSetType():
            return f"list of {_allowed(info.item_type) or 'tables'}"
        case known.DictType():
            return f"table of {_allowed(info.value_type) or 'tables'}"
        case known.BoolType():
            return "true | false"
        case known.StrType():
            return "text" + (f" of at most {info.max_length} characters" if info.max_length else "")
        case known.CustomType():
            return "a path" if info.cls is Path else ""
        case _:
            return ""


def _span(info: Any, word: str) -> str:
    low = info.ge if info.ge is not None else info.gt
    high = info.le if info.le is not None else info.lt
    if low is None and high is None:
        return word
    over = "more than " if info.gt is not None else ""
    return f"{over}{_bound(low)}..{_bound(high)}"


def _bound(value: float | None) -> str:
    # Equal annotations are one object, so a bound may have been written as 1 or as 1.0, whichever came first.
    return "" if value is None else str(int(value)) if float(value).is_integer() else str(value)
