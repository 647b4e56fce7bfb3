"""Predicate text into a bounded tree; what does not fit is named with its line, column and what would.

There are no regular expressions in the language and no way to run code: a text from outside costs at most
its own length.
"""

from __future__ import annotations

import functools
from importlib.resources import files
from typing import Any

import msgspec
from lark import (
    Lark,
    Token,
    Transformer,
    UnexpectedCharacters,
    UnexpectedEOF,
    UnexpectedInput,
    UnexpectedToken,
    v_args,
)

from dsmil.errors import QueryError
from dsmil.events.enums import Severity
from dsmil.query import tree

TEXT_BYTES_MAX = 4096
"""A longer text is a program, not a question."""
NODES_MAX = 256
DEPTH_MAX = 16
LIST_MAX = 1000
"""Bounds on what one text may cost per event looked at."""

_WORDS = {
    "KEY": "a key", "OP": "= != > >= < <=", "STRING": '"text"', "NUMBER": "a number", "LPAR": "(", "RPAR": ")",
    "COMMA": ",", "$END": "the end",
}  # fmt: skip


def parse(text: str) -> tree.Node:
    """The tree of a predicate; QueryError with line and column where it cannot be read."""
    if len(text.encode("utf-8", "replace")) > TEXT_BYTES_MAX:
        raise QueryError(f"read query: longer than {TEXT_BYTES_MAX} bytes")
    if not text.strip():
        raise QueryError("read query: the text is empty", expected=("a key",), hint='such as severity = "HIGH"')
    try:
        node: tree.Node = _parser().parse(text)  # type: ignore[assignment]  # the transformer makes the tree
    except UnexpectedInput as error:
        raise _positioned(error, text) from None
    size, depth = _measure(node)
    if size > NODES_MAX or depth > DEPTH_MAX:
        raise QueryError(f"read query: {size} terms, {depth} deep exceed {NODES_MAX} terms, {DEPTH_MAX} deep")
    return node


@functools.cache
def _parser() -> Lark:
    grammar = files("dsmil.query").joinpath("predicate.lark").read_text("utf-8")
    return Lark(grammar, parser="lalr", transformer=_Build(), maybe_placeholders=False)


def _positioned(error: UnexpectedInput, text: str) -> QueryError:
    """The parser's complaint in a user's words."""
    line, column = max(1, error.line or 1), max(1, error.column or 1)
    allowed: set[str] = set()
    if isinstance(error, UnexpectedToken):
        allowed = set(error.accepts or error.expected)
        found = "the end of the text" if error.token.type == "$END" else repr(str(error.token))
    elif isinstance(error, UnexpectedCharacters):
        allowed = set(error.allowed or ())
        found = repr(text.splitlines()[line - 1][column - 1 : column + 11]) if text.splitlines() else "nothing"
    else:
        found = "the end of the text" if isinstance(error, UnexpectedEOF) else "this"
    if "the end of the text" in found:
        lines = text.splitlines() or [""]
        line, column = len(lines), len(lines[-1]) + 1
    expected = tuple(sorted(_WORDS.get(name, name) for name in allowed))
    return QueryError(
        f"read query at line {line}, column {column}: {found} does not fit here",
        line=line, column=column, expected=expected, hint=f"expected {', '.join(expected)}" if expected else "",
    )  # fmt: skip


def _measure(node: tree.Node) -> tuple[int, int]:
    """(terms, depth) of a tree, without recursion: its depth is not known to be small yet."""
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
    return size, deepest


def _text(token: Token) -> str:
    try:
        return str(msgspec.json.decode(str(token)))
    except msgspec.MsgspecError:
        raise QueryError(
            f"read query at line {token.line}, column {token.column}: unknown escape in {token}",
            line=token.line or 1, column=token.column or 1, hint=r'escapes are those of JSON: \" \\ \n \u0041',
        ) from None  # fmt: skip


def _check_severity(key: Token, *values: tree.Value) -> None:
    """A severity must be one of the four words, or the comparison could never be true."""
    if str(key).rsplit(".", 1)[-1] != "severity":
        return
    for value in values:
        try:
            Severity.parse(value) if isinstance(value, str) else None
        except ValueError as error:
            where = f"line {key.line}, column {key.column}"
            raise QueryError(
                f"read query at {where}: {error}",
                line=key.line or 1,
                column=key.column or 1,
                expected=tuple(Severity),
            ) from None


@v_args(inline=True)
class _Build(Transformer[Token, Any]):
    """Grammar rules into tree nodes, one method a rule."""

    def start(self, *terms: tree.Node) -> tree.Node:
        return terms[0] if len(terms) == 1 else tree.AllOf(terms)

    def any_of(self, *terms: tree.Node) -> tree.Node:
        return terms[0] if len(terms) == 1 else tree.AnyOf(terms)

    def all_of(self, *terms: tree.Node) -> tree.Node:
        return terms[0] if len(terms) == 1 else tree.AllOf(terms)

    def negate(self, term: tree.Node) -> tree.Node:
        return tree.Not(term)

    def group(self, term: tree.Node) -> tree.Node:
        return term

    def compare(self, key: Token, op: Token, value: tree.Value) -> tree.Node:
        _check_severity(key, value)
        return tree.Compare(str(key), str(op), value)

    def between(self, key: Token, low: tree.Value, high: tree.Value) -> tree.Node:
        _check_severity(key, low, high)
        return tree.Between(str(key), low, high)

    def contains(self, key: Token, value: tree.Value) -> tree.Node:
        return tree.Contains(str(key), value)

    def starts_with(self, key: Token, prefix: Token) -> tree.Node:
        return tree.StartsWith(str(key), _text(prefix))

    def one_of(self, key: Token, *values: tree.Value) -> tree.Node:
        if len(values) > LIST_MAX:
            raise QueryError(
                f"read query at line {key.line}, column {key.column}: IN lists more than {LIST_MAX} values",
                line=key.line or 1, column=key.column or 1,
            )  # fmt: skip
        _check_severity(key, *values)
        return tree.OneOf(str(key), values)

    def exists(self, key: Token) -> tree.Node:
        return tree.Exists(str(key))

    def text(self, token: Token) -> str:
        return _text(token)

    def number(self, token: Token) -> float:
        return float(token)

    def yes(self) -> bool:
        return True

    def no(self) -> bool:
        return False
