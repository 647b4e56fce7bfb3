"""Query text into a bounded tree; what does not fit is named with its line, column and what would.

There are no regular expressions in the language and no way to run code: a text from outside costs at most
its own length.
"""

from __future__ import annotations

import functools
from importlib.resources import files
from typing import Any

from lark import Lark, UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken
from msgspec import structs

from dsmil.errors import QueryError
from dsmil.query import tree
from dsmil.query.build import Build
from dsmil.query.clauses import Query
from dsmil.query.spell import spell_query

TEXT_BYTES_MAX = 4096
"""A longer text is a program, not a question."""
NODES_MAX = 256
DEPTH_MAX = 16
"""Bounds on what one text may cost per event looked at."""
PARSED_MAX = 256
"""Parsed texts kept: rooms and filters ask the same ones over and over."""

_WORDS = {
    "KEY": "a key", "OP": "= != > >= < <=", "STRING": '"text"', "NUMBER": "a number", "LPAR": "(", "RPAR": ")",
    "COMMA": ",", "$END": "the end", "LSQB": "[", "RSQB": "]", "INT": "a whole number",
    "DURATION": "a duration such as 30s 10m 2h 3d", "DISTANCE": "a distance such as 500m 5km 3nm",
    "TIME": "an ISO-8601 time", "FIND_WHAT": "NODES EDGES SUBGRAPH NEIGHBORS",
    "SHAPE": "nodes edges subgraph count", "DIRECTION": "ASC DESC",
}  # fmt: skip


def parse(text: str) -> tree.Node:
    """The tree of a predicate; QueryError with line and column where it cannot be read."""
    node: tree.Node = _read(text, "predicate", ("a key",), 'such as severity = "HIGH"')
    _measure(node)
    return node


@functools.lru_cache(maxsize=PARSED_MAX)
def parse_query(text: str) -> Query:
    """The query a text asks; a bare predicate asks FIND NODES. QueryError where it cannot be read."""
    query: Query = _read(text, "query", ("FIND", "WHERE", "a key"), 'such as FIND NODES WHERE kind = "vessel"')
    if query.where is not None:
        _measure(query.where)
    return structs.replace(query, text=spell_query(query))


def _read(text: str, start: str, expected: tuple[str, ...], hint: str) -> Any:
    if len(text.encode("utf-8", "replace")) > TEXT_BYTES_MAX:
        raise QueryError(f"read query: longer than {TEXT_BYTES_MAX} bytes")
    if not text.strip():
        raise QueryError("read query: the text is empty", expected=expected, hint=hint)
    try:
        return _parser().parse(text, start=start)
    except UnexpectedInput as error:
        raise _positioned(error, text) from None


@functools.cache
def _parser() -> Lark:
    grammar = files("dsmil.query").joinpath("language.lark").read_text("utf-8")
    return Lark(
        grammar, parser="lalr", start=["predicate", "query"], transformer=Build(), maybe_placeholders=False
    )


def _positioned(error: UnexpectedInput, text: str) -> QueryError:
    """The parser's complaint in a user's words."""
    line, column = max(1, error.line or 1), max(1, error.column or 1)
    allowed: set[str] = set()
    if isinstance(error, UnexpectedToken):
        allowed = set(error.accepts or error.expected)
        found = "the end of the text" if error.token.type == "$END" else repr(str(error.token))
    elif isinstance(error, UnexpectedCharacters):
        allowed = set(error.allowed or ())
        found = repr(text.split("\n")[line - 1][column - 1 : column + 11])
    else:
        found = "the end of the text" if isinstance(error, UnexpectedEOF) else "this"
    if "the end of the text" in found:
        lines = text.rstrip("\n").split("\n")
        line, column = len(lines), len(lines[-1]) + 1
    expected = tuple(sorted(_WORDS.get(name, name) for name in allowed))
    return QueryError(
        f"read query at line {line}, column {column}: {found} does not fit here",
        line=line, column=column, expected=expected, hint=f"expected {', '.join(expected)}" if expected else "",
    )  # fmt: skip


def _measure(node: tree.Node) -> None:
    """Refuse a tree with too many terms or too deep; without recursion, which a deep one would break."""
    size = deepest = 0
    todo: list[tuple[tree.Node, int]] = [(node, 1)]
    while todo:
        here, depth = todo.pop()
        size += 1
        deepest = max(deepest, depth)
        if isinstance(here, tree.Not):
            todo.append((here.term, depth + 1))
        elif isinstance(here, tree.AllOf | tree.AnyOf):
            todo.extend((term, depth + 1) for term in here.terms)
        elif isinstance(here, tree.OneOf):
            size += len(here.values) // 8
    if size > NODES_MAX or deepest > DEPTH_MAX:
        raise QueryError(f"read query: {size} terms, {deepest} deep exceed {NODES_MAX} terms, {DEPTH_MAX} deep")
