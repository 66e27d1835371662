"""Storage pools and secrets by the API on a real host: what this machine can have, and the host's no to the rest."""

from __future__ import annotations

import os
import signal
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kvmweb.second.namespaces import children
from tests.lab.guests import Guests
from tests.lab.machine import LabHost, eventually, printed
from tests.lab.stack import Dashboard
from vms.libvirtxml import EXAMPLES, read_spec, spec_type
from vms.virt import HostSpec, connect

SPACE = "/var/lib/libvirt/images"
TARGET = "iqn.2026-01.example:vms"
INITIATOR = "iqn.2026-01.example:lab-a"
PASSWORD = "chap-canary-4711"

# A boot sector that says so on the first serial line, and stops.
SAYS = b"booted from the SAN"
BOOT = bytes.fromhex("31c08ed8be157cbaf803ac84c07403eeebf8f4ebfd") + SAYS

Add = Callable[..., dict[str, Any]]


def operation(dashboard: Dashboard, answer: Any) -> int:
    assert answer.status == 202, answer.body
    return int(answer.body["operation"]["id"])


@pytest.fixture
def host_id(dashboard: Dashboard) -> int:
    return int(dashboard.get("/hosts")["items"][0]["id"])


def find(dashboard: Dashboard, name: str) -> dict[str, Any] | None:
    """The pool as the dashboard knows it."""
    return next((pool for pool in dashboard.get("/pools?page_size=200")["items"] if pool["name"] == name), None)


@pytest.fixture
def add(dashboard: Dashboard, lab_host: LabHost, host_id: int) -> Iterator[Add]:
    """add(spec, ...): the ended operation; what it made is gone after the test, whatever came of it."""

    def asked(spec: dict[str, str], **more: Any) -> dict[str, Any]:
        answer = dashboard.post(f"/hosts/{host_id}/pools", {"spec": spec, **more})
        return dashboard.await_operation(operation(dashboard, answer), "succeeded", "failed", within=60)

    before = set(lab_host.virsh("pool-list", "--all", "--name").split())
    yield asked
    with lab_connection(lab_host) as connection:
        for pool in connection.listAllStoragePools():
            if pool.name() not in before:
                if pool.isActive():
                    pool.destroy()
                pool.undefine()
        for secret in connection.listAllSecrets():
            secret.undefine()


@contextmanager
def lab_connection(host: LabHost) -> Iterator[Any]:
    connection = host.connect()
    try:
        yield connection
    finally:
        connection.close()


@pytest.fixture
def device(lab_host: LabHost) -> Iterator[str]:
    """A disk of 64 MiB with nothing on it."""
    file = lab_host.folder / f"{uuid.uuid4().hex}.img"
    file.touch()
    os.truncate(file, 64 << 20)
    made = printed("losetup", "--find", "--show", str(file)).strip()
    yield made
    # A pool that is mounted on it lets it go a moment after it was stopped.
    eventually(lambda: subprocess.run(["losetup", "--detach", made], capture_output=True).returncode == 0, "detached")
    file.unlink()


def ask(dashboard: Dashboard, pool: int, verb: str) -> None:
    dashboard.await_operation(operation(dashboard, dashboard.post(f"/pools/{pool}/{verb}")))


def delete(dashboard: Dashboard, pool: int, *, wipe: bool) -> Any:
    word = str(wipe).lower()
    answer = dashboard.request("DELETE", f"/api/v1/pools/{pool}?wipe={word}")
    return dashboard.await_operation(operation(dashboard, answer), "succeeded", "failed")


