"""Renders etc/dsmil.toml: every section and key with its meaning, range and default, all commented out.

`python -m dsmil.config.reference` prints it; a test holds the shipped file in step with the structs.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
from functools import cache
from itertools import pairwise
from typing import Any

import msgspec
from msgspec import Struct

from dsmil.config.kinds import allowed_of, to_toml
from dsmil.config.load import shapes
from dsmil.config.settings import ALIASES

HEAD = """\
# dsmil: every setting with its default. Take the # off a line to change it.
#
# Later ones win: this file, /etc/dsmil/conf.d/*.toml in order of name, the environment, flags of a command.
# Environment: DSMIL_<SECTION>_<KEY>, e.g. DSMIL_REDIS_PORT; the documented names stand beside their keys.
# `dsmil config check` tells what is wrong, `dsmil config show --origin` where each value comes from.
"""
WIDTH = 112


def render() -> str:
    """The whole file."""
    return "\n".join([HEAD, *(_section(name, shape) for name, shape in shapes().items())])


def documented(shape: type[Struct]) -> dict[str, str]:
    """Each key's meaning: the string below the field, or `Meta(description=...)`."""
    below = _strings_below_fields(shape)
    return {item.name: below.get(item.name) or _description(item.type) for item in msgspec.structs.fields(shape)}


def _section(name: str, shape: type[Struct]) -> str:
    about = re.sub(r"^`\[\w+\]`:\s*", "", inspect.getdoc(shape) or "").split("\n\n")[0]
    lines = [*_comment(about[:1].upper() + about[1:]), f"[{name}]"]
    meanings = documented(shape)
    for item in msgspec.structs.fields(shape):
        lines += _comment(_sentence(meanings[item.name], item.type, f"{name}.{item.name}"))
        lines.append(f"#{item.name} = {to_toml(_default(item))}")
    return "\n".join(lines) + "\n"


def _sentence(meaning: str, kind: Any, key: str) -> str:
    """The meaning, then the range in brackets, then the documented variable."""
    range_ = allowed_of(kind)
    names = [name for name, where in ALIASES.items() if ".".join(where) == key]
    tail = f" [{range_}]" if range_ else ""
    return f"{meaning}{tail}" + "".join(f" ({name})" for name in names if name not in meaning)


def _comment(text: str) -> list[str]:
    flat = " ".join(text.split())
    return [f"# {line}" for line in textwrap.wrap(flat, WIDTH, break_long_words=False, break_on_hyphens=False)]


def _default(item: msgspec.structs.FieldInfo) -> Any:
    if item.default is not msgspec.NODEFAULT:
        return item.default
    if item.default_factory is not msgspec.NODEFAULT:
        return item.default_factory()
    raise AssertionError(f"key {item.name} has no default")


def _description(kind: Any) -> str:
    for part in getattr(kind, "__metadata__", ()):
        if isinstance(part, msgspec.Meta) and part.description:
            return part.description
    return ""


@cache
def _strings_below_fields(shape: type[Struct]) -> dict[str, str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(shape)))
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    found: dict[str, str] = {}
    for field, string in pairwise(body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(string, ast.Expr)
        ):
            value = string.value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                found[field.target.id] = value.value
    return found


if __name__ == "__main__":
    sys.stdout.write(render())
