"""All settings: one frozen struct of section structs, each section in the file of its owner.

A section is a table of dsmil.toml; `Settings` alone decides which sections exist.
"""

from __future__ import annotations

from msgspec import Struct, field

from dsmil.config.api import Api
from dsmil.config.detectors import L3, L3Ais, L3Net, L3Rf, L3Source
from dsmil.config.fusion import L4
from dsmil.config.places import Log, Paths, Redis
from dsmil.config.projector import Projector
from dsmil.config.soc import L8, SocRouter
from dsmil.config.sources import AisPlayback, NetParser, RfIngest
from dsmil.config.stores import Audit, Hot
from dsmil.config.streams import Streams


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Every section, read once at start."""

    paths: Paths = field(default_factory=Paths)
    log: Log = field(default_factory=Log)
    redis: Redis = field(default_factory=Redis)
    streams: Streams = field(default_factory=Streams)
    hot: Hot = field(default_factory=Hot)
    audit: Audit = field(default_factory=Audit)
    rf_ingest: RfIngest = field(default_factory=RfIngest)
    ais_playback: AisPlayback = field(default_factory=AisPlayback)
    net_parser: NetParser = field(default_factory=NetParser)
    l3: L3 = field(default_factory=L3)
    l3_ais: L3Ais = field(default_factory=L3Ais)
    l3_net: L3Net = field(default_factory=L3Net)
    l3_rf: L3Rf = field(default_factory=L3Rf)
    l3_source: L3Source = field(default_factory=L3Source)
    l4: L4 = field(default_factory=L4)
    soc_router: SocRouter = field(default_factory=SocRouter)
    l8: L8 = field(default_factory=L8)
    projector: Projector = field(default_factory=Projector)
    api: Api = field(default_factory=Api)


ALIASES: dict[str, tuple[str, str]] = {
    "REDIS_HOST": ("redis", "host"),
    "REDIS_PORT": ("redis", "port"),
    "REDIS_DB": ("redis", "db"),
    "REDIS_URL": ("redis", "url"),
    "POLL_TIMEOUT": ("redis", "block_ms"),
    "LOG_LEVEL": ("log", "level"),
    "BATCH_SIZE": ("soc_router", "batch"),
    "SHRINK_URL": ("soc_router", "shrink_url"),
    "SHRINK_POLL_INTERVAL": ("soc_router", "shrink_poll_s"),
}
"""The documented variables of the original design, and the keys they set (surface)."""
