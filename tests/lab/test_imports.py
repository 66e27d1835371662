"""VMs that others have packed, on a real host: an archive comes in, and its VM starts; one made outside appears, and is
as it was."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from lxml.builder import E

from tests.archives.packing import envelope, item, ova, vmdk
from tests.lab.machine import LabHost, eventually
from tests.lab.pools import LabPool, folder_pool
from tests.lab.sending import pool_of, upload
from tests.lab.stack import Dashboard
from tests.lab.test_create import says, take_vms_away, volume
from tests.lab.test_kills import held, kill
from tests.lab.web import Browser
from vms.demo import guest
from vms.operations.imports import STEPS


@pytest.fixture(scope="module")
def pool(lab_host: LabHost) -> Iterator[LabPool]:
    with folder_pool(lab_host) as there:
        yield there
        take_vms_away(lab_host)


@pytest.fixture
def number_of(dashboard: Dashboard, pool: LabPool) -> int:
    """The pool's, in which what the test puts there is served as the files that it is."""
    number = pool_of(dashboard, pool)
    dashboard.do(f"from vms.models import Storage; Storage.objects.filter(pools={number}).update(trusted=True)")
    return number


@pytest.fixture(scope="module")
def archive(guest_files: guest.Guest, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The guest on a disk, as VMware exports it."""
    data = guest_files.iso.read_bytes()
    data = data.ljust(-(-len(data) // 512) * 512, b"\0")
    root = envelope(
        item(3, VirtualQuantity="1"), item(4, AllocationUnits="byte * 2^20", VirtualQuantity="192"),
        item(6, ResourceSubType="lsilogic"), item(17, HostResource="ovf:/disk/d1"),
        files=None, capacity=str(len(data)), capacityAllocationUnits="byte",
    )  # fmt: skip
    return ova(root, ("web-disk1.vmdk", vmdk(tmp_path_factory.mktemp("vmdk"), data)))


def read(dashboard: Dashboard, volume_id: int, *ends: str) -> dict[str, Any]:
    answer = dashboard.post(f"/volumes/{volume_id}/archive")
    assert answer.status == 202, answer
    return dashboard.await_operation(answer.body["operation"]["id"], *(ends or ("succeeded",)), within=60)


def bring(dashboard: Dashboard, body: dict[str, Any], *ends: str) -> dict[str, Any]:
    answer = dashboard.post("/vms/import", body)
    assert answer.status == 202, answer
    return dashboard.await_operation(answer.body["operation"]["id"], *(ends or ("succeeded",)), within=120)


def test_an_archive_is_uploaded_and_its_vm_starts(
    lab_host: LabHost, dashboard: Dashboard, pool: LabPool, number_of: int, archive: bytes
) -> None:
    sending = upload(dashboard, number_of, "web.ova", len(archive), "ova")
    assert sending.patch(0, archive).status == 204
    dashboard.await_operation(sending.operation, "succeeded", within=60)
    source = volume(dashboard, number_of, "web.ova")["id"]
    told = dashboard.get(f"/volumes/{source}/archive")
    assert (told["name"], told["cpus"], told["memory_mib"], told["controllers"]) == ("web", 1, 192, ["lsilogic"])
    made = bring(dashboard, {"volume": source, "name": "made-web"})
    vm = made["target"]["id"]
    dashboard.await_state(vm, "running")
    info = subprocess.run(
        ["qemu-img", "info", "-U", pool.folder / "made-web.qcow2"], capture_output=True, text=True, check=True
    ).stdout
    assert "file format: qcow2" in info and "backing" not in info
    says(lab_host, "made-web", "boot ")
    lab_host.virsh("destroy", "made-web")
    assert (pool.folder / "web.ova").read_bytes() == archive
    disk = volume(dashboard, number_of, "made-web.qcow2")
    assert [one["id"] for one in dashboard.get(f"/volumes/{disk['id']}/users")["vms"]] == [vm]
    # Of the archive itself nothing became an image.
    assert "web.ova" not in [each["name"] for each in dashboard.get("/images?page_size=200")["items"]]


def test_a_disk_that_lies_there_becomes_a_vm(
    lab_host: LabHost, dashboard: Dashboard, pool: LabPool, number_of: int, guest_files: guest.Guest, tmp_path: Path
) -> None:
    data = guest_files.iso.read_bytes()
    (pool.folder / "old.vmdk").write_bytes(vmdk(tmp_path, data, "monolithicSparse"))
    pool.names()
    source = volume(dashboard, number_of, "old.vmdk")
    assert dashboard.request("GET", f"/api/v1/volumes/{source['id']}/archive").status == 404
    read(dashboard, source["id"])
    bring(dashboard, {"volume": source["id"], "name": "made-old", "memory_mib": 192, "networks": [], "start": False})
    subprocess.run(
        ["qemu-img", "compare", "-q", "-f", "qcow2", "-F", "raw", pool.folder / "made-old.qcow2", guest_files.iso],
        check=True,
    )


def test_hostile_archives_that_lie_there_say_why(
    dashboard: Dashboard, pool: LabPool, number_of: int, archive: bytes
) -> None:
    """All of the hostile ones are refused in tests/archives; here that the sentence arrives."""
    (pool.folder / "cut.ova").write_bytes(archive[: len(archive) // 2])
    pool.names()
    failed = read(dashboard, volume(dashboard, number_of, "cut.ova")["id"], "failed")
    assert (failed["error"]["code"], failed["error"]["params"]["reason"]) == ("refused_archive", "cut_off")
    sending = upload(dashboard, number_of, "cut-too.ova", len(archive) // 2, "ova")
    assert sending.patch(0, archive[: len(archive) // 2]).status == 204
    ended = dashboard.await_operation(sending.operation, "failed", within=60)
    assert ended["error"]["code"] == "refused_archive"
    eventually(lambda: "cut-too.ova" not in pool.names(), "nothing of it is left")


def definitions(host: LabHost, *names: str) -> dict[str, str]:
    return {name: host.virsh("dumpxml", "--inactive", name) for name in names}


def test_vms_made_outside_appear_and_are_as_they_were(
    lab_host: LabHost, dashboard: Dashboard, pool: LabPool, tmp_path: Path
) -> None:
    """By virsh, with what no form of ours knows, and by virt-install."""
    pool.make("outside.img", 1 << 20)
    title = E.title("Made by hand <&>")
    notes = etree.Element("{https://example.org/other}notes", nsmap={"other": "https://example.org/other"})
    notes.text = "nobody else's"
    document = E.domain(
        E.name("made-by-virsh"), title, E.metadata(notes), E.memory("64", unit="MiB"), E.vcpu("1"),
        E.os(E.type("hvm", arch="x86_64", machine="pc"), E.bootmenu(enable="yes")),
        E.clock(E.timer(name="rtc", tickpolicy="catchup"), offset="utc"),
        E.devices(
            E.disk(
                E.driver(name="qemu", type="raw"), E.source(file=f"{pool.path}/outside.img"),
                E.target(dev="vda", bus="virtio"), type="file", device="disk",
            ),
            E.watchdog(model="i6300esb", action="pause"), E.memballoon(model="none"),
        ),
        type="qemu",
    )  # fmt: skip
    (tmp_path / "vm.xml").write_text(etree.tostring(document, encoding="unicode"))
    lab_host.virsh("define", str(tmp_path / "vm.xml"))
    words = (
        "virt-install", "--connect", lab_host.uri, "--name", "made-by-install", "--memory", "64", "--vcpus", "1",
        "--virt-type", "qemu", "--disk", "none", "--network", "none", "--graphics", "vnc", "--osinfo", "generic",
        "--import", "--noautoconsole",
    )  # fmt: skip
    caches = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    subprocess.run(words, env=caches, check=True, capture_output=True, timeout=120)
    names = ("made-by-virsh", "made-by-install")
    before = definitions(lab_host, *names)
    live = lab_host.virsh("dumpxml", "made-by-install")
    seen = {name: dashboard.vm(lab_host.virsh("domuuid", name).strip()) for name in names}
    dashboard.await_state(seen["made-by-install"], "running")
    browser = Browser(dashboard)
    for vm in seen.values():
        for page in ("", "xml/", "activity/", "access/", "console/", "delete/", "rename/"):
            browser.page(f"/vms/{vm}/{page}")
        # Nobody's, until somebody grants it.
        assert dashboard.query("SELECT count(*) FROM vms_grant WHERE vm_id = ?", vm) == [(0,)]
        assert dashboard.query("SELECT charged_user_id FROM vms_virtualmachine WHERE id = ?", vm) == [(None,)]
    watcher = dashboard.pid("watcher")
    kill(dashboard, "watcher")
    eventually(lambda: set(dashboard.pids("watcher")) - {watcher}, "another watcher")
    lab_host.virsh("suspend", "made-by-install")
    dashboard.await_state(seen["made-by-install"], "paused", within=60)
    lab_host.virsh("resume", "made-by-install")
    assert definitions(lab_host, *names) == before
    assert lab_host.virsh("dumpxml", "made-by-install") == live


def reached(dashboard: Dashboard, operation: int, step: str) -> bool:
    """Whether all steps before that one are done."""
    before = [each.name for each in STEPS][: [each.name for each in STEPS].index(step)]
    rows = dashboard.query("SELECT code, params FROM vms_operationlog WHERE operation_id = ?", operation)
    done = {json.loads(params)["step"] for code, params in rows if code == "step_done"}
    return bool(rows) and done >= set(before)


@pytest.mark.long
@pytest.mark.parametrize("step", [step.name for step in STEPS])
def test_a_worker_killed_at_a_step_leaves_a_whole_vm_or_nothing(
    lab_host: LabHost, dashboard: Dashboard, pool: LabPool, number_of: int, archive: bytes, step: str
) -> None:
    if not (pool.folder / "kill.ova").exists():
        (pool.folder / "kill.ova").write_bytes(archive)
        pool.names()
    source = volume(dashboard, number_of, "kill.ova")["id"]
    read(dashboard, source)
    name = f"made-killed-{step}"
    answer = dashboard.post("/vms/import", {"volume": source, "name": name})
    operation = answer.body["operation"]["id"]
    eventually(lambda: reached(dashboard, operation, step), f"{step} begins", every=0.005)
    with held(lab_host):
        kill(dashboard, "worker")
    told = dashboard.await_operation(operation, "failed", "succeeded", within=120)
    there = name in lab_host.virsh("list", "--name").split()
    assert there == (told["state"] == "succeeded")
    assert (f"{name}.qcow2" in pool.names()) == there
    assert (pool.folder / "kill.ova").read_bytes() == archive
    if there:
        assert volume(dashboard, number_of, f"{name}.qcow2")["state"] == "ready"
    else:
        assert name not in lab_host.virsh("list", "--all", "--name").split()
        assert dashboard.request("GET", f"/api/v1/vms/{told['target']['id']}").status == 404
