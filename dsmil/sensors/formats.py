"""Which parser reads these bytes: one table of every file format, asked by content first and name second.

Parsers are loaded only when their format is in question, so a daemon pays for what it reads and no more.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from msgspec import Struct

from dsmil.sensors.record import Parser

HEAD_BYTES = 64 * 1024
"""What a sniffer is shown: one chunk, because a JSON line or an XML comment may be long."""
SURE = 0.6
"""Confidence from which a file is taken for a format without anybody having said so."""
FAMILIES = ("ais", "nmap", "ndpi", "rf")
"""The families of sources, as `dsmil decode` and the drop folders name them."""
RECORDING_SUFFIX = ".sigmf-data"
"""Samples of a SigMF recording: read through their `.sigmf-meta`, never by themselves."""
META_SUFFIX = ".sigmf-meta"


class Format(Struct, frozen=True):
    """One file format: `module` below `dsmil.sensors` holds its parser class and `sniff(head, name)`."""

    family: str
    name: str
    module: str
    parser: str

    def confidence(self, head: bytes, name: str) -> float:
        """How sure this format is of those bytes, 0 to 1."""
        module = self._load()
        try:
            return float(module.sniff(head, name))
        except Exception:  # noqa: BLE001 - a sniffer that stumbles over hostile bytes does not know them
            return 0.0

    def build(self, **options: Any) -> Parser:
        """A fresh parser."""
        return cast(Parser, getattr(self._load(), self.parser)(**options))

    def _load(self) -> Any:
        return import_module(f"dsmil.sensors.{self.module}")


FORMATS: tuple[Format, ...] = (
    Format("ais", "nmea", "ais_nmea", "AisNmea"),
    Format("ais", "csv", "ais_csv", "AisCsv"),
    Format("nmap", "xml", "nmap_xml", "NmapXml"),
    Format("ndpi", "ndpireader-json", "ndpi_json", "NdpiJson"),
    Format("ndpi", "ndpireader-csv", "ndpi_csv", "NdpiCsv"),
    Format("ndpi", "ndpid", "ndpid", "NdpidFrames"),
    Format("ndpi", "eve", "eve", "EveJson"),
    Format("rf", "rtl433", "rtl433", "Rtl433Json"),
    Format("rf", "rtl433-csv", "rtl433_csv", "Rtl433Csv"),
    Format("rf", "sigmf", "sigmf", "SigmfMeta"),
    Format("rf", "sweep", "sweep", "SweepCsv"),
    Format("rf", "sdr-frame", "sdr_frame", "SdrFrame"),
)
"""The first format of a family is its fallback: it gives every unknown record its reject reason."""


def sniff(head: bytes, name: str, family: str | None = None, *, at_least: float = SURE) -> Format | None:
    """The format most sure of these first bytes (already decompressed), of that family or of any; null where
    none is at least that sure."""
    plain = name.removesuffix(".gz")
    best, best_confidence = None, 0.0
    for candidate in FORMATS:
        if family is None or candidate.family == family:
            confidence = candidate.confidence(head, plain)
            if confidence >= at_least and confidence > best_confidence:
                best, best_confidence = candidate, confidence
    return best


def format_of(family: str, head: bytes, name: str) -> Format:
    """Like `sniff` within a family, but never null: the family's fallback rejects what nobody knows."""
    found = sniff(head, name, family, at_least=0.0)
    return found or next(candidate for candidate in FORMATS if candidate.family == family)


def parser_for(
    family: str,
    head: bytes,
    name: str,
    *,
    path: Path | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> Parser:
    """A parser for a file of that family. `options` holds constructor keywords by format name; `path` lets a
    SigMF meta file find its samples beside it."""
    found = format_of(family, head, name)
    keywords = dict((options or {}).get(found.name, {}))
    if found.name == "sigmf" and path is not None:
        samples = path.with_name(path.name.removesuffix(META_SUFFIX) + RECORDING_SUFFIX)
        keywords["data_path"] = samples if samples.is_file() and not samples.is_symlink() else None
    return found.build(**keywords)
