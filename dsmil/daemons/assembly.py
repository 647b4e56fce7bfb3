"""What every daemon is put together with: heartbeat, pause switch, its devices' rows, metrics.

So that a daemon's own file says only what it does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

from dsmil.clock import SYSTEM
from dsmil.config import Settings
from dsmil.daemons.presence import Present
from dsmil.events.enums import StreamName
from dsmil.fabric.checkpoint import Checkpoint, Stateful
from dsmil.fabric.consumer import Consumer
from dsmil.fabric.heartbeat import heartbeat_writer
from dsmil.fabric.instances import Entered
from dsmil.fabric.topology import BY_NAME, is_full_name
from dsmil.fabric.wire import Wire
from dsmil.runtime.daemon import Daemon, Part, Work
from dsmil.runtime.metrics import Metrics
from dsmil.sensors.pause import Pausable, PauseSwitch, pause_key
from dsmil.store.hot import HotPathDB, config_of
from dsmil.store.hot_file import HotConfig
from dsmil.store.hot_file import State as HotState

STATUS_S = 10.0
"""Between two rows in device_status of the daemons that have no setting for it."""
LOOK_S = 1.0
"""Longest wait for the word whether to pause, and for a heartbeat to be taken: one turn of the loop, with a Redis
that hangs in each of its calls, must stay below the watchdog's 30 s."""
QUERY_S = (0.0005, 0.002, 0.01, 0.05, 0.25, 1.0, 5.0)
"""Edges of the histogram of writes to a database: from one row on a tmpfs to a writer that waits its turn."""


def wire_of(settings: Settings, name: str) -> Wire:
    """A connection for the hot path that is known to Redis as `name`."""
    return Wire(settings.redis.address(), name=name, timeout_s=settings.redis.socket_timeout_s)


def consumer_of(  # noqa: PLR0913 - two are keywords
    settings: Settings,
    wire: Wire,
    name: str,
    handler: Stateful,
    *,
    batch: int,
    waits_for: Sequence[StreamName] = (),
) -> Consumer:
    """The consumer of a daemon whose handler has memory; it writes to `waits_for`, which the projector makes."""
    return Consumer(
        wire,
        group=name,
        streams=BY_NAME[name].reads,
        handler=handler,
        batch=batch,
        checkpoint=Checkpoint(settings.paths.checkpoint(name), every_s=settings.streams.checkpoint_s),
        waits_for=waits_for,
        settings=settings.streams,
    )


def hot_of(settings: Settings, metrics: Metrics, place: HotConfig | None = None) -> HotPathDB:
    """The hot database, every write to it measured and its state told."""
    hot = HotPathDB(place or config_of(settings), observe=timed(metrics))
    metrics.watch(lambda: _tell(metrics, hot))
    return hot


def _tell(metrics: Metrics, hot: HotPathDB) -> None:
    about = "1 for the state the hot database is in, as this daemon sees it"
    for state in get_args(HotState):
        metrics.gauge("dsmil_hot_state", about, state=state).set(state == hot.state)
    metrics.total("dsmil_hot_dropped_rows_total", "Rows the hot database could not take", hot.dropped)


def timed(metrics: Metrics) -> Callable[[str, str, float], None]:
    """Puts (operation, table, seconds) into `dsmil_db_query_duration_seconds`."""
    about = "Seconds a write to a database took, waiting for other writers included"

    def observe(operation: str, table: str, seconds: float) -> None:
        name = "dsmil_db_query_duration_seconds"
        metrics.histogram(name, about, QUERY_S, operation=operation, table=table).observe(seconds)

    return observe


def assemble(  # noqa: PLR0913 - all but three are keywords
    settings: Settings,
    name: str,
    work: Work,
    *,
    hot: HotPathDB,
    metrics: Metrics,
    parts: Sequence[Part],
    devices: Sequence[int] = (),
    status_s: float = STATUS_S,
    about: Callable[[int], Mapping[str, Any]] = lambda _: {},
) -> Daemon:
    """The daemon `name`, not yet running: `work` can be paused, and `devices` (its own one) are shown. An instance
    shows none: the row of its device belongs to the daemon itself."""
    look = Wire(settings.redis.address(), name=f"{name}-side", timeout_s=LOOK_S)
    switch = PauseSwitch(lambda: bool(look.call("EXISTS", pause_key(name))), clock=SYSTEM)
    pausable = Pausable(work, switch, clock=SYSTEM)
    heartbeat, held = heartbeat_writer(look, name), (*parts, look)
    if is_full_name(name):
        entered = Entered(look, name)
        held, heartbeat = (*held, entered), entered.beside(heartbeat)
        return Daemon(name, pausable, settings=settings, parts=held, heartbeat=heartbeat, metrics=metrics)
    present = Present(
        pausable,
        hot,
        daemon=name,
        devices=devices or (BY_NAME[name].device,),
        every_s=status_s,
        clock=SYSTEM,
        about=about,
    )
    held = (*held, present)
    return Daemon(name, present, settings=settings, parts=held, heartbeat=heartbeat, metrics=metrics)
