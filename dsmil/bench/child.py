"""The measured process: `python -m dsmil.bench.child TASK JSON [PROFILE]` prints the sample of one task as JSON.

Tasks are found by name when asked for, so that each has in memory what it needs and nothing else. With a third
argument cProfile's findings go into that file.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module

import msgspec

from dsmil.bench.figures import Sample

TASKS = {
    "publish": "tasks", "consume": "tasks", "router": "tasks", "drainer": "tasks", "bare": "tasks",
    "layer": "tasks", "parse": "parsing", "hypergraph": "subjects", "peer": "subjects",
}  # fmt: skip
"""The module of this package that has the function of that name."""


def main(argv: Sequence[str]) -> int:
    """Run the task; the exit code."""
    task, options, *profile = argv
    call: Callable[..., Sample] = getattr(import_module(f"dsmil.bench.{TASKS[task]}"), task)
    given = msgspec.json.decode(options.encode())
    if profile:
        from cProfile import Profile

        with Profile() as spy:
            sample = call(**given)
        spy.dump_stats(profile[0])
    else:
        sample = call(**given)
    sys.stdout.write(msgspec.json.encode(sample).decode() + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
