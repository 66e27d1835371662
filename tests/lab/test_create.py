"""VMs made on a real host: from an ISO, from an image of a disk as a copy and over it, and what a failure leaves."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import libvirt
import pytest

from kvmweb import environment
from tests.chaos.holds import idle
from tests.headers.images import MIB
from tests.lab.cloud_image import cached_image
from tests.lab.doomed import die_at
from tests.lab.machine import LabHost, eventually
from tests.lab.pools import LabPool, folder_pool
from tests.lab.stack import Dashboard
from tests.lab.test_volumes import pool_id
from vms.demo import guest
from vms.libvirtxml import filters_used, network_document
from vms.operations.create import STEPS
from vms.seed.documents import NEW_MACHINE

SMALL = {"cpus": 1, "memory_mib": 192, "networks": []}


@pytest.fixture(scope="module")
def pool(lab_host: LabHost, guest_files: guest.Guest) -> Iterator[LabPool]:
    """With the guest as an ISO, as a disk, and as an image of a disk."""
    with folder_pool(lab_host) as there:
        iso = guest_files.iso.read_bytes()
        (there.folder / "guest.iso").write_bytes(iso)
        (there.folder / "old-disk").write_bytes(iso)
        subprocess.run(
            ["qemu-img", "convert", "-q", "-O", "qcow2", str(guest_files.iso), str(there.folder / "cloud.qcow2")],
            check=True,
        )
        there.names()
        yield there
        take_vms_away(lab_host)


def take_vms_away(host: LabHost) -> None:
    """Those that were made here."""
    connection = host.connect()
    for domain in connection.listAllDomains():
        if domain.name().startswith("made-"):
            if domain.isActive():
                domain.destroy()
            domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_NVRAM)
    connection.close()


@pytest.fixture(scope="module")
def network(lab_host: LabHost, pool: LabPool) -> Iterator[str]:
    """A network with DHCP, and libvirt's own filters, which a stock host has and the lab's has not."""
    connection = lab_host.connect()
    made = connection.networkDefineXML(network_document("made", "192.168.231"))
    made.create()
    texts = [path.read_text() for path in sorted(Path("/etc/libvirt/nwfilter").glob("*.xml"))]
    filters = [connection.nwfilterDefineXML(text) for text in in_turn(connection, texts)]
    yield "made"
    take_vms_away(lab_host)
    made.destroy()
    made.undefine()
    for each in reversed(filters):
        each.undefine()
    connection.close()


def in_turn(connection: libvirt.virConnect, texts: list[str]) -> Iterator[str]:
    """Each after those that it names."""
    while texts:
        known = {one.name() for one in connection.listAllNWFilters()}
        ready = [text for text in texts if set(filters_used(text)) <= known]
        assert ready, texts
        yield from ready
        texts = [text for text in texts if text not in ready]


@pytest.fixture
def number_of(dashboard: Dashboard, pool: LabPool) -> int:
    def found() -> int | None:
        items = dashboard.get("/pools?page_size=200")["items"]
        return next((item["id"] for item in items if item["name"] == pool.name and item["active"]), None)

    number = int(eventually(found, "the pool is known"))
    # What the test puts there is served as the files that it is.
    dashboard.do(f"from vms.models import Storage; Storage.objects.filter(pools={number}).update(trusted=True)")
    return number


def volume(dashboard: Dashboard, pool: int, name: str) -> dict[str, Any]:
    def found() -> dict[str, Any] | None:
        items = dashboard.get(f"/pools/{pool}/volumes?page_size=200")["items"]
        return next((item for item in items if item["name"] == name and item["state"] == "ready"), None)

    return eventually(found, f"{name} is ready", within=60)


def image(dashboard: Dashboard, name: str) -> int:
    def found() -> int | None:
        items = dashboard.get("/images?page_size=200")["items"]
        return next((item["id"] for item in items if item["name"] == name), None)

    return int(eventually(found, f"{name} is an image", within=60))


def connected(dashboard: Dashboard, name: str) -> int | None:
    """The network's id, once cards can be put there."""
    found = dashboard.get("/networks?page_size=200")["items"]
    number = next((one["id"] for one in found if one["name"] == name and one["active"]), None)
    if "clean-traffic" in [one["name"] for one in dashboard.get("/hosts/1/nwfilters")]:
        return number
    # libvirt tells nobody of a filter that was defined.
    dashboard.do("from vms import live; live.look(1, 'host:1')")
    return None


def make(dashboard: Dashboard, body: dict[str, Any], *ends: str) -> dict[str, Any]:
    answer = dashboard.post("/vms", {**SMALL, **body})
    assert answer.status == 202, answer
    return dashboard.await_operation(answer.body["operation"]["id"], *(ends or ("succeeded",)), within=120)


