"""No bytes make a parser raise, stall or lose count, whatever was done to them.

`DSMIL_TEST_FUZZ` sets how many damaged inputs each parser is given (2,000 here, 100,000 for a release), and
`DSMIL_TEST_FUZZ_SEED` where they begin.
"""

from __future__ import annotations

import importlib.util
import os
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from dsmil.events.envelope import EVENT_BYTES_MAX, TS_MAX
from dsmil.sensors.formats import FORMATS, Format
from dsmil.sensors.record import Ignored, Item, Observation, Parser, Reject, Tally

ROUNDS = int(os.environ.get("DSMIL_TEST_FUZZ", "2000"))
SEED = int(os.environ.get("DSMIL_TEST_FUZZ_SEED", "1"))
SECONDS_MAX = 0.1
TRIES = 4
"""A slow input is measured again: on a shared machine the first figure may be somebody else's."""

HERE = Path(__file__).parent
GOLDEN = HERE.parent / "golden"


def _mutate() -> Callable[[random.Random, Sequence[bytes]], bytes]:
    """The harness beside this file (tests are no package)."""
    if "dsmil_tests_mutate" not in sys.modules:
        spec = importlib.util.spec_from_file_location("dsmil_tests_mutate", HERE / "mutate.py")
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules["dsmil_tests_mutate"] = module
        spec.loader.exec_module(module)
    return sys.modules["dsmil_tests_mutate"].mutate  # type: ignore[no-any-return]


# Made by hand, one record of each kind, so that every branch has something to be broken.
SEEDS: dict[str, tuple[bytes, ...]] = {
    "sdr-frame": (
        b'{"sensor_id":"s1","sequence":1,"timestamp":1700000000.5,"center_frequency_hz":100000000,'
        b'"peak_frequency_hz":100100000,"sample_rate_hz":2400000,"peak_dbfs":-20.5,"noise_floor_dbfs":-60}\n',
    ),
    "sweep": (
        b"2026-01-01, 00:00:00, 433000000, 434000000, 250000.00, 20, -60.1, -61.2, -30.5, -60.0\n"
        b"2026-01-01, 00:00:00, 434000000, 435000000, 250000.00, 20, -60.1, nan, -61.5, -60.0\n",
    ),
    "rtl433": (
        b'{"time":"2026-01-01 00:00:00","model":"Acurite-Tower","id":1234,"channel":"A","temperature_C":21.5,'
        b'"humidity":40,"mod":"ASK","freq":433.92,"rssi":-3.1,"snr":20.0,"noise":-23.1}\n'
        b'<13>1 2026-01-01T00:00:00Z host rtl_433 - - - {"time":"@1.5s","model":"X","id":"ab"}\n',
    ),
    "rtl433-csv": (b"time,msg,codes,model,id,channel,temperature_C\n2026-01-01 00:00:00,,,Acurite,12,A,21.5\n",),
}


def _corpus(one: Format) -> list[bytes]:
    """Committed recordings of that format, and the seeds of it."""
    found = list(SEEDS.get(one.name, ()))
    for path in sorted((GOLDEN / one.family).glob("*")):
        data = path.read_bytes()
        if path.is_file() and one.confidence(data[:65536], path.name) >= 0.5:
            found.append(data)
    return found


def _cuts(data: bytes, rng: random.Random) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        step = rng.choice((1, 7, 64, 1024, 65536))
        yield data[at : at + step]
        at += step


def _items(parser: Parser, pieces: Iterable[bytes]) -> list[Item]:
    out: list[Item] = []
    for piece in pieces:
        out.extend(parser.feed(piece))
    out.extend(parser.close())
    return out


def _timed(one: Format, data: bytes) -> tuple[list[Item], float]:
    """What the parser makes of `data`, and the CPU seconds it took at best."""
    best = float("inf")
    items: list[Item] = []
    for _ in range(TRIES):
        parser = one.build()
        started = time.process_time()
        items = _items(parser, [data])
        best = min(best, time.process_time() - started)
        if best <= SECONDS_MAX:
            break
    return items, best


def _check_accounts(items: list[Item]) -> None:
    tally = Tally()
    for item in items:
        assert isinstance(item, Observation | Reject | Ignored), type(item)
        assert item.records >= 0
        tally.add(item)
    settled = sum(item.records for item in items if not isinstance(item, Ignored))
    assert tally.received == settled == tally.accepted + sum(tally.rejected.values())


def _check_events(items: list[Item]) -> None:
    """What was observed fits an event: strict UTF-8 JSON that reads back the same, a time, a size."""
    for item in items:
        if isinstance(item, Observation):
            encoded = msgspec.json.encode(item.payload)
            assert msgspec.json.decode(encoded, type=type(item.payload)) == item.payload
            assert len(encoded) < EVENT_BYTES_MAX, f"{len(encoded)} bytes"
            assert item.ts is None or 0 <= item.ts <= TS_MAX
            item.text.encode()


@pytest.mark.parametrize("one", FORMATS, ids=lambda one: f"{one.family}-{one.name}")
def test_damaged_input_is_settled_in_time(one: Format) -> None:
    corpus = _corpus(one)
    assert corpus, f"no recording of {one.name} in tests/golden and no seed"
    mutate = _mutate()
    for number in range(SEED, SEED + ROUNDS):
        rng = random.Random(f"{one.name}-{number}")
        data = mutate(rng, corpus)
        where = f"{one.name}, seed {number}: {data[:80]!r}"
        try:
            items, seconds = _timed(one, data)
            _check_accounts(items)
            if number % 10 == 0:
                _check_events(items)
                _check_accounts(_items(one.build(), _cuts(data, rng)))
        except Exception as error:
            raise AssertionError(f"{type(error).__name__} on {where}") from error
        assert seconds <= SECONDS_MAX, f"{seconds * 1000:.0f} ms on {where}"


@pytest.mark.parametrize("one", FORMATS, ids=lambda one: f"{one.family}-{one.name}")
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00" * 4096,
        b"\xff" * 4096,
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b"<a>" * 100_000,
        b"<host " * 50_000,
        b"<host ></host>" * 8_000,
        b"<!--" * 50_000,
        b"<nmaprun>" + b"<a>" * 20_000 + b"</a>" * 20_000,
        b'99999{"' * 20_000,
        b"\n" * 100_000,
        b"," * 60_000 + b"\n",
        b"!AIVDM,2,1,1,A,5" * 4_000,
        b"9" * 60_000,
    ],
    ids=lambda data: f"{data[:12]!r}x{len(data)}",
)
def test_patterns_made_to_stall_do_not(one: Format, data: bytes) -> None:
    """Two hundred kilobytes of one pattern: a parser that is not linear shows here."""
    items, seconds = _timed(one, data)
    _check_accounts(items)
    assert seconds <= SECONDS_MAX * 5, f"{seconds * 1000:.0f} ms"
