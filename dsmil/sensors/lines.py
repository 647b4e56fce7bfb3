"""Bytes in any cut to lines with their place, in bounded memory.

Every line-based format goes through here, so that no source can make the suite hold an endless line: a line
beyond the bound is reported once, without its text, and the rest of it is dropped.
"""

from __future__ import annotations

from collections.abc import Iterator

LINE_BYTES_MAX = 64 * 1024
"""Longest line kept: the size limit of an event, so a longer line could not be told anyway."""

Line = tuple[int, int, bytes | None]
"""(byte offset of the line, line number from 1, the line without its line end, or null where it is too long)."""


class LineCutter:
    """Cuts a byte stream at LF; a CR before it goes too. `max_bytes` bounds the line and the memory held."""

    def __init__(self, max_bytes: int = LINE_BYTES_MAX) -> None:
        self.max_bytes = max_bytes
        self._tail = b""
        self._offset = 0  # where the tail begins in the source
        self._line_no = 1
        self._skipping = False  # inside a line already reported as too long

    def feed(self, data: bytes) -> Iterator[Line]:
        """Take more bytes, give the lines they complete."""
        pieces = data.split(b"\n")
        last = pieces.pop()
        for piece in pieces:
            line = self._tail + piece if self._tail else piece
            offset, number = self._offset, self._line_no
            self._offset += len(line) + 1
            self._line_no += 1
            self._tail = b""
            if self._skipping:
                self._skipping = False
            elif len(line) > self.max_bytes:
                yield offset, number, None
            else:
                yield offset, number, line[:-1] if line[-1:] == b"\r" else line
        yield from self._hold(last)

    def _hold(self, last: bytes) -> Iterator[Line]:
        """Keep the unfinished line, or only its length once it is beyond the bound."""
        if self._skipping:
            self._offset += len(last)
            return
        self._tail += last
        if len(self._tail) > self.max_bytes:
            yield self._offset, self._line_no, None
            self._offset += len(self._tail)
            self._tail = b""
            self._skipping = True

    def close(self) -> Iterator[Line]:
        """Give the last line where the source ended without a line end."""
        line, self._tail = self._tail, b""
        if line and not self._skipping:
            yield self._offset, self._line_no, line[:-1] if line[-1:] == b"\r" else line
        self._offset += len(line)
        self._skipping = False