def says(host: LabHost, name: str, text: str) -> None:
    """Wait until the VM has said that on its serial line."""
    connection = host.connect()
    stream = connection.newStream()
    connection.lookupByName(name).openConsole(None, stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE)
    heard = bytearray()

    def read() -> None:
        with suppress(libvirt.libvirtError):
            while piece := stream.recv(4096):
                heard.extend(piece)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        eventually(lambda: text.encode() in heard, f"{text!r} from {name}", within=240)
    finally:
        with suppress(libvirt.libvirtError):
            stream.abort()
        reader.join(10)
        connection.close()


def test_an_empty_vm_starts_from_its_iso_behind_the_filter(
    lab_host: LabHost, dashboard: Dashboard, pool: LabPool, number_of: int, network: str
) -> None:
    card = eventually(lambda: connected(dashboard, network), "the network and the filter are known")
    body = {
        "name": "made-iso", "disks": [{"pool": number_of, "size_mib": 64}],
        "install": {"image": image(dashboard, "guest.iso")}, "firmware": "bios", "networks": [{"network": card}],
    }  # fmt: skip
    seen = dashboard.post("/vms/preview", {**SMALL, **body})
    assert seen.status == 200 and "made-iso.qcow2" in seen.body["xml"], seen
    made = make(dashboard, body)
    vm = made["target"]["id"]
    dashboard.await_state(vm, "running")
    says(lab_host, "made-iso", "address 192.168.231.")
    assert "clean-traffic" in lab_host.virsh("nwfilter-binding-list")
    found = dashboard.get(f"/vms/{vm}")
    assert (found["name"], found["vcpus"], found["present"]) == ("made-iso", 1, True)
    disk = volume(dashboard, number_of, "made-iso.qcow2")
    assert (disk["format"], disk["capacity_bytes"], disk["owner"]) == ("qcow2", 64 * MIB, "admin")
    users = dashboard.get(f"/volumes/{disk['id']}/users")
    assert [one["id"] for one in users["vms"]] == [vm]
    ejects_when_it_starts_anew(lab_host, dashboard, vm, f"{pool.name}/guest.iso")


def ejects_when_it_starts_anew(host: LabHost, dashboard: Dashboard, vm: int, medium: str) -> None:
    def cds() -> list[dict[str, Any]]:
        return list(dashboard.get(f"/vms/{vm}")["cds"])

    assert cds() == [{"drive": "sda", "medium": medium, "installed": False}]
    host.virsh("reset", "made-iso")
    eventually(lambda: cds() == [{"drive": "sda", "medium": medium, "installed": True}], "it is offered for ejection")
    asked = dashboard.post(f"/vms/{vm}/eject", {"drive": "sda"})
    dashboard.await_operation(asked.body["operation"]["id"], "succeeded", within=60)
    for words in (["dumpxml"], ["dumpxml", "--inactive"]):
        text = host.virsh(*words, "made-iso")
        assert "guest.iso" not in text and "device='cdrom'" in text
    eventually(lambda: cds() == [{"drive": "sda", "medium": None, "installed": False}], "the empty drive is seen")
    assert dashboard.get(f"/vms/{vm}")["state"] == "running"


@pytest.mark.parametrize("boots", [False, pytest.param(True, marks=pytest.mark.long)])
def test_a_disk_is_a_copy_of_an_image_or_lies_over_it(
    lab_host: LabHost, dashboard: Dashboard, pool: LabPool, number_of: int, boots: bool
) -> None:
    cloud = made_image(dashboard, number_of)
    for backing in ("full", "linked"):
        name = f"made-{backing}-{boots}"
        disk = {"pool": number_of, "image": cloud, "size_mib": 128, "backing": backing}
        body = {"name": name, "disks": [disk], "firmware": "bios", "start": boots}
        vm = make(dashboard, body)["target"]["id"]
        told = subprocess.run(
            ["qemu-img", "info", "-U", str(pool.folder / f"{name}.qcow2")], capture_output=True, text=True, check=True
        ).stdout
        assert "file format: qcow2" in told and "128 MiB" in told
        assert ("backing file:" in told) == (backing == "linked")
        if boots:
            dashboard.await_state(vm, "running")
            says(lab_host, name, "boot ")
            lab_host.virsh("destroy", name)


