"""One of three real hosts is emptied by a plan, from its page, and gets its VMs back; what they do is known."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from statistics import fmean

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewContext
from tests.lab.guests import LabGuest
from tests.lab.machine import eventually
from tests.lab.stack import Dashboard
from tests.lab.three import Three, counted_on, three, works
from vms.demo.guest import Guest

# Emulated guests share two processors with three hosts.
LONG = 300_000
BUSY, QUIET = 40, 5
# A sample is taken every 5 s and stored every 15 s.
SAMPLES = 4
# What was seen for some seconds, as if it had been so all the day; of the hosts, which are one machine, nothing is
# true but what their guests take: that, and a little of their own.
DAY = """
from tests.metrics.weeks import quarters
from vms.metrics import HOST, VM
vms = {vms!r}
quarters(VM, {{vm: {{"cpu": cpu, "memory_process": memory}} for vm, (cpu, memory, _) in vms.items()}}, hours=25)
cpus = {cpus}
quarters(HOST, {{host: {{
    "cpu": 2 + sum(cpu for cpu, _, at in vms.values() if at == host) / cpus,
    "memory": (256 << 20) + sum(memory for _, memory, at in vms.values() if at == host),
}} for host in {hosts!r}}}, hours=25)
"""


@pytest.fixture
def hosts(shared_dashboard: Dashboard, guest_files: Guest) -> Iterator[Three]:
    if shared_dashboard.process is None or shared_dashboard.process.poll() is not None:
        shared_dashboard.start()
    with three(shared_dashboard, guest_files) as made:
        yield made


def seen(dashboard: Dashboard, vm: int, since: float) -> tuple[float, float] | None:
    """Percent of its processor and bytes, on the average since then; None before there are enough samples."""
    told = dashboard.get(f"/vms/{vm}/metrics?from={int(since)}&to={int(time.time()) + 1}&step=1")["series"]
    cpu, memory = ([value for _, value in told[name] if value is not None] for name in ("cpu", "memory_process"))
    return (fmean(cpu), fmean(memory)) if len(cpu) >= SAMPLES and memory else None


def watched_for_a_day(hosts: Three, guests: dict[str, list[LabGuest]]) -> dict[str, float]:
    """{guest: percent of its processor} as the dashboard measures it now, written as if it had been so for a day."""
    dashboard, since = hosts.dashboard, time.time()
    figures = {}
    for host, there in guests.items():
        for guest in there:
            vm = dashboard.vm(guest.uuid)
            cpu, memory = eventually(partial(seen, dashboard, vm, since), f"{guest.name} is measured", within=90)
            figures[vm] = (guest.name, cpu, memory, hosts.ids[host])
    cpus = dashboard.get(f"/hosts/{hosts.ids['lab-1']}")["facts"]["cpus"]
    vms = {vm: told[1:] for vm, told in figures.items()}
    dashboard.do(DAY.format(vms=vms, hosts=list(hosts.ids.values()), cpus=cpus))
    return {name: cpu for name, cpu, *_ in figures.values()}


def move_all(page: Page, dashboard: Dashboard) -> None:
    """Approve what was read, and wait for its end."""
    path = page.url.rstrip("/")
    page.get_by_role("button", name="Move 2 VMs").click()
    expect(page.locator("#host-plan > .head .sub")).to_contain_text("done", timeout=LONG)
    ended = dashboard.get(f"/plans/{path.rsplit('/', 1)[1]}")
    assert ended["state"] == "done", (ended["why"], [(move["name"], move["why"]) for move in ended["moves"]])


def test_a_host_of_three_is_emptied_by_a_plan_and_gets_its_vms_back(hosts: Three, new_browser: NewContext) -> None:
    busy = [hosts.make(0, "busy-1", mib=384), hosts.make(1, "busy-2", mib=384)]
    quiet = hosts.make(2, "quiet-1", "quiet-2")
    guests = {"lab-1": busy[0], "lab-2": busy[1], "lab-3": quiet}
    every = [*busy[0], *busy[1], *quiet]
    for guest in every:
        guest.wait_for_boot()
        works(guest, QUIET if guest in quiet else BUSY)
    used = watched_for_a_day(hosts, guests)
    # On a machine that is full they get less, in the same proportion.
    idle = max(used[guest.name] for guest in quiet)
    assert 1 < idle < 20 and all(1.5 * idle < used[guest.name] < 70 for guest in every[:2]), used

    page = new_browser().new_page()
    page.goto("/plans/")
    for box in page.locator("input[name=hosts]").all():
        box.set_checked(int(box.get_attribute("value") or 0) in hosts.ids.values())
    page.get_by_label("By what was used over").select_option("24")
    page.get_by_role("button", name="Work it out").click()
    expect(page.get_by_role("heading", name="2 hosts instead of 3, no plan needs fewer, 2 moves")).to_be_visible(
        timeout=LONG
    )
    expect(page.get_by_role("listitem").filter(has_text="lab-3 ends up empty")).to_be_visible()
    expect(page.locator("section.plan", has_text="2 moves")).to_contain_text("empties lab-3")
    path = page.url.rstrip("/")
    plan = hosts.dashboard.get(f"/plans/{path.rsplit('/', 1)[1]}")
    for row in plan["hosts"]:
        there = sum(used[guest.name] for guest in guests[row["name"]]) / 100
        assert row["before"]["cpus_used"] == pytest.approx(there + row["cpus"] * 0.02, abs=0.05), row
        assert row["after"]["cpus_used"] <= row["limit"]["cpus_used"]
    assert [hosts.runs(guest) for guest in every] == [["lab-1"], ["lab-2"], ["lab-3"], ["lab-3"]], "nothing has moved"

    move_all(page, hosts.dashboard)
    went = [hosts.runs(guest) for guest in every]
    assert went[:2] == [["lab-1"], ["lab-2"]] and set(map(str, went[2:])) <= {"['lab-1']", "['lab-2']"}, went
    assert [domain.name() for domain in hosts.hosts[2].connect().listAllDomains()] == []
    for guest in every:
        counted_on(guest)
    page.get_by_role("link", name="Maintenance of lab-3").click()
    expect(page.get_by_role("heading", name="lab-3")).to_be_visible()
    page.goto(path)

    page.get_by_role("button", name="Back to before").click()
    expect(page.get_by_role("heading", name="Back to before")).to_be_visible()
    expect(page.get_by_role("button", name="Move 2 VMs")).to_be_visible(timeout=LONG)
    move_all(page, hosts.dashboard)
    assert [hosts.runs(guest) for guest in every] == [["lab-1"], ["lab-2"], ["lab-3"], ["lab-3"]]
    for guest in every:
        counted_on(guest)
