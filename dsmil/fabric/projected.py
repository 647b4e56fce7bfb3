"""The keys in which the projector keeps the graph for people who look with redis-cli (contract 3).

They are a copy: nothing of ours reads them, and the projector makes them anew where they are gone.
"""

from __future__ import annotations

ENTITY = "dsmil:entity:"
"""String per node and edge: its JSON as the API gives it."""
ADJACENT = "dsmil:adj:"
"""Set per node: the ids of its edges."""
BAND = "dsmil:rf:band:"
"""Set per 10 MHz bucket (its lower edge): the ids of the nodes with a frequency in it."""
POSITIONS = "dsmil:ais:positions"
"""Sorted set: the ids of vessels by the time of their position (Unix seconds)."""
TRACK = "dsmil:ais:track:"
"""List per MMSI, newest first: JSON [ts, lat, lon]."""
HOST = "dsmil:network:host:"
"""String per address: JSON of the host."""
COUNTERS = "dsmil:counters"
"""Hash: sequence, epoch, ts, nodes, edges, nodes:<kind>, edges:<kind>, soc:<severity>."""
TRACK_MAX = 500
"""Positions a track holds."""
TAKE_SNAPSHOT = "dsmil:snapshot:take"
"""String, set by people (`dsmil snapshot take`): the projector takes a snapshot and deletes it."""
