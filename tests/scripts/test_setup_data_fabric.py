"""Set-up without a machine to set up: its command line, its plan, and what it does to files, below a directory.

What needs systemd is proved in tests/system.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from dsmil.config import load

PROJECT = Path(__file__).resolve().parents[2]
SCRIPT = PROJECT / "scripts" / "setup_data_fabric.sh"
PIECES = ("say", "options", "packages", "files", "settings", "machine", "program", "units", "uninstall")
STEPS = (
    "checks", "packages", "users", "directories", "program", "settings", "passwords", "units", "system", "shell",
    "leftovers", "services", "releases",
)  # fmt: skip
OWNER = "root:root"
NOBODY = 65534


def run(*options: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Set-up as an ordinary user."""
    plain = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    return subprocess.run(
        ["bash", str(SCRIPT), *options],
        capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **environ}, **plain,
    )  # type: ignore[call-overload, no-any-return] # fmt: skip


def bash(root: Path, code: str, **environ: str) -> str:
    """`code` with set-up's functions, on the files below `root`; what it printed."""
    sources = "".join(f'source "$SOURCE/scripts/fabric/{piece}.sh"\n' for piece in PIECES)
    script = f"set -euo pipefail; shopt -s inherit_errexit\n{sources}watch_failures; read_memory\n{code}"
    done = subprocess.run(
        ["bash", "-c", script],
        capture_output=True, text=True, timeout=60, check=False,
        env={"PATH": os.environ["PATH"], "ROOT": str(root), "SOURCE": str(PROJECT), **environ},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def place(root: Path, text: str, path: str = "/etc/dsmil/dsmil.toml") -> str:
    return bash(root, f"step settings x; place 0644 {OWNER} '{path}' '{text}'; sum_up same")


def digests(root: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(root)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in root.rglob("*")
        if path.is_file()
    }


# the command line


def test_help_names_every_option() -> None:
    done = run("--help")
    assert done.returncode == 0 and done.stderr == ""
    for option in (
        "--dry-run", "--uninstall", "--purge", "--no-redis", "--no-port", "--tmpfs-size", "--only", "--offline", "-h",
    ):  # fmt: skip
        assert option in done.stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--no-such",), "unknown option --no-such"),
        (("--purge",), "goes with --uninstall"),
        (("--tmpfs-size", "much"), "--tmpfs-size much"),
        (("--tmpfs-size",), "needs a value"),
        (("--offline", "/nowhere"), "no such directory"),
        (("--only", "l5"), "there are: ais-playback api drainer"),
        (("--only", "../evil"), "no such daemon"),
    ],
)
def test_wrong_usage_ends_with_2_and_the_usage(options: tuple[str, ...], words: str) -> None:
    done = run(*options)
    assert done.returncode == 2 and done.stdout == ""
    assert words in done.stderr and "Usage: sudo" in done.stderr


def test_without_root_it_says_sudo() -> None:
    done = run("--tmpfs-size", "1G")
    assert done.returncode == 1 and "sudo" in done.stderr and "--dry-run" in done.stderr


def test_a_dry_run_prints_every_step_and_touches_nothing() -> None:
    before = set((PROJECT / "scripts").rglob("*"))
    done = run("--dry-run", "--tmpfs-size=3G")
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(dict.fromkeys(line.split()[0] for line in done.stdout.splitlines()[:-2] if line))[
        : len(STEPS)
    ] == [*STEPS]
    assert "3G of memory" in done.stdout and not any(
        line.split()[1:2] == ["did"] for line in done.stdout.splitlines()
    )
    assert "dry run and changed nothing" in done.stdout or "nothing to change" in done.stdout
    assert set((PROJECT / "scripts").rglob("*")) == before


