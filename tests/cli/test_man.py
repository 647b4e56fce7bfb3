"""The manual page names every command with its options, and roff finds nothing of its own in our words."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from dsmil.cli import main
from dsmil.cli.man import _text, page


def test_every_command_and_its_options_are_in_the_page() -> None:
    text = page()
    with main.make_context("dsmil", [], resilient_parsing=True) as context:
        for name in main.list_commands(context):
            assert f"\n.SS {_text('dsmil ' + name)}" in text, name
    assert f"\n.SS {_text('dsmil config show')}" in text and f".B {_text('--origin')}" in text
    assert ".SH EXIT STATUS\n.TP\n.B 0\ndone\n" in text and "\n.B 78\n" in text


def test_words_roff_would_obey_are_told_to_it_as_words() -> None:
    assert _text(".TH is - one \\ line\n  only") == "\\&.TH is \\- one \\e line only"
    assert _text("'quoted`") == "\\&'quoted\\(ga"


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_groff_finds_no_fault() -> None:
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", "-Wbreak"], input=page(), capture_output=True, text=True, check=True
    )
    assert done.stderr == "" and "journalctl(1)" in done.stdout
