"""Real recordings, dropped as files and sent by UDP, become audit rows, hot rows and security events."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from tests.system.fabric import HOT_DB, MEMBER, Fabric
from tests.system.traffic import NMEA, SYSLOG, Audit, Sent, datagrams, golden, position

PROJECT = Path(__file__).parents[2]
DROP = "/var/lib/dsmil/drop"
SHARED_MAX_BYTES, SHARED_EACH = 200_000, 6
SHARED_KINDS = (".nmea", ".txt", ".aivdm", ".log", ".xml", ".jsonl", ".csv", ".sigmf-meta")
"""The rest are recordings' companions: what other decoders made of them."""
CALLING, DISTRESS = 970_123_456, 14
"""A search and rescue transmitter, and the status it sends when it is switched on (ITU-R M.585, M.1371-5)."""


def recordings(shared: Path) -> dict[str, list[Path]]:
    """The committed recordings, and some of the shared ones where they are."""
    found = golden(PROJECT)
    for family in found:
        names = {path.name for path in found[family]}
        more = sorted((shared / family).rglob("*")) if shared.is_dir() else []
        fit = [p for p in more if p.suffix in SHARED_KINDS and p.stat().st_size < SHARED_MAX_BYTES]
        fit = [p for p in fit if p.name not in names and "positions" not in p.name]
        found[family] += fit[:SHARED_EACH]
    return found


@pytest.fixture(scope="module")
def files() -> dict[str, list[Path]]:
    return recordings(PROJECT.parent / "shared/data")


def test_files_dropped_by_a_member_are_taken(fabric: Fabric, files: dict[str, list[Path]]) -> None:
    """Every one of them is answered for: moved out of the folder, counted in `dsmil status`."""
    for family, paths in files.items():
        for path in paths:
            fabric.machine.write(f"{DROP}/{family}/{path.name}", path.read_bytes(), user=MEMBER)

    def taken() -> bool:
        # Samples wait for the .sigmf-meta that says what they are.
        left = f"find {DROP} -mindepth 2 -maxdepth 2 -type f -not -name '.*' -not -name '*.sigmf-data' | wc -l"
        return fabric.machine.say(left) == "0"

    fabric.machine.until("drop folders empty", taken, within_s=60.0, every_s=0.5)
    dropped = sum(len(paths) for paths in files.values())

    def counted() -> bool:
        return sum(one["stats"].get("files", 0) for one in fabric.status()["daemons"]) >= dropped - 1

    fabric.machine.until("every file counted", counted, every_s=1.0)


def test_every_accepted_observation_is_audited(fabric: Fabric) -> None:
    def caught_up() -> bool:
        streams = {one["stream"]: one for one in fabric.status()["streams"]}
        return all(group["lag_s"] == 0 for group in streams["L3_IN"]["groups"] if group["group"] != "dsmil")

    fabric.machine.until("the audit has caught up", caught_up, every_s=0.5)
    audited = Audit(fabric.machine).by_source()
    sources = [one for one in fabric.status()["sources"] if one["events"] and not one["live"]]
    assert len(sources) > 20
    for one in sources:
        assert audited[one["source"]] == one["events"], one


def test_recordings_sent_by_udp_are_observed(fabric: Fabric, sent: Sent) -> None:
    """Sentences to 10110 and rtl_433's syslog to 1514, through the sockets systemd holds."""
    before = _by_daemon(fabric)
    text = (PROJECT / "tests/golden/ais/aislib-ais250.txt").read_text("ascii", errors="replace")
    datagrams(fabric.machine, NMEA, [line for line in text.splitlines() if line.startswith("!")])
    datagrams(fabric.machine, NMEA, [position(CALLING, status=DISTRESS)])
    datagrams(fabric.machine, SYSLOG, [_burst(n) for n in range(20)])

    def observed() -> bool:
        now = _by_daemon(fabric)
        grown = {name: now[name] - before[name] for name in ("ais-playback", "rf-ingest")}
        return grown["ais-playback"] >= 200 and grown["rf-ingest"] >= 20

    fabric.machine.until("observations of both", observed, every_s=0.5)