def test_no_redis_of_ours_needs_to_know_which() -> None:
    if Path("/etc/dsmil").exists():
        pytest.skip("dsmil is installed here")
    done = run("--dry-run", "--no-redis")
    assert done.returncode == 1 and "sudo REDIS_URL=" in done.stderr
    done = run("--dry-run", "--no-redis", REDIS_URL="redis://:secret@192.0.2.7:6379/0")
    assert done.returncode == 0 and "20-redis.toml" in done.stdout and "50-redis.conf" in done.stdout
    assert "secret" not in done.stdout + done.stderr and "dsmil-redis.service" not in done.stdout


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck_finds_nothing() -> None:
    scripts = sorted(str(path) for path in (PROJECT / "scripts").rglob("*.sh"))
    whole = subprocess.run(["shellcheck", *scripts], capture_output=True, text=True, check=False, cwd=PROJECT)
    assert whole.returncode == 0, whole.stdout


def test_no_function_hides_a_program() -> None:
    text = "".join(path.read_text() for path in (SCRIPT, *SCRIPT.parent.glob("fabric/*.sh")))
    functions = re.findall(r"^(\w+)\(\)", text, re.MULTILINE)
    assert len(functions) > 80
    assert [name for name in functions if shutil.which(name, path="/usr/bin:/bin:/usr/sbin:/sbin")] == []


# files: placed, kept where edited, and nothing the second time


def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    assert "did    write /etc/dsmil/dsmil.toml" in place(tmp_path, "a = 1")
    before = digests(tmp_path)
    assert "nothing to change: same" in place(tmp_path, "a = 1")
    assert digests(tmp_path) == before
    assert (tmp_path / "etc/dsmil/dsmil.toml").read_text() == "a = 1\n"
    digest, path = (tmp_path / "opt/dsmil/manifest").read_text().split()
    assert path == "/etc/dsmil/dsmil.toml" and len(digest) == 64


def test_an_unedited_file_is_replaced_and_an_edited_one_kept_with_ours_beside_it(tmp_path: Path) -> None:
    file, dist = tmp_path / "etc/dsmil/dsmil.toml", tmp_path / "etc/dsmil/dsmil.toml.dist"
    place(tmp_path, "a = 1")
    assert "did    write" in place(tmp_path, "a = 2")
    file.write_text("a = 3\n")
    assert "kept   /etc/dsmil/dsmil.toml" in place(tmp_path, "a = 2")
    assert (file.read_text(), dist.read_text()) == ("a = 3\n", "a = 2\n")
    again = place(tmp_path, "a = 2")
    assert "kept" in again and "nothing to change" in again, "still said, but no change"
    place(tmp_path, "a = 4")
    assert (file.read_text(), dist.read_text()) == ("a = 3\n", "a = 4\n")
    file.write_text("a = 4\n")
    place(tmp_path, "a = 4")
    assert not dist.exists(), "the operator took ours"
    place(tmp_path, "a = 5")
    assert file.read_text() == "a = 5\n"


def test_a_file_that_was_there_before_us_counts_as_edited(tmp_path: Path) -> None:
    file = tmp_path / "etc/dsmil/dsmil.toml"
    file.parent.mkdir(parents=True)
    file.write_text("mine\n")
    assert "kept" in place(tmp_path, "a = 1")
    assert file.read_text() == "mine\n"


def test_a_dry_run_writes_no_file_and_no_memory(tmp_path: Path) -> None:
    code = f"DRY=1; step settings x; place 0644 {OWNER} /etc/a b; make_directory 0755 {OWNER} /etc/c"
    assert "would  write /etc/a" in bash(tmp_path, f"{code}; keep_state port no")
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_longer_shipped_goes_unless_edited(tmp_path: Path) -> None:
    place(tmp_path, "x", "/etc/dsmil/conf.d/20-redis.toml")
    place(tmp_path, "x", "/etc/dsmil/rules.d/old.toml")
    place(tmp_path, "x", "/usr/local/share/man/man1/dsmil.1")
    (tmp_path / "etc/dsmil/rules.d/old.toml").write_text("mine\n")
    told = bash(tmp_path, "CHOSEN_REDIS=yes; remove_unshipped")
    assert (
        "did    remove /etc/dsmil/conf.d/20-redis.toml" in told and "kept   /etc/dsmil/rules.d/old.toml" in told
    )
    assert not (tmp_path / "etc/dsmil/conf.d/20-redis.toml").exists()
    assert (tmp_path / "usr/local/share/man/man1/dsmil.1").exists(), "it comes from the program, which runs later"


