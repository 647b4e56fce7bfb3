"""nDPId's event stream: a length in five digits, that many bytes of JSON with their line end, and so on.

A reader may come in the middle of a message, or find one damaged: it then steps to the next place that looks
like a frame, and says how it went. Only flow events that tell more than that a flow began become `net.flow`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from dsmil.events.enums import Category
from dsmil.events.net import Flow
from dsmil.sensors.json_records import Place, raw_text, read_object
from dsmil.sensors.ndpi_fields import address, flow_id, l4_name, port, seconds, text, whole
from dsmil.sensors.ndpi_object import ndpi_part
from dsmil.sensors.record import Ignored, Item, Observation, Reason

LENGTH_DIGITS = 5
"""nDPId's NETWORK_BUFFER_LENGTH_DIGITS; so a frame is below 100 kB, and that bounds our memory."""
FRAME_BYTES_MAX = 10**LENGTH_DIGITS + LENGTH_DIGITS
TOLD = frozenset({"detected", "detection-update", "guessed", "not-detected", "update", "end", "idle"})
"""Flow events that become `net.flow`. `new` knows nothing yet and `analyse` repeats what `update` says."""
_FRAME = re.compile(rb'[0-9]{5}\{"')
_FRAME_LOOK = LENGTH_DIGITS + 2
_REPORT = (b"~",)
"""nDPId-test ends its output with a report in plain text, each line of it beginning with a tilde."""


class NdpidFrames:
    """Parser of nDPId's frames from its distributor or a file: each frame settles one record, and so does each
    stretch of bytes that is none."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._offset = 0  # where the held bytes begin in the source
        self._line = 1
        self._ended = False
        self._needed = 0  # bytes the frame at hand takes: looking before they are there would cost n^2

    def feed(self, data: bytes) -> Iterator[Item]:
        """Take more bytes (any cut), give what they complete."""
        for start in range(0, len(data), FRAME_BYTES_MAX):
            self._held += data[start : start + FRAME_BYTES_MAX]
            if len(self._held) >= self._needed:
                yield from self._take()

    def close(self) -> Iterator[Item]:
        """The source ended: what is still held is cut short, or no frame."""
        self._ended = True
        yield from self._take()

    def _take(self) -> Iterator[Item]:
        """Settle all that can be settled of the held bytes, then drop it at once."""
        held = bytes(self._held)
        at = self._needed = 0
        while at < len(held):
            settled, items = self._next(held, at)
            if not settled:
                break
            yield from items
            self._line += held.count(b"\n", at, at + settled)
            at += settled
        del self._held[:at]
        self._offset += at

    def _next(self, held: bytes, at: int) -> tuple[int, tuple[Item, ...]]:
        """The bytes the next record takes, and what it is; 0 bytes where more are needed."""
        if held[at] in b"\r\n":
            return 1, ()
        if len(held) - at < _FRAME_LOOK and not self._ended:
            return 0, ()
        if _FRAME.match(held, at):
            return self._frame(held, at)
        return self._garbage(held, at)

    def _frame(self, held: bytes, at: int) -> tuple[int, tuple[Item, ...]]:
        begin = at + LENGTH_DIGITS
        end = begin + int(held[at:begin])
        if end > len(held):
            if not self._ended:
                self._needed = end - at
                return 0, ()
            return self._broken(held, at, Reason.TRUNCATED)
        found = read_object(memoryview(held)[begin:end])
        if isinstance(found, Reason):
            return self._broken(held, at, found)
        return end - at, (_read(found, self._place(held, at, end)),)

    def _broken(self, held: bytes, at: int, reason: Reason) -> tuple[int, tuple[Item, ...]]:
        """Refuse the frame at `at`, and go on at the first thing behind its length that looks like a frame."""
        after = _FRAME.search(held, at + LENGTH_DIGITS)
        declared = at + LENGTH_DIGITS + int(held[at : at + LENGTH_DIGITS])
        end = min(after.start() if after else len(held), max(declared, at + _FRAME_LOOK), len(held))
        return end - at, (self._place(held, at, end).reject(reason),)

    def _garbage(self, held: bytes, at: int) -> tuple[int, tuple[Item, ...]]:
        """Step over what is no frame: up to its line end or the next frame."""
        line_end = held.find(b"\n", at)
        limit = len(held) if line_end < 0 else line_end + 1
        frame = _FRAME.search(held, at, min(limit + _FRAME_LOOK, len(held)))
        end = min(limit, frame.start()) if frame else limit
        if frame is None and line_end < 0 and not self._ended:
            # The last bytes may be the beginning of a frame that has not come whole.
            if len(held) - at <= FRAME_BYTES_MAX:
                return 0, ()
            end = len(held) - _FRAME_LOOK
        if held.startswith(_REPORT, at):
            return end - at, (Ignored(),)
        return end - at, (self._place(held, at, end).reject(Reason.NOT_THIS_FORMAT),)

    def _place(self, held: bytes, at: int, end: int) -> Place:
        return Place(self._offset + at, self._line, raw_text(held[at : min(end, at + 4096)]).rstrip("\n"))


def sniff(head: bytes, name: str) -> float:
    """0 to 1: how sure these first bytes are nDPId frames."""
    if _FRAME.match(head):
        return 0.95
    return 0.5 if b'"flow_event_name"' in head or name.endswith(".ndpid") else 0.0


def _read(record: dict[str, Any], place: Place) -> Item:
    event = text(record.get("flow_event_name"))
    if event not in TOLD:
        return Ignored()
    src, dst = address(record.get("src_ip")), address(record.get("dst_ip", record.get("dest_ip")))
    if src is None or dst is None:
        return place.reject(Reason.BAD_PAYLOAD, "an end of the flow is no address")
    flow = _flow(record, src, dst, event)
    ts = seconds(record.get("thread_ts_usec", record.get("ts_msec")))
    return Observation(
        kind="net.flow",
        payload=flow,
        ts=flow.last_ts if ts is None else ts,
        since_ts=flow.first_ts,
        offset=place.offset,
        line=place.line,
        text=place.text,
        category=Category.NETWORK,
    )


def _flow(record: dict[str, Any], src: str, dst: str, event: str) -> Flow:
    """Bytes are those of layer 4 payloads: nDPId counts no headers."""
    src_port, dst_port = port(record.get("src_port")), port(record.get("dst_port"))
    l4 = l4_name(record.get("l4_proto"))
    first = seconds(record.get("flow_first_seen"))
    lasts = [seconds(record.get(f"flow_{end}_last_pkt_time")) for end in ("src", "dst")]
    return Flow(
        flow_id=flow_id(l4, (src, src_port), (dst, dst_port), whole(record.get("flow_id")), first),
        src_ip=src,
        src_port=src_port,
        dst_ip=dst,
        dst_port=dst_port,
        l4_proto=l4,
        packets_src=whole(record.get("flow_src_packets_processed")),
        packets_dst=whole(record.get("flow_dst_packets_processed")),
        bytes_src=whole(record.get("flow_src_tot_l4_payload_len")),
        bytes_dst=whole(record.get("flow_dst_tot_l4_payload_len")),
        first_ts=first,
        last_ts=max((last for last in lasts if last is not None), default=None),
        state=event,
        **ndpi_part(record.get("ndpi")),
    )
