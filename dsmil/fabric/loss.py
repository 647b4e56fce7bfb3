"""Loss records: what is known to be gone, said aloud.

No event is lost silently: whatever the fabric finds missing becomes a record in the list `dsmil:loss`, which the
drainer moves into the durable loss ledger.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

LOSS_KEY = "dsmil:loss"
LOSS_MAX = 10_000
"""Records kept until the drainer takes them; more would say nothing new."""


class Loss(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One loss. `kind` is one of: trimmed_unread, group_lost, stream_replaced, stream_went_back, state_ahead,
    journal_gap, replay_gap, replay_skipped, checkpoint_torn, output_refused, output_unrouted, graph_renumbered,
    graph_gap, snapshot_torn. `ts` is Unix seconds; ids are stream ids; `count` is how many entries, null where that
    is not known."""

    ts: float
    kind: str
    group: str
    stream: str = ""
    detail: str = ""
    first_id: str = ""
    last_id: str = ""
    count: int | None = None


def encode_loss(loss: Loss) -> bytes:
    """A record as the JSON that goes into the list."""
    return msgspec.json.encode(loss)


def decode_loss(data: bytes) -> Loss:
    """Read a record back; msgspec.DecodeError where it is none."""
    return msgspec.json.decode(data, type=Loss)
