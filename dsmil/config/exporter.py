"""The exporter: where Prometheus finds the metrics of the whole suite.

Loopback by default: the text names hosts' sources and how busy they are, and nobody has to log in for it.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from dsmil.config.sources import split_address


class Exporter(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[exporter]`: metrics of all daemons over HTTP."""

    listen: Annotated[str, Meta(min_length=1, max_length=256)] = "127.0.0.1:8052"
    """Address of /metrics and /health, host:port. Installed, the port is that of dsmil-exporter.socket."""

    def __post_init__(self) -> None:
        if split_address(self.listen) is None:
            raise ValueError(f"address {self.listen!r} is not host:port")
