"""The HTTP API: where it listens, and how much one caller may ask for.

Loopback by default: what it shows is for people who hold a token, and a token in the clear belongs on no network.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from dsmil.config.sources import split_address

Host = Annotated[str, Meta(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9.:\[\]-]+$")]


class Api(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[api]`: reads from the hypergraph, writes through the streams, over HTTP."""

    listen: Annotated[str, Meta(min_length=1, max_length=256)] = "127.0.0.1:8052"
    """Address, host:port. Installed, the port is that of dsmil-api.socket."""
    hosts: Annotated[tuple[Host, ...], Meta(max_length=64)] = ()
    """Names besides localhost, 127.0.0.1, ::1 and the host of `listen` by which a browser may call it. Any other Host
    header is refused, so that no page elsewhere can reach it by a name of its own."""
    body_bytes_max: Annotated[int, Meta(ge=1_024, le=64 << 20)] = 1 << 20
    """Largest body of a request; a larger one is answered 413."""
    wait_s_max: Annotated[float, Meta(ge=0, le=60)] = 5.0
    """Longest that a read waits for the sequence it asks for with min_seq."""
    query_s_max: Annotated[float, Meta(ge=0.01, le=60)] = 2.0
    """Longest that one query computes. Nothing new is folded in meanwhile."""
    result_max: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    """Most nodes and edges of one answer; the rest comes with its cursor."""

    def __post_init__(self) -> None:
        if split_address(self.listen) is None:
            raise ValueError(f"address {self.listen!r} is not host:port")
