"""What decisions say of the graph: the latest one on its entity, and the links of Layer 4 as edges.

An edge is named by its decision's name and entities, so a link that binds again is the same edge, and an `unlink`
finds it. `metadata.event_id` is the decision's, from which `dsmil why` walks on to the raw line.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import UNSET

from dsmil.analytics import nodes
from dsmil.analytics.sketch.said import Said
from dsmil.events.decision import Decision
from dsmil.events.envelope import Event
from dsmil.events.graph import EDGE_DELETE, EDGE_UPDATE, MEMBERS_MAX, NODE_UPDATE, Patch

LINK, UNLINK = "link.", "unlink."
MEETINGS = frozenset({"ais.rendezvous", "ais.cpa", "ais.convoy"})
"""Decisions on vessels together that are edges too."""
_FLOW = nodes.flow("")
_SOURCE = nodes.source("")


def decision(said: Decision, event: Event) -> Iterator[Said]:
    """The main entity's latest decision; a link's edge, or its end."""
    if not said.entities:
        return
    main = said.entities[0]
    latest = {
        "decision": said.decision,
        "decision_score": said.score,
        "decision_ts": event.ts,
        "decision_id": event.event_id,
    }
    if main.startswith(_FLOW):  # an edge, which the flow itself tells of in the same batch
        yield EDGE_UPDATE, Patch(id=main, metadata=latest)
    else:
        yield NODE_UPDATE, Patch(id=main, kind="source" if main.startswith(_SOURCE) else UNSET, metadata=latest)
    if said.decision.startswith(UNLINK):
        yield EDGE_DELETE, Patch(id=edge_id(said.decision.removeprefix("un"), said.entities))
    elif said.decision.startswith(LINK) or said.decision in MEETINGS:
        yield EDGE_UPDATE, _edge(said, event)


def edge_id(name: str, entities: tuple[str, ...]) -> str:
    """`he:link:<hash>`, `he:cpa:<hash>`, ... of a decision, whatever the order of its entities."""
    kind = "link" if name.startswith(LINK) else name.rpartition(".")[2]
    return nodes.hyperedge(kind, name, *sorted(entities))


def _edge(said: Decision, event: Event) -> Patch:
    # A flow is an edge itself and no member of another.
    members = tuple(one for one in dict.fromkeys(said.entities) if not one.startswith(_FLOW))[:MEMBERS_MAX]
    flows = [one for one in said.entities if one.startswith(_FLOW)]
    known = {key: value for key, value in said.features.items() if value is not None}
    return Patch(
        id=edge_id(said.decision, said.entities),
        kind=said.decision,
        nodes=members,
        weight=said.score,
        metadata={**known, **({"flow": flows[0]} if flows else {}), "event_id": event.event_id},
    )
