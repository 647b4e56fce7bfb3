"""The graph that `dsmil bench graph` builds: ships, some with a radio, and links over two or three of them.

Made by a seeded generator, and the same for dsmil and for everything it is measured beside.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from dsmil.events.graph import Patch

FLAGS = 100
"""Values of the label that a question picks one of: of 100,000 nodes it finds 1,000."""
SEED = 4
START_TS = 1_700_000_000.0


def nodes(count: int) -> Iterator[Patch]:
    """`count` ships, each with a place, a frequency, a label and a reading."""
    rng = random.Random(SEED)  # noqa: S311 - a world to measure, not a secret
    for number in range(count):
        yield Patch(
            id=f"vessel:{211_000_000 + number}",
            kind="vessel",
            position=(rng.uniform(-80, 80), rng.uniform(-180, 180)),
            frequency=rng.uniform(30, 3000),
            labels={"flag": f"F{number % FLAGS}"},
            metadata={"sog_kn": rng.uniform(0, 30)},
        )


def edges(count: int, among: int) -> Iterator[Patch]:
    """`count` links over two or three of `among` ships, two thirds of them of one flag, as a fleet is."""
    rng = random.Random(SEED + 1)  # noqa: S311 - as above
    for number in range(count):
        first = rng.randrange(among)
        near = [first + FLAGS * rng.randrange(1, 50) for _ in range(1 + number % 2)]
        far = [rng.randrange(among) for _ in range(1 + number % 2)]
        others = near if number % 3 else far
        members = dict.fromkeys(f"vessel:{211_000_000 + one % among}" for one in (first, *others))
        yield Patch(id=f"he:link:{number:08x}", kind="link", nodes=tuple(members), weight=0.5)


def updates(count: int, among: int, *, moving: bool) -> Iterator[Patch]:
    """`count` reports of ships: a reading each and, where `moving`, a place."""
    rng = random.Random(SEED + 2)  # noqa: S311 - as above
    for _ in range(count):
        node_id = f"vessel:{211_000_000 + rng.randrange(among)}"
        reading = {"sog_kn": rng.uniform(0, 30)}
        if moving:
            yield Patch(id=node_id, metadata=reading, position=(rng.uniform(-80, 80), rng.uniform(-180, 180)))
        else:
            yield Patch(id=node_id, metadata=reading)