def test_a_folder_is_made_stopped_started_and_forgotten_or_wiped(
    dashboard: Dashboard, lab_host: LabHost, add: Add
) -> None:
    spec = {"type": "dir", "name": "folder", "path": f"{SPACE}/folder"}
    assert add(spec)["state"] == "succeeded"
    known = eventually(lambda: find(dashboard, "folder"), "the pool has a row")
    assert (known["active"], known["autostart"], known["path"]) == (True, True, spec["path"])
    assert known["capacity_bytes"] > known["available_bytes"] > 0
    assert "folder" in lab_host.virsh("pool-list", "--autostart", "--name").split()
    taken = dashboard.post(f"/hosts/{known['host']}/pools", {"spec": spec})
    assert (taken.status, taken.body["code"]) == (409, "pool_taken")

    (lab_host.images / "folder/disk").write_bytes(b"x" * 512)
    assert "disk" not in lab_host.virsh("vol-list", "folder")
    ask(dashboard, known["id"], "refresh")
    assert "disk" in lab_host.virsh("vol-list", "folder")
    assert find(dashboard, "folder")["refreshed_at"]  # type: ignore[index]
    ask(dashboard, known["id"], "stop")
    assert not find(dashboard, "folder")["active"]  # type: ignore[index]
    ask(dashboard, known["id"], "start")
    assert find(dashboard, "folder")["active"]  # type: ignore[index]
    unset = dashboard.request("PATCH", f"/api/v1/pools/{known['id']}", {"autostart": False})
    dashboard.await_operation(operation(dashboard, unset))
    assert "folder" not in lab_host.virsh("pool-list", "--all", "--autostart", "--name").split()

    assert delete(dashboard, known["id"], wipe=False)["state"] == "succeeded"
    assert find(dashboard, "folder") is None
    assert (lab_host.images / "folder/disk").exists()

    assert add(spec)["state"] == "succeeded"
    again = eventually(lambda: find(dashboard, "folder"), "the pool has a row")
    assert delete(dashboard, again["id"], wipe=True)["state"] == "succeeded"
    assert find(dashboard, "folder") is None
    assert not (lab_host.images / "folder/disk").exists()


def test_what_a_vm_uses_is_not_wiped(dashboard: Dashboard, lab_host: LabHost, add: Add) -> None:
    add({"type": "dir", "name": "used", "path": f"{SPACE}/used"})
    lab_host.virsh("vol-create-as", "used", "disk", "1M", "--format", "raw")
    lab_host.virsh("vol-create-as", "used", "other", "1M", "--format", "raw")
    text = (
        "<domain type='qemu'><name>user-of-used</name><memory>1024</memory><os><type>hvm</type></os><devices>"
        f"<disk type='file'><source file='{SPACE}/used/disk'/><target dev='vda'/></disk></devices></domain>"
    )
    with lab_connection(lab_host) as connection:
        domain = connection.defineXML(text)
        try:
            known = eventually(lambda: find(dashboard, "used"), "the pool has a row")
            answer = dashboard.request("DELETE", f"/api/v1/pools/{known['id']}?wipe=true")
            # Before anything was asked of the host where the rows say so, else by the worker's own look at the VMs.
            if answer.status == 202:
                pk = int(answer.body["operation"]["id"])
                failed = dashboard.await_operation(pk, "failed")
                assert (failed["error"]["code"], failed["error"]["params"]["vm"]) == ("pool_in_use", "user-of-used")
            else:
                assert (answer.status, answer.body["code"]) == (409, "pool_in_use")
            assert (lab_host.images / "used/disk").exists() and (lab_host.images / "used/other").exists()
            assert delete(dashboard, known["id"], wipe=False)["state"] == "succeeded"
        finally:
            domain.undefine()


def test_one_folder_of_two_hosts_is_one_storage_once_that_is_said(
    dashboard: Dashboard, lab_host: LabHost, add: Add, other_host: tuple[int, Guests]
) -> None:
    number, there = other_host
    folder = lab_host.images / "both"
    assert add({"type": "dir", "name": "both", "path": f"{SPACE}/both"})["state"] == "succeeded"
    here = eventually(lambda: find(dashboard, "both"), "the pool has a row")
    made = {"name": "disk", "size_bytes": 1 << 20, "format": "raw"}
    dashboard.await_operation(operation(dashboard, dashboard.post(f"/pools/{here['id']}/volumes", made)))
    # The same folder by the path that it has outside the first host.
    wish = {"spec": {"type": "dir", "name": "too", "path": str(folder)}, "autostart": False}
    dashboard.await_operation(operation(dashboard, dashboard.post(f"/hosts/{number}/pools", wish)))
    other = eventually(lambda: find(dashboard, "too"), "the other pool has a row")

    def listed(pool: int) -> list[dict[str, Any]]:
        return [each for each in dashboard.get(f"/pools/{pool}/volumes")["items"] if each["state"] == "ready"]

    eventually(lambda: listed(other["id"]), "the other host's list is read")
    [disk] = listed(here["id"])
    joined = dashboard.post(f"/pools/{here['id']}/join", {"pool": other["id"]})
    assert (joined.status, joined.body["storage_by_hand"]) == (200, True), joined.body
    [one] = listed(here["id"])
    # What the lists say of it may be read again in between: it is the same row.
    assert [each["id"] for each in listed(other["id"])] == [one["id"]]
    text = (
        "<domain type='qemu'><name>user-of-both</name><memory>1024</memory><os><type>hvm</type></os><devices>"
        f"<disk type='file'><driver name='qemu' type='raw'/><source file='{folder}/disk'/><target dev='vda'/></disk>"
        "</devices></domain>"
    )
    with lab_connection(there.host) as connection:
        domain = connection.defineXML(text)
        try:
            users = f"/volumes/{one['id']}/users"
            eventually(lambda: dashboard.get(users)["vms"], "the VM of the other host is told as its user")
            refused = dashboard.request("DELETE", f"/api/v1/volumes/{one['id']}")
            assert (refused.status, refused.body["code"]) == (409, "volume_used")
        finally:
            domain.undefine()
    eventually(lambda: not dashboard.get(users)["vms"], "nobody uses it")
    separated = dashboard.post(f"/pools/{other['id']}/separate")
    assert separated.status == 200 and separated.body["storage"] != joined.body["storage"]
    again = eventually(lambda: listed(other["id"]), "what the other host lists is found anew")
    assert [each["name"] for each in again] == ["disk"] and again[0]["id"] != disk["id"]


