"""Random queries over the random worlds of tests/graph/worlds.py: every clause, mostly few of them at once."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from msgspec import structs

from dsmil.query import Query, tree
from dsmil.query.clauses import DEFAULT_SHAPE, Band, Box, Moment, Since, Within
from dsmil.query.spell import spell_query

IDS = st.sampled_from(["vessel:1", "vessel:2", "rf:a", "host:ip:10.0.0.1", "svc:http", "room:ops"] * 3 + ["gone"])
KEYS = st.sampled_from(
    ["kind", "id", "labels.name", "labels.port", "labels.service", "labels.rooms", "labels.a.b", "metadata.name",
     "metadata.port", "metadata.severity", "labels.severity", "metadata.provenance.source", "metadata", "nodes",
     "frequency", "weight", "position", "created_at", "updated_at", "timestamp", "absent", "payload.x"]
)  # fmt: skip
WORDS = st.sampled_from(
    ["vessel", "rf_emitter", "host", "link", "entity", "relationship", "vessel:1", "a", "b", "443", "0443", "1e3",
     "-5", "", "s1", "ops", "room_membership", 'say "hi"\n', "ü"]
)  # fmt: skip
NUMBERS = st.sampled_from(
    [0.0, 1.0, 7.0, 443.0, 1000.0, -60.0, 0.5, 300.0, 433.92, 439.999, 440.0, 5000.0, 1e300, -5.0]
)
VALUES: st.SearchStrategy[Any] = st.one_of(WORDS, NUMBERS, st.booleans())
SEVERITIES = st.sampled_from(["LOW", "MEDIUM", "HIGH", "CRITICAL"])
OPS = st.sampled_from(["=", "!=", ">", ">=", "<", "<="])


def _valued(key: str) -> st.SearchStrategy[Any]:
    """Literals that may stand beside a key: a severity is one of four words."""
    return SEVERITIES if key.endswith("severity") else VALUES


def _terms(key: str) -> st.SearchStrategy[tree.Node]:
    values = _valued(key)
    return st.one_of(
        st.builds(tree.Compare, st.just(key), st.just("="), values),
        st.builds(tree.Compare, st.just(key), OPS, values),
        st.builds(tree.Between, st.just(key), values, values),
        st.builds(tree.Contains, st.just(key), values),
        st.builds(tree.StartsWith, st.just(key), WORDS),
        st.builds(tree.OneOf, st.just(key), st.lists(values, min_size=1, max_size=4).map(tuple)),
        st.builds(tree.Exists, st.just(key)),
    )


TERMS = KEYS.flatmap(_terms)
TREES: st.SearchStrategy[tree.Node] = st.recursive(
    TERMS,
    lambda inner: st.one_of(
        st.builds(tree.Not, inner),
        st.builds(tree.AllOf, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(tree.AnyOf, st.lists(inner, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=5,
)
RADII = st.sampled_from([0.0, 500.0, 5000.0, 1_111_950.0, 1e7, 3e7])
PLACES = st.sampled_from([(0.0, 0.0), (90.0, 0.0), (-89.9, 120.0), (10.0, 180.0), (10.0, -179.99), (54.0, 10.0)])
WITHINS = st.one_of(st.builds(Within, RADII, node=IDS), st.builds(Within, RADII, place=PLACES))
BOXES = st.builds(
    lambda one, two: Box(*one, *two), PLACES, PLACES,
)  # fmt: skip
BANDS = st.tuples(NUMBERS, NUMBERS).map(lambda pair: Band(min(pair), max(pair)))
ROOMS = st.sampled_from(["ops", "room:ops", "a", "none"])
SINCES = st.one_of(
    st.sampled_from([0.0, 1.0, 299.0, 4700.0, 86_400.0]).map(lambda s: Since(ago_s=s)),
    st.sampled_from([0.0, 1.0, 250.0, 300.0, 301.5, 5000.0]).map(lambda ts: Since(ts=ts)),
)
MOMENTS = st.one_of(
    st.builds(Moment, sequence=st.integers(0, 50)), st.sampled_from([Moment(ts=0.5), Moment(ts=1e9)])
)


LIKELY: st.SearchStrategy[tree.Node] = st.sampled_from(
    [tree.Compare("kind", "=", "vessel"), tree.Compare("kind", "!=", "host"), tree.Exists("labels.name"),
     tree.Not(tree.Exists("labels.port")), tree.Compare("labels.port", "=", 443.0), tree.Exists("position"),
     tree.OneOf("labels.name", ("a", "b", "443")), tree.Compare("updated_at", ">", 250.0),
     tree.Compare("metadata.severity", ">=", "LOW"), tree.Contains("nodes", "vessel:1")]
)  # fmt: skip
"""Some that fit a good part of those worlds."""


def few(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(strategy, min_size=1, max_size=2).map(tuple)


_CLAUSES: dict[str, st.SearchStrategy[Any]] = {
    "where": st.one_of(LIKELY, LIKELY, TREES), "within": few(WITHINS), "boxes": few(BOXES), "rooms": few(ROOMS),
    "bands": few(BANDS), "since": SINCES, "limit": st.integers(1, 4), "of": IDS,
}  # fmt: skip


@st.composite
def queries(draw: st.DrawFn, *, as_of: bool = False) -> Query:
    find = draw(st.sampled_from(["nodes", "edges", "subgraph", "neighbors"]))
    names = set(draw(st.lists(st.sampled_from(list(_CLAUSES)), max_size=2)))
    names |= {"where"} if draw(st.booleans()) else set()
    names |= {"of"} if find == "neighbors" else set()
    given = {name: draw(_CLAUSES[name]) for name in sorted(names)}
    if draw(st.booleans()):
        given |= {"order_by": draw(KEYS), "descending": draw(st.booleans())}
    if as_of:
        given |= {"as_of": draw(st.none() | MOMENTS), "explain": draw(st.booleans())}
    query = Query(
        find=find, any_member=draw(st.booleans()), depth=draw(st.integers(1, 3)) if "of" in given else 1,
        returns=draw(st.sampled_from([DEFAULT_SHAPE[find], "nodes", "edges", "subgraph", "count"])), **given,
    )  # fmt: skip
    return structs.replace(query, text=spell_query(query))


QUERIES = queries(as_of=True)
PLAIN = queries()
"""Without AS OF and EXPLAIN: the picture is given."""
