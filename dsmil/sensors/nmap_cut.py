"""Bytes of a scan file to its hosts and to what stands around them, each with its place in the file.

Hosts never nest and `<` cannot stand in an attribute, so a host is what lies between two tags that a plain
search finds. That keeps a damaged host's damage to itself, and the memory at one host.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import NamedTuple

PIECE_BYTES_MAX = 256 * 1024
"""A host up to this size comes in one piece, a larger one in several: every port of a host is 10 MB."""
COMMENT_BYTES_MAX = 64 * 1024
"""Longest comment stepped over; a longer one is given on as it is."""

_HOST = re.compile(rb"<!--|<host[\s>]")
_HOST_END = re.compile(rb"</host\s*>")
_TAIL_BYTES = 16  # what may be the beginning of one of these
# Control characters are no XML, but some tools print them: they become question marks, and places stay true.
_CONTROLS = bytes(c if c >= 32 or c in b"\t\n\r" else 0x3F for c in range(256))


class Piece(NamedTuple):
    """Bytes from `offset` in the file read as UTF-8, in line `line`. `host` tells a piece of a host, `first`
    and `last` whether it begins and ends there."""

    data: bytes
    offset: int
    line: int
    host: bool
    first: bool = False
    last: bool = False


class HostCutter:
    """Cuts bytes, in any cut, to pieces; joined they are all the bytes there were. Offsets count bytes of the
    file read as UTF-8: one bad byte becomes the three of U+FFFD and counts as three."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = b""
        self._at = 0  # where in the held bytes the next piece begins, and where in the file
        self._offset = 0
        self._line = 1
        self._in_host = self._is_first = False
        self._searched = 0  # up to here no end of the host was found

    def feed(self, data: bytes) -> Iterator[Piece]:
        """Take more bytes, give the pieces they complete."""
        self._held = self._held[self._at :] + self._decoder.decode(data.translate(_CONTROLS)).encode()
        self._searched = max(0, self._searched - self._at)
        self._at = 0
        more = True
        while more:
            end, border = self._host_end() if self._in_host else self._outside_end()
            more = border or end > self._at
            if end > self._at:
                yield self._cut(end, last=border)
            if border:
                self._in_host = self._is_first = not self._in_host
                self._searched = self._at

    def close(self) -> Iterator[Piece]:
        """Give what is left; a host without its last piece was cut."""
        if self._at < len(self._held):
            yield self._cut(len(self._held), last=False)

    def _cut(self, end: int, *, last: bool) -> Piece:
        data = self._held[self._at : end]
        piece = Piece(data, self._offset, self._line, self._in_host, self._is_first, last)
        self._offset += len(data)
        self._line += data.count(b"\n")
        self._at = end
        self._is_first = False
        return piece

    def _host_end(self) -> tuple[int, bool]:
        """Where the piece of a host ends, and whether the host does so there."""
        found = _HOST_END.search(self._held, max(self._searched, self._at))
        if found:
            return found.end(), True
        self._searched = max(self._at, len(self._held) - _TAIL_BYTES)
        if len(self._held) - self._at > PIECE_BYTES_MAX:
            return self._searched, False
        return self._at, False

    def _outside_end(self) -> tuple[int, bool]:
        """Where the next host begins, or as far as there is surely none."""
        at = self._at
        while found := _HOST.search(self._held, at):
            if found.group() != b"<!--":
                return found.start(), True
            at = self._held.find(b"-->", found.end())
            if at < 0:
                too_long = len(self._held) - found.start() > COMMENT_BYTES_MAX
                # A comment may hold anything: wait for its end before looking on.
                return (len(self._held) - _TAIL_BYTES if too_long else found.start()), False
        return max(self._at, len(self._held) - _TAIL_BYTES), False