def made_image(dashboard: Dashboard, pool: int) -> int:
    """The image of a disk, read and known."""
    known = [item["id"] for item in dashboard.get("/images?page_size=200")["items"] if item["name"] == "cloud.qcow2"]
    if known:
        return int(known[0])
    found = volume(dashboard, pool, "cloud.qcow2")
    asked = dashboard.do(
        "from vms.models import User, Volume; from vms.permissions import Actor; from vms.services import images; "
        f"print(images.check(Actor(User.objects.get(username='admin')), Volume.objects.get(pk={found['id']})).pk)"
    )
    dashboard.await_operation(int(asked.split()[-1]), "succeeded", within=60)
    return image(dashboard, "cloud.qcow2")


def test_the_disc_of_the_first_boot_goes_when_that_is_over(
    lab_host: LabHost, dashboard: Dashboard, pool: LabPool, number_of: int
) -> None:
    disk = {"pool": number_of, "image": made_image(dashboard, number_of), "backing": "linked"}
    answers = {"user": "anna", "password": "open sesame", "hostname": "seeded"}
    body = {"name": "made-seeded", "disks": [disk], "firmware": "bios", "cloud_init": answers}
    vm = make(dashboard, body)["target"]["id"]
    disc = pool.folder / "made-seeded-seed.iso"
    label = subprocess.run(
        ["blkid", "-p", "-o", "value", "-s", "LABEL", disc], capture_output=True, text=True, check=True
    )
    assert label.stdout == "cidata\n" and b"open sesame" not in disc.read_bytes()
    listed = [each["name"] for each in dashboard.get(f"/pools/{number_of}/volumes?page_size=200")["items"]]
    assert "made-seeded.qcow2" in listed and disc.name not in listed
    dashboard.await_state(vm, "running")
    assert disc.name in lab_host.virsh("dumpxml", "made-seeded")
    asked = dashboard.do(
        "from datetime import timedelta; from django.utils import timezone; from vms.models import Operation, Seed; "
        "from vms.services import seeds; seeds.BOOT = timedelta(0); "
        f"Seed.objects.filter(vm={vm}).update(look_at=timezone.now()); assert seeds.drop_due() == 1; "
        "print(Operation.objects.latest('pk').pk)"
    )
    dashboard.await_operation(int(asked.split()[-1]), "succeeded", within=60)
    assert not disc.exists()
    for words in (["dumpxml"], ["dumpxml", "--inactive"]):
        assert disc.name not in lab_host.virsh(*words, "made-seeded")
    lab_host.virsh("destroy", "made-seeded")


def test_a_vms_disc_is_written_anew_and_deleted_with_it(
    lab_host: LabHost, dashboard: Dashboard, pool: LabPool, number_of: int
) -> None:
    disk = {"pool": number_of, "image": made_image(dashboard, number_of), "backing": "linked"}
    body = {"name": "made-told", "disks": [disk], "firmware": "bios", "start": False, "cloud_init": {"user": "anna"}}
    vm = make(dashboard, body)["target"]["id"]
    assert (pool.folder / "made-told-seed.iso").exists()
    eventually(lambda: dashboard.get(f"/vms/{vm}")["present"], "the VM is seen")
    written = dashboard.request("PUT", f"/api/v1/vms/{vm}/cloud-init", {"user": "berta", "password": "open sesame"})
    dashboard.await_operation(written.body["operation"]["id"], "succeeded", within=60)
    told = dashboard.get(f"/vms/{vm}/cloud-init")
    assert (told["disc"], told["user"], told["password"]) == ("in", "berta", True)
    assert [path.name for path in pool.folder.glob("made-told-seed*")] == ["made-told-seed.1.iso"]
    document = lab_host.virsh("dumpxml", "made-told")
    assert document.count("device='cdrom'") == 1 and "made-told-seed.1.iso" in document and "bus='scsi'" in document
    asked = dashboard.post(f"/vms/{vm}/delete", {"volumes": "all", "confirm": "made-told", "trash": False})
    dashboard.await_operation(asked.body["operation"]["id"], "succeeded", within=60)
    assert not list(pool.folder.glob("made-told*"))


