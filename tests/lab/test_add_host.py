"""A machine added by the API to the running dashboard: line, fingerprint, VMs; removed, and back by another way."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.guests import Guests, LabGuest
from tests.lab.machine import LabHost, eventually
from tests.lab.stack import Dashboard
from vms.demo.guest import Guest
from vms.services.host_keys import admitting_line


@pytest.fixture
def far_guest(far_host: LabHost, guest_files: Guest) -> Iterator[LabGuest]:
    factory = Guests(far_host, guest_files)
    yield factory.make("on-the-far-host")
    factory.remove_all()


@pytest.fixture
def added(dashboard: Dashboard) -> Iterator[list[int]]:
    """Hosts that go with the test."""
    hosts: list[int] = []
    yield hosts
    for host in hosts:
        dashboard.request("DELETE", f"/api/v1/hosts/{host}")


def test_over_ssh_by_line_and_fingerprint(
    dashboard: Dashboard, far_host: LabHost, far_guest: LabGuest, added: list[int]
) -> None:
    assert far_host.doors

    def ended(host: int) -> dict[str, object]:
        asked = dashboard.post(f"/hosts/{host}/test")
        assert asked.status == 202, asked.body
        return dashboard.await_operation(int(asked.body["operation"]["id"]), "succeeded", "failed")

    place = {"host": far_host.doors.address, "name": "far"}
    made = dashboard.post("/hosts", {**place, "transport": "ssh"}).body
    added.append(made["id"])
    unknown = ended(made["id"])["error"]
    assert isinstance(unknown, dict) and unknown["code"] == "host_key_unknown"
    printed = far_host.run("ssh-keygen", "-lf", "/run/lab/host_key.pub").split()[1]
    assert unknown["params"]["fingerprint"] == dashboard.get(f"/hosts/{made['id']}")["offered_key"] == printed
    assert dashboard.post(f"/hosts/{made['id']}/accept-key", {"fingerprint": printed}).status == 200
    refused = ended(made["id"])["error"]
    assert isinstance(refused, dict) and refused["code"] == "key_refused"

    far_host.run("sh", "-c", admitting_line(made["public_key"]))
    assert ended(made["id"])["state"] == "succeeded"
    vm = dashboard.vm(far_guest.uuid)
    dashboard.await_operation(dashboard.ask(vm, "start"))
    dashboard.await_state(vm, "running")
    dashboard.await_operation(dashboard.ask(vm, "force-off"))
    secret = "PRIVATE" + " KEY"
    for pid in [dashboard.pid(name) for name in ("watcher", "worker")]:
        shown = "".join(Path(f"/proc/{pid}/{file}").read_text() for file in ("cmdline", "environ"))
        assert secret not in shown
    running = subprocess.check_output(("ps", "-ww", "-eo", "args"), text=True)
    assert secret not in running and "-- kvmweb-host sh -c" in running

    assert dashboard.request("DELETE", f"/api/v1/hosts/{made['id']}").status == 204
    again = dashboard.post("/hosts", {**place, "transport": "tcp", "unencrypted": True}).body
    added.append(again["id"])
    eventually(lambda: dashboard.request("GET", f"/api/v1/hosts/{made['id']}").status == 200, "the removed one is back")
    back = dashboard.get(f"/hosts/{made['id']}")
    assert (back["transport"], back["encrypted"], back["uuid"]) == ("tcp", False, str(far_host.uuid))
    assert dashboard.vm(far_guest.uuid) == vm
