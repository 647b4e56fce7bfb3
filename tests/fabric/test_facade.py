"""The documented client works as its snippets say, and answers instead of raising."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from dsmil import EventCategory, RedisStreamsClient, Severity, StreamName, create_event
from dsmil.fabric.topology import DAEMONS


def test_row_01_streams_are_initialised_twice_and_an_event_makes_the_round_trip(url: str) -> None:
    client = RedisStreamsClient(url=url)
    assert client.connect()
    assert list(client.initialize_streams().values()) == [True] * 13
    assert list(client.initialize_streams().values()) == [True] * 13
    event = create_event(
        source_device=15,
        source_layer=3,
        category=EventCategory.SECURITY,
        severity=Severity.HIGH,
        payload={"signature": "x", "n": [1, 2.5, None]},
    )
    message_id = client.publish(StreamName.L3_OUT, event)
    assert message_id
    (again,) = client.read(StreamName.L3_OUT, 10)
    assert again == event
    assert again.to_dict()["payload"] == {"signature": "x", "n": [1, 2.5, None]}


def test_the_documented_group_reads_and_acknowledges(url: str) -> None:
    client = RedisStreamsClient(url=url)
    client.initialize_streams()
    event = create_event(15, 3, "SECURITY", "moderate", payload={})
    client.publish("L3_OUT", event)
    ((message_id, read),) = client.read_group(StreamName.L3_OUT, "dsmil", "me", count=5, block_ms=10)
    assert read == event
    assert client.acknowledge(StreamName.L3_OUT, "dsmil", message_id)
    assert not client.acknowledge(StreamName.L3_OUT, "dsmil", message_id)
    assert client.read_group(StreamName.L3_OUT, "dsmil", "me", count=5) == []


def test_groups_of_all_shipped_daemons_are_made(url: str, client: redis.Redis) -> None:
    RedisStreamsClient(url=url).initialize_streams()
    for daemon in (daemon for daemon in DAEMONS if daemon.shipped):
        for stream in daemon.reads:
            if stream is not StreamName.GRAPH_EVENTS:
                assert daemon.name.encode() in [group["name"] for group in client.xinfo_groups(stream.value)]
    assert client.exists("GRAPH_EVENTS") == 0


def test_a_dict_is_published_as_an_event_and_nonsense_is_not(url: str) -> None:
    client = RedisStreamsClient(url=url)
    event = create_event(15, 3, "SECURITY", "HIGH", payload={"a": 1})
    assert client.publish("L3_OUT", event.to_dict())
    assert client.read("L3_OUT") == [event]
    assert client.publish("L3_OUT", {"severity": "nonsense"}) is None
    assert "nonsense" in client.last_error
    assert client.publish("L3_OUT", {"source_device": 900, "category": "APP"}) is None
    assert client.publish("L3_OUT", create_event(1, 0, "APP", "LOW", payload={"x": "y" * 70_000})) is None


def test_stream_facts(url: str) -> None:
    client = RedisStreamsClient(url=url)
    client.initialize_streams()
    client.publish("L3_OUT", create_event(15, 3, "SECURITY", "HIGH", payload={}))
    facts = client.get_stream_info(StreamName.L3_OUT)
    assert facts is not None
    assert facts["length"] == 1
    assert facts["first_id"] == facts["last_id"]
    assert set(client.get_all_streams_info()) == {name.value for name in tuple(StreamName)[:13]}
    assert client.get_stream_info("NO_SUCH") is None
    client.disconnect()


def test_without_redis_everything_answers_and_nothing_raises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", f"unix://{tmp_path}/none.sock")
    client = RedisStreamsClient()
    assert client.connect() is False
    assert client.initialize_streams() == dict.fromkeys((name.value for name in tuple(StreamName)[:13]), False)
    assert client.publish("L3_OUT", create_event(1, 0, "APP", "LOW", payload={})) is None
    assert client.read("L3_OUT") == []
    assert client.read_group("L3_OUT", "g", "c") == []
    assert client.acknowledge("L3_OUT", "g", "1-1") is False
    assert client.get_stream_info("L3_OUT") is None
    assert client.get_all_streams_info() == {}
    assert "none.sock" in client.last_error
    client.disconnect()


def test_the_configured_redis_is_used(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", url)
    assert RedisStreamsClient().connect()
    monkeypatch.setenv("REDIS_URL", "nonsense")
    assert not RedisStreamsClient().connect()
    assert not RedisStreamsClient("localhost", 1).connect()
