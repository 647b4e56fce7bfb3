"""The tree a predicate text becomes: plain data, so that a planner and a printer can read it too.

Every node is frozen and hashable; the tree is bounded when it is built (`dsmil.query.parse`).
"""

from __future__ import annotations

from msgspec import Struct

Value = str | float | bool


class Compare(Struct, frozen=True):
    """`key = "v"`, and != > >= < <=."""

    key: str
    op: str
    value: Value


class Between(Struct, frozen=True):
    """`key BETWEEN low AND high`, both ends included."""

    key: str
    low: Value
    high: Value


class Contains(Struct, frozen=True):
    """`key CONTAINS "x"`: a text holds it, or a list has it as an element."""

    key: str
    value: Value


class StartsWith(Struct, frozen=True):
    """`key STARTS WITH "x"`."""

    key: str
    prefix: str


class OneOf(Struct, frozen=True):
    """`key IN ("a", "b")`."""

    key: str
    values: tuple[Value, ...]


class Exists(Struct, frozen=True):
    """`EXISTS key`: present and not null."""

    key: str


class Not(Struct, frozen=True):
    """`NOT term`."""

    term: Node


class AllOf(Struct, frozen=True):
    """Terms joined by AND."""

    terms: tuple[Node, ...]


class AnyOf(Struct, frozen=True):
    """Terms joined by OR."""

    terms: tuple[Node, ...]


Node = Compare | Between | Contains | StartsWith | OneOf | Exists | Not | AllOf | AnyOf
