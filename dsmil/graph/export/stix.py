"""The graph for threat intelligence platforms: a STIX 2.1 bundle (OASIS, 10 June 2021).

An object's id is made of what it stands for, so the same entity exported again updates what a platform has. Vessels,
emitters, people and all else that STIX has no word for are identities; addresses and services are observables, and
observed-data tells when they were seen. An edge of two members is a relationship, any other a grouping. What is ours
alone stands in one extension whose definition comes with the bundle; there are no custom types.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from dsmil.graph.entity import Edge, Facts
from dsmil.graph.export.chosen import Chosen
from dsmil.graph.export.stix_names import EPOCH, EXTENSION, PRODUCER, domain_id, extension, instant
from dsmil.graph.export.stix_nodes import object_of, sightings_of
from dsmil.graph.export.text import to_json

_WORD = re.compile(r"[^a-z0-9]+")


def write(chosen: Chosen) -> Iterator[bytes]:
    """One bundle: what the objects refer to is always in it."""
    bundle_id = domain_id("bundle", f"{chosen.epoch}:{chosen.sequence}")
    yield b'{"type":"bundle","id":%b,"objects":[\n' % to_json(bundle_id)
    yield to_json(_producer()) + b",\n" + to_json(_definition())
    told: set[str] = set()
    for thing in _objects(chosen):
        if thing["id"] not in told:  # two names of one address are one observable
            told.add(thing["id"])
            yield b",\n" + to_json(thing)
    yield b"\n]}\n"


def _objects(chosen: Chosen) -> Iterator[Facts]:
    ids: dict[str, str] = {}
    for node in (*chosen.nodes, *chosen.others.values()):
        thing = object_of(node)
        ids[node.id] = thing["id"]
        yield thing
        yield from sightings_of(node, thing["id"])
    for edge in chosen.edges:
        members = [ids[member] for member in edge.nodes if member in ids]
        if members:
            yield _link(edge, members)


def _link(edge: Edge, members: list[str]) -> Facts:
    type_ = "relationship" if len(members) == len(edge.nodes) == 2 else "grouping"
    link: Facts = {
        "type": type_,
        "spec_version": "2.1",
        "id": domain_id(type_, edge.id),
        "created_by_ref": PRODUCER,
        "created": instant(edge.created_at),
        "modified": instant(edge.timestamp),
    }
    if type_ == "relationship":
        link |= {"relationship_type": _word(edge.kind), "source_ref": members[0], "target_ref": members[1]}
    else:
        link |= {"name": edge.id, "context": "unspecified", "object_refs": list(dict.fromkeys(members))}
    return link | extension(edge)


def _word(kind: str) -> str:
    """A kind as a relationship type: lower-case letters, digits and hyphens."""
    return _WORD.sub("-", kind.lower()).strip("-") or "related-to"


def _producer() -> Facts:
    return {
        "type": "identity", "spec_version": "2.1", "id": PRODUCER, "created": EPOCH, "modified": EPOCH,
        "name": "dsmil", "identity_class": "system",
    }  # fmt: skip


def _definition() -> Facts:
    return {
        "type": "extension-definition", "spec_version": "2.1", "id": EXTENSION, "created": EPOCH, "modified": EPOCH,
        "created_by_ref": PRODUCER, "name": "dsmil graph entity", "version": "1.0.0",
        "description": "What dsmil holds of the node or edge an object stands for.",
        "schema": "entity_id, entity_kind: text; weight, frequency_mhz: number; entity_labels and _metadata: object",
        "extension_types": ["property-extension"],
    }  # fmt: skip
