"""GET /api/export: the graph, or what a query finds, in the formats other programs read.

What is written is held at the moment it is asked for, so all of it is of one picture however slowly it is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import StreamingResponse

from dsmil.api.faults import Fault
from dsmil.api.given import QUERY_CHARS_MAX
from dsmil.api.moments import AsOf, MinSeq, Moment
from dsmil.api.parts import parts_of
from dsmil.api.told import WriteTold, told
from dsmil.graph.budget import Limits
from dsmil.graph.export import MEDIA_TYPES, export
from dsmil.graph.picture import Picture
from dsmil.graph.scope import Asked
from dsmil.graph.subgraph import extract
from dsmil.query.parse import parse_query

ENDINGS = {"stix": "json", "hif": "hif.json"}
"""What a file of a format is called, where it is not the format's own name."""

Format = Literal["geojson", "csv", "ndjson", "hif", "stix"]


async def export_graph(
    request: Request,
    *,
    format: Annotated[Format, Query()],
    query: Annotated[str | None, Query(min_length=1, max_length=QUERY_CHARS_MAX)] = None,
    min_seq: MinSeq = None,
    as_of: AsOf = None,
) -> Response:
    """The whole graph, or the subgraph of a query, as a file."""
    parts = parts_of(request)
    asked = None if query is None else parse_query(query)
    moment = Moment(min_seq, as_of)
    if asked is not None and asked.as_of is not None:
        if as_of is not None:
            raise Fault(422, "invalid", "the query says AS OF itself", hint="leave out as_of")
        moment.as_of = asked.as_of.sequence if asked.as_of.sequence is not None else asked.as_of.ts
    now = parts.clock.now() if moment.as_of is None else None
    limits = Limits(seconds=parts.settings.api.query_s_max)

    def look(picture: Picture) -> tuple[Iterator[bytes], int]:
        part: dict[str, Any] = {}
        if asked is not None:
            words = Asked(now=now, playback_ts=parts.playback())
            found = extract(picture, asked, asked=words, limits=limits, clock=parts.clock)
            part = {"nodes": found.nodes, "edges": found.edges}
        return export(format, picture, **part), picture.sequence

    pieces, sequence = await moment.read(parts, look)
    name = f"dsmil-{sequence}.{ENDINGS.get(format, format)}"
    headers = {"content-disposition": f'attachment; filename="{name}"', "x-sequence-id": str(sequence)}
    return StreamingResponse(pieces, media_type=MEDIA_TYPES[format], headers=headers)


def add_to(app: FastAPI) -> None:
    """Put the route into the app."""
    about = {**told(WriteTold, 410, 412), "response_class": StreamingResponse}
    kinds: dict[str, Any] = {kind.partition(";")[0]: {"schema": {}} for kind in MEDIA_TYPES.values()}
    about["responses"][200] = {"description": "The file; X-Sequence-Id says of which moment", "content": kinds}
    app.add_api_route("/api/export", export_graph, methods=["GET"], **about)
