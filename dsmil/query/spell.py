"""Trees and queries as canonical text: what is printed reads back as the same thing.

Values keep their type: a text is quoted, a number is not, `true` is neither.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from math import inf

import msgspec

from dsmil.query import tree
from dsmil.query.clauses import DEFAULT_SHAPE, Moment, Query, Since, Within

WHOLE_MAX = 1e15
"""Whole numbers up to here are written without a point or an exponent."""


def spell_query(query: Query) -> str:
    """The canonical text of a query, on one line; its own `text` is not looked at."""
    return " ".join(_parts(query))


def spell(node: tree.Node) -> str:
    """The canonical text of a predicate."""
    match node:
        case tree.Compare(key, op, value):
            return f"{key} {op} {_value(value)}"
        case tree.Between(key, low, high):
            return f"{key} BETWEEN {_value(low)} AND {_value(high)}"
        case tree.Contains(key, value):
            return f"{key} CONTAINS {_value(value)}"
        case tree.StartsWith(key, prefix):
            return f"{key} STARTS WITH {quoted(prefix)}"
        case tree.OneOf(key, values):
            return f"{key} IN ({', '.join(map(_value, values))})"
        case tree.Exists(key):
            return f"EXISTS {key}"
        case tree.Not(term):
            return f"NOT {_inner(term)}"
        case tree.AllOf(terms):
            return " AND ".join(map(_inner, terms))
        case tree.AnyOf(terms):
            return " OR ".join(map(_inner, terms))


def quoted(text: str) -> str:
    """A text as the language writes it: in double quotes, with the escapes of JSON."""
    return msgspec.json.encode(text).decode()


def number(value: float) -> str:
    """A number as the language reads it."""
    if value in (inf, -inf):
        return "1e999" if value > 0 else "-1e999"
    return str(int(value)) if value.is_integer() and abs(value) <= WHOLE_MAX else repr(value)


def iso(ts: float) -> str:
    """Unix seconds as ISO-8601 in UTC, to the microsecond."""
    moment = datetime.fromtimestamp(ts, UTC).isoformat(timespec="microseconds")
    return moment.removesuffix("+00:00") + "Z"


def _parts(query: Query) -> Iterator[str]:
    if query.explain:
        yield "EXPLAIN"
    yield f"FIND {query.find.upper()}"
    if query.any_member and query.find == "edges":
        yield "ANY"
    if query.of is not None:
        yield f"OF {quoted(query.of)}"
        if query.depth != 1:
            yield f"DEPTH {query.depth}"
    if query.where is not None:
        yield f"WHERE {spell(query.where)}"
    yield from (f"WITHIN {number(one.radius_m)}m OF {_place(one)}" for one in query.within)
    for box in query.boxes:
        yield f"IN BBOX [{', '.join(map(number, (box.lat1, box.lon1, box.lat2, box.lon2)))}]"
    yield from (f"IN ROOM {quoted(room)}" for room in query.rooms)
    yield from (f"FREQ {number(band.low)} TO {number(band.high)}" for band in query.bands)
    if query.since is not None:
        yield f"SINCE {_since(query.since)}"
    if query.as_of is not None:
        yield f"AS OF {_moment(query.as_of)}"
    if query.order_by is not None:
        yield f"ORDER BY {query.order_by}" + (" DESC" if query.descending else "")
    if query.limit is not None:
        yield f"LIMIT {query.limit}"
    if query.any_member and query.find != "edges":
        yield "EDGES ANY"
    if query.returns != DEFAULT_SHAPE[query.find]:
        yield f"RETURN {query.returns}"


def _inner(term: tree.Node) -> str:
    return f"({spell(term)})" if isinstance(term, tree.AllOf | tree.AnyOf) else spell(term)


def _value(value: tree.Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return quoted(value) if isinstance(value, str) else number(value)


def _place(within: Within) -> str:
    if within.place is None:
        return quoted(within.node or "")
    return f"[{number(within.place[0])}, {number(within.place[1])}]"


def _since(since: Since) -> str:
    return iso(since.ts) if since.ts is not None else f"{number(since.ago_s or 0.0)}s"


def _moment(moment: Moment) -> str:
    return iso(moment.ts) if moment.ts is not None else str(moment.sequence)
