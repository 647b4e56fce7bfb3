"""Rule files are read strictly, and every fault names its file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dsmil.errors import ConfigError
from dsmil.events.enums import Severity
from dsmil.events.envelope import Event
from dsmil.soc import suppression

GOOD = '[[suppress]]\nwhere = \'decision = "ais.zone"\'\nuntil = 2030-01-01\nreason = "drill"\n'


def test_an_absent_or_empty_directory_holds_no_rules(tmp_path: Path) -> None:
    assert suppression.load(tmp_path / "none").rules == () == suppression.load(tmp_path).rules


def test_rules_of_all_files_count_and_dates_need_no_quotes(tmp_path: Path) -> None:
    (tmp_path / "b.toml").write_text(GOOD)
    (tmp_path / "a.toml").write_text(GOOD.replace("2030-01-01", '"2031-01-01T00:00:00+01:00"'))
    (tmp_path / "notes.txt").write_text("not a rule")
    assert [rule.until for rule in suppression.load(tmp_path).rules] == [1_924_988_400.0, 1_893_456_000.0]


@pytest.mark.parametrize("text", [
    GOOD + 'colour = "red"\n',
    GOOD.replace("suppress", "supress"),
    GOOD.replace("2030-01-01", '"some day"'),
    GOOD.replace('"drill"', '""'),
    GOOD.replace('decision = "ais.zone"', "decision = "),
    GOOD.replace('decision = "ais.zone"', 'severity = "PURPLE"'),
    "[[suppress]\n",
    "\x00",
])  # fmt: skip
def test_a_fault_names_its_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"mine\.toml"):
        suppression.load(tmp_path)


def test_too_many_rules_are_refused(tmp_path: Path) -> None:
    (tmp_path / "many.toml").write_text(GOOD * (suppression.RULES_MAX + 1))
    with pytest.raises(ConfigError, match="rules exceed"):
        suppression.load(tmp_path)


EXAMPLE = Path(__file__).resolve().parents[2] / "etc" / "rules.d" / "00-example.toml"


def test_the_shipped_example_holds_nothing_back_and_its_rules_load_once_uncommented(
    tmp_path: Path, decide: Callable[..., Event]
) -> None:
    text = EXAMPLE.read_text("utf-8")
    assert all(line.startswith("#") or not line for line in text.splitlines())
    (tmp_path / "a.toml").write_text(text)
    assert suppression.load(tmp_path).rules == ()
    bare = "\n".join(
        line[1:] for line in text.splitlines() if line.startswith("#") and line[1:2] not in ("", " ")
    )
    (tmp_path / "a.toml").write_text(bare)
    rules = suppression.load(tmp_path)
    assert len(rules.rules) == 3
    fits = [
        decide("ais.gone_dark", "vessel:211000001"),
        decide("rf.new_emitter", "rf:abc", severity=Severity.MEDIUM),
        decide("net.scan_seen", "host:ip:198.51.100.7", "host:ip:192.0.2.10"),
    ]
    assert [rules.match(event) for event in fits] == [rule.reason for rule in rules.rules]
    assert rules.match(decide("rf.new_emitter", "rf:abc", severity=Severity.HIGH)) is None
    assert rules.match(decide("ais.gone_dark", "vessel:211000002")) is None
