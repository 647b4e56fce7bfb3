"""Every form of number ITU-R M.585 knows is told from the others."""

from __future__ import annotations

import pytest

from dsmil.analytics.mid import FLAGS, flag_of, station_of


@pytest.mark.parametrize(
    ("mmsi", "form"),
    [
        (211_476_060, "ship"), (366_999_712, "ship"), (2_190_047, "coast"), (23_110_000, "group"),
        (111_211_501, "sar_aircraft"), (111_999_001, "unallocated"), (823_100_001, "handheld"),
        (970_010_119, "distress"), (972_010_119, "distress"), (974_010_119, "distress"), (982_111_234, "craft"),
        (992_111_840, "aid"), (200_123_456, "unallocated"), (999_999_999, "unallocated"), (123_456_789, "none"),
        (0, "none"), (-5, "none"), (2**30, "none"), (112_233_445, "none"), (909_030_050, "none"),
    ],
)  # fmt: skip
def test_forms(mmsi: int, form: str) -> None:
    assert station_of(mmsi) == form


def test_the_table_holds_what_the_union_has_allocated() -> None:
    assert len(FLAGS) == 291
    assert all(201 <= digits <= 775 and len(flag) == 2 for digits, flag in FLAGS.items())
    assert flag_of(244_660_584) == "NL" and flag_of(638_000_001) == "SS" and flag_of(200_000_000) is None