SYSTEMCTL = """
systemctl() {
  echo "systemctl $*" >>"$ROOT/told"
  case "$*" in is-failed*socket) true ;; "show -p Listen"*) echo "127.0.0.1:8052 (Stream)" ;; is-*) false ;; esac
}"""
"""Notes what it is told to do; the socket of a service failed."""


def test_the_exporter_of_an_older_version_gives_its_port_to_the_api(tmp_path: Path) -> None:
    units = [f"/etc/systemd/system/dsmil-exporter.{kind}" for kind in ("service", "socket")]
    for path in units:
        place(tmp_path, "x", path)
    bash(tmp_path, "keep_state only 'l3 exporter'; add_state enabled dsmil-exporter.service")
    code = 'choose; echo "[$CHOSEN_ONLY]"; remove_unshipped; echo "[${STATE[enabled]}]"'
    told = bash(tmp_path, f"{SYSTEMCTL}\n{code}").splitlines()
    assert told[0] == "[l3 api]" and told[-1] == "[]"
    assert set((tmp_path / "told").read_text().splitlines()) == {
        f"systemctl disable --now {path.rpartition('/')[2]}" for path in units
    }
    assert not [path for path in units if (tmp_path / path[1:]).exists()]


def test_a_port_that_is_taken_is_named_with_its_mend(tmp_path: Path) -> None:
    for unit in ("dsmil-api.service", "dsmil-api.socket"):
        told = bash(tmp_path, f"{SYSTEMCTL}\n(fail_unit {unit}) 2>&1 || true")
        assert "dsmil-api.socket failed: somebody else has 127.0.0.1:8052" in told
        assert "ss -lntup names him" in told and "systemctl edit dsmil-api.socket" in told


def test_without_the_projector_nobody_waits_for_the_graph(tmp_path: Path) -> None:
    meminfo(tmp_path, 3000)
    without = tmp_path / "etc/dsmil/conf.d/15-no-projector.toml"
    write = "CHOSEN_PORT=yes; step settings x; port_taken() {{ false; }}; {}; write_settings; remove_unshipped"
    bash(tmp_path, write.format("CHOSEN_REDIS=yes CHOSEN_ONLY=l3"))
    settings = load(environ={}, etc_dir=tmp_path / "etc/dsmil").settings
    assert not settings.l3.graph and not settings.l4.graph
    for choice in ("CHOSEN_REDIS=yes CHOSEN_ONLY='l3 projector'", "CHOSEN_REDIS=yes CHOSEN_ONLY="):
        bash(tmp_path, write.format("CHOSEN_REDIS=yes CHOSEN_ONLY=l3"))
        bash(tmp_path, write.format(choice))
        assert not without.exists(), choice
    bash(tmp_path, write.format("CHOSEN_REDIS=no CHOSEN_ONLY=l3"), REDIS_URL="redis://192.0.2.7/0")
    assert not without.exists(), "a projector may run elsewhere"


def test_what_no_unit_has_taken_up_yet_is_remembered_over_a_broken_run(tmp_path: Path) -> None:
    place(tmp_path, "x", "/etc/systemd/system/dsmil-l3.service")
    ask = "for u in dsmil-l3.service dsmil-l4.service; do if needs_restart $u; then echo $u; fi; done"
    assert bash(tmp_path, ask) == "dsmil-l3.service\n"
    bash(tmp_path, "keep_state pending ''")
    assert bash(tmp_path, ask) == ""


