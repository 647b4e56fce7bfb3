"""NMEA 0183 AIS sentences (`!AIVDM`, `!AIVDO` and any other talker) to `ais.*` observations.

Each VDM or VDO sentence is one received record, whatever stands around it on its line. The plain single-sentence
line is nine of ten, so one regular expression settles it; everything else takes the patient way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, tzinfo

from dsmil.events.envelope import cut_text
from dsmil.sensors.ais_bits import class_a, class_b, unpack
from dsmil.sensors.ais_fields import Found, Unreadable, read_message
from dsmil.sensors.ais_parts import Assembler, Part
from dsmil.sensors.lines import LineCutter
from dsmil.sensors.record import Ignored, Item, Observation, Reason, Reject
from dsmil.sensors.tagblock import SILENT, Heard, checksum, read_gatehouse, read_prefix, read_suffix, read_tag

LINE_BYTES_MAX = 16 * 1024
"""A sentence has 82 characters; satellite feeds put a few with their TAG blocks on one line."""
PAYLOAD_MAX = 256
"""Armour characters of one message: the longest of the standard (5 slots) has about 200; receivers that glue the
next slot to it reach 214."""

_PLAIN = re.compile(
    rb"(?:\\([^\\]{0,256})\\)?!([A-Z][A-Z0-9]VD[MO],1,1,[0-9]?,([0-9A-Za-z]{0,2}),([0-W`-w]{1,512}),([0-5]))"
    rb"\*([0-9A-Fa-f]{2})\Z"
)
"""A line that is one single-sentence message, perhaps after one TAG block, and nothing else."""
_TOKEN = re.compile(rb"\\[^\\]*\\|![A-Z][A-Z0-9]VD[MO]")
_SENTENCE = re.compile(rb"!([^*]*)\*([0-9A-Fa-f]{2})(.*)\Z", re.DOTALL)
_ARMOUR = re.compile(rb"[0-W`-w]+\Z")
_CHANNELS = {b"A": "A", b"B": "B"}
_CLASS_B = ord("B")
_REPORTS = b"123B"  # message types 1-3 and 18 in armour
_IGNORED = Ignored()
_HEAD_SENTENCE = re.compile(rb"![A-Z][A-Z0-9]VD[MO],[1-9],[1-9],")


def sniff(head: bytes, name: str) -> float:
    """How much the first bytes look like AIS sentences, 0..1."""
    if _HEAD_SENTENCE.search(head):
        return 0.95
    if head.lstrip()[:1] in (b"!", b"\\") or re.search(rb"^\$(PGHP|[A-Z]{2}[A-Z]{3}),", head, re.MULTILINE):
        return 0.5
    return 0.3 if name.lower().endswith((".nmea", ".ais", ".aivdm")) else 0.0


class AisNmea:
    """Push parser of one feed. `tz` is the zone of a logger's time stamps that name none."""

    def __init__(self, *, tz: tzinfo = UTC) -> None:
        self._tz = tz
        self._cutter = LineCutter(LINE_BYTES_MAX)
        self._parts = Assembler()
        self._sentences = 0
        self._other = self._foreign = False  # seen: another NMEA sentence or TAG block; a line that is neither
        self._pending = SILENT  # said on a line of its own about the next sentence
        self._group = SILENT  # the TAG block group last begun: later sentences of it leave out time and station

    def feed(self, data: bytes) -> Iterator[Item]:
        """Take more bytes, give what they complete."""
        for offset, number, line in self._cutter.feed(data):
            plain = _PLAIN.match(line) if line is not None else None
            if plain is None or line is None or checksum(plain[2]) != int(plain[6], 16):
                yield from self._line(line, offset, number)
                continue
            self._sentences += 1
            if len(self._parts):
                yield from self._expire()
            tag, _, channel, payload, fill, _ = plain.groups()
            heard, self._pending = self._pending, SILENT
            if tag is not None:
                heard = self._tagged(tag).over(heard)
            text = line.decode("latin-1")
            if len(payload) == 28 and fill == b"0" and payload[0] in _REPORTS:
                read = class_b if payload[0] == _CLASS_B else class_a
                on_channel = _CHANNELS.get(channel) or channel.decode() or None
                position = read(*unpack(payload, 0), on_channel, heard.station)
                yield Observation(
                    kind="ais.position", payload=position, ts=heard.ts, offset=offset, line=number, text=text
                )
            else:
                yield from self._message([Part(1, payload, int(fill), heard, text, offset, number)], channel)

    def close(self) -> Iterator[Item]:
        """The feed has ended: settle the last line and the unfinished messages."""
        for offset, number, line in self._cutter.close():
            yield from self._line(line, offset, number)
        for parts in self._parts.drain():
            yield _lost(parts)
        if self._foreign and not (self._sentences or self._other):
            # Else a scan handed to the wrong parser would pass for a recording of comments.
            yield Reject(reason=Reason.NOT_THIS_FORMAT, detail="no NMEA 0183 sentence in it", offset=0, line=1)

    def _line(self, line: bytes | None, offset: int, number: int) -> Iterator[Item]:
        """A line of several sentences, with TAG blocks, prefixes or suffixes, or without any sentence."""
        if line is None:
            detail = f"line beyond {LINE_BYTES_MAX} bytes"
            yield Reject(reason=Reason.TOO_LONG, detail=detail, offset=offset, line=number)
            return
        tag = prefix = SILENT
        found = False
        tokens = list(_TOKEN.finditer(line))
        for index, token in enumerate(tokens):
            start = token.start()
            if index == 0 and start:
                prefix = read_prefix(line[:start], self._tz)
            if token[0][:1] == b"\\":
                tag = self._tagged(token[0][1:-1]).over(tag)
                continue
            found = True
            end = tokens[index + 1].start() if index + 1 < len(tokens) else len(line)
            raw = line if len(tokens) == 1 else line[start:end]
            text = cut_text(raw.strip().decode("utf-8", "replace"))
            yield from self._sentence(line[start:end].rstrip(), (tag, prefix), text, (offset + start, number))
            tag = SILENT
        if not found:
            yield from self._around(line.strip(), tag)

    def _expire(self) -> Iterator[Item]:
        for parts in self._parts.expire(self._sentences):
            yield _lost(parts)

    def _tagged(self, block: bytes) -> Heard:
        """A TAG block, with time and station of its group where it says only that it belongs to it."""
        heard = read_tag(block)
        if heard.group is None:
            return heard
        later = heard.group == self._group.group and b"g:1-" not in block
        self._group = heard.over(self._group) if later else heard
        return self._group

    def _around(self, line: bytes, tag: Heard) -> Iterator[Item]:
        """A line without a sentence may speak about the next one."""
        if not line:
            return
        known = line[:1] in b"$!\\"
        self._other |= known
        self._foreign |= not known and line[:1] != b"#"
        if line[:1] == b"\\":
            self._pending = tag.over(self._pending)
        elif line[:1] in b"$!":
            # The latest time stamp counts; any other sentence has used up what was said before it.
            gatehouse = read_gatehouse(line)
            self._pending = gatehouse.over(self._pending) if gatehouse is not None else SILENT
        yield _IGNORED

    def _sentence(
        self, sentence: bytes, said: tuple[Heard, Heard], text: str, where: tuple[int, int]
    ) -> Iterator[Item]:
        """One VDM or VDO sentence from its `!` to what follows its checksum; `said` is what its TAG block and its
        prefix say, `where` is (offset, line)."""
        offset, number = where
        self._sentences += 1
        pending, self._pending = self._pending, SILENT
        if len(self._parts):
            yield from self._expire()
        match = _SENTENCE.match(sentence)
        if match is None or checksum(match[1]) != int(match[2], 16):
            detail = "absent" if match is None else ""
            yield Reject(reason=Reason.CHECKSUM, detail=detail, offset=offset, line=number, text=text)
            return
        tag, prefix = said
        heard = tag.over(read_suffix(match[3])).over(pending).over(prefix)
        fields = match[1].split(b",")
        if not _framed(fields):
            yield Reject(reason=Reason.BAD_PAYLOAD, detail="fields", offset=offset, line=number, text=text)
            return
        talker, total, index, sequence, channel, payload, fill = fields
        part = Part(int(index), payload, int(fill), heard, text, offset, number)
        if total == b"1":
            yield from self._message([part], channel)
            return
        key = (talker, total, sequence, channel, heard.group)
        whole, lost = self._parts.add(key, int(total), part, self._sentences)
        if lost:
            yield _lost(lost)
        if whole is not None:
            yield from self._message(whole, channel)

    def _message(self, parts: list[Part], channel: bytes) -> Iterator[Item]:
        """A whole message. The one boundary to pyais: whatever it raises is this message's fault, not ours."""
        first, last = parts[0], parts[-1]
        payload = first.payload if len(parts) == 1 else b"".join(part.payload for part in parts)
        text = first.text if len(parts) == 1 else cut_text("\n".join(part.text for part in parts))
        heard = first.heard
        for part in parts[1:]:
            heard = heard.over(part.heard)
        reason, detail = Reason.BAD_PAYLOAD, ""
        found: Found = []
        try:
            if len(payload) > PAYLOAD_MAX:
                reason, detail = Reason.TOO_LONG, f"{len(payload)} characters"
            elif not payload:
                detail = "empty"
            else:
                found = read_message(payload, last.fill_bits, channel.decode("latin-1") or None, heard.station)
        except Unreadable as error:
            detail = str(error)
        except Exception as error:  # noqa: BLE001 - pyais raises many kinds on hostile bits; all mean a bad payload
            detail = type(error).__name__
        if not found:
            yield Reject(
                reason=reason, detail=detail, offset=last.offset, line=last.line, text=text, records=len(parts)
            )
        records = len(parts)
        for kind, body in found:
            yield Observation(
                kind=kind,
                payload=body,
                ts=heard.ts,
                offset=last.offset,
                line=last.line,
                text=text,
                records=records,
            )
            records = 0


def _framed(fields: list[bytes]) -> bool:
    """Whether the seven fields of a sentence are within their bounds; an empty payload is told apart later."""
    if len(fields) != 7:
        return False
    _, total, index, sequence, channel, payload, fill = fields
    return (
        len(total) == len(index) == len(fill) == 1
        and b"1" <= index <= total <= b"9"
        and (sequence == b"" or (len(sequence) <= 2 and sequence.isdigit()))
        and (channel == b"" or (len(channel) <= 2 and channel.isalnum()))
        and b"0" <= fill <= b"5"
        and (payload == b"" or _ARMOUR.match(payload) is not None)
    )


def _lost(parts: list[Part]) -> Reject:
    """Parts whose message never became whole."""
    last = max(parts, key=lambda part: part.offset)
    return Reject(
        reason=Reason.INCOMPLETE_MULTIPART,
        detail=f"parts {sorted(part.number for part in parts)}",
        offset=last.offset,
        line=last.line,
        text=cut_text("\n".join(part.text for part in parts)),
        records=len(parts),
    )
