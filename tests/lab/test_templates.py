"""Templates on a real host: made, kept from being written, compared, instances of them, what a dead worker leaves."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest

from tests.chaos.holds import idle
from tests.lab.machine import LabHost, eventually
from tests.lab.pools import LabPool, folder_pool
from tests.lab.stack import REHEARSAL, Dashboard
from tests.lab.test_create import SMALL, take_vms_away, volume
from tests.lab.web import Browser
from vms.demo import guest
from vms.kinds.templates import STEPS

ENDS = ("succeeded", "failed", "refused", "cancelled", "unknown")


@pytest.fixture(scope="module")
def pool(lab_host: LabHost, guest_files: guest.Guest) -> Iterator[LabPool]:
    with folder_pool(lab_host) as there:
        yield there
        take_vms_away(lab_host)


@pytest.fixture
def number_of(dashboard: Dashboard, pool: LabPool) -> int:
    def found() -> int | None:
        items = dashboard.get("/pools?page_size=200")["items"]
        return next((item["id"] for item in items if item["name"] == pool.name and item["active"]), None)

    number = int(eventually(found, "the pool is known"))
    dashboard.do(f"from vms.models import Storage; Storage.objects.filter(pools={number}).update(trusted=True)")
    return number


def ended(dashboard: Dashboard, path: str, body: Any = None) -> dict[str, Any]:
    """The operation after its end, whatever that is."""
    answer = dashboard.post(path, body)
    assert answer.status == 202, answer
    return dashboard.await_operation(answer.body["operation"]["id"], *ENDS, within=120)


def made(dashboard: Dashboard, body: dict[str, Any]) -> int:
    """The VM, once it is seen."""
    told = ended(dashboard, "/vms", {**SMALL, "firmware": "bios", **body})
    assert told["state"] == "succeeded", told
    vm = int(told["target"]["id"])
    eventually(lambda: dashboard.get(f"/vms/{vm}")["present"], "the VM is seen")
    return vm


def original(dashboard: Dashboard, pool: LabPool, number: int, files: guest.Guest, name: str, *, empty: bool) -> int:
    """A VM that is off, with a disk of its own: empty, or with the guest on it."""
    if empty:
        vm = made(dashboard, {"name": name, "disks": [{"pool": number, "size_mib": 8}], "start": False})
    else:
        path = pool.folder / f"{name}.qcow2"
        subprocess.run(["qemu-img", "convert", "-q", "-O", "qcow2", str(files.iso), str(path)], check=True)
        pool.names()
        disk = volume(dashboard, number, path.name)
        vm = made(dashboard, {"name": name, "disks": [{"volume": disk["id"]}], "start": False})
    eventually(lambda: dashboard.get(f"/vms/{vm}/belongings")["goes"], "its disk is known")
    dashboard.await_state(vm, "shut_off")
    return vm


def xml(host: LabHost, name: str) -> str:
    return host.virsh("dumpxml", "--inactive", name)


def backing(pool: LabPool, name: str) -> str:
    told = subprocess.run(
        ["qemu-img", "info", "-U", "--output=json", str(pool.folder / name)], capture_output=True, text=True, check=True
    )
    return str(json.loads(told.stdout).get("backing-filename", ""))


def test_a_template_is_kept_as_it_is_and_others_are_made_of_it(
    lab_host: LabHost, dashboard: Dashboard, pool: LabPool, number_of: int, guest_files: guest.Guest
) -> None:
    vm = original(dashboard, pool, number_of, guest_files, "made-golden", empty=False)
    disk = volume(dashboard, number_of, "made-golden.qcow2")["id"]
    file = pool.folder / "made-golden.qcow2"
    lab_host.virsh("autostart", "made-golden")
    eventually(lambda: dashboard.get(f"/vms/{vm}")["autostart"], "its autostart is known")
    before = xml(lab_host, "made-golden")
    told = ended(dashboard, f"/vms/{vm}/template")
    assert told["state"] == "succeeded", told
    assert [line["code"] for line in told["log"]][1:-1] == list(STEPS)
    found = dashboard.get(f"/templates/{vm}")
    assert found["ready"] and found["full"]
    assert [each["sha256"] for each in found["disks"]] == [sha256(file.read_bytes()).hexdigest()]
    assert xml(lab_host, "made-golden").replace("      <readonly/>\n", "", 1) == before
    assert "Autostart:      disable" in lab_host.virsh("dominfo", "made-golden")
    assert "made-golden" not in [item["name"] for item in dashboard.get("/vms?q=made-golden")["items"]]
    # Not by us, in whatever way.
    for path in (f"/vms/{vm}/start", f"/vms/{vm}/autostart", f"/vms/{vm}/template"):
        refused = dashboard.post(path, {"enabled": True} if path.endswith("autostart") else None)
        assert (refused.status, refused.body["code"]) == (409, "wrong_state"), refused
    for path, body in ((f"/volumes/{disk}/grow", {"size_bytes": 1 << 30}), (f"/volumes/{disk}/wipe", None)):
        refused = dashboard.post(path, body)
        assert (refused.status, refused.body["code"]) == (403, "volume_protected"), refused
    assert dashboard.request("DELETE", f"/api/v1/volumes/{disk}").status == 403
    taken = dashboard.post("/vms", {**SMALL, "name": "made-thief", "disks": [{"volume": disk}]})
    assert taken.status == 422, taken
    # By somebody outside it starts, and cannot write.
    lab_host.virsh("start", "made-golden")
    eventually(lambda: dashboard.get(f"/templates/{vm}")["running"], "that is said")
    refused = dashboard.post("/vms", {**SMALL, "name": "made-none", "disks": [{"template": vm}]})
    assert (refused.status, refused.body["code"]) == (409, "wrong_state"), refused
    forced = ended(dashboard, f"/vms/{vm}/force-off")
    assert forced["state"] == "succeeded", forced
    dashboard.await_state(vm, "shut_off")
    assert dashboard.get(f"/templates/{vm}")["disks"][0]["sha256"] == sha256(file.read_bytes()).hexdigest()

    linked = made(dashboard, {"name": "made-linked", "disks": [{"template": vm, "backing": "linked"}]})
    full = made(dashboard, {"name": "made-full", "disks": [{"template": vm, "size_mib": 128}], "start": False})
    assert backing(pool, "made-linked.qcow2").endswith("made-golden.qcow2") and not backing(pool, "made-full.qcow2")
    assert (
        "128 MiB"
        in subprocess.run(
            ["qemu-img", "info", str(pool.folder / "made-full.qcow2")], capture_output=True, text=True, check=True
        ).stdout
    )
    dashboard.await_state(linked, "running")
    uuids = {dashboard.get(f"/vms/{each}")["uuid"] for each in (vm, linked, full)}
    assert len(uuids) == 3
    # What needs it protects it.
    needed = eventually(lambda: dashboard.get(f"/templates/{vm}")["vms"], "what needs it is known")
    assert [one["name"] for one in needed] == ["made-linked"]
    wishes: list[tuple[str, dict[str, Any] | None]] = [
        (f"/vms/{vm}/delete", {}),
        (f"/vms/{vm}/delete", {"trash": False, "confirm": "made-golden"}),
        (f"/templates/{vm}/make-vm", None),
    ]
    for path, wish in wishes:
        refused = dashboard.post(path, wish)
        assert (refused.status, refused.body["code"]) == (409, "template_in_use"), refused
        assert "made-linked" in refused.body["detail"]
    gone = ended(dashboard, f"/vms/{linked}/delete", {"trash": False, "confirm": "made-linked"})
    assert gone["state"] == "succeeded", gone
    assert not (pool.folder / "made-linked.qcow2").exists() and file.exists()

    back = ended(dashboard, f"/templates/{vm}/make-vm")
    assert back["state"] == "succeeded", back
    assert xml(lab_host, "made-golden") == before
    assert "Autostart:      enable" in lab_host.virsh("dominfo", "made-golden")
    assert dashboard.request("GET", f"/api/v1/templates/{vm}").status == 404


def test_a_template_whose_disk_was_changed_is_given_to_nobody(
    lab_host: LabHost, dashboard: Dashboard, pool: LabPool, number_of: int, guest_files: guest.Guest
) -> None:
    vm = original(dashboard, pool, number_of, guest_files, "made-changed", empty=True)
    assert ended(dashboard, f"/vms/{vm}/template")["state"] == "succeeded"
    file = pool.folder / "made-changed.qcow2"
    held = file.read_bytes()
    # The same bytes, written anew: it is read again, and served.
    file.write_bytes(held)
    again = ended(
        dashboard,
        "/vms",
        {**SMALL, "name": "made-same", "disks": [{"template": vm, "backing": "linked"}], "start": False},
    )
    assert again["state"] == "succeeded" and "template_checked" in [line["code"] for line in again["log"]], again
    file.write_bytes(held[:-1] + bytes([held[-1] ^ 1]))
    for kind in ("linked", "full"):
        body = {**SMALL, "name": f"made-not-{kind}", "disks": [{"template": vm, "backing": kind}], "start": False}
        told = ended(dashboard, "/vms", body)
        assert (told["state"], told["error"]["code"]) == ("failed", "template_changed"), told
        assert not (pool.folder / f"made-not-{kind}.qcow2").exists()
    file.write_bytes(held)


@pytest.mark.long
def test_fifty_are_made_in_one_request_and_twenty_of_them_started(
    lab_host: LabHost, dashboard: Dashboard, pool: LabPool, number_of: int, guest_files: guest.Guest
) -> None:
    """The list is answered all the while: its median time and its worst are printed."""
    vm = original(dashboard, pool, number_of, guest_files, "made-many", empty=False)
    assert ended(dashboard, f"/vms/{vm}/template")["state"] == "succeeded"
    disks = [{"template": vm, "backing": "linked"}]
    wish = {**SMALL, "memory_mib": 64, "name": "made-web-#", "count": 50, "disks": disks, "start": False}
    began, times = time.monotonic(), []
    asked = dashboard.post("/vms", wish)
    assert asked.status == 202 and len(asked.body["operations"]) == 50, asked
    answered = time.monotonic() - began
    browser = Browser(dashboard)

    def look() -> None:
        start = time.monotonic()
        assert "Virtual machines" in browser.page("/vms/")
        times.append(time.monotonic() - start)

    def ended_all(operations: list[int]) -> None:
        def are() -> bool:
            look()
            marks = ",".join("?" * len(operations))
            rows = dashboard.query(f"SELECT state FROM vms_operation WHERE id IN ({marks})", *operations)
            assert {state for (state,) in rows} <= {"queued", "running", "succeeded"}, rows
            return [state for (state,) in rows] == ["succeeded"] * len(operations)

        eventually(are, "all are done", within=600, every=0.5)

    ended_all([one["id"] for one in asked.body["operations"]])
    made_in = time.monotonic() - began
    vms = [one["target"]["id"] for one in asked.body["operations"]]
    eventually(lambda: all(dashboard.get(f"/vms/{one}")["present"] for one in vms), "all are seen", within=120)
    uuids = {dashboard.get(f"/vms/{one}")["uuid"] for one in vms}
    assert len(uuids) == 50 and len(list(pool.folder.glob("made-web-*.qcow2"))) == 50
    began = time.monotonic()
    ended_all([dashboard.ask(one, "start") for one in vms[:20]])
    for one in vms[:20]:
        dashboard.await_state(one, "running", within=120)
    started_in = time.monotonic() - began
    assert len([name for name in lab_host.virsh("list", "--name").split() if name.startswith("made-web-")]) == 20
    assert len(dashboard.get(f"/templates/{vm}")["vms"]) == 50
    times.sort()
    print(
        f"answered in {answered:.1f} s, 50 made in {made_in:.0f} s, 20 started in {started_in:.0f} s; the list "
        f"{len(times)} times, median {times[len(times) // 2] * 1000:.0f} ms, worst {times[-1] * 1000:.0f} ms"
    )


DOOMED = """
import os, signal
from vms.operations import templates
from vms.operations.process import WorkerProcess
real = templates.log
def log(operation, code, **params):
    real(operation, code, **params)
    if code == {step!r}:
        os.kill(os.getpid(), signal.SIGKILL)
