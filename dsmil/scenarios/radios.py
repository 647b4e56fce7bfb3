"""Made-up radios at 433.92 MHz, as the JSON lines of rtl_433.

Weather sensors that send each minute, and one transmitter that appears late; a direction finder's place of it
stands in `lat` and `lon`, the tags a located receiver adds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from random import Random

MODELS = ("Nexus-TH", "LaCrosse-TX141THBv2", "Acurite-609TXC", "Oregon-THGR810")
SENSOR_EVERY_S = 60.0
FREQ_MHZ = 433.92

Place = Callable[[float], tuple[float, float]]
"""Seconds of the story to degrees."""


def sensors(rng: Random, count: int, *, start_ts: float, duration_s: float) -> Iterator[tuple[float, str]]:
    """(Unix seconds, line) of `count` household sensors that send all the time, each at its own level."""
    for number in range(count):
        level = rng.uniform(-14.0, -4.0)
        offset = rng.uniform(0.0, SENSOR_EVERY_S)
        for n in range(int((duration_s - offset) / SENSOR_EVERY_S)):
            seconds = offset + n * SENSOR_EVERY_S + rng.uniform(-0.4, 0.4)
            record = {
                "time": _time(start_ts + max(0.0, seconds)), "model": MODELS[number % len(MODELS)], "id": 20 + number,
                "channel": 1 + number % 3, "battery_ok": 1, "temperature_C": round(8 + rng.gauss(0, 0.2), 1),
                "humidity": 70, **_signal(level + rng.gauss(0, 0.4)),
            }  # fmt: skip
            yield start_ts + max(0.0, seconds), json.dumps(record)


def beacon(
    rng: Random, place: Place, *, start_ts: float, from_s: float, until_s: float
) -> Iterator[tuple[float, str]]:
    """(Unix seconds, line) of a transmitter that sends every two minutes from where `place` has it."""
    seconds = from_s
    while seconds < until_s:
        lat, lon = place(seconds)
        record = {
            "time": _time(start_ts + seconds), "model": "Generic-Remote", "id": 4242, "cmd": 27,
            "lat": round(lat + rng.gauss(0, 0.0008), 5), "lon": round(lon + rng.gauss(0, 0.0012), 5),
            **_signal(-9.0 + rng.gauss(0, 0.5)),
        }  # fmt: skip
        yield start_ts + seconds, json.dumps(record)
        seconds += 120.0


def _signal(level_db: float) -> dict[str, float | str]:
    noise = -26.0
    return {
        "mod": "ASK", "freq": FREQ_MHZ, "rssi": round(level_db, 2), "snr": round(level_db - noise, 2), "noise": noise,
    }  # fmt: skip


def _time(ts: float) -> str:
    return datetime.fromtimestamp(ts, UTC).isoformat(timespec="milliseconds")