def _by_daemon(fabric: Fabric) -> dict[str, int]:
    return {one["daemon"]: one["stats"].get("accepted", 0) for one in fabric.status()["daemons"]}


def _burst(number: int) -> str:
    record = {"time": f"{time.time():.3f}", "model": "Nexus-TH", "id": 100 + number, "channel": 1,
              "mod": "ASK", "freq": 433.92, "rssi": -9.1, "snr": 17.0, "noise": -26.0}  # fmt: skip
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return f"<165>1 {stamp} receiver rtl_433 - - - {json.dumps(record)}"


def test_they_become_security_events(fabric: Fabric, show: Any) -> None:
    """On the stream, in the hot database, in the audit log and in what the router says of itself."""
    run = fabric.machine.say

    def entities() -> set[str]:
        events = json.loads(run("dsmil events --stream soc_events -n 1000 --json", user=MEMBER))
        return {event["payload"]["entity"] for event in events}

    calling = f"vessel:{CALLING}"
    fabric.machine.until("the distress call", lambda: calling in entities(), within_s=20.0, every_s=1.0)
    assert any(one.startswith("host:") for one in entities())
    made = int(run("redis-cli XLEN SOC_EVENTS"))
    assert made >= 30

    def cached() -> bool:
        return int(run(["sqlite3", HOT_DB, "SELECT count(*) FROM soc_events_cache"], user=MEMBER)) >= made

    fabric.machine.until("all of them in the hot database", cached, every_s=0.5)
    raw = int(run(["sqlite3", HOT_DB, "SELECT count(*) FROM raw_events_fast"], user=MEMBER))
    assert raw > 0
    show(f"recordings: {Audit(fabric.machine).count()} audit rows, {raw} hot rows, {made} security events",
         soc_events=made)  # fmt: skip


def test_the_journal_tells_of_them(fabric: Fabric) -> None:
    """The event itself, by its id, and the next stats line that counts it."""
    unit = "dsmil-soc-router.service"
    calls = [line for line in fabric.machine.journal(unit) if line.get("DSMIL_ENTITY") == f"vessel:{CALLING}"]
    assert calls and int(calls[0]["PRIORITY"]) <= 4 and calls[0]["DSMIL_DECISION"] == "ais.distress"
    why = fabric.machine.say(["dsmil", "why", calls[0]["DSMIL_EVENT_ID"]], user=MEMBER)
    assert str(CALLING) in why

    def published() -> bool:
        lines = [line for line in fabric.machine.journal(unit) if "DSMIL_PUBLISHED" in line]
        return any(int(line["DSMIL_PUBLISHED"]) >= 30 for line in lines)

    fabric.machine.until("a stats line with security events", published, within_s=35.0, every_s=1.0)


def test_the_operator_sees_green(fabric: Fabric) -> None:
    run = fabric.machine.run
    assert run("dsmil status", user=MEMBER).returncode == 0
    verified = json.loads(run("dsmil audit verify --json", user=MEMBER).stdout)
    assert verified["ok"], verified
    doctor = run("dsmil doctor --json", check=False)
    found = json.loads(doctor.stdout)
    rows = found if isinstance(found, list) else found.get("findings", found.get("checks"))
    assert not [row for row in rows if "fail" in json.dumps(row).lower().split('"')], doctor.stdout
    assert doctor.returncode == 0, doctor.stdout


def test_a_member_ingests_by_himself(fabric: Fabric) -> None:
    """The ledger is the daemons', and the group's to write."""
    fabric.machine.write(
        "/home/member/again.xml", (PROJECT / "tests/golden/nmap/gen-lo-sv-sc.xml").read_bytes(), user=MEMBER
    )
    done = fabric.machine.run("dsmil ingest nmap --again --json /home/member/again.xml", user=MEMBER, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_redis_refused_nobody_meanwhile(fabric: Fabric) -> None:
    """The access rights fit what the daemons and people did: an empty ACL log."""
    refused = fabric.redis("ACL", "LOG")
    assert refused == "", re.findall(r"^(?:object|username)\n.*|name=\S*|cmd=\S*", refused, re.MULTILINE)
