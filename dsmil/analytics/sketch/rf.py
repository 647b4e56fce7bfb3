"""Radio: emitters that say who they are, and signals of which only the channel is known.

An emitter (`rf_emitter`) is a model and id, or the label of an annotation and its channel. A peak of a sweep or of a
receiver's frame is a signal (`rf_signal`) of that receiver on a channel of 25 kHz: it has a place only where the
receiver told one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dsmil.analytics import nodes
from dsmil.analytics.sketch.said import LIST_MAX, Said, megahertz, named, place, text
from dsmil.events.envelope import Event
from dsmil.events.graph import NODE_UPDATE, Patch
from dsmil.events.rf import Burst, Emission, Frame, SweepPeak

_Reading = str | int | float | bool


def burst(at: Burst, _: Event) -> tuple[Said, ...]:
    """Kind `rf.burst`. The readings of the latest burst are one key: another model prints others."""
    labels = named(
        ("model", text(at.model)),
        ("device_id", text(at.device_id)),
        ("channel", text(at.channel)),
        ("modulation", text(at.modulation)),
    )
    metadata = named(
        ("rssi_db", at.rssi_db),
        ("snr_db", at.snr_db),
        ("noise_db", at.noise_db),
        ("freq2_mhz", None if at.freq2_hz is None else at.freq2_hz / 1e6),
        ("sensor_id", text(at.sensor_id)),
        ("readings", _readings(at.readings) or None),
    )
    return _told(nodes.rf(at.model, at.device_id), "rf_emitter", (at.freq_hz, at), (labels, metadata))


def emission(at: Emission, _: Event) -> tuple[Said, ...]:
    """Kind `rf.emission`; its frequency is the middle of its band."""
    lower, upper = at.freq_lower_hz, at.freq_upper_hz
    middle = lower if upper is None else upper if lower is None else (lower + upper) / 2
    metadata = named(
        ("bandwidth_hz", None if lower is None or upper is None else upper - lower),
        ("duration_s", at.duration_s),
        ("peak_dbfs", at.peak_dbfs),
        ("noise_floor_dbfs", at.noise_floor_dbfs),
        ("snr_db", at.snr_db),
    )
    labels = named(("label", text(at.label)))
    return _told(nodes.emission(at.label, lower, upper), "rf_emitter", (middle, at), (labels, metadata))


def sweep_peak(at: SweepPeak, event: Event) -> tuple[Said, ...]:
    """Kind `rf.sweep_peak`; a sweep without a sensor's name is told by its source."""
    receiver = at.sensor_id or event.source
    metadata = named(
        ("bandwidth_hz", at.bandwidth_hz),
        ("peak_dbfs", at.peak_dbfs),
        ("noise_floor_dbfs", at.noise_floor_dbfs),
        ("snr_db", at.snr_db),
    )
    labels = named(("sensor_id", text(receiver)))
    return _told(nodes.signal(receiver, at.freq_hz), "rf_signal", (at.freq_hz, None), (labels, metadata))


def frame(at: Frame, _: Event) -> tuple[Said, ...]:
    """Kind `rf.frame`."""
    metadata = {"peak_dbfs": at.peak_dbfs, "noise_floor_dbfs": at.noise_floor_dbfs, "snr_db": at.snr_db}
    labels = named(("sensor_id", text(at.sensor_id)))
    freq_hz = at.peak_frequency_hz
    return _told(nodes.signal(at.sensor_id, freq_hz), "rf_signal", (freq_hz, at), (labels, metadata))


def _told(
    node_id: str,
    kind: str,
    heard: tuple[float | None, Burst | Emission | Frame | None],
    facts: tuple[Mapping[str, Any], Mapping[str, Any]],
) -> tuple[Said, ...]:
    (freq_hz, at), (labels, metadata) = heard, facts
    where = place(None, None) if at is None else place(at.lat, at.lon)
    return (
        (
            NODE_UPDATE,
            Patch(
                id=node_id,
                kind=kind,
                position=where,
                frequency=megahertz(freq_hz),
                labels=dict(labels),
                metadata=dict(metadata),
            ),
        ),
    )


def _readings(found: dict[str, _Reading | None]) -> dict[str, _Reading]:
    kept: dict[str, _Reading] = {}
    for key, value in list(found.items())[:LIST_MAX]:
        name, what = text(key), text(value) if isinstance(value, str) else value
        if name is not None and what is not None:
            kept[name] = what
    return kept
