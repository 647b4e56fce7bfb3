"""The shipped etc/dsmil.toml explains every key, and changes nothing until a line is uncommented."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dsmil import config
from dsmil.config.load import shapes
from dsmil.config.reference import documented, render

SHIPPED = Path(__file__).resolve().parents[2] / "etc" / "dsmil.toml"


def test_the_shipped_file_is_in_step() -> None:
    assert SHIPPED.read_text() == render(), "run: python -m dsmil.config.reference > etc/dsmil.toml"


def test_as_shipped_it_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "dsmil.toml").write_text(render())
    loaded = config.load(environ={}, etc_dir=tmp_path)
    assert loaded.settings == config.Settings()
    assert set(loaded.origins.values()) == {"default"}


def test_uncommented_it_says_the_defaults(tmp_path: Path) -> None:
    text = re.sub(r"^#(\w+ = )", r"\1", render(), flags=re.MULTILINE)
    (tmp_path / "dsmil.toml").write_text(text)
    loaded = config.load(environ={}, etc_dir=tmp_path)
    assert loaded.settings == config.Settings()
    assert "default" not in loaded.origins.values()


@pytest.mark.parametrize("name", shapes())
def test_every_key_is_explained(name: str) -> None:
    assert not [key for key, meaning in documented(shapes()[name]).items() if len(meaning) < 8]
