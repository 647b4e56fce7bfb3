"""STIX is what the OASIS library accepts, with ids that stay, and nothing in it refers to what is not there."""

from __future__ import annotations

import json
from typing import Any

import pytest
import stix2
import stix2.v21 as v21

from dsmil.events.graph import Patch
from dsmil.graph.export import export
from dsmil.graph.export.stix_names import EXTENSION, PRODUCER
from dsmil.graph.fold import apply
from dsmil.graph.hypergraph import Hypergraph
from tests.graph.export.filling import HOSTILE, NOW, Filling


def objects(graph: Any, **part: Any) -> list[dict[str, Any]]:
    text = b"".join(export("stix", graph, **part)).decode()
    bundle = stix2.parse(text, allow_custom=False, version="2.1")
    assert isinstance(bundle, v21.Bundle)
    found: list[dict[str, Any]] = json.loads(text)["objects"]
    return found


def of(found: list[dict[str, Any]], entity_id: str, type_: str = "") -> dict[str, Any]:
    """The object that stands for an entity."""
    for one in found:
        told = one.get("extensions", {}).get(EXTENSION, {})
        if told.get("entity_id") == entity_id and type_ in ("", one["type"]):
            return one
    raise AssertionError(f"nothing stands for {entity_id}")


def refs(one: Any) -> set[str]:
    if isinstance(one, dict):
        own = {value for key, value in one.items() if key.endswith("_ref") and isinstance(value, str)}
        lists = {ref for key, value in one.items() if key.endswith("_refs") for ref in value}
        return own | lists
    return set()


def test_every_object_is_accepted_and_every_reference_is_in_the_bundle(graph: Hypergraph) -> None:
    found = objects(graph)
    for one in found:
        assert stix2.parse(json.dumps(one), allow_custom=False, version="2.1").id == one["id"]
    ids = [one["id"] for one in found]
    assert len(ids) == len(set(ids))
    for one in found:
        assert refs(one) <= set(ids), one


def test_what_stands_for_what(graph: Hypergraph) -> None:
    found = objects(graph)
    kinds = {
        "vessel:1": "identity", "rf:abc": "identity", "operator:ada": "identity", "host:ip:192.0.2.1": "ipv4-addr",
        "host:ip:2001:db8::1": "ipv6-addr", "subnet:192.0.2.0/24": "ipv4-addr", "svc:https": "software",
        "he:encounter:1": "relationship", "he:heard:1": "grouping", "flow:1": "relationship", "he:note:1": "grouping",
    }  # fmt: skip
    assert {name: of(found, name)["type"] for name in kinds} == kinds
    assert of(found, "subnet:192.0.2.0/24")["value"] == "192.0.2.0/24"
    assert (
        of(found, "operator:ada")["name"] == "Ada" and of(found, "operator:ada")["identity_class"] == "individual"
    )
    assert of(found, "vessel:1")["name"] == HOSTILE
    emitter = of(found, "rf:abc")
    assert emitter["extensions"][EXTENSION]["frequency_mhz"] == 433.92
    place = next(
        one for one in found if one["type"] == "location" and (one["latitude"], one["longitude"]) == (0.0, 0.0)
    )
    assert any(one.get("source_ref") == emitter["id"] and one["target_ref"] == place["id"]
               for one in found if one["type"] == "relationship")  # fmt: skip
    link = of(found, "he:encounter:1")
    assert link["relationship_type"] == "encounter" and link["source_ref"] == of(found, "vessel:1")["id"]
    assert link["extensions"][EXTENSION]["weight"] == 0.75
    assert link["extensions"][EXTENSION]["entity_labels"] == {"a_b": 1}


def test_observed_data_tells_when_an_address_was_seen(graph: Hypergraph) -> None:
    found = objects(graph)
    host = of(found, "host:ip:192.0.2.1")
    seen = next(one for one in found if one["type"] == "observed-data" and one["object_refs"] == [host["id"]])
    assert seen["number_observed"] == 7 and seen["first_observed"] == "2023-11-14T22:12:20.000Z"


def test_ids_are_those_of_other_tools_for_observables_and_stay_for_the_rest(filling: Filling) -> None:
    filling.node("host:ip:192.0.2.1", kind="host")
    filling.node("svc:https", kind="service")
    filling.node("vessel:1", kind="vessel", labels={"name": "A"})
    first = objects(filling.graph)
    assert of(first, "host:ip:192.0.2.1")["id"] == v21.IPv4Address(value="192.0.2.1").id
    assert of(first, "svc:https")["id"] == v21.Software(name="https").id
    filling.node("vessel:1", labels={"name": "B"}, ts=NOW + 5)
    again = objects(filling.graph)
    old, new = of(first, "vessel:1"), of(again, "vessel:1")
    assert old["id"] == new["id"] and old["created"] == new["created"] and old["modified"] < new["modified"]
    assert {one["id"] for one in first} == {one["id"] for one in again}


def test_the_extension_is_defined_in_the_bundle_and_is_the_only_one(graph: Hypergraph) -> None:
    found = objects(graph)
    definition = next(one for one in found if one["id"] == EXTENSION)
    assert definition["type"] == "extension-definition" and definition["created_by_ref"] == PRODUCER
    assert {name for one in found for name in one.get("extensions", {})} == {EXTENSION}


def test_an_edge_alone_brings_its_members(graph: Hypergraph) -> None:
    found = objects(graph, nodes=[], edges=[graph.edges["flow:1"]])
    ids = {one["id"] for one in found}
    assert of(found, "flow:1")["source_ref"] in ids and of(found, "host:ip:192.0.2.1")["id"] in ids


@pytest.mark.parametrize(
    ("name", "type_"),
    [("host:ip:nonsense", "identity"), ("host:ip:192.0.2.1/24", "ipv4-addr"), ("svc:", "identity"), ("x", "identity"),
     ("host:ip:192.0.2.1%eth0", "identity"), ("host:ip:fe80::1%eth0", "ipv6-addr")],
)  # fmt: skip
def test_any_id_becomes_something_valid(name: str, type_: str, filling: Filling) -> None:
    filling.node(
        name, kind="\x1bstrange kind!", labels={"name": " ", "": "no"}, ts=0.0
    ) if name == "x" else filling.node(name)
    found = objects(filling.graph)
    assert of(found, name)["type"] == type_


def test_metadata_of_any_shape_is_valid(filling: Filling) -> None:
    deep: Any = "end"
    for _ in range(25):
        deep = {"ключ": [deep, None, [], {}]}
    filling.node("a", metadata={"d": deep, "e": [], "f": {}, "g": {"h": None}, "k": [{"x y": 1.5}], "n": True})
    filling.edge("e", "a", "b", "a", kind="+++")
    filling.edge("f", "a", "b", kind="*")
    found = objects(filling.graph)
    told = of(found, "a")["extensions"][EXTENSION]["entity_metadata"]
    assert told["k"] == [{"x_y": 1.5}] and told["n"] is True and not {"e", "f", "g"} & set(told)
    assert of(found, "f")["relationship_type"] == "related-to" and of(found, "e")["type"] == "grouping"


def test_times_out_of_range_are_brought_into_it(filling: Filling) -> None:
    assert apply(filling.graph, 1, "graph.node_update", Patch(id="a"), ts=253_402_300_800.0, ingest_ts=NOW)
    assert of(objects(filling.graph), "a")["modified"].startswith("9999-12-31")
