"""The envelope reads back what it wrote and refuses what breaks a bound."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsmil.errors import BadEvent
from dsmil.events import envelope
from dsmil.events.ais import Position
from dsmil.events.enums import Category, Severity, TsBasis


def event(**changes: object) -> envelope.Event:
    fields: dict[str, object] = {
        "event_id": "e1", "ts": 1.5, "ingest_ts": 2.5, "source_device": 11, "source_layer": 0,
        "source": "ais:test", "category": Category.INTEL, "kind": "ais.position",
        "payload": envelope.pack(Position(mmsi=211000000, msg_type=1, lat=1.0, lon=2.0)),
    }  # fmt: skip
    return envelope.Event(**{**fields, **changes})  # type: ignore[arg-type]


def test_it_reads_back_what_it_wrote() -> None:
    one = event(
        severity=Severity.HIGH, ts_basis=TsBasis.INGEST, refs=("a", "b"), source_epoch="run", source_seq=7,
        raw=envelope.RawRecord(path="f", line=3, offset=40, text="!AIVDM"), since_ts=1.0,
    )  # fmt: skip
    assert envelope.decode(envelope.encode(one)) == one
    assert envelope.unpack(one, Position).mmsi == 211000000


def test_to_dict_shows_every_field_as_plain_json() -> None:
    shown = event().to_dict()
    assert shown["payload"]["mmsi"] == 211000000
    assert shown["severity"] == "LOW"
    assert msgspec.json.decode(msgspec.json.encode(shown)) == shown


@pytest.mark.parametrize(
    ("find", "put"),
    [
        (b'"ts":1.5', b'"ts":"now"'),
        (b'"ts":1.5', b'"ts":-1'),
        (b'"ts":1.5', b'"ts":1e15'),
        (b'"ts":1.5', b'"ts":NaN'),
        (b'"source_device":11', b'"source_device":104'),
        (b'"source_layer":0', b'"source_layer":10'),
        (b'"category":"INTEL"', b'"category":"WORLD"'),
        (b'"event_id":"e1"', b'"event_id":""'),
        (b'"event_id":"e1",', b""),
        (b'"payload":{', b'"payload":[1],"x":{'),
        (b'"payload":{', b'"payload":{"a":' + b"[" * 40 + b"]" * 40 + b","),
        (b'"payload":{', b'"payload":{"a":' + b"[" * 100_00 + b"]" * 100_00 + b","),
        (b'"payload":{', b'"payload":{"a":"' + b"x" * 70_000 + b'",'),
    ],
)
def test_what_breaks_a_bound_is_refused(find: bytes, put: bytes) -> None:
    data = envelope.encode(event())
    assert find in data
    with pytest.raises(BadEvent):
        envelope.decode(data.replace(find, put))


def test_a_payload_that_does_not_fit_its_shape_names_the_field() -> None:
    with pytest.raises(BadEvent, match="mmsi"):
        envelope.unpack(event(payload=envelope.pack({"mmsi": "x", "msg_type": 1})), Position)


def test_encode_refuses_more_than_64_kib() -> None:
    with pytest.raises(ValueError, match="exceed"):
        envelope.encode(event(payload=envelope.pack({"a": "x" * 70_000})))


@given(st.binary(max_size=200))
def test_no_bytes_do_worse_than_bad_event(data: bytes) -> None:
    with pytest.raises(BadEvent):
        envelope.decode(data)


def test_depth_counts_brackets_outside_strings_only() -> None:
    assert envelope.depth(b'{"a":"[[[[\\"{{","b":[[1]]}') == 3


@given(st.text(max_size=60), st.integers(0, 40))
def test_cut_text_never_splits_a_character(text: str, limit: int) -> None:
    cut = envelope.cut_text(text, limit)
    assert len(cut.encode()) <= limit
    assert text.encode("utf-8", "replace").startswith(cut.encode())
