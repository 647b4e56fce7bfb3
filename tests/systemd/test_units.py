"""The units say what the design wants of them, and agree with the code they start."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsmil import config
from dsmil.daemons import api
from dsmil.fabric import acl
from dsmil.fabric.topology import BY_NAME
from dsmil.runtime.daemon import DRAIN_S_MAX, EX_CONFIG
from tests.systemd.reading import (
    BASE,
    FOLDER,
    INGEST,
    INIT,
    LISTS,
    MOUNT,
    ONE_SHOT,
    REDIS,
    RUNNING,
    SERVICES,
    SHIPPED,
    SOCKETS,
    TEMPLATES,
    Unit,
    parse,
    walls,
)  # fmt: skip

PROJECT = FOLDER.parent
ORDER = ("Wants", "Requires", "Requisite", "BindsTo", "PartOf", "Upholds", "After", "Before")


def daemon_of(unit: str) -> str:
    return unit.removeprefix("dsmil-").removesuffix(".service").rstrip("@")


def seconds(text: str) -> float:
    return float(text.removesuffix("min")) * 60 if text.endswith("min") else float(text)


def test_there_is_one_unit_for_each_daemon_and_no_other() -> None:
    found = {path.name for path in FOLDER.iterdir() if path.is_file()}
    assert found == {*SERVICES, *SOCKETS, MOUNT, "dsmil.target"}
    assert {daemon_of(unit) for unit in BASE} == {*SHIPPED}


@pytest.mark.parametrize("name", [*SERVICES, *SOCKETS, MOUNT, "dsmil.target"])
def test_a_unit_names_only_units_there_are(name: str) -> None:
    unit = Unit(name)
    named = {other for key in ORDER for other in unit.all(key, "Unit")}
    assert {other for other in named if not (FOLDER / other).is_file()} == set()
    assert set(unit.all("OnFailure", "Unit")) <= {"dsmil-alert@%n.service"}


@pytest.mark.parametrize("name", SERVICES)
def test_no_unit_sets_what_the_walls_override(name: str) -> None:
    """A single value in the prefix drop-in wins over the unit's own, which would be a setting that does nothing."""
    over = {key for key, _ in walls()["Service"]} - LISTS
    assert {key for key, _ in Unit(name).own["Service"]} & over == set()


def test_the_walls_reset_no_list_of_a_unit() -> None:
    emptied = {key for key, value in walls()["Service"] if not value}
    assert emptied == {"CapabilityBoundingSet", "AmbientCapabilities"}, "an empty value forgets the unit's own"


@pytest.mark.parametrize("name", [*RUNNING, REDIS])
def test_a_daemon_comes_back_however_often_it_falls(name: str) -> None:
    unit = Unit(name)
    assert unit.one("Type") == "notify", "notify-reload is Type=simple on 252"
    assert unit.one("NotifyAccess") == "main"
    assert (unit.one("Restart"), unit.one("RestartSec")) == ("always", "1")
    assert unit.one("StartLimitIntervalSec", "Unit") == "0"
    assert unit.one("OnFailure", "Unit") == "dsmil-alert@%n.service"
    assert unit.one("PartOf", "Unit") == "dsmil.target"


@pytest.mark.parametrize("name", RUNNING)
def test_a_daemon_is_run_as_it_expects(name: str) -> None:
    unit = Unit(name)
    module = daemon_of(name).replace("-", "_")
    instance = " --instance=%i" if name in TEMPLATES else ""
    assert unit.one("ExecStart") == f"/opt/dsmil/current/bin/python -I -m dsmil.daemons.{module}{instance}"
    assert (PROJECT / "dsmil" / "daemons" / f"{module}.py").is_file()
    assert unit.one("ExecReload") == "+/bin/kill -HUP $MAINPID", "within the walls kill cannot be run"
    assert unit.one("RestartPreventExitStatus") == str(EX_CONFIG)
    assert (unit.one("WatchdogSec"), unit.one("WatchdogSignal")) == ("30", "SIGABRT")
    longest = 30 if daemon_of(name) == "projector" else 15
    assert DRAIN_S_MAX + 2 < seconds(unit.one("TimeoutStopSec")) <= longest
    assert (unit.one("User"), unit.one("Group")) == ("dsmil", "dsmil")


