"""A dead letter says what was given up and why, and people can look at it, try it again or drop it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis

from dsmil.errors import BadEvent, ConfigError, DsmilError, Unavailable
from dsmil.events.enums import StreamName
from dsmil.events.envelope import RawRecord, decode, encode, unpack
from dsmil.fabric.consumer import Consumer
from dsmil.fabric.deadletter import DeadLetter, Letters, RejectQuota, reject_event
from dsmil.fabric.wire import Wire

from .conftest import Echo, events, until_idle

IN = StreamName.L3_IN
Publish = Callable[..., None]


def bury(wire: Wire, *numbers: int) -> None:
    refuse = Echo(lambda entry: BadEvent("no") if entry.event.source_seq in numbers else None)
    until_idle(Consumer(wire, group="l3", streams=[IN], handler=refuse))


def test_letters_are_listed_newest_first_and_shown(wire: Wire, client: redis.Redis, publish: Publish) -> None:
    publish(events(10))
    bury(wire, 3, 7)
    found = Letters(client).list_()
    assert [letter.text[13:22] for _, letter in found] == ["e00000007", "e00000003"]
    event, letter = Letters(client).show(found[0][0])
    assert (event.kind, event.source, event.source_device) == ("dead_letter", "dead:l3", 16)
    assert (letter.group, letter.stream, letter.deliveries, letter.error) == ("l3", "L3_IN", 1, "BadEvent: no")


def test_a_move_to_the_dead_letters_is_whole_or_not_at_all(
    wire: Wire, client: redis.Redis, publish: Publish
) -> None:
    """Redis refuses the XADD: then the entry stays pending; it is never acknowledged without being buried."""
    publish(events(1))
    client.set("DEAD_LETTER", "in the way")
    with pytest.raises(ConfigError, match="RENAME DEAD_LETTER"):
        bury(wire, 0)
    client.delete("DEAD_LETTER")
    refused = Consumer(wire, group="l3", streams=[IN], handler=Echo(lambda _: BadEvent("no")))
    client.config_set("maxmemory", "1mb")
    try:
        for _ in range(5):
            with pytest.raises(Unavailable):
                until_idle(refused)
    finally:
        client.config_set("maxmemory", "0")
    assert client.xlen("DEAD_LETTER") == 0
    assert client.xlen(IN.value) == 1
    until_idle(refused)
    assert client.xlen("DEAD_LETTER") == 1
    assert client.xpending(IN.value, "l3")["pending"] == 0


def test_retry_adds_the_entry_again_and_settles_the_letter(
    wire: Wire, client: redis.Redis, publish: Publish
) -> None:
    publish(events(3))
    bury(wire, 1)
    letters = Letters(client)
    ((letter_id, _),) = letters.list_()
    letters.retry(letter_id)
    echo = Echo()
    until_idle(Consumer(wire, group="l3", streams=[IN], handler=echo))
    assert echo.seen == ["e00000001"]
    assert letters.list_() == []
    assert len(letters.list_(settled=True)) == 1


def test_retry_works_from_the_letter_when_the_entry_was_trimmed(
    wire: Wire, client: redis.Redis, publish: Publish
) -> None:
    publish(events(1))
    bury(wire, 0)
    client.xtrim(IN.value, maxlen=0, approximate=False)
    letters = Letters(client)
    letters.retry(letters.list_()[0][0])
    assert client.xrange(IN.value)[0][1] == {b"event": events(1)[0]}


def test_retry_of_what_is_gone_says_so(wire: Wire, client: redis.Redis) -> None:
    client.xadd(IN.value, {"event": b"x" * 9000})
    bury(wire)
    client.xtrim(IN.value, maxlen=0, approximate=False)
    letters = Letters(client)
    ((letter_id, letter),) = letters.list_()
    assert (letter.size_bytes, len(letter.text)) == (9000, 2048)
    with pytest.raises(DsmilError, match="trimmed"):
        letters.retry(letter_id)


def test_a_dropped_letter_is_not_listed_and_an_unknown_one_refused(
    wire: Wire, client: redis.Redis, publish: Publish
) -> None:
    publish(events(4))
    bury(wire, 1, 2)
    letters = Letters(client)
    letters.drop(letters.list_()[0][0])
    assert len(letters.list_()) == 1
    with pytest.raises(DsmilError, match="no such id"):
        letters.show("1-1")
    client.xtrim("DEAD_LETTER", maxlen=0, approximate=False)
    letters._forget()
    publish(events(1, 9))
    bury(wire, 9)
    letters.drop(letters.list_()[0][0])
    assert client.hlen("dsmil:dlq:settled") == 1, "what was trimmed is forgotten"


def test_a_sensors_reject_is_a_dead_letter_with_its_place() -> None:
    raw = RawRecord(path="a.nmea", line=7, offset=300, text="!AIVDM,bad")
    event = reject_event(
        event_id="r1",
        source="ais:file",
        source_device=11,
        reason="checksum",
        detail="00 is not 1F",
        raw=raw,
        now=5.0,
    )
    again = decode(encode(event))
    letter = unpack(again, DeadLetter)
    assert (letter.reason, letter.error, letter.text) == ("checksum", "00 is not 1F", "!AIVDM,bad")
    assert again.raw is not None
    assert again.raw.line == 7


def test_a_hundred_rejects_a_minute_and_source_become_letters() -> None:
    quota = RejectQuota()
    assert sum(quota.allows("a", 60.0 + i / 1000) for i in range(500)) == 100
    assert quota.allows("b", 61.0)
    assert not quota.allows("a", 119.9)
    assert quota.allows("a", 120.0)