@pytest.mark.parametrize(
    ("path", "units"),
    [
        ("/opt/dsmil/current", ["dsmil-hotpath-init.service", "dsmil-l3.service"]),
        ("/etc/dsmil/conf.d/10-installed.toml", ["dsmil-hotpath-init.service", "dsmil-l3.service"]),
        ("/etc/dsmil/redis.d/10-machine.conf", ["dsmil-redis.service"]),
        ("/etc/dsmil/users.acl", ["dsmil-redis.service"]),
        ("/etc/systemd/system/dsmil-redis-admit.service.d/50-port.conf", ["dsmil-redis.service"]),
        ("/etc/systemd/system/dsmil-l3.service.d/x.conf", ["dsmil-l3.service"]),
        ("/etc/systemd/system/dsmil-rf-ingest.socket", ["dsmil-rf-ingest.socket"]),
        (
            "/etc/systemd/system/dsmil-.service.d/10-walls.conf",
            ["dsmil-redis.service", "dsmil-hotpath-init.service", "dsmil-l3.service"],
        ),
        ("/etc/sysctl.d/60-dsmil.conf", []),
    ],
)
def test_only_what_changed_is_restarted(tmp_path: Path, path: str, units: list[str]) -> None:
    names = "dsmil.target dsmil-redis.service dsmil-hotpath-init.service dsmil-l3.service dsmil-rf-ingest.socket"
    code = f"CHANGED=({path}); for u in {names}; do if needs_restart $u; then echo $u; fi; done"
    assert bash(tmp_path, code).split() == units


def test_words_of_the_memory_come_and_go_by_themselves(tmp_path: Path) -> None:
    bash(tmp_path, r"for w in a b 'mnt\x2dram'; do add_state enabled $w; add_state enabled $w; done")
    assert (tmp_path / "opt/dsmil/state").read_text() == "enabled=a b mnt\\x2dram\n"
    bash(tmp_path, "drop_state enabled a; drop_state enabled c")
    assert bash(tmp_path, 'echo "${STATE[enabled]}"') == "b mnt\\x2dram\n"


# this machine


def meminfo(root: Path, megabytes: int) -> None:
    (root / "proc").mkdir(exist_ok=True)
    (root / "proc/meminfo").write_text(f"MemTotal:  {megabytes * 1024} kB\nMemFree: 1 kB\n")


@pytest.mark.parametrize(("megabytes", "size"), [(8000, "2000M"), (16384, "4G"), (65536, "4G"), (1024, "256M")])
def test_the_tmpfs_takes_a_quarter_of_the_memory_and_at_most_4g(
    tmp_path: Path, megabytes: int, size: str
) -> None:
    meminfo(tmp_path, megabytes)
    told = bash(tmp_path, "step units x; place_size")
    drop_in = (tmp_path / r"etc/systemd/system/mnt-dsmil\x2dram.mount.d/50-size.conf").read_text()
    assert f"size={size}\n" in drop_in and "mode=2770,uid=dsmil" in drop_in and drop_in.count("size=") == 1
    assert f"{size} of memory" in told
    meminfo(tmp_path, 3000)
    bash(tmp_path, "step units x; place_size")
    assert (
        f"size={size}" in (tmp_path / r"etc/systemd/system/mnt-dsmil\x2dram.mount.d/50-size.conf").read_text()
    ), "kept until --tmpfs-size says otherwise"
    bash(tmp_path, "TMPFS_SIZE=99M; step units x; place_size")
    assert "size=99M\n" in (tmp_path / r"etc/systemd/system/mnt-dsmil\x2dram.mount.d/50-size.conf").read_text()


@pytest.mark.parametrize(
    ("line", "ours"),
    [
        ("tmpfs /mnt/dsmil-ram tmpfs size=4G 0 0", "no"),
        ("tmpfs\t/mnt/dsmil-ram/\ttmpfs size=4G 0 0", "no"),
        ("# tmpfs /mnt/dsmil-ram tmpfs size=4G 0 0", "yes"),
        ("tmpfs /mnt/dsmil-ram2 tmpfs size=4G 0 0", "yes"),
    ],
)
def test_a_line_in_fstab_is_found(tmp_path: Path, line: str, ours: str) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/fstab").write_text(f"{line}\n")
    assert bash(tmp_path, "if own_mount; then echo yes; else echo no; fi").strip() == ours


