"""An edge fades with age and is held up by sightings; its weight is what it was given."""

from __future__ import annotations

import pytest

from dsmil.events.graph import EDGE_UPDATE, Patch, Seen
from dsmil.graph.decay import faint, persistence, reinforcement
from dsmil.graph.hypergraph import Hypergraph
from tests.graph.test_fold import folded


def linked(times: int) -> Hypergraph:
    seen = (Seen("l4", 0.0, 0.0),)
    return folded([(EDGE_UPDATE, Patch(id="e", nodes=("a", "b"), weight=-60.0, seen=seen), 0.0)] * times)


def test_seen_again_it_stands_for_more_and_weighs_the_same() -> None:
    once, often = linked(1).edges["e"], linked(20).edges["e"]
    assert (once.weight, often.weight) == (-60.0, -60.0)
    assert (reinforcement(once), reinforcement(often)) == (0, 19)
    assert persistence(once, 0.0, decay_per_s=0.0) == pytest.approx(0.36)
    assert persistence(often, 0.0, decay_per_s=0.0) == pytest.approx(0.36 + 0.4 * 2.9957 / 5, abs=1e-4)


def test_it_fades_by_half_in_its_half_life_and_is_named_when_faint() -> None:
    graph = linked(1)
    edge, decay = graph.edges["e"], 0.6931471805599453 / 3600
    assert persistence(edge, 3600.0, decay_per_s=decay) == pytest.approx(0.18)
    assert not list(faint(graph, 3600.0, decay_per_s=decay))
    assert list(faint(graph, 4 * 3600.0, decay_per_s=decay)) == ["e"]
    assert not list(faint(graph, 1e12, decay_per_s=0.0)), "without decay nothing fades"