@pytest.mark.parametrize("name", RUNNING)
def test_a_daemon_wants_redis_and_the_tmpfs_and_needs_neither(name: str) -> None:
    unit, places = Unit(name), {REDIS, MOUNT, INIT}
    assert places == set(unit.all("Wants", "Unit"))
    assert places <= set(unit.all("After", "Unit"))
    for key in ("Requires", "BindsTo", "Requisite"):
        assert not places & set(unit.all(key, "Unit")), (
            "a daemon goes on without the hot database and without Redis"
        )


@pytest.mark.parametrize("name", RUNNING)
def test_a_daemon_is_a_user_of_its_own_to_redis(name: str) -> None:
    unit, user = Unit(name), daemon_of(name)
    assert user in acl.users()
    assert unit.environment()["DSMIL_REDIS_USERNAME"] == user
    assert unit.all("LoadCredential") == [f"redis-password:/etc/dsmil/credentials/{user}"]


@pytest.mark.parametrize("name", RUNNING)
def test_what_a_unit_sets_is_a_setting(name: str, tmp_path: Path) -> None:
    settings = config.load(environ=ours(name), etc_dir=tmp_path).settings
    assert settings.redis.username == daemon_of(name)


@pytest.mark.parametrize("name", TEMPLATES)
def test_an_instance_has_none_of_the_sources_of_the_base_daemon(name: str, tmp_path: Path) -> None:
    (tmp_path / "dsmil.toml").write_text('[ais_playback]\ntcp = ["h:1"]\n[net_parser]\nfollow = ["/var/log/x"]\n')
    settings = config.load(environ=ours(name), etc_dir=tmp_path).settings
    mine = getattr(settings, daemon_of(name).replace("-", "_"))
    sources = {key: getattr(mine, key, "") for key in ("udp", "tcp", "syslog", "ndpid", "follow", "drop")}
    assert not any(sources.values()), sources
    unit, file = Unit(name), f"/etc/dsmil/instances/{daemon_of(name)}@%i.env"
    assert unit.all("EnvironmentFile") == [file]
    assert unit.one("AssertPathExists", "Unit") == file
    assert "dsmil-drainer.service" in unit.all("After", "Unit")
    assert not BY_NAME[daemon_of(name)].reads


def ours(name: str) -> dict[str, str]:
    found = Unit(name).environment()
    return {key: value for key, value in found.items() if key.startswith("DSMIL_")}


def test_the_drainer_starts_first_and_so_stops_last() -> None:
    others = {f"dsmil-{name}.service" for name in SHIPPED if name != "drainer"}
    assert set(Unit("dsmil-drainer.service").all("Before", "Unit")) == others


def test_only_the_mount_and_what_depends_on_it_are_upheld() -> None:
    """Redis and the daemons come back by Restart=always; upheld, they would undo a stop."""
    assert Unit("dsmil.target").all("Upholds", "Unit") == [MOUNT, INIT]
    init = Unit(INIT)
    assert init.all("BindsTo", "Unit") == [MOUNT]
    assert MOUNT in init.all("After", "Unit")
    assert (init.one("Type"), init.one("RemainAfterExit")) == ("oneshot", "yes")
    for name in (MOUNT, INIT):
        assert float(Unit(name).one("StartLimitIntervalSec", "Unit")) >= 60, "upholding would try without a pause"


def test_each_start_of_redis_admits_who_may_look() -> None:
    redis, admit = Unit(REDIS), Unit("dsmil-redis-admit.service")
    assert "dsmil-redis-admit.service" in redis.all("Wants", "Unit")
    assert admit.all("BindsTo", "Unit") == admit.all("After", "Unit") == [REDIS]
    assert not redis.all("LoadCredential"), "Redis itself holds no password"
    assert admit.all("LoadCredential") == ["admin:/etc/dsmil/credentials/admin"]
    assert admit.one("RemainAfterExit") == "", "it would count as done after a restart of Redis"


def test_the_port_is_opened_by_the_admission_and_one_that_is_taken_downs_that_alone() -> None:
    admit = Unit("dsmil-redis-admit.service")
    assert admit.environment()["LOOK_PORT"] == "6379"
    assert admit.one("ExecStart").endswith(" --port ${LOOK_PORT}")
    assert admit.all("RestartPreventExitStatus") == ["71", "78"], "retried, it would never count as failed"
    text = (PROJECT / "etc" / "redis.conf").read_text("utf-8")
    assert "\nport 0\n" in text and "\nbind 127.0.0.1\n" in text
    assert "dsmil-redis-admit.service" not in Unit(REDIS).all("Requires", "Unit")


