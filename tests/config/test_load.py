"""Settings come from files, environment and flags in that order; a fault names its key, place and mend."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsmil import config
from dsmil.config.load import shapes
from dsmil.errors import ConfigError


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def load(etc: Path, environ: dict[str, str] | None = None, **flags: str) -> config.Loaded:
    return config.load(
        environ=environ or {}, etc_dir=etc, flags={k.replace("__", "."): v for k, v in flags.items()}
    )


def test_without_any_file_every_value_is_the_default(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    assert loaded.settings == config.Settings()
    assert set(loaded.origins.values()) == {"default"}
    assert set(loaded.origins) == {
        f"{name}.{key}" for name, shape in shapes().items() for key in shape.__struct_fields__
    }


def test_flags_beat_environment_beats_dropins_beat_the_main_file(tmp_path: Path) -> None:
    main = write(tmp_path, "dsmil.toml", '# head\n[redis]\nhost = "a"\nport = 1\ndb = 1\nusername = "u"\n')
    write(tmp_path, "conf.d/10-a.toml", "[redis]\nport = 2\ndb = 2\n")
    second = write(tmp_path, "conf.d/20-b.toml", "[redis]\nport = 3\n")
    write(tmp_path, "conf.d/ignored.toml.bak", "[nonsense]\n")
    loaded = load(tmp_path, {"REDIS_DB": "4", "DSMIL_REDIS_USERNAME": "w"}, redis__username="f")
    redis = loaded.settings.redis
    assert (redis.host, redis.port, redis.db, redis.username) == ("a", 3, 4, "f")
    assert loaded.origins["redis.host"] == f"{main}:3"
    assert loaded.origins["redis.port"] == f"{second}:2"
    assert loaded.origins["redis.db"] == "environment REDIS_DB"
    assert loaded.origins["redis.username"] == "flag redis.username"


def test_our_own_variable_beats_the_documented_one(tmp_path: Path) -> None:
    loaded = load(tmp_path, {"REDIS_HOST": "old", "DSMIL_REDIS_HOST": "new"})
    assert loaded.settings.redis.host == "new"


def test_the_documented_variables_all_work(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        {
            "REDIS_HOST": "h", "REDIS_PORT": "7000", "REDIS_DB": "3", "LOG_LEVEL": "DEBUG",
            "POLL_TIMEOUT": "5000", "SHRINK_URL": "http://s:1", "SHRINK_POLL_INTERVAL": "0.5", "BATCH_SIZE": "10",
        },
    ).settings  # fmt: skip
    assert settings.redis.address() == "redis://h:7000/3"
    assert settings.log.level == "DEBUG"
    assert settings.redis.block_ms == 5000 and settings.redis.block_s == 2.0
    assert settings.soc_router.shrink_url == "http://s:1"
    assert settings.soc_router.shrink_poll_s == 0.5
    assert settings.soc_router.batch == 10
    assert load(tmp_path, {"REDIS_URL": "unix:///x.sock?db=0"}).settings.redis.address() == "unix:///x.sock?db=0"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[redis]\nprot = 1\n", ["dsmil.toml:2", "redis.prot", "did you mean port?"]),
        ("[rediss]\nport = 1\n", ["dsmil.toml:1", "[rediss]", "did you mean redis?"]),
        ("[redis]\nport = 70000\n", ["dsmil.toml:2", "redis.port = 70000", "1..65535"]),
        ("[redis]\nport = '1'\n", ["dsmil.toml:2", "redis.port = '1'", "1..65535"]),
        ("[log]\nlevel = 'loud'\n", ["log.level", "DEBUG | ERROR | INFO | WARNING"]),
        ("[redis\nport = 1\n", ["dsmil.toml:1", "column"]),
        ("[redis]\nport = \n", ["dsmil.toml:2", "Invalid value"]),
        ("redis = 1\n", ["dsmil.toml:1", "redis is not a table", "[redis]"]),
        ("[paths]\ndata = 3\n", ["paths.data = 3", "allowed: a path"]),
    ],
)
def test_a_fault_in_a_file_names_place_key_and_mend(tmp_path: Path, text: str, parts: list[str]) -> None:
    write(tmp_path, "dsmil.toml", text)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("environ", "parts"),
    [
        ({"DSMIL_REDIS_PROT": "1"}, ["DSMIL_REDIS_PROT", "did you mean DSMIL_REDIS_PORT?"]),
        ({"REDIS_PORT": "0"}, ["environment REDIS_PORT", "1..65535"]),
        ({"REDIS_PORT": "many"}, ["environment REDIS_PORT", "redis.port = 'many'"]),
        ({"DSMIL_PATHS_RUN": ""}, ["paths.run", "a path"]),
    ],
)
def test_a_fault_in_the_environment_names_the_variable(
    tmp_path: Path, environ: dict[str, str], parts: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, environ)
    for part in parts:
        assert part in str(caught.value)


def test_foreign_and_test_variables_are_left_alone(tmp_path: Path) -> None:
    load(tmp_path, {"DSMIL_TEST_DATA": "x", "HOME": "/", "REDISCLI_AUTH": "y"})


def test_unreadable_binary_and_oversized_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "dsmil.toml"
    for data, word in ((b"\xff\xfe", "not UTF-8"), (b"#" * (1 << 20) + b"\n", "larger than")):
        path.write_bytes(data)
        with pytest.raises(ConfigError, match=word):
            load(tmp_path)
    path.unlink()
    path.mkdir()
    with pytest.raises(ConfigError, match="Is a directory"):
        load(tmp_path)


def test_a_dangling_link_is_a_fault_and_not_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "dsmil.toml").symlink_to(tmp_path / "gone")
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path)


def test_the_etc_directory_can_be_moved(tmp_path: Path) -> None:
    write(tmp_path, "dsmil.toml", "[redis]\nport = 9\n")
    assert config.load(environ={"DSMIL_ETC": str(tmp_path)}).settings.redis.port == 9


def test_the_redis_password_comes_from_a_file_or_a_credential(tmp_path: Path) -> None:
    write(tmp_path, "redis-password", "s3cret/\n")
    redis = load(tmp_path, {"CREDENTIALS_DIRECTORY": str(tmp_path), "DSMIL_REDIS_USERNAME": "l3"}).settings.redis
    assert redis.address() == "redis://l3:s3cret%2F@localhost:6379/0"
    assert "s3cret" not in redis.shown()
    socket = load(
        tmp_path, {"CREDENTIALS_DIRECTORY": str(tmp_path), "DSMIL_REDIS_SOCKET": "/r.sock"}
    ).settings.redis
    assert socket.address() == "unix://:s3cret%2F@/r.sock?db=0"
    with pytest.raises(ConfigError, match="password_file"):
        load(tmp_path, {"DSMIL_REDIS_PASSWORD_FILE": "/nowhere"}).settings.redis.address()


def test_a_password_in_the_url_is_not_shown(tmp_path: Path) -> None:
    redis = load(tmp_path, {"REDIS_URL": "redis://u:pw@h:1/0"}).settings.redis
    assert redis.shown() == "redis://u:***@h:1/0"
    assert redis.address() == "redis://u:pw@h:1/0"


def test_a_private_suite_knows_nothing_of_the_installed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (
        ("REDIS_HOST", "prod"),
        ("DSMIL_PATHS_DATA", "/prod"),
        ("NOTIFY_SOCKET", "/n"),
        ("LISTEN_FDS", "1"),
        ("BATCH_SIZE", "7"),
    ):
        monkeypatch.setenv(name, value)
    env = config.private_environment(tmp_path, extra={"SHRINK_URL": "http://x:1"})
    assert "prod" not in "".join(env[name] for name in env if name.startswith(("REDIS", "DSMIL")))
    assert "NOTIFY_SOCKET" not in env and "LISTEN_FDS" not in env
    settings = config.load(environ=env).settings
    assert settings.redis.url == f"unix://{tmp_path}/run/redis.sock"
    assert settings.paths.hot_db == tmp_path / "hotpath.db"
    assert settings.paths.lock("l3", 1) == tmp_path / "run" / "l3-1.lock"
    assert settings.paths.checkpoint("l4") == tmp_path / "checkpoints" / "l4.ckpt"
    assert (settings.paths.audit, settings.paths.drop) == (tmp_path / "audit", tmp_path / "drop")
    assert settings.paths.ingest_db == tmp_path / "ingest" / "ingest.db"
    assert settings.soc_router.shrink_url == "http://x:1"
    assert settings.soc_router.batch == 7
