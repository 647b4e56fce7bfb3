"""What stands around the hosts of a scan file, read by DefusedXML: prolog, `<nmaprun>`, `<runstats>`.

Entities can only be defined here, in a prolog, and here they are refused, with external references and
document types that hold definitions. The hosts, cut out before, are then plain elements.
"""

from __future__ import annotations

import re
from typing import Any, Protocol
from xml.parsers.expat import ExpatError, errors, version_info

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from dsmil.errors import ConfigError
from dsmil.sensors.nmap_cut import Piece
from dsmil.sensors.nmap_host import DEPTH_MAX, Refused
from dsmil.sensors.nmap_scan import Attrs, ScanElements
from dsmil.sensors.record import Reason

RESUMES_MAX = 64
"""Times reading goes on behind damage: more is no scan, and each costs a parser."""
TOKEN_BYTES_MAX = 1024 * 1024
"""Longest tag: expat reads an unfinished one again with every piece, so an endless one costs n^2."""
EXPAT_MIN = (2, 4, 1)
"""The first expat that stops entity bombs by itself."""
_ROOT = b"<nmaprun>"
_RESUME = re.compile(rb"<(?:runstats|nmaprun)[\s>]|<\?xml\s")
_RESTART = {
    errors.codes[errors.XML_ERROR_MISPLACED_XML_PI],  # a comment before <?xml
    errors.codes[errors.XML_ERROR_JUNK_AFTER_DOC_ELEMENT],  # one document after another
}


Place = tuple[int, int]
"""Byte offset in the file read as UTF-8, line from 1."""


class Listener(Protocol):
    """Who is told what stands around the hosts."""

    def scan_began(self, scan: ScanElements, place: Place) -> None:
        """A run of a scanner begins; a former one that did not end is over."""

    def scan_ended(self, place: Place) -> None:
        """The run that began last is told to its end."""

    def damaged(self, detail: str, place: Place) -> None:
        """The XML around the hosts broke here; reading goes on."""


class OuterElements:
    """Reads the pieces around the hosts and tells its listener. `known` is false until `<nmaprun>` was seen."""

    def __init__(self, listener: Listener) -> None:
        if version_info < EXPAT_MIN:
            raise ConfigError(
                f"read Nmap XML: expat {version_info} is older than {EXPAT_MIN}", hint="update expat"
            )
        self._listener = listener
        self.known = False
        self._scan: ScanElements | None = None
        self._piece = Piece(b"", 0, 1, host=False)
        self._held: Piece | None = None
        self._resumes = 0
        self._begin()

    def feed(self, piece: Piece) -> None:
        """Read a piece. Refused ends the reading."""
        # expat is given whole tags only: newer and patched older ones put an unfinished one off until much more
        # has come, and would tell of it in the wrong place.
        held, self._held = self._held, None
        if held is not None and held.offset + len(held.data) == piece.offset:
            piece = Piece(held.data + piece.data, held.offset, held.line, host=False)
        elif held is not None:
            self._read(held)
        end = piece.data.rfind(b">") + 1
        rest = piece.data[end:]
        if len(rest) > TOKEN_BYTES_MAX:
            raise Refused(Reason.OVERSIZED, f"a tag is longer than {TOKEN_BYTES_MAX} bytes")
        if rest:
            line = piece.line + piece.data.count(b"\n", 0, end)
            self._held = Piece(rest, piece.offset + end, line, host=False)
        if end:
            self._read(Piece(piece.data[:end], piece.offset, piece.line, host=False))

    def close(self) -> None:
        """The file ended: read what was held back."""
        if self._held is not None:
            held, self._held = self._held, None
            self._read(held)

    def _read(self, piece: Piece) -> None:
        self._piece = piece
        start: int | None = 0
        while start is not None:
            start = self._parse(start)
        if self._fed - self._expat.CurrentByteIndex > TOKEN_BYTES_MAX:
            raise Refused(Reason.OVERSIZED, f"a tag is longer than {TOKEN_BYTES_MAX} bytes")

    def place(self) -> Place:
        """Where the element being told stands, or the end of the last piece."""
        at = self._expat.CurrentByteIndex - self._skew
        return self._place_of(int(at))

    def _place_of(self, at: int) -> Place:
        # A tag may begin in the piece before (no host can stand between); its line is then this piece's first.
        line = self._piece.line + self._piece.data.count(b"\n", 0, max(at, 0))
        return max(self._piece.offset + at, 0), line

    def _begin(self, root: bytes = b"") -> None:
        """A fresh parser; `root` opens a document that is entered in its middle."""
        guard = DefusedXMLParser(encoding="utf-8", forbid_dtd=False, forbid_entities=True, forbid_external=True)
        # DefusedXML's guards stay on its expat parser; ours are told of elements without a tree between.
        parser: Any = guard.parser
        parser.ordered_attributes = False
        parser.DefaultHandlerExpand = None
        parser.CharacterDataHandler = None
        parser.StartDoctypeDeclHandler = _refuse_definitions
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        self._expat = parser
        self._inside = bool(root)
        self._depth = 0
        self._fed = len(root)
        self._skew = self._fed  # bytes the parser had before the piece at hand
        if root:
            parser.Parse(root, False)

    def _parse(self, start: int) -> int | None:
        """Parse the piece from `start`; where to go on after damage, or null when all is read."""
        rest = self._piece.data[start:]
        self._skew = self._fed - start
        self._fed += len(rest)
        try:
            self._expat.Parse(rest, False)
        except ExpatError as error:
            return self._recover(error, start)
        except DefusedXmlException as error:
            raise Refused(Reason.ENTITY_REFUSED, type(error).__name__) from error
        return None

    def _recover(self, error: ExpatError, start: int) -> int | None:
        """Tell the damage, and find where in the piece reading can go on."""
        at = max(int(self._expat.ErrorByteIndex) - self._skew, 0)
        self._resumes += 1
        if self._resumes > RESUMES_MAX:
            raise Refused(Reason.BAD_PAYLOAD, f"damaged in more than {RESUMES_MAX} places")
        if error.code in _RESTART and at > start:
            self._begin()
            return at
        self._listener.damaged(errors.messages[error.code], self._place_of(at))
        found = _RESUME.search(self._piece.data, max(at, start + 1))
        whole = found is not None and not found.group().startswith(b"<runstats")
        self._begin(b"" if whole or not self.known else _ROOT)
        return found.start() if found else None

    def _start(self, tag: str, attrs: Attrs) -> None:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise Refused(Reason.TOO_DEEP, f"nested deeper than {DEPTH_MAX}")
        if self._depth > 1:
            take = self._scan.starts.get(tag) if self._scan is not None else None
            if take is not None:
                take(attrs)
        elif tag != "nmaprun":
            raise Refused(Reason.NOT_THIS_FORMAT, f"the document is a <{tag[:32]}>")
        elif not self._inside:
            self.known = True
            self._scan = ScanElements(attrs)
            self._listener.scan_began(self._scan, self.place())

    def _end(self, tag: str) -> None:
        self._depth -= 1
        if self._depth == 0 and self._scan is not None:
            self._scan.closed = True
            self._listener.scan_ended(self.place())
            self._scan = None


def _refuse_definitions(name: str, system_id: str | None, public_id: str | None, has_subset: int) -> None:
    """Nmap's document type has a name and nothing else; definitions are how XML is made to blow up."""
    if has_subset:
        raise Refused(Reason.ENTITY_REFUSED, f"the document type {name[:32]!r} holds definitions")