@pytest.mark.long
def test_a_debian_lets_in_whom_it_was_told(
    lab_host: LabHost, dashboard: Dashboard, pool: LabPool, number_of: int, network: str, tmp_path: Path
) -> None:
    """At its first boot, at a fixed address; then, told otherwise, where DHCP says, and as a machine of its own."""
    shutil.copy(cached_image(environment.load().cache), pool.folder / "debian-12-generic-amd64.qcow2")
    pool.names()
    found = volume(dashboard, number_of, "debian-12-generic-amd64.qcow2")
    card = eventually(lambda: connected(dashboard, network), "the network and the filter are known")
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    keys = [key.with_suffix(".pub").read_text()]
    disk = {"pool": number_of, "image": image(dashboard, found["name"]), "size_mib": 4096, "backing": "linked"}
    answers = {
        "user": "anna", "keys": keys, "hostname": "web-7", "commands": ["echo told > /root/told"],
        "network": {"address": "192.168.231.77/24", "gateway": "192.168.231.1"},
    }  # fmt: skip
    body = {
        "name": "made-debian", "memory_mib": 768, "cpus": 2, "disks": [disk], "networks": [{"network": card}],
        "firmware": "bios", "cloud_init": answers,
    }  # fmt: skip
    vm = make(dashboard, body)["target"]["id"]
    # Commands are run after the door is open.
    asked = "hostname; id -un; sudo grep -x {} /root/told; cat /etc/machine-id"
    first = lets_in(lab_host, key, "anna", lambda: "192.168.231.77", asked.format("told"))
    assert first[:3] == ["web-7", "anna", "told"]
    lab_host.virsh("destroy", "made-debian")
    dashboard.await_state(vm, "shut_off")
    # As a disk of another machine has it.
    another = ["sh", "-c", f"echo {'0123456789abcdef' * 2} > /etc/machine-id"]
    other = {
        "user": "berta", "keys": keys, "hostname": "web-8", "commands": ["echo again > /root/told"],
        "user_data": f"#cloud-config\nbootcmd: {json.dumps([another, NEW_MACHINE])}\n",
    }  # fmt: skip
    written = dashboard.request("PUT", f"/api/v1/vms/{vm}/cloud-init", other)
    assert written.status == 202, written
    dashboard.await_operation(written.body["operation"]["id"], "succeeded", within=60)
    dashboard.await_operation(dashboard.ask(vm, "start"), "succeeded", within=60)
    second = lets_in(lab_host, key, "berta", lambda: leased(lab_host, network), asked.format("again"))
    assert second[:3] == ["web-8", "berta", "again"]
    assert second[3] == lab_host.virsh("domuuid", "made-debian").strip().replace("-", "")
    lab_host.virsh("destroy", "made-debian")


def leased(host: LabHost, network: str) -> str:
    """The address that the network has given, "" while there is none."""
    found = re.search(r"(192\.168\.231\.\d+)/", host.virsh("net-dhcp-leases", network))
    return found[1] if found else ""


def lets_in(host: LabHost, key: Path, user: str, address: Callable[[], str], asked: str) -> list[str]:
    """What the guest answers to him over ssh, in words."""
    options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes", "ConnectTimeout=20")
    words = [word for option in options for word in ("-o", option)]

    def answer() -> list[str]:
        with suppress(AssertionError, subprocess.TimeoutExpired):
            if where := address():
                return host.run("ssh", *words, "-i", str(key), f"{user}@{where}", f"set -e; {asked}").split()
        return []

    return eventually(answer, f"{user} is let in", within=1800, every=3)


def test_a_disk_that_is_there_is_given_to_one_vm(
    lab_host: LabHost, dashboard: Dashboard, pool: LabPool, number_of: int
) -> None:
    old = volume(dashboard, number_of, "old-disk")
    body = {"name": "made-old", "disks": [{"volume": old["id"]}], "firmware": "bios", "start": False}
    vm = make(dashboard, body)["target"]["id"]
    dashboard.await_state(vm, "shut_off")
    again = dashboard.post("/vms", {**SMALL, **body, "name": "made-again"})
    assert again.status == 422, again


def test_what_the_host_refuses_leaves_nothing(
    lab_host: LabHost, dashboard: Dashboard, pool: LabPool, number_of: int
) -> None:
    """No emulated processor of this host has so many cores; the disk is made by then."""
    body = {"name": "made-huge", "cpus": 500, "disks": [{"pool": number_of, "size_mib": 16}], "firmware": "bios"}
    failed = make(dashboard, body, "failed")
    assert failed["error"]["details"]
    assert "made-huge.qcow2" not in pool.names()
    assert "made-huge" not in lab_host.virsh("list", "--all", "--name").split()
    gone = dashboard.request("GET", f"/api/v1/vms/{failed['target']['id']}")
    assert gone.status == 404


FAILING = """
from dataclasses import replace
from vms.errors import HostRefused
from vms.operations import create
from vms.operations.process import WorkerProcess
real = create.STEPS
def failing(step):
    def do(making):
        step.do(making)
        raise HostRefused("no more")
    return replace(step, do=do) if step.name == {step!r} else step
create.STEPS = tuple(map(failing, real))
worker = WorkerProcess(name="failing")
try:
    worker.take({operation})
finally:
    create.STEPS = real
    worker.pool.shutdown()
"""