def test_a_file_system_is_made_on_a_device_that_holds_nothing(
    dashboard: Dashboard, lab_host: LabHost, device: str, add: Add
) -> None:
    spec = {"type": "fs", "name": "mounted", "device": device, "path": f"{SPACE}/mounted", "format": "ext4"}
    assert add(spec, build=True)["state"] == "succeeded"
    assert f"{device} {SPACE}/mounted ext4" in lab_host.run("cat", "/proc/mounts")
    known = eventually(lambda: find(dashboard, "mounted"), "the pool has a row")
    assert 0 < known["capacity_bytes"] <= 64 << 20
    assert delete(dashboard, known["id"], wipe=False)["state"] == "succeeded"
    # What is there is kept: made anew it is refused, and nothing of the attempt is left.
    failed = add({**spec, "name": "anew"}, build=True)
    assert (failed["state"], failed["error"]["code"]) == ("failed", "host_refused")
    assert "anew" not in lab_host.virsh("pool-list", "--all", "--name").split()
    assert add({**spec, "name": "kept"})["state"] == "succeeded"


def test_a_whole_disk_gets_a_partition_table_and_zeroed_partitions(dashboard: Dashboard, device: str, add: Add) -> None:
    with Path(device).open("r+b") as disk:
        # Its ends look empty, as libvirt wants it.
        disk.seek(2 << 20)
        disk.write(b"former!!" * (4 << 20))
    assert add({"type": "disk", "name": "whole", "device": device}, build=True)["state"] == "succeeded"
    known = eventually(lambda: find(dashboard, "whole"), "the pool has a row")
    assert (known["type"], known["active"]) == ("disk", True)
    assert "gpt" in printed("blkid", "--probe", device)
    # What a former one of it left there is seen by nobody.
    name = f"{Path(device).name}p1"
    wish = {"name": name, "size_bytes": 8 << 20, "format": "raw"}
    made = dashboard.post(f"/pools/{known['id']}/volumes", wish)
    try:
        assert dashboard.await_operation(operation(dashboard, made), "succeeded", within=60)
        with Path(f"/dev/{name}").open("rb") as file:
            assert file.read() == bytes(8 << 20)
        assert b"former" in Path(device).read_bytes()
    finally:
        # libvirt does not find the number of a partition of a device whose own name ends in one.
        printed("parted", "--script", device, "rm", "1")


@pytest.fixture
def group(device: str) -> Iterator[str]:
    """The name of a volume group that nobody has; it goes with the test."""
    name = f"kvmweb{uuid.uuid4().hex[:8]}"
    yield name
    subprocess.run(["vgremove", "--force", name], capture_output=True)
    subprocess.run(["pvremove", "--force", device], capture_output=True)


def test_a_volume_group_is_made_and_found(
    dashboard: Dashboard, lab_host: LabHost, device: str, group: str, add: Add
) -> None:
    """Listing is as far as it goes here: without device-mapper no logical volume can be made."""
    assert (
        add({"type": "logical", "name": "group", "group": group, "device": device}, build=True)["state"] == "succeeded"
    )
    known = eventually(lambda: find(dashboard, "group"), "the pool has a row")
    assert (known["active"], known["path"]) == (True, f"/dev/{group}")
    with connect(HostSpec("unix", "qemu", socket=str(lab_host.socket))) as connection:
        assert {"device": device, "group": group} in connection.pool_sources("logical", "", "", "")


