"""Every format is written for the whole graph, for a part of it, and for a moment that is past."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from dsmil.errors import QueryError
from dsmil.graph.export import CHUNK_BYTES, MEDIA_TYPES, export
from dsmil.graph.hypergraph import Hypergraph
from tests.graph.export.filling import HOSTILE, Filling


def text_of(form: str, graph: Any, **part: Any) -> str:
    return b"".join(export(form, graph, **part)).decode()


@pytest.mark.parametrize("form", MEDIA_TYPES)
def test_nothing_in_any_format_acts_on_a_screen(form: str, graph: Hypergraph) -> None:
    text = text_of(form, graph)
    assert not re.search(
        "[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]", text
    )
    assert "MÆRSK" in text, "what is harmless stays as it is"


@pytest.mark.parametrize("form", ["geojson", "ndjson", "hif", "stix"])
def test_json_formats_lose_nothing_of_a_hostile_name(form: str, graph: Hypergraph) -> None:
    text = text_of(form, graph)
    for document in text.splitlines() if form == "ndjson" else [text]:
        if HOSTILE in strings(json.loads(document)):
            return
    raise AssertionError("the name is not there")


def strings(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set().union(*map(strings, value.values()))
    if isinstance(value, list):
        return set().union(*map(strings, value))
    return {value} if isinstance(value, str) else set()


@pytest.mark.parametrize("form", MEDIA_TYPES)
def test_the_same_picture_gives_the_same_bytes_and_a_past_one_others(form: str, filling: Filling) -> None:
    filling.node("vessel:9", kind="vessel", position=(1.0, 2.0), labels={"name": "before"})
    then = text_of(form, filling.graph)
    filling.node("vessel:9", position=(3.0, 4.0), labels={"name": "after"})
    now = text_of(form, filling.graph)
    assert now == text_of(form, filling.graph) and "after" in now and "before" not in now
    assert text_of(form, filling.graph.as_of(1)) == then and "before" in then


@pytest.mark.parametrize("form", MEDIA_TYPES)
def test_a_part_is_written_alone_and_stays_as_it_was_while_the_graph_goes_on(form: str, filling: Filling) -> None:
    for n in range(300):
        filling.node(f"vessel:{n}", kind="vessel", position=(n / 10, n / 10), labels={"name": "x" * 400})
    pieces = export(form, filling.graph, nodes=[filling.graph.nodes["vessel:7"]], edges=[])
    whole = export(form, filling.graph)
    filling.node("vessel:7", labels={"name": "renamed"})
    filling.node("vessel:x", kind="vessel", position=(1.0, 1.0))
    part = b"".join(pieces).decode()
    assert "vessel:7" in part and "vessel:8" not in part and "renamed" not in part
    sizes = list(map(len, whole))
    assert len(sizes) > 1 and max(sizes) < CHUNK_BYTES + 16_384


@pytest.mark.parametrize("form", MEDIA_TYPES)
def test_an_empty_graph_is_a_valid_document(form: str, filling: Filling) -> None:
    text = text_of(form, filling.graph)
    assert text == "" if form == "ndjson" else text.startswith('"type"') or json.loads(text)


def test_an_unknown_format_is_named_with_the_known_ones(graph: Hypergraph) -> None:
    with pytest.raises(QueryError, match="geojson, csv, ndjson, hif, stix"):
        export("xml", graph)
