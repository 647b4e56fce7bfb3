"""An import as acts of a person: each patch an event of its own, with the line it comes from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from dsmil.events import ids
from dsmil.events.enums import Category
from dsmil.events.envelope import Event, RawRecord, encode, pack
from dsmil.events.graph import EDGE_UPDATE, NODE_UPDATE, Seen
from dsmil.graph.export.draft import Draft

SESSION_DEVICE, SESSION_LAYER = 13, 0
"""Session Manager: what people do comes through it."""
SOURCE_CHARS_MAX = 512


def acts(drafts: Iterable[Draft], *, by: str, path: str, now: float) -> Iterator[bytes]:
    """Encoded events for GRAPH_EVENTS: written by `by` at `now` (Unix seconds), found in the file `path`.

    What was exported brings its provenance along; what is told of now has the file for one.
    """
    new = (Seen(f"import:{path}"[:SOURCE_CHARS_MAX], now, now),)
    for draft in drafts:
        seen = new if draft.ts is None else draft.patch.seen
        yield encode(
            Event(
                event_id=ids.act(now),
                ts=now if draft.ts is None else draft.ts,
                ingest_ts=now,
                source_device=SESSION_DEVICE,
                source_layer=SESSION_LAYER,
                source=new[0].source,
                category=Category.APP,
                kind=EDGE_UPDATE if draft.is_edge else NODE_UPDATE,
                raw=RawRecord(path=path[:4096], line=draft.line),
                payload=pack(replace(draft.patch, by=by, seen=seen)),
            )
        )
