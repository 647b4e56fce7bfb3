"""The items of one open file: its format found out, its bytes through that parser, its end settled.

Shared by the daemons and `dsmil decode`, so that both see the same records in the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dsmil.sensors.files import Broken, chunks
from dsmil.sensors.formats import HEAD_BYTES, parser_for
from dsmil.sensors.record import Item, Reject
from dsmil.sensors.source import guarded


class Reading:
    """Iterates over a file's items in bounded memory. `arrived` is called whenever more bytes have come."""

    def __init__(  # noqa: PLR0913 - all but three are keywords
        self,
        file: io.FileIO,
        family: str,
        name: str,
        *,
        path: Path | None = None,
        options: Mapping[str, Mapping[str, Any]] | None = None,
        arrived: Callable[[], None] = lambda: None,
    ) -> None:
        self._broken: Broken | None = None
        self._closing = False
        self._arrived = arrived
        self._chunks = chunks(file)
        head = self._chunk()
        self._parser = parser_for(family, head[:HEAD_BYTES], name, path=path, options=options)
        self._items = self._parsed(head)

    @property
    def error(self) -> str | None:
        """What ended the bytes too early."""
        return str(self._broken) if self._broken else None

    def __iter__(self) -> Iterator[Item]:
        """Its items, each once."""
        return self

    def __next__(self) -> Item:
        """The next item."""
        while True:
            for item in self._items:
                return item
            if self._closing:
                raise StopIteration
            self._items = self._parsed(self._chunk())

    def _chunk(self) -> bytes:
        try:
            data = next(self._chunks, b"")
        except Broken as error:
            self._broken = error
            data = b""
        self._arrived()
        return data

    def _parsed(self, data: bytes) -> Iterator[Item]:
        if data:
            return guarded(self._parser.feed(data))
        self._closing = True
        return self._last()

    def _last(self) -> Iterator[Item]:
        told = False
        for item in guarded(self._parser.close()):
            told = told or isinstance(item, Reject)
            yield item
        # One break is one rejected record: where the parser missed its rest, it has been told.
        if self._broken is not None and not told:
            yield Reject(reason=self._broken.reason, detail=str(self._broken))
