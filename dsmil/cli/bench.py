"""`dsmil bench`: the figures of this machine beside the goals.

Nothing configured is touched: every topic has a private Redis in a temporary directory.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import click

from dsmil.cli.show import emit, json_option, table


@click.command()
@click.argument("topics", nargs=-1)
@click.option("--runs", type=click.IntRange(1, 100), default=5, show_default=True, help="Runs of each.")
@click.option(
    "--events", type=click.IntRange(200, 1_000_000), default=100_000, show_default=True, help="Events a run."
)
@click.option("--profile", type=click.Choice(["fast", "durable"]), default="fast", show_default=True,
              help="Redis append-only file: synced each second, or at every write.")  # fmt: skip
@json_option
def bench(
    *, topics: tuple[str, ...], runs: int, events: int, profile: Literal["fast", "durable"], as_json: bool
) -> None:
    """Measure TOPICS: streams router drainer l3 l4 decode graph chain (all).

    L is redis-benchmark's pipelined XADD, measured before and after every run on the same Redis. Only ratios and
    CPU seconds compare across machines and days.
    """
    from dsmil.bench.run import NAMES, Asked, run

    unknown = [name for name in topics if name not in NAMES]
    if unknown:
        raise click.BadParameter(f"{', '.join(unknown)}: choose from {' '.join(NAMES)}", param_hint="TOPICS")
    asked = Asked(names=topics or NAMES, events=events, runs=runs, profile=profile)
    report = run(asked, _suite(profile), lambda text: click.echo(text, err=True) if sys.stderr.isatty() else None)
    if as_json:
        emit(report)
    else:
        _show(report)


def _suite(profile: Literal["fast", "durable"]) -> Any:
    from dsmil.cli.stack import private_suite

    def build(directory: Path, daemons: Sequence[str], env: Mapping[str, str]) -> Any:
        return private_suite(directory, daemons=daemons, profile=profile, extra_env=env)

    return build


def _show(report: Mapping[str, Any]) -> None:
    """The figures beside the goals, for people."""
    from dsmil.bench import goals

    table(("topic", "what", "figure", "unit", "floor", "moonshot", "reached"), goals.rows(report))
    machine = report["machine"]
    click.echo(f"\nL: {machine['limit']}.")
    for name, told in report.items():
        if "limit_per_s" in told:
            click.echo(
                f"{name}: L {told['limit_per_s']}/s, {told['runs']} runs of {told['items']}, {told['profile']}."
            )
    click.echo(
        f"{machine['cpu']}, {machine['cpus']} CPUs, load {machine['load_before']} to {machine['load_after']}, "
        f"Python {machine['python']}, Redis {machine['redis']}, {machine['seconds']} s."
    )


COMMANDS = (bench,)
