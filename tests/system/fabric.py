"""dsmil on a machine, as its operator has it: set up by the script, asked through its own tools."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import time
from typing import Any

from dsmil.fabric.topology import DAEMONS
from tests.system.machine import CHECKOUT, WHEELS, Machine

SETUP = f"{CHECKOUT}/scripts/setup_data_fabric.sh"
SETUP_S = 420.0
OFFLINE = ("--offline", WHEELS)
MEMBER, STRANGER = "member", "stranger"
"""People of the machine: one in group dsmil, one not."""
NAMES = tuple(daemon.name for daemon in DAEMONS if daemon.shipped)
UNITS = tuple(f"dsmil-{name}.service" for name in NAMES)
REDIS = "dsmil-redis.service"
MOUNT = r"mnt-dsmil\x2dram.mount"
API_PORT = 8052
HOT_DB = "/mnt/dsmil-ram/hotpath.db"


class Fabric:
    """dsmil on a machine, as its operator has it."""

    def __init__(self, machine: Machine, *, setup: str = SETUP) -> None:
        self.machine = machine
        self.setup = setup
        self.said = ""
        self.took_s = 0.0

    def set_up(self, *flags: str, check: bool = True, **env: str) -> subprocess.CompletedProcess[str]:
        """Run the set-up script as root."""
        began = time.monotonic()
        done = self.machine.run([self.setup, *flags], timeout=SETUP_S, check=check, env=env)
        self.said, self.took_s = done.stdout + done.stderr, time.monotonic() - began
        if self.machine.run("getent group dsmil", check=False).returncode == 0:
            self.machine.run(f"usermod -aG dsmil {MEMBER}")
        return done

    def ready(self, *, within_s: float = 30.0) -> None:
        """Wait until every unit is active and every daemon says it is ready."""
        look = self.machine.until
        look("every unit active", lambda: self.machine.active("dsmil.target", *UNITS), within_s=within_s)
        look("every daemon ready", lambda: self.status()["healthy"], within_s=within_s, every_s=0.5)

    def status(self) -> dict[str, Any]:
        done = self.machine.run("dsmil status --json", user=MEMBER, check=False)
        return json.loads(done.stdout) if done.stdout.startswith("{") else {"healthy": False, "said": done.stderr}

    def http(self, method: str, path: str, *, token: str = "", body: Any = None) -> tuple[int, Any]:
        """One request to the API; its status, and what it says: JSON read, other text as it is."""
        line = http.client.HTTPConnection("127.0.0.1", API_PORT)
        with self.machine.socket(socket.SOCK_STREAM) as line.sock:
            line.sock.settimeout(20.0)
            line.sock.connect(("127.0.0.1", API_PORT))
            headers = {"Connection": "close", **({"Authorization": f"Bearer {token}"} if token else {})}
            if body is not None:
                headers["Content-Type"] = "application/json"
            line.request(method, path, None if body is None else json.dumps(body), headers)
            reply = line.getresponse()
            text = reply.read().decode()
        return reply.status, json.loads(text) if "json" in (reply.getheader("Content-Type") or "") else text

    def redis(self, *words: str, user: str = "admin", check: bool = True) -> str:
        """One command to Redis through its socket, with a user's own credential."""
        secret = self.machine.read(f"/etc/dsmil/credentials/{user}").decode().strip()
        whole = ["redis-cli", "-s", "/run/dsmil-redis/redis.sock", "--user", user, "--no-auth-warning", *words]
        return self.machine.run(whole, env={"REDISCLI_AUTH": secret}, check=check).stdout.strip()
