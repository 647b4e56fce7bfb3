"""No secret is in anything a daemon says: any log form, the status line, the heartbeat."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dsmil import config
from dsmil.clock import FakeClock
from dsmil.config import Settings
from dsmil.errors import ConfigError, Unavailable
from dsmil.fabric.client import address_of, connect, translated
from dsmil.fabric.wire import Wire
from dsmil.runtime import discretion, logs
from dsmil.runtime.daemon import Daemon, start
from dsmil.runtime.health import State
from dsmil.runtime.metrics import Metrics
from dsmil.runtime.notify import Notifier
from dsmil.runtime.pulse import Pulse

SECRET, QUOTED = "s3cr3t/w ord@x", "s3cr3t%2Fw%20ord%40x"
FORMS = ("json", "human", "journal")


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    yield
    logs.setup("dsmil")


def hides(text: str) -> bool:
    return not any(word in text for word in (SECRET, QUOTED, "s3cr3t"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"redis://:{QUOTED}@host:6379/0", "redis://:***@host:6379/0"),
        (f"reach redis://me:{QUOTED}@host, http://x:s3cr3t@y/z", "reach redis://me:***@host, http://x:***@y/z"),
        (f"'unix:///run/r.sock?password={QUOTED}&db=0'", "'unix:///run/r.sock?password=***&db=0'"),
        (f"ERR unknown command 'AUTH', args: '{SECRET}'", "ERR unknown command 'AUTH', args: '***'"),
        ("redis://host:6379/0 me@example", "redis://host:6379/0 me@example"),
    ],
)  # fmt: skip
def test_what_is_shown_of_a_text(text: str, shown: str) -> None:
    discretion.hide([SECRET, QUOTED, "", "abc"])
    assert discretion.discreet(text) == shown
    discretion.hide([])


@pytest.mark.parametrize("form", FORMS)
def test_no_form_shows_a_secret_in_any_place_of_a_line(
    form: Any, ear: Any, tmp_path: Path, clock: FakeClock
) -> None:
    stream, file = io.StringIO(), tmp_path / "dsmil.log"
    logs.setup(
        "l3", stream=stream, form=form, socket=ear.path, file=str(file), secrets=[SECRET, QUOTED], clock=clock
    )
    log = logs.get("x", url=f"redis://:{QUOTED}@h/0")
    log.error("refused", error=ValueError(f"AUTH {SECRET}"), deep={"a": [SECRET, {"password": 12345678}]})
    log.warning(
        "amiss", api_key="not known before", password=b"s3cr3t", token=("s3cr3t",), text="x" * 16380 + SECRET
    )
    log.info("stats", said=SECRET)
    logs.refusal("l3", f"read REDIS_URL redis://:s3cr3t@h: {SECRET}")
    for text in (stream.getvalue(), file.read_text(), str(ear.heard())):
        assert hides(text) and "not known before" not in text and "12345678" not in text
    assert file.read_text().count("***") > 5


class Echo:
    """A server that answers every command with an error quoting it, as old and renamed Redis do."""

    def __init__(self, path: Path) -> None:
        self.url = f"unix://me:{QUOTED}@{path}"
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                link, _ = self._socket.accept()
            except OSError:
                return
            with link:
                while data := link.recv(65536):
                    said = " ".join(data.decode().split("\r\n"))
                    link.sendall(
                        f"-ERR unknown command, with args beginning with: {said}\r\n".encode() * data.count(b"*")
                    )

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def echo(tmp_path: Path) -> Iterator[Echo]:
    server = Echo(tmp_path / "echo.sock")
    yield server
    server.close()


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets the environment of a daemon."""

    def set_all(redis_url: str = "", **more: str) -> None:
        monkeypatch.delenv("JOURNAL_STREAM", raising=False)
        for name, value in (config.private_settings(tmp_path) | more).items():
            monkeypatch.setenv(name, value)
        if redis_url:
            monkeypatch.setenv("REDIS_URL", redis_url)
        else:
            monkeypatch.delenv("REDIS_URL")

    return set_all


