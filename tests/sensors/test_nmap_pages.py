"""A host is cut to pages that fit events, and the pages join to the host again."""

from __future__ import annotations

import msgspec
import pytest

from dsmil.events.net import Host, Port, Ports, Script
from dsmil.sensors.nmap_pages import PAGE_BYTES_MAX, PORTS_PER_PAGE, join_pages, pages
from dsmil.sensors.record import Ignored, Observation


def seen(count: int, output: str = "") -> Observation:
    scripts = (Script(id="s", output=output),) if output else ()
    ports = tuple(Port(proto="tcp", port=n, state="open", scripts=scripts) for n in range(count))
    return Observation(kind="net.host", payload=Host(ip="192.0.2.1", ports=ports, ports_total=count), ts=1.0)


@pytest.mark.parametrize("count", [0, 1, PORTS_PER_PAGE])
def test_a_host_that_fits_is_one_event(count: int) -> None:
    assert list(pages(seen(count))) == [seen(count)]


@pytest.mark.parametrize(("count", "output"), [(201, ""), (1000, ""), (65535, ""), (60, "x" * 4000)])
def test_pages_are_numbered_bounded_and_join(count: int, output: str) -> None:
    told = list(pages(seen(count, output)))
    payloads = [item.payload for item in told[1:]]
    assert all(isinstance(page, Ports) for page in payloads)
    assert [page.page for page in payloads] == list(range(len(payloads)))  # type: ignore[attr-defined]
    assert {page.pages for page in payloads} == {len(payloads)}  # type: ignore[attr-defined]
    for item in told:
        assert len(msgspec.json.encode(item.payload)) <= PAGE_BYTES_MAX + 200
    assert [item.records for item in told] == [1] + [0] * len(payloads)
    assert list(join_pages(told)) == [seen(count, output)]


def test_other_items_pass_and_hosts_do_not_mix() -> None:
    told = [Ignored(), *pages(seen(300)), *pages(seen(250)), Ignored()]
    assert list(join_pages(told)) == [Ignored(), seen(300), seen(250), Ignored()]


def test_a_host_whose_last_pages_are_missing_is_given_as_it_came() -> None:
    told = list(pages(seen(300)))[:-1]
    (one,) = join_pages(told)
    assert isinstance(one, Observation) and isinstance(one.payload, Host)
    assert len(one.payload.ports) == 200 and one.payload.ports_total == 300