@contextmanager
def san(host: LabHost, password: str) -> Iterator[None]:
    """A target with one LUN of 8 MiB on the host's own network; kvm signs in with the password."""
    lun = host.folder / "lun.img"
    lun.write_bytes(BOOT.ljust(510, b"\0") + b"\x55\xaa")
    os.truncate(lun, 8 << 20)
    (host.folder / "run/tgtd").mkdir(exist_ok=True)
    enter = ["nsenter", "--target", str(host.first_pid), "--mount", "--uts", "--ipc", "--net", "--pid"]
    daemon = subprocess.Popen(
        [*enter, "/usr/sbin/tgtd", "--foreground", "--control-port", "1", "--iscsi", "portal=127.0.0.1:3260"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def tell(*words: str) -> None:
        host.run("tgtadm", "--control-port", "1", "--lld", "iscsi", *words)

    def answers() -> bool:
        done = subprocess.run(
            [*enter, "tgtadm", "--control-port", "1", "--mode", "system", "--op", "show"], capture_output=True
        )
        return done.returncode == 0

    try:
        eventually(answers, "tgtd answers")
        tell("--op", "new", "--mode", "target", "--tid", "1", "--targetname", TARGET)
        tell("--op", "new", "--mode", "logicalunit", "--tid", "1", "--lun", "1", "--backing-store", str(lun))
        tell("--op", "bind", "--mode", "target", "--tid", "1", "--initiator-address", "ALL")
        tell("--op", "new", "--mode", "account", "--user", "kvm", "--password", password)
        tell("--op", "bind", "--mode", "account", "--tid", "1", "--user", "kvm")
        yield
    finally:
        # nsenter waits for it in another namespace of processes, where its own end reaches nobody.
        for pid in children(daemon.pid):
            os.kill(pid, signal.SIGKILL)
        daemon.wait()
        lun.unlink()


def test_a_san_lists_its_luns_to_who_knows_the_password(
    dashboard: Dashboard, lab_host: LabHost, add: Add, host_id: int
) -> None:
    spec = {
        "type": "iscsi-direct", "name": "san", "server": "127.0.0.1", "target": TARGET, "initiator": INITIATOR,
        "user": "kvm",
    }  # fmt: skip
    with san(lab_host, PASSWORD):
        with connect(HostSpec("unix", "qemu", socket=str(lab_host.socket))) as connection:
            found = connection.pool_sources("iscsi-direct", "127.0.0.1", "3260", INITIATOR)
            assert found == [{"server": "127.0.0.1", "target": TARGET}]
        failed = add(spec, chap_password="wrong")
        assert (failed["state"], failed["error"]["code"]) == ("failed", "host_refused")
        assert "san" not in lab_host.virsh("pool-list", "--all", "--name").split()
        assert lab_host.virsh("secret-list").count("\n") <= 3  # head and line: the secret went with the pool
        assert add(spec, chap_password=PASSWORD)["state"] == "succeeded"
        assert "unit:0:0:1" in lab_host.virsh("vol-list", "san")
        assert PASSWORD not in lab_host.virsh("pool-dumpxml", "san")
        known = eventually(lambda: find(dashboard, "san"), "the pool has a row")

        def used() -> bool:
            secrets = dashboard.get(f"/hosts/{host_id}/secrets")
            return [[user["name"] for user in secret["users"]] for secret in secrets] == [["san"]]

        eventually(used, "the secret is told with the pool that uses it")
        [secret] = dashboard.get(f"/hosts/{host_id}/secrets")
        assert (secret["usage"], secret["private"]) == ("iscsi", True)
        answer = dashboard.request("DELETE", f"/api/v1/hosts/{host_id}/secrets/{secret['uuid']}")
        refused = dashboard.await_operation(operation(dashboard, answer), "failed")
        assert refused["error"]["code"] == "secret_in_use"
        assert delete(dashboard, known["id"], wipe=False)["state"] == "succeeded"
        eventually(lambda: dashboard.get(f"/hosts/{host_id}/secrets") == [], "the secret went with the pool")
    rows = dashboard.query("SELECT params, sealed, before, result, details FROM vms_operation")
    assert PASSWORD not in str(rows)
    assert all(not row[1] for row in rows)


def test_a_guest_boots_from_the_san(dashboard: Dashboard, lab_host: LabHost, add: Add) -> None:
    identity = str(uuid.uuid4())
    text = (
        f"<domain type='qemu'><name>from-the-san</name><uuid>{identity}</uuid><memory unit='MiB'>64</memory><os>"
        "<type arch='x86_64' machine='pc'>hvm</type></os><devices><disk type='volume' device='disk'>"
        "<driver name='qemu' type='raw'/><source pool='san' volume='unit:0:0:1'/>"
        "<target dev='vda' bus='virtio'/></disk>"
        f"<serial type='file'><source path='{SPACE}/from-the-san.log'/></serial></devices></domain>"
    )
    said = lab_host.images / "from-the-san.log"
    with san(lab_host, PASSWORD), lab_connection(lab_host) as connection:
        spec = {
            "type": "iscsi-direct", "name": "san", "server": "127.0.0.1", "target": TARGET, "initiator": INITIATOR,
            "user": "kvm",
        }  # fmt: skip
        assert add(spec, chap_password=PASSWORD)["state"] == "succeeded"
        domain = connection.defineXML(text)
        try:
            vm = dashboard.vm(identity)
            dashboard.await_operation(dashboard.ask(vm, "start"))
            eventually(lambda: said.exists() and SAYS in said.read_bytes(), "it says that it has booted", within=60)
        finally:
            if domain.isActive():
                domain.destroy()
            domain.undefine()
            said.unlink(missing_ok=True)


def test_a_secret_is_set_and_forgotten(dashboard: Dashboard, lab_host: LabHost, add: Add, host_id: int) -> None:
    wish = {"usage": "ceph", "name": "client.admin", "value": PASSWORD}
    dashboard.await_operation(operation(dashboard, dashboard.post(f"/hosts/{host_id}/secrets", wish)))
    [secret] = eventually(lambda: dashboard.get(f"/hosts/{host_id}/secrets"), "the secret is told")
    with lab_connection(lab_host) as connection:
        kept = connection.secretLookupByUUIDString(secret["uuid"])
        assert (kept.usageID(), kept.isPrivate() if hasattr(kept, "isPrivate") else True) == ("client.admin", True)
    again = dashboard.post(f"/hosts/{host_id}/secrets", {**wish, "value": "another"})
    dashboard.await_operation(operation(dashboard, again))
    assert len(dashboard.get(f"/hosts/{host_id}/secrets")) == 1
    answer = dashboard.request("DELETE", f"/api/v1/hosts/{host_id}/secrets/{secret['uuid']}")
    dashboard.await_operation(operation(dashboard, answer))
    eventually(lambda: dashboard.get(f"/hosts/{host_id}/secrets") == [], "it is forgotten")


KEYED = {"type": "rbd", "monitors": "127.0.0.1", "pool": "vms", "user": "kvm"}
NFS = {"type": "netfs", "server": "127.0.0.1", "export": "/vms", "path": f"{SPACE}/nfs"}


NONE_HERE = [type for type in EXAMPLES if type != "mpath"]


@pytest.mark.parametrize(
    ("spec", "secret"),
    [
        (NFS, {}),
        (KEYED, {"ceph_key": PASSWORD}),
        *(({"type": "xml", "document": EXAMPLES[type]}, {}) for type in NONE_HERE),
    ],
    ids=["netfs", "rbd", *NONE_HERE],
)
def test_what_this_machine_cannot_have_is_refused_in_words_and_leaves_nothing(
    dashboard: Dashboard, spec: dict[str, str], secret: dict[str, str], lab_host: LabHost, add: Add
) -> None:
    named = {} if "document" in spec else {"name": "impossible"}
    before = lab_host.virsh("pool-list", "--all", "--name").split()
    failed = add({**spec, **named}, **secret)
    type = spec_type(read_spec({**spec, **named}))
    known = lab_host.virsh("pool-capabilities").partition(f"<pool type='{type}'")[2].startswith(" supported='yes'")
    code = "host_refused" if known else "no_pool_driver"
    assert (failed["state"], failed["error"]["code"]) == ("failed", code)
    assert failed["error"]["detail"]
    assert lab_host.virsh("pool-list", "--all", "--name").split() == before
    assert lab_host.virsh("secret-list").count("\n") <= 3
    assert PASSWORD not in str(dashboard.query("SELECT params, sealed, before, result, details FROM vms_operation"))


def test_a_written_definition_is_a_pool_where_the_host_can(dashboard: Dashboard, lab_host: LabHost, add: Add) -> None:
    assert add({"type": "xml", "document": EXAMPLES["mpath"]})["state"] == "succeeded"
    known = eventually(lambda: find(dashboard, "multipath"), "the pool has a row")
    assert (known["type"], known["active"], known["path"]) == ("mpath", True, "/dev/mapper")
    assert "multipath" in lab_host.virsh("pool-list", "--name").split()
