"""The router's own test passes on a clean machine that has only Redis: nothing of dsmil is installed as a service."""

from __future__ import annotations

from collections.abc import Callable

from tests.system.fabric import Fabric
from tests.system.machine import CHECKOUT, WHEELS


def test_row_15_four_of_four_with_only_redis(offline: Callable[..., Fabric]) -> None:
    machine = offline("dsmil-clean").machine
    machine.run("systemctl start redis-server")
    machine.run(f"cp -r {CHECKOUT} /tmp/checkout && python3 -m venv /tmp/python")
    pip = f"/tmp/python/bin/pip install -q --no-compile --no-index --find-links {WHEELS} /tmp/checkout"
    machine.run(pip, timeout=180)
    done = machine.run("/tmp/python/bin/python scripts/test_soc_router.py", cwd=CHECKOUT)
    assert "Total: 4/4 tests passed" in done.stdout
    assert "private one" not in done.stdout, "it used the Redis that runs"
    machine.close()
