"""As installed, the API's user may do all the API does, and nothing else of what it could think of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import redis

from dsmil.api.intake import Intake, Intel
from dsmil.api.stream import GraphStream
from dsmil.api.suite import Suite
from dsmil.clock import SYSTEM
from dsmil.config import private_settings
from dsmil.config.load import load
from dsmil.events.enums import StreamName
from dsmil.events.graph import NODE_CREATE, Patch
from dsmil.fabric import graphstream
from dsmil.fabric.heartbeat import heartbeat_writer
from dsmil.fabric.publisher import Publisher
from dsmil.fabric.wire import Wire
from dsmil.graph.follow import Follower
from dsmil.sensors.sdr_frame import read_frame

pytestmark = pytest.mark.live
FRAME = {
    "sensor_id": "a", "center_frequency_hz": 1e8, "peak_frequency_hz": 1e8, "peak_dbfs": 0, "noise_floor_dbfs": -90,
}  # fmt: skip


def test_its_user_may_do_its_work_and_no_other(tmp_path: Path, installed_redis: Any) -> None:
    with installed_redis(tmp_path) as server:
        with server.as_("admin") as admin:
            for stream in (StreamName.L3_IN, StreamName.L4_IN):
                admin.xgroup_create(stream.value, "drainer", id="0", mkstream=True)
        keeper = Wire(server.url_of("projector"), name="test-projector")
        graphstream.create(keeper, now=SYSTEM.now())
        keeper.close()
        url = server.url_of("api")
        settings = load(environ=private_settings(tmp_path, url)).settings
        does_its_work(Wire(url, name="test"), Follower(settings, Wire(url, name="follow")), Suite(settings))
        with server.as_("api") as client:
            for command in (("FLUSHALL",), ("XADD", "L3_OUT", "*", "event", "x"), ("DEL", "GRAPH_EVENTS"),
                            ("KEYS", "*"), ("XTRIM", "GRAPH_EVENTS", "MAXLEN", 0), ("SET", "dsmil:epoch", "x"),
                            ("CONFIG", "GET", "*"),
                            ("XGROUP", "DESTROY", "GRAPH_EVENTS", "projector")):  # fmt: skip
                with pytest.raises(redis.exceptions.NoPermissionError):
                    client.execute_command(*command)


def does_its_work(wire: Wire, follower: Follower, suite: Suite) -> None:
    stream = GraphStream(wire, run="test")
    intake = Intake(Publisher(wire, StreamName.L3_IN), Publisher(wire, StreamName.L4_IN), run="test")
    assert stream.last() == 0
    assert stream.write(NODE_CREATE, Patch(id="x")) == 1
    assert len(stream.since(0, 10)[0]) == 1 and stream.about(0)["behind"] == 1
    assert intake.frames([(*read_frame(FRAME), "")], peer="::1")[0].event_id
    assert intake.intel([Intel(source="s", kind="intel", payload={})], by="token:admin")
    intake.settle()
    assert follower.wait_for(1, 10.0) and "x" in follower.graph.nodes
    follower.stop()
    assert "dsmil_daemon_up" in suite.text() and suite.states() and suite.playback() is None
    assert suite.snapshot()["latency_s"] is None
    heartbeat_writer(wire, "api")({"daemon": "api"})
    suite.close()
    wire.close()