templates.log = log
WorkerProcess(name="doomed").take({operation})
"""
CASES = [("template", step) for step in STEPS] + [("make-vm", "template_back")]


@pytest.mark.long
@pytest.mark.parametrize(("kind", "step"), CASES)
def test_killed_at_any_step_it_is_a_template_or_a_vm(
    lab_host: LabHost, dashboard: Dashboard, pool: LabPool, number_of: int, guest_files: guest.Guest, kind: str,
    step: str,
) -> None:  # fmt: skip
    name = f"made-killed-{kind}-{step.replace('_', '-')}"
    vm = original(dashboard, pool, number_of, guest_files, name, empty=True)
    lab_host.virsh("autostart", name)
    eventually(lambda: dashboard.get(f"/vms/{vm}")["autostart"], "its autostart is known")
    before = xml(lab_host, name)
    if kind == "make-vm":
        assert ended(dashboard, f"/vms/{vm}/template")["state"] == "succeeded"
    with idle(dashboard, dashboard.pid("worker")):
        path = f"/vms/{vm}/template" if kind == "template" else f"/templates/{vm}/make-vm"
        operation = dashboard.post(path).body["operation"]["id"]
        doomed = subprocess.Popen(
            [*dashboard.python, REHEARSAL, dashboard.code], cwd=dashboard.started_in, env=dashboard.environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        doomed.communicate(json.dumps(DOOMED.format(step=step, operation=operation)) + "\n", timeout=120)
        assert doomed.returncode == -signal.SIGKILL, doomed.returncode
    told = dashboard.await_operation(operation, *ENDS, within=120)
    codes = [line["code"] for line in told["log"]]
    assert step in codes and told["state"] in ("failed", "succeeded"), told
    whole = dashboard.request("GET", f"/api/v1/templates/{vm}")
    assert whole.status == 404, "every step of these leads back to a VM"
    assert (told["state"] == "succeeded") == (kind == "make-vm")
    assert xml(lab_host, name) == before
    assert "Autostart:      enable" in lab_host.virsh("dominfo", name)
    assert dashboard.get(f"/vms/{vm}")["state"] == "shut_off"
