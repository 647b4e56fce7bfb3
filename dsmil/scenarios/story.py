"""The demo story: a hundred minutes in which a vessel goes dark, a radio speaks for it, and a host appears.

Everything here is made up and says so; it is written as files of real formats and goes through the same adapters
as any recording. The same seed and start give the same files.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

from msgspec import Struct

from dsmil.scenarios import harbour, network, radios

DURATION_S = 6000.0
DARK_S = 2700.0
"""The vessel stops reporting after 45 minutes: twenty minutes later its silence is a decision."""
BEACON_S = 3780.0
"""The radio appears in minute 63, after the receiver's learning hour, where the vessel should be by now."""
SCANS_S = (300.0, 1800.0, 3600.0)
FLOWS_S = 4200.0
CRISIS_S = 3900.0
"""The stress crisis: from here on SHRINK reports 0.85."""
VESSELS = 40


class Story(Struct, frozen=True):
    """Where the files are, by family, in order of play; what must be found in them; when the crisis begins."""

    files: dict[str, tuple[Path, ...]]
    labels: dict[str, tuple[str, ...]]
    start_ts: float
    duration_s: float
    crisis_s: float


def write(folder: Path, *, seed: int, start_ts: float) -> Story:
    """Write the story's files into `folder` (made if missing)."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = Random(seed)  # noqa: S311 - a story, not a secret
    start_ts = float(int(start_ts))
    vessels = harbour.fleet(rng, VESSELS, DURATION_S)
    vessels[0].silent_from_s = DARK_S
    ais = folder / "harbour.nmea"
    lines = (line for _, line in harbour.sentences(vessels, rng, start_ts=start_ts, duration_s=DURATION_S))
    ais.write_text("\n".join(lines) + "\n", "ascii")
    rf = folder / "receiver.jsonl"
    bursts = [
        *radios.sensors(rng, 8, start_ts=start_ts, duration_s=DURATION_S),
        *radios.beacon(rng, vessels[0].at, start_ts=start_ts, from_s=BEACON_S, until_s=DURATION_S - 60.0),
    ]
    rf.write_text("\n".join(line for _, line in sorted(bursts)) + "\n", "utf-8")
    scans, flows, newcomer = _network(folder, rng, start_ts)
    return Story(
        files={"ais": (ais,), "rf": (rf,), "nmap": scans, "ndpi": (flows,)},
        labels={
            "ais.gone_dark": (f"vessel:{vessels[0].mmsi}",),
            "link.emitter_vessel": (f"vessel:{vessels[0].mmsi}",),
            "net.new_host": (f"host:ip:{newcomer}",),
        },
        start_ts=start_ts,
        duration_s=DURATION_S,
        crisis_s=CRISIS_S,
    )


def _network(folder: Path, rng: Random, start_ts: float) -> tuple[tuple[Path, ...], Path, str]:
    """The scans, the flows, and the address of the host that appears in the third scan."""
    machines = network.office(rng, 12)
    stranger = network.Machine(200, (22, 23), "stranger.example")
    paths = []
    for number, at in enumerate(SCANS_S, 1):
        present = [*machines, stranger] if number == len(SCANS_S) else machines
        path = folder / f"scan-{number}.xml"
        path.write_text(network.scan(present, start_ts=start_ts + at), "utf-8")
        paths.append(path)
    address = f"{network.SUBNET}.{stranger.last}"
    rows: list[tuple[float, tuple[str, str, int], str, str | None]] = []
    for number in range(60):
        machine = machines[number % len(machines)]
        port = machine.ports[number % len(machine.ports)]
        ends = (f"{network.SUBNET}.{100 + number % 5}", f"{network.SUBNET}.{machine.last}", port)
        name = {22: "SSH", 80: "HTTP", 443: "TLS"}[port]
        rows.append((start_ts + FLOWS_S + number * 20.0, ends, name, None))
    visitor = f"{network.SUBNET}.11"
    rows.append((start_ts + FLOWS_S + 610.0, (visitor, address, 23), "Telnet", "Binary App Transfer"))
    flows = folder / "flows.jsonl"
    text = (
        network.flow(number, ends, name, ts=ts, risk=risk)
        for number, (ts, ends, name, risk) in enumerate(sorted(rows, key=lambda row: row[0]))
    )
    flows.write_text("\n".join(text) + "\n", "utf-8")
    return tuple(paths), flows, address