def test_redis_is_run_with_our_configuration_by_a_user_of_its_own() -> None:
    redis = Unit(REDIS)
    assert redis.one("ExecStart").startswith("/usr/bin/redis-server /etc/dsmil/redis.conf")
    assert (redis.one("User"), redis.one("Group")) == ("dsmil-redis", "dsmil")
    assert (redis.one("RuntimeDirectory"), redis.one("RuntimeDirectoryMode")) == ("dsmil-redis", "0750")
    assert seconds(redis.one("TimeoutStartSec")) >= 600, "reading a large file back takes minutes"
    text = (PROJECT / "etc" / "redis.conf").read_text("utf-8")
    assert "unixsocket /run/dsmil-redis/redis.sock" in text
    assert f"dir {next(iter(redis.paths('ReadWritePaths')))}" in text


def test_an_alert_leads_to_no_alert() -> None:
    alert = Unit("dsmil-alert@.service")
    assert not alert.all("OnFailure", "Unit")
    assert alert.one("StartLimitIntervalSec", "Unit") == "0"
    assert alert.one("ExecStart") == "/opt/dsmil/current/bin/python -I -m dsmil.runtime.alert %i"
    assert (PROJECT / "dsmil" / "runtime" / "alert.py").is_file()
    for name in (*RUNNING, *SOCKETS, REDIS, INIT, MOUNT, "dsmil-redis-admit.service"):
        assert Unit(name).one("OnFailure", "Unit") == "dsmil-alert@%n.service"


@pytest.mark.parametrize("name", SOCKETS)
def test_a_port_lives_as_long_as_its_daemon_and_belongs_to_this_machine(name: str) -> None:
    unit, service = Unit(name), name.replace(".socket", ".service")
    daemon = Unit(service)
    assert name in daemon.all("Requires", "Unit") and name in daemon.all("After", "Unit")
    assert unit.one("StopWhenUnneeded", "Unit") == "yes"
    assert "Install" not in unit.own, "whoever else wanted it would keep it open when the daemon is stopped"
    assert not daemon.all("PropagatesStopTo", "Unit"), "that closes the port at each crash"
    assert unit.all("IPAddressDeny", "Socket") == ["any"]
    assert unit.all("IPAddressAllow", "Socket") == ["localhost"]


def test_a_port_is_the_one_the_settings_know(tmp_path: Path) -> None:
    settings = config.load(environ={}, etc_dir=tmp_path).settings
    expected = {
        "rf-ingest": ("ListenDatagram", settings.rf_ingest.syslog, "syslog"),
        "ais-playback": ("ListenDatagram", settings.ais_playback.udp, "nmea"),
        "api": ("ListenStream", settings.api.listen, api.SOCKET_NAME),
    }
    for name, (key, address, passed_as) in expected.items():
        unit = Unit(f"dsmil-{name}.socket")
        assert (unit.one(key, "Socket"), unit.one("FileDescriptorName", "Socket")) == (address, passed_as)
    for name in INGEST[:2]:
        module = (PROJECT / "dsmil" / "daemons" / f"{name.replace('-', '_')}.py").read_text("utf-8")
        assert f'passed_as="{expected[name][2]}"' in module
        assert f'unit="dsmil-{name}.socket"' in module


@pytest.mark.parametrize("name", [*SERVICES, "dsmil.target"])
def test_what_is_enabled_belongs_to_the_target(name: str) -> None:
    install = Unit(name).own.get("Install", [])
    if name == "dsmil.target":
        assert install == [("WantedBy", "multi-user.target")]
    elif name in ("dsmil-alert@.service", "dsmil-redis-admit.service"):
        assert install == []
    else:
        assert install == [("WantedBy", "dsmil.target")]


@pytest.mark.parametrize("name", ONE_SHOT)
def test_what_ends_by_itself_may_not_take_for_ever(name: str) -> None:
    unit = Unit(name)
    assert unit.one("Type") == "oneshot"
    assert seconds(unit.one("TimeoutStartSec")) <= 30


def test_the_reader_reads_as_systemd_does() -> None:
    found = parse("[A]\n# no\nX=1\nX=2 \\\n 3\n[B]\nX=\n; no\n[A]\nY = z\n")
    assert found == {"A": [("X", "1"), ("X", "2   3"), ("Y", "z")], "B": [("X", "")]}
