"""`python -m dsmil.cli`: the command line where the package is not installed."""

from __future__ import annotations

from dsmil.cli import main

main(prog_name="dsmil")