@pytest.mark.long
def test_whatever_step_fails_on_a_real_host_nothing_is_left(
    lab_host: LabHost, dashboard: Dashboard, pool: LabPool, number_of: int, network: str
) -> None:
    """Each after it took effect; then a name that somebody takes outside meanwhile, and a pool that is full."""
    body = everything(dashboard, number_of, network)
    for step in [step.name for step in STEPS]:
        name = f"made-failing-{step}"
        with idle(dashboard, dashboard.pid("worker")):
            operation = dashboard.post("/vms", {**SMALL, **body, "name": name}).body["operation"]["id"]
            dashboard.do(FAILING.format(step=step, operation=operation))
        ended = nothing_of(lab_host, dashboard, pool, operation, name)
        assert ended["error"]["code"] == "host_refused" and "undone" in [line["code"] for line in ended["log"]], ended

    with idle(dashboard, dashboard.pid("worker")):
        operation = dashboard.post("/vms", {**SMALL, **body, "name": "made-taken"}).body["operation"]["id"]
        connection = lab_host.connect()
        other = connection.defineXML(
            "<domain type='qemu'><name>made-taken</name><memory>1024</memory><os><type>hvm</type></os></domain>"
        )
    ended = dashboard.await_operation(operation, "failed", within=120)
    assert ended["error"]["code"] == "vm_taken", ended
    assert other.name() == "made-taken" and not [name for name in pool.names() if name.startswith("made-taken")]
    other.undefine()
    connection.close()

    with folder_pool(lab_host, disk="2m") as small:
        here = int(eventually(lambda: pool_id(dashboard, small), "the small pool is known", within=60))
        disk = {**body["disks"][0], "pool": here}
        answer = dashboard.post("/vms", {**SMALL, **body, "name": "made-full", "disks": [disk]})
        ended = nothing_of(lab_host, dashboard, small, answer.body["operation"]["id"], "made-full")
        assert ended["error"]["details"] and "undone" in [line["code"] for line in ended["log"]], ended


def nothing_of(
    host: LabHost, dashboard: Dashboard, pool: LabPool, operation: int, name: str
) -> dict[str, Any]:  # fmt: skip
    """The failed operation; nothing that it made is on the host or in the dashboard."""
    ended = dashboard.await_operation(operation, "failed", within=120)
    assert name not in host.virsh("list", "--all", "--name").split()
    assert not [each for each in pool.names() if each.startswith(name)]
    assert dashboard.request("GET", f"/api/v1/vms/{ended['target']['id']}").status == 404
    [[left]] = dashboard.query("SELECT count(*) FROM vms_volume WHERE name LIKE ?", f"{name}%")
    assert left == 0
    return ended


CASES = [(step.name, when) for step in STEPS for when in ("before", "after")] + [("disk", "in")]


@pytest.mark.long
@pytest.mark.parametrize(("step", "when"), CASES)
def test_killed_at_any_step_it_is_there_whole_or_not_at_all(
    lab_host: LabHost, dashboard: Dashboard, pool: LabPool, number_of: int, network: str, step: str, when: str
) -> None:
    """Of one that has them all."""
    name = f"made-{step}-{when}"
    body = everything(dashboard, number_of, network)
    with idle(dashboard, dashboard.pid("worker")):
        operation = dashboard.post("/vms", {**SMALL, **body, "name": name}).body["operation"]["id"]
        die_at(dashboard, operation, "create", step, when)
    if (step, when) != ("start", "after"):
        nothing_of(lab_host, dashboard, pool, operation, name)
    else:
        dashboard.await_operation(operation, "succeeded", within=120)
        assert name in lab_host.virsh("list", "--name").split()
        for volume_name in (f"{name}.qcow2", f"{name}-2.qcow2"):
            assert volume(dashboard, number_of, volume_name)["state"] == "ready"
        assert f"{name}-seed.iso" in pool.names()
    assert dashboard.query("SELECT key FROM vms_operationlock") == []
    assert dashboard.query("SELECT name FROM vms_volume WHERE state = 'incomplete'") == []


def everything(dashboard: Dashboard, pool: int, network: str) -> dict[str, Any]:
    """What takes every step there is."""
    card = eventually(lambda: connected(dashboard, network), "the network and the filter are known")
    disks = [{"pool": pool, "image": made_image(dashboard, pool), "size_mib": 64}, {"pool": pool, "size_mib": 16}]
    return {"disks": disks, "firmware": "bios", "cloud_init": {"user": "anna"}, "networks": [{"network": card}]}