class Asks:
    """Work that needs Redis, by the hot path's connection or by the other."""

    def __init__(self, settings: Settings, plain: bool) -> None:
        self._settings, self._plain = settings, plain

    def step(self, timeout_s: float) -> int:
        if self._plain:
            with translated("ask"):
                connect(self._settings.redis, "toy").ping()
        else:
            Wire(address_of(self._settings.redis), name="toy").pipeline([("PING",)])
        raise AssertionError("answered")

    def drain(self) -> None: ...

    def stats(self) -> dict[str, float | int | str | bool]:
        return {}


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_a_redis_that_quotes_the_password_is_not_quoted(
    form: str, plain: bool, echo: Echo, suite: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    suite(echo.url, DSMIL_LOG_FORMAT=form, DSMIL_LOG_FILE=str(tmp_path / "dsmil.log"))

    def build(settings: Settings) -> Daemon:
        return Daemon("toy", Asks(settings, plain), settings=settings, clock=FakeClock())

    def stop_soon() -> None:
        import os
        import signal

        os.kill(os.getpid(), signal.SIGTERM)

    timer = threading.Timer(0.5, stop_soon)  # where the error means: wait and try again
    timer.start()
    start("toy", build, argv=[])
    timer.cancel()
    said = "".join(capfd.readouterr()) + (tmp_path / "dsmil.log").read_text()
    assert "unknown command" in said and "***" in said
    assert hides(said)


def test_the_password_of_a_credential_is_hidden_too(suite: Any, tmp_path: Path, echo: Echo) -> None:
    (tmp_path / "redis-password").write_text(SECRET + "\n")
    suite(CREDENTIALS_DIRECTORY=str(tmp_path), DSMIL_REDIS_SOCKET="/run/x.sock", DSMIL_REDIS_USERNAME="l3")
    redis = config.load().settings.redis
    assert set(redis.secrets()) == {SECRET, QUOTED}
    assert QUOTED in redis.address() and hides(redis.shown())


@pytest.mark.parametrize(
    "text",
    [
        'url = ["redis://:s3cr3t@host"]',
        f'url = "redis://:{QUOTED}@{"h" * 5000}"',
        f'url = "rediss://:{QUOTED}@host"',
        f'url = "redis://:{QUOTED}@host:port/0"',
        f'url = "unix:///x?password={QUOTED}&db=x"',
        'password = "s3cr3t"',
        'password = "s3cr3t',
        'username = "x"\npassword_file = "s3cr3t"',
        f'username = "x"\npassword_file = "{SECRET}"',
    ],
)
def test_wrong_settings_are_told_without_the_password(
    text: str, suite: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite()
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "dsmil.toml").write_text(f"[redis]\n{text}\n")

    def build(settings: Settings) -> Daemon:
        Wire(address_of(settings.redis), name="toy")
        connect(settings.redis, "toy")
        raise AssertionError("taken")

    assert start("toy", build, argv=[]) == 78
    said = capsys.readouterr().err
    assert said.startswith("dsmil-toy: ") and hides(said)


def test_variables_and_flags_are_told_without_it(suite: Any, capsys: pytest.CaptureFixture[str]) -> None:
    suite(DSMIL_REDIS_PASSWORD="s3cr3t")
    with pytest.raises(ConfigError) as caught:
        config.load()
    assert hides(str(caught.value))


def test_status_line_and_heartbeat_have_no_secret(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    beats: list[dict[str, Any]] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        logs.setup("toy", stream=io.StringIO(), secrets=[SECRET], clock=clock)
        pulse = Pulse(
            "toy",
            stats=dict,
            write=beats.append,
            notifier=Notifier(clock=clock),
            metrics=Metrics("toy"),
            clock=clock,
        )
        pulse.become(State.DEGRADED, str(Unavailable(f"use Redis: ERR {SECRET}")))
        pulse.beat()
        status = systemd.recv(4096).decode()
    assert status == "STATUS=degraded: use Redis: ERR ***"
    assert beats[0]["error"] == "use Redis: ERR ***" and hides(str(beats))
