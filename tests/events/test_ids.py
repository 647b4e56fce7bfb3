"""A re-run gives the same ids; two different things never share one by concatenation."""

from __future__ import annotations

import uuid

from dsmil.events import ids


def test_ids_repeat_and_differ_by_every_part() -> None:
    base = ids.file_record("ab" * 32, 10, 0, 0)
    assert base == ids.file_record("ab" * 32, 10, 0, 0)
    others = {
        ids.file_record("cd" * 32, 10), ids.file_record("ab" * 32, 11), ids.file_record("ab" * 32, 10, 1),
        ids.file_record("ab" * 32, 10, 0, 1), ids.network("ab" * 32, "10", 0),
    }  # fmt: skip
    assert base not in others
    assert len(others) == 5
    assert ids.digest("ab", "c") != ids.digest("a", "bc")


def test_a_derived_id_ignores_the_order_of_its_inputs() -> None:
    assert ids.derived(["a", "b"], "rule") == ids.derived(["b", "a"], "rule")
    assert ids.derived(["a"], "rule", "1") != ids.derived(["a"], "rule", "2")


def test_refs_are_bounded_and_the_rest_is_still_told_apart() -> None:
    many = [f"e{n}" for n in range(40)]
    kept = ids.bounded_refs(many)
    assert kept[:32] == tuple(many[:32])
    assert len(kept) == 33
    assert kept[32].startswith("digest:8:")
    assert ids.bounded_refs([*many[:39], "other"])[32] != kept[32]
    assert ids.bounded_refs(["a", "a", "b"]) == ("a", "b")


def test_an_act_has_a_uuid_of_version_7_ordered_by_time() -> None:
    first, second = ids.act(1000.0), ids.act(1001.0)
    assert uuid.UUID(first).version == 7
    assert first < second
