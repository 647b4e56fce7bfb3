"""Configuration: files, drop-ins and environment into frozen settings, each value with its origin.

Read once at start; whatever is wrong is one `ConfigError` that names the key, the file and the mend.
"""

from __future__ import annotations

from dsmil.config.listen import listen_names
from dsmil.config.load import Loaded, load
from dsmil.config.private import private_environment, private_settings
from dsmil.config.settings import Settings

__all__ = ["Loaded", "Settings", "listen_names", "load", "private_environment", "private_settings"]
