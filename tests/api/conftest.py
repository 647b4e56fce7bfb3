"""The API over a private Redis whose GRAPH_EVENTS stands as the projector makes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dsmil.api.intake import Intake
from dsmil.api.parts import Parts
from dsmil.api.stream import GraphStream
from dsmil.api.suite import Suite
from dsmil.clock import SYSTEM
from dsmil.config import private_settings
from dsmil.config.load import load
from dsmil.events.enums import StreamName
from dsmil.fabric import graphstream
from dsmil.fabric.client import connect, ensure_topology
from dsmil.fabric.publisher import Publisher
from dsmil.fabric.wire import Wire
from dsmil.graph.follow import Follower
from dsmil.operators.book import Book
from dsmil.operators.roles import Role
from dsmil.operators.tokens import Tokens
from tests.api.desk import Desk


@pytest.fixture
def address(redis_socket: str) -> str:
    return f"unix://{redis_socket}"


@pytest.fixture
def made(address: str, tmp_path: Path) -> Iterator[Desk]:
    """The desk, with the stream made; the engine follows."""
    (tmp_path / "run").mkdir()
    settings = load(environ=private_settings(tmp_path, address) | {"DSMIL_REDIS_BLOCK_MS": "20"}).settings
    wire = Wire(address, name="test-projector")
    graphstream.create(wire, now=SYSTEM.now())
    with connect(address, "test") as client:
        ensure_topology(client)
        engine = Follower(settings, Wire(address, name="test-follow"))
        engine.start()
        book = Book(settings.paths.operators_db)
        book.open()
        tokens = Tokens(book)
        texts = {role.value: tokens.make(role)[0] for role in Role}
        writer, frames, intel = (Wire(address, name=f"test-{each}", timeout_s=2.0) for each in "wfi")
        suite = Suite(settings)
        parts = Parts(
            settings=settings, engine=engine, tokens=tokens, stream=GraphStream(writer, run="test"),
            intake=Intake(
                Publisher(frames, StreamName.L3_IN), Publisher(intel, StreamName.L4_IN), run="test"
            ),
            suite=suite.text, states=suite.states, playback=suite.playback, snapshot=suite.snapshot,
        )  # fmt: skip
        with engine.lock:
            assert engine.lock.wait_for(lambda: engine.generation > 0, 10.0)
        yield Desk(parts, texts, client)
        engine.stop()
        suite.close()
        book.close()
        for each in (wire, writer, frames, intel):
            each.close()


@pytest.fixture
def desk(made: Desk) -> Desk:
    return made
