"""A libvirtd that stands still: said within seconds, in nobody's way, and over as soon as it answers again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import pytest
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.lab.guests import Guests
from tests.lab.machine import LabHost, eventually
from tests.lab.stack import Dashboard
from tests.lab.test_console import Screen
from tests.lab.test_kills import held
from tests.lab.web import Browser

T = TypeVar("T")


def look(dashboard: Dashboard, vm: int) -> ClientConnection:
    """A console of the VM."""
    wish = dashboard.post(f"/vms/{vm}/console", {"kind": "vnc", "mode": "view"})
    return connect(dashboard.url.replace("http", "ws") + wish.body["url"], subprotocols=[Subprotocol("binary")])


def test_a_host_that_hangs_is_silent_and_is_heard_again(
    dashboard: Dashboard, guests: Guests, lab_host: LabHost
) -> None:
    guest = guests.make("on-a-hung-host", start=True)
    vm = dashboard.vm(guest.uuid)
    dashboard.await_state(vm, "running")
    [host] = dashboard.get("/hosts")["items"]

    def answers() -> bool:
        return bool(dashboard.get(f"/hosts/{host['id']}")["answering"])

    with held(lab_host):
        eventually(lambda: not answers(), "the host is said to be silent", within=30)
        refused = dashboard.post(f"/vms/{vm}/pause")
        assert (refused.status, refused.body["code"]) == (409, "host_silent")
        began = time.monotonic()
        assert dashboard.get(f"/vms/{vm}")["state"] == "running"
        assert time.monotonic() - began < 2
        guest.wait_for_count()
    eventually(answers, "the host is heard again", within=60)
    dashboard.await_operation(dashboard.ask(vm, "pause"))


def test_an_action_may_wait_for_a_silent_host_and_others_do_not_notice(
    dashboard: Dashboard, guests: Guests, lab_host: LabHost, other_host: tuple[int, Guests]
) -> None:
    silent = guests.make("on-the-silent-host", start=True)
    waits, senseless = dashboard.vm(silent.uuid), dashboard.vm(guests.make("off-there").uuid)
    dashboard.await_state(waits, "running")
    near = other_host[1].make("on-the-other-host")
    elsewhere = dashboard.vm(near.uuid)
    [host] = [one for one in dashboard.get("/hosts")["items"] if one["id"] != other_host[0]]

    with held(lab_host):
        eventually(lambda: not dashboard.get(f"/hosts/{host['id']}")["answering"], "it is silent", within=30)
        assert dashboard.post(f"/vms/{waits}/pause").body["code"] == "host_silent"
        asked = dashboard.post(f"/vms/{waits}/pause", {"when_silent": "wait"})
        assert asked.status == 202
        pause = asked.body["operation"]["id"]
        start = dashboard.post(f"/vms/{senseless}/start", {"when_silent": "wait"}).body["operation"]["id"]
        began = time.monotonic()
        dashboard.await_operation(dashboard.ask(elsewhere, "start"))
        assert time.monotonic() - began < 10
        near.wait_for_boot()
        assert dashboard.operation(pause)["state"] == "queued"
        assert dashboard.post(f"/operations/{start}/cancel").status == 202
        assert dashboard.operation(start)["state"] == "cancelled"
        silent.wait_for_count()

    dashboard.await_operation(pause, within=60)
    assert silent.stands_still()
    assert [line["code"] for line in dashboard.operation(pause)["log"]] == ["waits", "claimed", "seen"]


def test_work_under_way_when_the_host_hangs_is_told_by_evidence(
    dashboard: Dashboard, guests: Guests, lab_host: LabHost
) -> None:
    guest = guests.make("hung-within", start=True)
    vm = dashboard.vm(guest.uuid)
    dashboard.await_state(vm, "running")
    [host] = dashboard.get("/hosts")["items"]
    with held(lab_host):
        operation = dashboard.ask(vm, "pause")
        ended = dashboard.await_operation(operation, "failed", "unknown", within=90)
        assert ended["error"]["code"] in ("host_unreachable", "timed_out")
        guest.wait_for_count()
    eventually(lambda: dashboard.get(f"/hosts/{host['id']}")["answering"], "the host is heard again", within=60)
    dashboard.await_operation(dashboard.ask(vm, "pause"))
    assert guest.stands_still()


@pytest.mark.long
def test_pages_consoles_and_signing_in_go_on_beside_a_host_that_hangs(
    dashboard: Dashboard, guests: Guests, lab_host: LabHost, other_host: tuple[int, Guests]
) -> None:
    hung, near = guests.make("behind-it", start=True), other_host[1].make("beside-it", start=True)
    there, here = dashboard.vm(hung.uuid), dashboard.vm(near.uuid)
    for vm in (there, here):
        dashboard.await_state(vm, "running")
    browser = Browser(dashboard)

    def prompt(ask: Callable[[], T]) -> T:
        """What it answers, which must not take as long as a host may be silent."""
        began = time.monotonic()
        answer = ask()
        assert time.monotonic() - began < 5
        return answer

    with browser.live() as page, look(dashboard, there) as open_before:
        assert Screen(open_before).is_drawn()
        with held(lab_host):
            waiting: set[int] = set()
            for _ in range(3):
                for path in ("/", "/vms/", f"/vms/{there}/", f"/vms/{here}/", "/hosts/", "/activity/"):
                    prompt(lambda path=path: browser.page(path))  # type: ignore[misc]
                prompt(lambda: Browser(dashboard))
                answer = prompt(lambda: dashboard.post(f"/vms/{there}/pause", {"when_silent": "wait"}))
                if answer.status == 202:
                    waiting.add(answer.body["operation"]["id"])
                for verb in ("pause", "resume"):
                    dashboard.await_operation(prompt(lambda verb=verb: dashboard.ask(here, verb)))  # type: ignore[misc]
            with look(dashboard, here) as opened_beside:
                assert Screen(opened_beside).is_drawn()
            hung.wait_for_count()
        for operation in waiting:
            dashboard.await_operation(operation, "succeeded", "failed", "unknown", "refused", within=60)
        eventually(lambda: dashboard.get(f"/vms/{there}")["host_answering"], "all is true again", within=60)
        if hung.is_running():
            dashboard.await_operation(dashboard.ask(there, "pause"))
        dashboard.await_state(there, "paused")
        page.wait_for(f"vm:{there}")
        open_before.send(b"\x03\x00" + bytes(4) + b"\x00\x10\x00\x10")
        assert open_before.recv(timeout=20), "the console that was open still is"
