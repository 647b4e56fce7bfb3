"""Where the next page of an answer begins: a place in its order, not a count, so that changes do not shift it.

Opaque to who holds it, and checked when it comes back: it fits one query only.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2s

import msgspec
from msgspec import Struct

from dsmil.errors import QueryError
from dsmil.graph.entity import Entity
from dsmil.graph.find import ABSENT, Rank, ranks
from dsmil.query.clauses import Query
from dsmil.query.spell import spell_query

CHARS_MAX = 8192
"""A longer cursor is none of ours: an id and a value in an order have 512 characters at most."""


class _Place(Struct, frozen=True, array_like=True):
    query: bytes
    given: int
    rank: Rank
    id: str


class Cursor(Struct, frozen=True):
    """The last entity given, and how many were given up to it."""

    given: int
    rank: Rank
    id: str

    def comes_before(self, entity: Entity, query: Query) -> bool:
        """Whether an entity comes later in the query's order."""
        own = _rank(entity, query)
        if own == self.rank:
            return entity.id > self.id
        if ABSENT in (own, self.rank):
            return own == ABSENT
        return own < self.rank if query.descending else own > self.rank


def encode(query: Query, last: Entity, given: int) -> str:
    """The cursor after `last`, the `given`-th entity of the answer."""
    place = _Place(_mark(query), given, _rank(last, query), last.id)
    return urlsafe_b64encode(msgspec.msgpack.encode(place)).decode().rstrip("=")


def decode(query: Query, text: str) -> Cursor:
    """A cursor read back; QueryError where it is none, or another query's."""
    try:
        if len(text) > CHARS_MAX:
            raise ValueError("too long")
        data = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        place = msgspec.msgpack.decode(data, type=_Place)
    except (ValueError, msgspec.MsgspecError):
        raise QueryError("read cursor: it is not one of ours", hint="send back what the last page gave") from None
    if place.query != _mark(query):
        raise QueryError(
            "read cursor: it belongs to another query", hint="a changed query begins at its first page"
        )
    if place.given < 0 or isinstance(place.rank[2], str) is not place.rank[1]:
        raise QueryError("read cursor: it is not one of ours", hint="send back what the last page gave")
    return Cursor(place.given, place.rank, place.id)


def _mark(query: Query) -> bytes:
    return blake2s((query.text or spell_query(query)).encode(), digest_size=8).digest()


def _rank(entity: Entity, query: Query) -> Rank:
    return ABSENT if query.order_by is None else ranks(query.order_by)(entity)
