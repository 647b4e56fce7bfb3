"""The hot database's file system is a tmpfs, large enough, and mounted by one master."""

from __future__ import annotations

from pathlib import Path

from dsmil.cli.checks.hot import filesystem, hot, room, table
from dsmil.cli.checks.site import Site
from dsmil.config import Settings
from dsmil.config.places import Paths

UNIT = "etc/systemd/system/mnt-dsmil\\x2dram.mount"


def test_the_nearest_mount_counts(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/sda1 / ext4 rw 0 0\nnone /mnt/dsmil-ram tmpfs rw 0 0\nnone /mnt/dsmil-ram2 xfs rw 0 0\n"
        "none /a\\040b btrfs rw 0 0\n"
    )
    assert filesystem(Path("/mnt/dsmil-ram/x"), mounts) == "tmpfs"
    assert filesystem(Path("/mnt/dsmil"), mounts) == "ext4"
    assert filesystem(Path("/a b/c"), mounts) == "btrfs"


def test_room_is_told(tmp_path: Path) -> None:
    finding = room("tmpfs", tmp_path)
    assert finding.said.startswith("tmpfs, ") and "% full" in finding.said


def test_an_installed_machine_wants_a_tmpfs(tmp_path: Path) -> None:
    paths = Paths(data=tmp_path, run=tmp_path, hot=tmp_path / "ram")
    installed = Site(settings=Settings(paths=paths), root=tmp_path, installed=True)
    (finding,) = hot(installed)
    assert finding.verdict == "fail" and "systemctl start" in finding.mend
    assert list(hot(Site(settings=Settings(paths=paths), root=tmp_path))) == [], "said with the other paths"
    paths.hot.mkdir()
    private = list(hot(Site(settings=Settings(paths=paths), root=tmp_path)))
    assert [row.check for row in private] == ["tmpfs"]


def test_two_masters_are_one_too_many(tmp_path: Path) -> None:
    site = Site(root=tmp_path, installed=True)
    assert list(table(site)) == []
    (tmp_path / "etc/systemd/system").mkdir(parents=True)
    (tmp_path / "etc/fstab").write_text(
        "# none\n/dev/sda1 / ext4 rw 0 0\nnone /mnt/dsmil-ram/ tmpfs size=1G 0 0\n"
    )
    (finding,) = table(site)
    assert finding.verdict == "ok" and "fstab:3" in finding.said
    (tmp_path / UNIT).write_text("")
    (finding,) = table(site)
    assert finding.verdict == "warn" and "line 3" in finding.mend