def test_only_brings_one_daemon_and_what_it_needs(tmp_path: Path) -> None:
    listed = bash(
        tmp_path, "CHOSEN_REDIS=yes CHOSEN_ONLY=rf-ingest; list_units; printf '%s\\n' \"${UNITS[@]}\""
    ).split()
    assert "dsmil-rf-ingest.service" in listed and "dsmil-rf-ingest.socket" in listed
    assert {
        "dsmil.target",
        "dsmil-redis.service",
        "dsmil-.service.d/10-walls.conf",
        "dsmil-alert@.service",
    } <= set(listed)
    assert not any(name.startswith(("dsmil-l3", "dsmil-drainer", "dsmil-net-parser")) for name in listed)
    without = bash(tmp_path, "CHOSEN_REDIS=no CHOSEN_ONLY=; list_units; printf '%s\\n' \"${UNITS[@]}\"").split()
    names = "CHOSEN_REDIS=yes CHOSEN_ONLY=; list_units; unit_names"
    assert "dsmil-redis-admit.service" in bash(tmp_path, f"{names}; printf '%s\\n' \"${{UNITS[@]}}\"")
    assert "dsmil-redis-admit.service" not in bash(tmp_path, names), (
        "it ends, so nobody waits for it to be active"
    )
    assert not any(name.startswith("dsmil-redis") for name in without) and "dsmil-l3.service" in without


def test_without_a_port_the_unit_is_told_and_with_one_again_not(tmp_path: Path) -> None:
    meminfo(tmp_path, 3000)
    drop_in = tmp_path / "etc/systemd/system/dsmil-redis-admit.service.d/50-port.conf"
    taken = "CHOSEN_REDIS=yes; step settings x; {}; write_redis_settings; remove_unshipped"
    for choice in ("CHOSEN_PORT=no", "CHOSEN_PORT=yes; port_taken() { true; }"):
        bash(tmp_path, taken.format(choice))
        assert drop_in.read_text().endswith("[Service]\nEnvironment=LOOK_PORT=0\n")
        bash(tmp_path, taken.format("CHOSEN_PORT=yes; port_taken() { false; }"))
        assert not drop_in.exists()
    conf = (tmp_path / "etc/dsmil/redis.d/10-machine.conf").read_text()
    assert re.findall(r"^(\w+)", conf, re.MULTILINE) == ["maxmemory"], "Redis starts without a port"


def test_choices_are_kept_and_taken_back(tmp_path: Path) -> None:
    bash(tmp_path, "WANT_PORT=no; ONLY=(l3); choose")
    assert bash(tmp_path, 'choose; echo "$CHOSEN_PORT $CHOSEN_ONLY"') == "no l3\n"
    assert (
        bash(tmp_path, 'ONLY=(l4 l3); WANT_PORT=yes; choose; echo "$CHOSEN_PORT $CHOSEN_ONLY"') == "yes l3 l4\n"
    )
    assert bash(tmp_path, 'WANT_ALL=1; choose; echo "[$CHOSEN_ONLY]"') == "[]\n"
    told = bash(tmp_path, 'ONLY=(l3); step checks x; choose; echo "[$CHOSEN_ONLY]"')
    assert "already" in told and told.endswith("[]\n"), "--only never narrows what is installed"


@pytest.mark.parametrize(
    ("url", "words"),
    [("redis://192.0.2.7:6379/0", "IPAddressAllow=any"), ("unix:///nowhere/redis.sock", "LoadCredential=\n")],
)
def test_another_redis_opens_the_walls_only_where_it_needs_it(tmp_path: Path, url: str, words: str) -> None:
    bash(tmp_path, "step settings x; write_foreign_redis", REDIS_URL=url)
    walls = (tmp_path / "etc/systemd/system/dsmil-.service.d/50-redis.conf").read_text()
    assert words in walls and "UnsetEnvironment=DSMIL_REDIS_USERNAME" in walls
    assert ("PrivateNetwork=no" in walls) == url.startswith("redis:")
    settings = tmp_path / "etc/dsmil/conf.d/20-redis.toml"
    assert f'url = "{url}"' in settings.read_text() and settings.stat().st_mode & 0o777 == 0o640
    before = digests(tmp_path)
    bash(tmp_path, "step settings x; write_foreign_redis")
    assert digests(tmp_path) == before, "a later run need not be told again"
