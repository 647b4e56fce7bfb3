"""The graph for commands that look at it: an engine of their own, and the moment of it they show.

So they answer without the API and without an account: whoever may read graph.db and the stream may look.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dsmil.cli.look import stamp
from dsmil.cli.show import cell, table
from dsmil.clock import SYSTEM
from dsmil.config import Settings
from dsmil.events.envelope import TS_MAX

if TYPE_CHECKING:
    from dsmil.graph.diff import Diff
    from dsmil.graph.entity import Edge, Node
    from dsmil.graph.hypergraph import Hypergraph
    from dsmil.graph.picture import Picture
    from dsmil.query.clauses import Query

F = TypeVar("F", bound=Callable[..., Any])

SEQUENCE_BELOW = 1_000_000_000
"""A whole number from here on is a time, as in the API: a billion seconds passed in 2001."""
PROGRESS_AFTER_S, PROGRESS_EVERY_S = 2.0, 0.5
"""Progress is shown, on a terminal, for whatever takes longer."""
NODE_COLUMNS = ("id", "kind", "name", "position", "MHz", "seen", "labels")
EDGE_COLUMNS = ("id", "kind", "nodes", "weight", "seen", "labels")
MEMBERS_SHOWN = 4


class MomentType(click.ParamType):  # type: ignore[type-arg] # generic in newer versions only
    """A sequence (int), or Unix seconds (float) out of themselves or an ISO 8601 time."""

    name = "MOMENT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | float:
        """Read one; wrong usage where it is none."""
        if isinstance(value, int | float):
            return value
        text = str(value).strip()
        if text.isascii() and text.isdecimal() and int(text[:16]) < SEQUENCE_BELOW:
            return int(text)
        seconds = _seconds(text)
        if not 0 <= seconds <= TS_MAX:
            self.fail(
                f"{text!r} is no sequence, no Unix seconds and no time such as 2024-05-01T12:00:00Z", param, ctx
            )
        return seconds


def as_of_option(command: F) -> F:
    """`--as-of MOMENT`, as parameter `as_of`."""
    return click.option(
        "--as-of",
        type=MomentType(),
        help="The graph as it was: a sequence, Unix seconds, or a time such as 2024-05-01T12:00:00Z.",
    )(command)


def _seconds(text: str) -> float:
    try:
        return float(text) if text.isascii() else math.nan
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return math.nan


def text_of(argument: str | None) -> str:
    """A query text, out of stdin where it is `-`."""
    return sys.stdin.read() if argument == "-" else argument or ""


class Progress:
    """One line on stderr that says how far a long work has come."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._begun = self._shown = SYSTEM.monotonic()

    def say(self, text: str) -> None:
        """Show it, where there is a terminal and it is time."""
        now = SYSTEM.monotonic()
        if (
            now - self._begun < PROGRESS_AFTER_S
            or now - self._shown < PROGRESS_EVERY_S
            or not sys.stderr.isatty()
        ):
            return
        self._shown = now
        click.echo(f"\r{self._what}: {text} ", err=True, nl=False)

    def end(self) -> None:
        """Leave the line."""
        if self._shown > self._begun:
            click.echo(err=True)


def show_nodes(nodes: list[Node]) -> None:
    """Nodes as a table."""
    table(NODE_COLUMNS, map(_node_cells, nodes))


def show_edges(edges: list[Edge]) -> None:
    """Edges as a table."""
    table(EDGE_COLUMNS, map(_edge_cells, edges))


def _node_cells(node: Node) -> tuple[Any, ...]:
    place = None if node.position is None else ", ".join(f"{degrees:.5f}" for degrees in node.position[:2])
    rest = {key: value for key, value in node.labels.items() if key != "name"}
    return (
        node.id,
        node.kind,
        node.labels.get("name"),
        place,
        node.frequency,
        stamp(node.updated_at),
        _words(rest),
    )


def _edge_cells(edge: Edge) -> tuple[Any, ...]:
    shown = ", ".join(edge.nodes[:MEMBERS_SHOWN])
    more = len(edge.nodes) - MEMBERS_SHOWN
    members = f"{shown} and {more} more" if more > 0 else shown
    return edge.id, edge.kind, members, edge.weight, stamp(edge.timestamp), _words(edge.labels)


def _words(facts: dict[str, Any]) -> str:
    return " ".join(f"{key}={cell(value)}" for key, value in facts.items()) or "-"


@contextmanager
def opened(settings: Settings, moment: float | None) -> Iterator[tuple[Hypergraph, Picture]]:
    """The graph as it is now, and as it was at `moment` (a sequence, or Unix seconds as a float), further back than
    the graph remembers too. Unavailable where Redis is away, TooOld where the moment is not kept."""
    from dsmil.fabric.wire import Wire
    from dsmil.graph.bootstrap import open_graph

    wire = Wire(settings.redis.address(), name="graph")
    try:
        graph = open_graph(settings, wire)
    finally:
        wire.close()
    yield graph, picture_at(settings, graph, moment)


def picture_at(settings: Settings, graph: Hypergraph, moment: float | None) -> Picture:
    """The graph as it was; as it is where `moment` is null or still to come."""
    from dsmil.graph import history
    from dsmil.graph.picture import TooOld

    if moment is None:
        return graph
    try:
        sequence = moment if isinstance(moment, int) else graph.sequence_at(moment)
        return graph.as_of(sequence)
    except TooOld:
        sequence = moment if isinstance(moment, int) else history.sequence_at(settings, moment)
        return history.picture_at(settings, sequence)


def changes(settings: Settings, query: Query, *, start: int, end: int | None) -> Diff:
    """What changed in a query's subgraph over (start, end]; QueryError where the range is none."""
    from dsmil.graph.diff import between, diff
    from dsmil.graph.picture import TooOld

    with opened(settings, None) as (graph, _):
        until = graph.sequence if end is None else end
        try:
            return diff(graph, query, from_sequence=start, to_sequence=until)
        except TooOld:
            earlier, later = (
                picture_at(settings, graph, moment) for moment in (start, min(until, graph.sequence))
            )
            return between(earlier, later, query)


def moment_in(query: Query | None, as_of: float | None) -> float | None:
    """When a query looks: by `--as-of`, or by AS OF in its text; wrong usage where both say something."""
    clause = query.as_of if query is not None else None
    if clause is None or as_of is not None:
        if clause is not None:
            raise click.UsageError("the query says AS OF itself: leave out --as-of")
        return as_of
    return clause.sequence if clause.sequence is not None else clause.ts


def playback_ts(settings: Settings) -> float | None:
    """Where the shared playback pointer stands while recordings play (Unix seconds): SINCE goes by it."""
    from dsmil.fabric.wire import Wire
    from dsmil.sensors.playback import SharedPointer

    wire = Wire(settings.redis.address(), name="graph")
    try:
        pointer = SharedPointer(wire.call).read()
        return float(pointer["position_ts"]) if pointer.get("state") == "play" else None
    except (KeyError, ValueError):
        return None
    finally:
        wire.close()
