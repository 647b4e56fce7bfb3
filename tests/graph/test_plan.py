"""The cheapest index is asked, and no plan ever changes an answer."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsmil.events.graph import EDGE_CREATE, NODE_UPDATE, Patch
from dsmil.graph.budget import Budget
from dsmil.graph.find import fitting
from dsmil.graph.hypergraph import Hypergraph
from dsmil.graph.plan import Plan, plan
from dsmil.graph.run import run
from dsmil.graph.scope import Asked, resolve
from dsmil.query import Query, parse_query
from tests.graph import naive
from tests.graph.chance import STEPS, world
from tests.graph.test_fold import folded
from tests.query.questions import PLAIN

NOW = 5000.0


@pytest.fixture(scope="module")
def graph() -> Hypergraph:
    """400 ships in a row along the equator, ten emitters, an edge from each ship to the next."""
    steps = [
        (NODE_UPDATE, Patch(id=f"vessel:{n}", kind="vessel", position=(0.0, n / 10),
                            labels={"flag": "DE" if n % 100 == 0 else "NO", "fleet": str(n % 5)}), float(n))
        for n in range(400)
    ] + [
        (NODE_UPDATE, Patch(id=f"rf:{n}", kind="rf_emitter", frequency=433.0 + n, position=(50.0, 0.0)), 1000.0)
        for n in range(10)
    ] + [
        (EDGE_CREATE, Patch(id=f"he:link:{n}", kind="link", nodes=(f"vessel:{n}", f"vessel:{n + 1}")), float(n))
        for n in range(399)
    ]  # fmt: skip
    return folded(steps)


def planned(graph: Hypergraph, text: str) -> Plan:
    return plan(resolve(graph, parse_query(text), Asked(now=2000.0), Budget()))


@pytest.mark.parametrize(
    ("text", "index", "candidates"),
    [
        ("FIND NODES", "full scan", 410),
        ('kind = "rf_emitter"', "kind", 10),
        ('kind IN ("rf_emitter", "none")', "kind", 10),
        ('kind = "vessel" AND labels.flag = "DE"', "label flag", 4),
        ('labels.flag = "DE" AND kind = "rf_emitter"', "label flag", 4),
        ('labels.flag IN ("DE", "SE")', "label flag", 4),
        ('labels.flag = "DE" OR kind = "rf_emitter"', "label flag or kind", 14),
        ('labels.flag = "DE" OR metadata.x = 1', "full scan", 410),
        ('NOT kind = "vessel"', "full scan", 410),
        ('id = "vessel:7"', "id", 1),
        ("labels.fleet = 3", "label fleet", 80),
        ("frequency BETWEEN 433 AND 435", "frequency", 3),
        ("frequency >= 440", "frequency", 3),
        ("frequency = 440", "frequency", 1),
        ("updated_at >= 900", "time", 10),
        ("FIND NODES FREQ 434 TO 435.5", "frequency: 434 to 435.5 MHz", 2),
        ("FIND NODES IN BBOX [-1, 0, 1, 1]", "place: box [-1, 0, 1, 1]", 11),
        ("FIND NODES WITHIN 12km OF [0, 0]", "place: 12000 m around [0, 0]", 2),
        ('FIND NODES WITHIN 12km OF "vessel:9"', "place: 12000 m around [0, 0.9]", 3),
        ("FIND NODES SINCE 1100s", "time", 10),
        ('FIND NODES WHERE kind = "vessel" WITHIN 12km OF [0, 0]', "place: 12000 m around [0, 0]", 2),
        ('FIND NEIGHBORS OF "vessel:9"', 'walk of 1 from "vessel:9"', 2),
        ('FIND EDGES WHERE nodes CONTAINS "vessel:9"', "members", 2),
        ('FIND EDGES WHERE nodes = "vessel:9"', "members", 2),
        ("FIND EDGES WITHIN 12km OF [0, 0]", "edges of place: 12000 m around [0, 0]", 2),
        ("FIND EDGES WHERE timestamp >= 398", "time", 99),
        ('FIND EDGES OF "vessel:9" DEPTH 2', 'walk of 2 from "vessel:9"', 4),
        ('FIND NODES WHERE kind = "none"', "kind", 0),
    ],
)  # fmt: skip
def test_the_cheapest_index_is_asked(graph: Hypergraph, text: str, index: str, candidates: int) -> None:
    found = planned(graph, text)
    assert (found.index, found.candidates) == (index, candidates)


def test_explain_tells_the_plan_and_answers_nothing(graph: Hypergraph) -> None:
    query = parse_query('EXPLAIN FIND NODES WHERE kind = "vessel" AND labels.flag = "DE" WITHIN 12km OF [0, 0]')
    result = run(graph, query, now=0.0)
    assert result.plan is not None
    assert (result.nodes, result.edges, result.count) == ([], [], 0)
    told = result.plan.to_dict()
    assert told["index"] == "label flag"
    assert told["candidates"] == 4
    assert told["total"] == 410
    assert told["filter"] == 'kind = "vessel" AND labels.flag = "DE"; within 12000 m'
    assert result.plan.explain() == [
        "finds nodes: looks at 4 of 410",
        "index: label flag",
        'filter: kind = "vessel" AND labels.flag = "DE"; within 12000 m',
    ]
    wide = run(graph, parse_query('EXPLAIN kind = "vessel" WITHIN 12km OF [0, 0]'), now=0.0).plan
    assert wide is not None
    assert wide.explain()[3:] == ["considered: kind, 400 ids"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('labels.port = "443"', "number text"),
        ("labels.port = 443", "number spelled text"),
        ('labels.port IN ("443", "x")', "number text"),
        ('labels.net.name = "lan"', "dotted nested"),
        ('labels.severity = "high"', "ranked"),
        ('labels.severity IN ("LOW", "HIGH")', "ranked"),
        ("labels.up = true", "yes"),
        ("labels.up = 1", "one"),
    ],
)
def test_an_index_finds_what_the_words_mean_however_it_is_written(text: str, found: str) -> None:
    labels = {
        "text": {"port": "443"}, "number": {"port": 443}, "spelled": {"port": "0443"}, "dotted": {"net.name": "lan"},
        "nested": {"net": {"name": "lan"}}, "ranked": {"severity": "HIGH"}, "yes": {"up": True}, "one": {"up": 1},
    }  # fmt: skip
    graph = folded([(NODE_UPDATE, Patch(id=key, labels=value), 1.0) for key, value in labels.items()])
    assert [node.id for node in run(graph, parse_query(text), now=0.0).nodes] == found.split()


@given(st.integers(0, 63), st.lists(PLAIN, min_size=1, max_size=4), st.integers(0, STEPS))
@settings(max_examples=250, deadline=None)
def test_row_20_every_plan_equals_a_full_scan(seed: int, questions: list[Query], sequence: int) -> None:
    graph = world(seed)
    for query in questions:
        for picture in (graph, graph.as_of(sequence)):
            scope = resolve(picture, query, Asked(now=NOW, strict=False), Budget())
            found = {one.id for one in fitting(scope, Budget())}
            assert found == {one.id for one in naive.fitting(picture, query, NOW)}
            ids = plan(scope).ids
            assert ids is None or found <= set(ids)
