"""Runs all workers over a SOC event and makes one merged record of it.

Each earlier design's worker wrote its own enriched copy back into the stream it read: eight of them made 109,601
copies of one event. Here the workers are functions, their answers are merged once, and the record goes to another
stream.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from dsmil.events import envelope, ids
from dsmil.events.enums import Category, StreamName, highest
from dsmil.events.envelope import Event
from dsmil.events.soc import Alert8, Enrichment, SocPayload
from dsmil.fabric.entry import Entry, Output
from dsmil.soc import command, fusion
from dsmil.soc.recent import Recent
from dsmil.soc.workers import (
    d51_advml,
    d53_crypto,
    d54_threat,
    d55_behaviour,
    d56_enclave,
    d57_network,
    d58_soar,
)
from dsmil.soc.workers.finding import Case, Finding

LAYER = 8
SOURCE = "l8"
VERSION = "1"
WORKERS: tuple[tuple[int, Callable[[Case], Finding]], ...] = (
    (d51_advml.DEVICE, d51_advml.examine),
    (d53_crypto.DEVICE, d53_crypto.examine),
    (d54_threat.DEVICE, d54_threat.examine),
    (d55_behaviour.DEVICE, d55_behaviour.examine),
    (d56_enclave.DEVICE, d56_enclave.examine),
    (d57_network.DEVICE, d57_network.examine),
    (d58_soar.DEVICE, d58_soar.examine),
)
"""In order: 58 comes last, because it proposes by the severity all others reached."""
_LISTS = ("advml_flags", "analytics_flags", "crypto_flags", "network_flags", "soar_proposals")


def enrich(event: Event, payload: SocPayload) -> Enrichment:
    """The enrichment of a SOC event after every worker that has not yet been at it."""
    done = payload.l8_enrichment
    severity = highest(event.severity, payload.severity, done.final_severity or event.severity)
    lists: dict[str, list[object]] = {name: list(getattr(done, name)) for name in _LISTS}
    processed = set(done.processed_by) | {fusion.DEVICE}
    for device, examine in WORKERS:
        if device in processed:
            continue
        finding = examine(Case(event, payload, severity))
        severity = highest(severity, finding.at_least)
        for name in _LISTS:
            lists[name] += getattr(finding, name)
        processed.add(device)
    merged = {name: tuple(dict.fromkeys(values)) if name != "soar_proposals" else tuple(values)
              for name, values in lists.items()}  # fmt: skip
    return msgspec.structs.replace(
        done, **merged, processed_by=tuple(sorted(processed)), final_severity=severity, timestamp=event.ingest_ts
    )


def alert(event: Event, payload: SocPayload) -> tuple[Event, Alert8]:
    """The merged record of a SOC event, and its payload."""
    enrichment = enrich(event, payload)
    record = Alert8(
        soc_event_id=event.event_id,
        entity=payload.entity,
        decision=payload.decision,
        severity=enrichment.final_severity or event.severity,
        l8_enrichment=enrichment,
    )
    made = Event(
        event_id=ids.derived((event.event_id,), "l8.alert", VERSION),
        ts=event.ts,
        since_ts=event.since_ts,
        ingest_ts=event.ingest_ts,
        source_device=d51_advml.DEVICE,
        source_layer=LAYER,
        source=SOURCE,
        category=Category.SECURITY,
        severity=record.severity,
        compartment=event.compartment,
        kind="l8.alert",
        refs=(event.event_id,),
        payload=envelope.pack(record),
    )
    return made, record


class Enricher:
    """The handler of daemon l8: SOC events in, one alert each, and advice to Layer 9 on the worst. It remembers
    ids only, so it takes a checkpoint of those."""

    def __init__(self) -> None:
        self.processed = self.published = self.advised = self.duplicates = 0
        self.reset()

    def reset(self) -> None:
        """Forget which events were seen."""
        self._recent = Recent()

    def __call__(self, entries: Sequence[Entry]) -> list[Output]:
        """Handle a batch; BadEvent, before anything was changed, where a SOC event cannot be read."""
        events = [entry.event for entry in entries]
        cases = [(event, envelope.unpack(event, SocPayload)) for event in events if event.kind == "soc"]
        self.processed += len(entries)
        out: list[Output] = []
        for event, payload in cases:
            if self._recent.add(event.event_id):
                out += self._outputs(event, payload)
            else:
                self.duplicates += 1
        self.published += len(out)
        return out

    def _outputs(self, event: Event, payload: SocPayload) -> list[Output]:
        made, record = alert(event, payload)
        out = [Output(StreamName.L8_ALERTS, envelope.encode(made))]
        advice = command.advice(made, record, payload)
        if advice is not None:
            self.advised += 1
            out.append(Output(StreamName.L9_COMMANDS, envelope.encode(advice)))
        return out

    def dump(self) -> bytes:
        """Which events were seen."""
        return msgspec.msgpack.encode(self._recent.dump())

    def restore(self, data: bytes) -> None:
        """Take up a dumped state."""
        self._recent.restore(*msgspec.msgpack.decode(data, type=tuple[list[str], list[str]]))
