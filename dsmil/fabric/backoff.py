"""How long to wait before the next attempt: doubling, capped, and scattered.

Scattered (full jitter), because ten daemons that lost the same Redis would else all return at the same instant.
"""

from __future__ import annotations

import random

BASE_S = 0.05
CAP_S = 5.0
"""A Redis that comes back is noticed within five seconds."""
_DOUBLINGS_MAX = 30


class Backoff:
    """Gives waits in seconds: the n-th lies between half and all of `base_s * 2^n`, at most `cap_s`."""

    def __init__(self, base_s: float = BASE_S, cap_s: float = CAP_S, *, seed: int | None = None) -> None:
        self._base_s = base_s
        self._cap_s = cap_s
        self._random = random.Random(seed)  # noqa: S311 - scatter, not secrecy
        self.attempts = 0

    def next_s(self) -> float:
        """The next wait."""
        whole = min(self._cap_s, self._base_s * 2.0 ** min(self.attempts, _DOUBLINGS_MAX))
        self.attempts += 1
        return whole * self._random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """It worked: begin at the base again."""
        self.attempts = 0
