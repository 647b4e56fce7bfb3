"""Nodes as STIX objects: an address or a service as an observable, anything else as an identity with its place."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, ip_network

import msgspec

from dsmil.graph.entity import Facts, Node
from dsmil.graph.export.stix_names import PRODUCER, domain_id, extension, instant, observable_id

OBSERVED_MAX = 999_999_999
"""The standard's bound on `number_observed`."""
_CLASSES = {"operator": "individual", "vessel": "system", "rf": "system", "source": "system", "room": "group"}
"""Identity classes by how the node's id begins."""


def object_of(node: Node) -> Facts:
    """The object that stands for a node."""
    head, _, name = node.id.partition(":")
    if head == "host" and (address := _address(name.removeprefix("ip:"))):
        return address | extension(node)
    if head == "subnet" and (address := _address(name)):
        return address | extension(node)
    if head == "svc" and name:
        return _observable("software", {"name": name}) | extension(node)
    return _identity(node, _CLASSES.get(head, "unknown"))


def sightings_of(node: Node, stands_for: str) -> Iterator[Facts]:
    """Where a node is, and for an observable, which has no times of its own, when it was seen."""
    if node.position is not None:
        yield _located(node, node.position[0], node.position[1])
        yield _dated(node, "relationship", "at") | {
            "relationship_type": "located-at", "source_ref": stands_for, "target_ref": domain_id("location", node.id),
        }  # fmt: skip
    if not stands_for.startswith("identity--"):
        count = max(1, sum(row.count for row in node.seen))
        yield _dated(node, "observed-data") | {
            "first_observed": instant(node.created_at), "last_observed": instant(node.updated_at),
            "number_observed": min(count, OBSERVED_MAX), "object_refs": [stands_for],
        }  # fmt: skip


def _identity(node: Node, class_: str) -> Facts:
    name = node.labels.get("name")
    told = {"name": name if isinstance(name, str) and name.strip() else node.id, "identity_class": class_}
    return _dated(node, "identity") | told | extension(node)


def _located(node: Node, lat: float, lon: float) -> Facts:
    return _dated(node, "location") | {"latitude": lat, "longitude": lon}


def _dated(node: Node, type_: str, what: str = "") -> Facts:
    return {
        "type": type_, "spec_version": "2.1", "id": domain_id(type_, f"{node.id}{'|' if what else ''}{what}"),
        "created_by_ref": PRODUCER, "created": instant(node.created_at), "modified": instant(node.updated_at),
    }  # fmt: skip


def _address(text: str) -> Facts | None:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return None
    single = network.prefixlen == network.max_prefixlen
    value = str(network.network_address) if single else str(network)
    return _observable("ipv4-addr" if isinstance(network, IPv4Network) else "ipv6-addr", {"value": value})


def _observable(type_: str, properties: Facts) -> Facts:
    thing = {"type": type_, "spec_version": "2.1", "id": observable_id(type_, msgspec.json.encode(properties))}
    return thing | properties
