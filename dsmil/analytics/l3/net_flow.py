"""`net.flow_risk`: a flow in which nDPI saw a risk it calls High or worse.

The severity is nDPI's word. Its numeric score is not read: ndpiReader 4.11 prints the risk's id as a bit mask
there, so a harmless one-way flow scores 500.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from dsmil.analytics import nodes
from dsmil.analytics.detector import NOTHING, Found, Seen
from dsmil.analytics.window import Table
from dsmil.config.detectors import L3
from dsmil.events.decision import severity_of
from dsmil.events.net import Flow

SCORES = {"high": 0.7, "severe": 0.8, "critical": 0.9, "emergency": 0.99}
"""nDPI's severities from High up (ndpi_risk_severity), as scores."""
RAISED = frozenset({"critical", "emergency"})


class Told(Struct):
    """The risks of a flow that were told."""

    seen: float
    names: list[str]


class FlowRisk:
    """Remembers which risks of which flow it has told: meters report a flow again as it grows."""

    name = "net.flow_risk"
    device = 19
    kinds = frozenset({"net.flow"})

    def __init__(self, bounds: L3) -> None:
        self._bounds = bounds
        self.reset()

    def reset(self) -> None:
        """Forget what was told."""
        self._told: Table[str, Told] = Table(
            str, Told, count_max=self._bounds.entities_max, idle_s=self._bounds.idle_s
        )

    def dump(self) -> bytes:
        """What was told."""
        return self._told.dump()

    def restore(self, data: bytes) -> None:
        """Take over what `dump` gave."""
        self._told.restore(data)

    def observe(self, seen: Seen) -> Iterable[Found]:
        """A flow, or a flow as it stands now."""
        flow: Flow = seen.payload
        grave = [risk for risk in flow.risks if (risk.severity or "").strip().lower() in SCORES]
        if not grave:
            return NOTHING
        event = seen.event
        # Numbers of flows begin again with each run of a meter, so a flow is known by its source and run too.
        key = "|".join((event.source, event.source_epoch, flow.flow_id))
        told = self._told.touch(key, event.ingest_ts)
        if told is None:
            told = Told(event.ingest_ts, [])
            self._told.put(key, told)
        fresh = [risk for risk in grave if risk.name not in told.names]
        if not fresh:
            return NOTHING
        told.names += [risk.name for risk in fresh]
        words = [(risk.severity or "").strip().lower() for risk in fresh]
        severity = severity_of(self.name)
        score = min(0.99, max(SCORES[word] for word in words) + 0.02 * (len(fresh) - 1))
        risks = ", ".join(f"{risk.name} ({risk.severity})" for risk in fresh)
        over = f" over {flow.l7_proto}" if flow.l7_proto else ""
        to = _end(flow.dst_ip, flow.dst_port)
        if flow.hostname and flow.hostname != flow.dst_ip:
            to = f"{flow.hostname} ({to})"
        return [
            Found(
                decision=self.name,
                score=score,
                entities=(nodes.flow(flow.flow_id), nodes.host(flow.src_ip), nodes.host(flow.dst_ip)),
                explanation=f"nDPI sees {risks} in the {flow.l4_proto or 'IP'} flow from "
                f"{_end(flow.src_ip, flow.src_port)} to {to}{over}.",
                refs=(event.event_id,),
                ts=event.ts,
                severity=severity.raised() if RAISED.intersection(words) else None,
                features={
                    "risks": ", ".join(risk.name for risk in fresh), "worst": max(words, key=SCORES.__getitem__),
                    "src_ip": flow.src_ip, "dst_ip": flow.dst_ip, "dst_port": flow.dst_port,
                    "l7_proto": flow.l7_proto, "hostname": flow.hostname,
                },
            )
        ]  # fmt: skip


def _end(ip: str, port: int | None) -> str:
    if port is None:
        return ip
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"
