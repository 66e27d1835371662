"""What pools list becomes rows, in quarantine until its beginning was looked at; and who uses it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from django.db.models import F

from tests.conftest import make_vm
from tests.fakehost import info
from tests.headers.images import MIB, text_vmdk
from vms.inventory import row, volumes
from vms.inventory.rows import Row
from vms.models import Document, Host, Placement, Storage, StoragePool, User, VirtualMachine, Volume
from vms.virt import DomainInfo, VolumeFacts

pytestmark = pytest.mark.django_db


def listed(name: str = "a.img", **fields: object) -> VolumeFacts:
    made = VolumeFacts(name, "file", f"/pool/{name}", "raw", MIB, MIB, MIB, mtime=1000.5)
    return replace(made, **fields)  # type: ignore[arg-type]


@pytest.fixture
def pool(host: Host) -> StoragePool:
    return make_pool(host)


def make_pool(host: Host, path: str = "/pool", storage: Storage | None = None, **fields: object) -> StoragePool:
    given = {"storage": storage} if storage else {}
    return StoragePool.objects.create(
        host=host, uuid=uuid.uuid4(), name="default", type="dir", path=path, active=True, **given, **fields
    )


def tell(pool: StoragePool, *told: VolumeFacts) -> set[str]:
    """What is announced of it."""
    before = volumes.known(pool.host, str(pool.uuid))
    return run(volumes.plan(pool.host, str(pool.uuid), before, told))


def run(steps: Iterable[volumes.Step]) -> set[str]:
    return {name for step in list(steps) for name in step()}


def states() -> dict[str, tuple[str, str, str]]:
    return {volume.name: (volume.state, volume.format, volume.refusal) for volume in Volume.objects.all()}


def document(xml: str, name: str = "web-01") -> Row:
    made: DomainInfo = info(name)
    text = made.next_boot_xml.replace("<devices>", f"<devices>{xml}")
    return row(replace(made, next_boot_xml=text), {})


def use(vm: VirtualMachine, xml: str) -> set[str]:
    """The VM's definition has this device, and is stored."""
    Document.objects.filter(placement__current_of=vm).update(sources=document(xml).document["sources"])
    return volumes.link([vm.pk])


def disk(path: str, format: str = "raw") -> str:
    return f"<disk type='file'><driver name='qemu' type='{format}'/><source file='{path}'/></disk>"


def test_what_is_found_waits_in_quarantine(pool: StoragePool) -> None:
    assert tell(pool, listed(), listed("dir", kind="dir"), listed("dev", kind="block")) == {f"pool:{pool.pk}"}
    assert states() == {
        "a.img": ("quarantine", "", ""), "dir": ("refused", "", "folder"), "dev": ("refused", "", "device"),
    }  # fmt: skip
    found = Volume.objects.get(name="a.img")
    assert (found.path, found.told_format, found.capacity_bytes, found.owner) == ("/pool/a.img", "raw", MIB, None)
    assert found.changed_at and found.changed_at.timestamp() == 1000.5
    assert tell(pool, listed(), listed("dir", kind="dir"), listed("dev", kind="block")) == set()


def test_what_was_found_may_be_a_link_until_a_vm_has_it(pool: StoragePool, host: Host) -> None:
    tell(pool, listed(), listed("other.img"))
    assert [row.is_found for row in Volume.objects.order_by("name")] == [True, True]
    vm = make_vm(host, "web-01")
    use(vm, disk("/pool/a.img"))
    mine, other = Volume.objects.order_by("name")
    assert (mine.origin, mine.known_bytes, mine.is_found, other.is_found) == ("adopted", MIB, False, True)
    assert mine.known_at and mine.known_at.timestamp() == 1000.5
    use(vm, "")
    mine.refresh_from_db()
    assert not mine.is_found, "who had the VM could read it through its guest"
    Storage.objects.update(trusted=True)
    assert not any(row.is_found for row in Volume.objects.all())


def test_the_last_that_had_it_is_remembered(pool: StoragePool, host: Host) -> None:
    tell(pool, listed())
    first, second = make_vm(host, "web-01"), make_vm(host, "web-02")
    use(first, disk("/pool/a.img"))
    assert Volume.objects.get().last_vm is None
    use(first, "")
    assert Volume.objects.get().last_vm == first
    use(second, disk("/pool/a.img"))
    use(second, "")
    assert Volume.objects.get().last_vm == second
    second.delete()
    assert Volume.objects.get().last_vm is None


def test_what_is_a_device_is_no_link(pool: StoragePool) -> None:
    StoragePool.objects.update(type="logical")
    tell(pool, listed("lv", kind="block"))
    assert not Volume.objects.get().is_found


@pytest.mark.parametrize(
    ("now", "swapped"),
    [
        ({}, False),
        ({"mtime": 5000.0}, False),
        ({"mtime": 999.0}, True),
        ({"capacity": 2 * MIB, "mtime": 5000.0}, True),
        ({"format": "qcow2", "capacity": 2 * MIB, "mtime": 5000.0}, False),
    ],
)
def test_another_file_in_its_place_is_seen(pool: StoragePool, alice: User, now: dict[str, Any], swapped: bool) -> None:
    tell(pool, listed())
    Volume.objects.update(
        state="ready", format="raw", owner=alice, origin="made", known_bytes=MIB, known_at=F("changed_at")
    )
    tell(pool, listed(**now))
    assert Volume.objects.get().is_swapped is swapped
    Volume.objects.update(format="qcow2")
    assert Volume.objects.get().is_swapped is (now.get("mtime") == 999.0), "a qcow2 grows as its guest writes"


def test_what_went_and_came_back_as_another_was_found(pool: StoragePool, alice: User) -> None:
    Volume.objects.create(storage=pool.storage, name="a.img", format="raw", owner=alice)
    tell(pool, listed())
    for mtime, origin in ((1000.5, "made"), (2000.0, "found")):
        tell(pool)
        assert not Volume.objects.get().present
        tell(pool, listed(mtime=mtime))
        assert Volume.objects.get().origin == origin


def test_a_guest_names_nobodys_volume_as_one_below_its_own(pool: StoragePool, host: Host, alice: User) -> None:
    """The header is the guest's: what it names would be its VM's to see, copy and delete."""
    for name in ("hers.img", "guests.img"):
        Volume.objects.create(storage=pool.storage, name=name, format="raw", owner=alice)
    vm = make_vm(host, "web-01")
    use(vm, disk("/pool/guests.img"))
    tell(pool, listed("hers.img"), listed("guests.img", format="qcow2", backing_path="/pool/hers.img"))
    use(vm, disk("/pool/guests.img"))
    assert not Volume.objects.get(name="hers.img").vms.exists()
    assert Volume.objects.get(name="guests.img").backing is None
    tell(pool, listed("found.img", format="qcow2", backing_path="/pool/hers.img"), listed("hers.img"))
    use(vm, disk("/pool/found.img", "raw"))
    assert not Volume.objects.get(name="hers.img").vms.exists()


def test_in_a_pool_of_devices_a_device_is_a_volume(pool: StoragePool) -> None:
    StoragePool.objects.update(type="logical")
    tell(pool, listed("lv", kind="block", format="linux-lvm2"))
    assert states() == {"lv": ("quarantine", "", "")}
    assert Volume.objects.get().told_format == ""


@pytest.mark.parametrize(
    ("first", "state"),
    [
        (bytes(MIB), ("ready", "raw", "")),
        (bytes(32769) + b"CD001".ljust(MIB, b"\0"), ("ready", "raw", "")),
        (text_vmdk("/etc/shadow"), ("refused", "", "extents")),
        (b"LUKS\xba\xbe" + bytes(600), ("refused", "", "encrypted")),
        (None, ("refused", "", "unreadable")),
    ],
)
def test_its_beginning_ends_the_quarantine(
    pool: StoragePool, host: Host, first: bytes | None, state: tuple[str, str, str]
) -> None:
    tell(pool, listed())
    [(found, by)] = volumes.unread(host, 5)
    assert by == pool
    assert volumes.judged(found, first, len(first or b"")) == {f"volume:{found.pk}"}
    assert states() == {"a.img": state}
    assert volumes.unread(host, 5) == []


def test_what_changed_while_it_was_read_is_read_again(pool: StoragePool, host: Host) -> None:
    tell(pool, listed())
    [(found, _)] = volumes.unread(host, 5)
    tell(pool, listed(mtime=2000.0))
    assert volumes.judged(found, bytes(MIB), MIB) == set()
    assert states() == {"a.img": ("quarantine", "", "")}


def test_what_is_somebodys_keeps_its_format_whatever_its_pool_tells(pool: StoragePool, alice: User) -> None:
    Volume.objects.create(storage=pool.storage, name="a.img", format="raw", owner=alice)
    tell(pool, listed(format="qcow2", backing_path="/etc/shadow"))
    assert states() == {"a.img": ("ready", "raw", "")}
    found = Volume.objects.get()
    assert (found.told_format, found.backing_path, found.owner) == ("qcow2", "/etc/shadow", alice)


def test_what_was_found_and_became_another_thing_is_looked_at_again(pool: StoragePool) -> None:
    tell(pool, listed())
    Volume.objects.update(state="ready", format="raw")
    tell(pool, listed(mtime=2000.0))
    assert states() == {"a.img": ("ready", "raw", "")}
    tell(pool, listed(format="qcow2"))
    assert states() == {"a.img": ("quarantine", "", "")}


def test_what_is_being_made_is_left_alone(pool: StoragePool, alice: User) -> None:
    Volume.objects.create(storage=pool.storage, name="a.img", state="incomplete", present=False, owner=alice)
    tell(pool, listed())
    tell(pool)
    assert states() == {"a.img": ("incomplete", "", "")}


def test_what_an_operation_has_written_since_the_host_was_asked_stays(pool: StoragePool, alice: User) -> None:
    """One that grew, one that was made, and one that was deleted and made anew."""
    tell(pool, listed(), listed("anew.img"))
    asked = volumes.known(pool.host, str(pool.uuid))
    mine = {"owner": alice, "state": "ready", "format": "raw", "present": True}
    Volume.objects.filter(name="a.img").update(capacity_bytes=2 * MIB, **mine)
    Volume.objects.get(name="anew.img").delete()
    for name in ("made.img", "anew.img"):
        Volume.objects.create(storage=pool.storage, name=name, capacity_bytes=MIB, **mine)
    run(volumes.plan(pool.host, str(pool.uuid), asked, [listed(mtime=2000.0)]))
    assert list(Volume.objects.order_by("name").values_list("name", "state", "present", "capacity_bytes")) == [
        ("a.img", "ready", True, 2 * MIB), ("anew.img", "ready", True, MIB), ("made.img", "ready", True, MIB),
    ]  # fmt: skip
    tell(pool, listed(mtime=2000.0))
    assert Volume.objects.get(name="a.img").capacity_bytes == MIB
    assert set(Volume.objects.filter(present=False).values_list("name", flat=True)) == {"anew.img", "made.img"}


def test_what_is_listed_no_more_keeps_its_row(pool: StoragePool, alice: User) -> None:
    tell(pool, listed())
    Volume.objects.update(owner=alice, state="ready", format="raw")
    found = Volume.objects.get()
    assert tell(pool) == {f"pool:{pool.pk}", f"volume:{found.pk}"}
    assert not Volume.objects.get().present
    tell(pool, listed())
    back = Volume.objects.get()
    assert (back.pk, back.present, back.owner) == (found.pk, True, alice)


def test_a_stopped_pool_says_nothing(pool: StoragePool) -> None:
    tell(pool, listed())
    StoragePool.objects.update(active=False)
    tell(pool)
    assert Volume.objects.get().present


def test_one_of_the_hosts_speaks_for_a_shared_storage(pool: StoragePool) -> None:
    other = make_pool(Host.objects.create(name="host-b"), storage=pool.storage)
    assert tell(other, listed("theirs")) == set()
    tell(pool, listed("ours"))
    assert {volume.name for volume in Volume.objects.filter(present=True)} == {"ours"}
    Host.objects.filter(pk=pool.host_id).update(error_code="host_unreachable")
    tell(other, listed("ours"), listed("theirs"))
    assert {volume.name for volume in Volume.objects.filter(present=True)} == {"ours", "theirs"}


def test_the_cd_of_a_vm_is_read_for_what_one_installs_from_it(pool: StoragePool, host: Host) -> None:
    tell(pool, listed("Debian.ISO"), listed("disk.img"))
    use(make_vm(host), disk("/pool/Debian.ISO") + disk("/pool/disk.img"))
    assert states() == {"Debian.ISO": ("quarantine", "", ""), "disk.img": ("ready", "raw", "")}


def test_who_uses_it_is_told_by_definitions(pool: StoragePool, host: Host) -> None:
    tell(pool, listed(), listed("b.img"), listed("boot.iso"))
    vm = make_vm(host)
    xml = (
        disk("/pool/a.img", "qcow2")
        + "<disk type='volume'><driver type='raw'/><source pool='default' volume='b.img'/></disk>"
        + disk("/elsewhere/c.img")
        + disk("/pool/d.img")
    )
    pks = {volume.name: volume.pk for volume in Volume.objects.all()}
    assert use(vm, xml) == {f"volume:{pks['a.img']}", f"volume:{pks['b.img']}"}
    assert set(vm.volumes.values_list("name", flat=True)) == {"a.img", "b.img"}
    # The VM's own definition says what they are.
    assert states() == {
        "a.img": ("ready", "qcow2", ""), "b.img": ("ready", "raw", ""), "boot.iso": ("quarantine", "", ""),
    }  # fmt: skip
    tell(pool, listed(), listed("b.img"), listed("boot.iso"), listed("d.img"))
    assert set(vm.volumes.values_list("name", flat=True)) == {"a.img", "b.img", "d.img"}
    use(vm, disk("/pool/b.img"))
    assert set(vm.volumes.values_list("name", flat=True)) == {"b.img"}
    Placement.objects.update(present=False)
    assert volumes.link([vm.pk]) == {f"volume:{pks['b.img']}"}
    assert not vm.volumes.exists()


def test_what_lies_below_is_used_too(pool: StoragePool, host: Host) -> None:
    vm = make_vm(host)
    use(vm, disk("/pool/top", "qcow2"))
    qcow2 = {"format": "qcow2"}
    mid, top = listed("mid", backing_path="/pool/base", **qcow2), listed("top", backing_path="/pool/mid", **qcow2)
    tell(pool, listed("base"), mid, top)
    assert Volume.objects.get(name="top").backing == Volume.objects.get(name="mid")
    assert set(vm.volumes.values_list("name", flat=True)) == {"base", "mid", "top"}


def test_a_circle_of_layers_ends(pool: StoragePool, host: Host) -> None:
    vm = make_vm(host)
    use(vm, disk("/pool/a"))
    tell(
        pool,
        listed("a", backing_path="/pool/b"),
        listed("b", backing_path="/pool/a"),
        listed("c", backing_path="/pool/c"),
    )
    assert set(vm.volumes.values_list("name", flat=True)) == {"a", "b"}


def test_a_vm_of_another_host_of_the_storage_uses_it_too(pool: StoragePool) -> None:
    far = Host.objects.create(name="host-b")
    make_pool(far, "/mnt/shared/", storage=pool.storage)
    vm = make_vm(far)
    tell(pool, listed())
    use(vm, disk("/mnt/shared/a.img"))
    assert [volume.name for volume in vm.volumes.all()] == ["a.img"]
    use(vm, disk("/pool/a.img"))
    assert not vm.volumes.exists(), "on its own host this path is another thing"


def test_documents_name_all_that_they_read_or_write() -> None:
    xml = (
        disk("/a") + "<disk type='block'><driver type='raw'/><source dev='/dev/vg/lv'/>"
        "<backingStore type='file'><format type='qcow2'/><source file='/base'/><backingStore/></backingStore></disk>"
        "<disk type='network'><driver type='raw'/><source protocol='rbd' name='pool/image'/></disk>"
        "<disk type='file' device='cdrom'/>"
        "<filesystem type='mount'><source dir='/share'/><target dir='x'/></filesystem>"
    )
    assert document(xml).document["sources"] == [
        ["network", "rbd:pool/image", "raw"], ["path", "/a", "raw"], ["path", "/base", "qcow2"],
        ["path", "/dev/vg/lv", "raw"], ["path", "/share", ""],
    ]  # fmt: skip


def test_strange_names_and_sizes_are_no_news_of_the_wrong_kind(pool: StoragePool) -> None:
    tell(pool, listed("x" * 256), listed(""), listed("big", capacity=2**64, mtime=1e30))
    assert states().keys() == {"big"}
    assert Volume.objects.get().capacity_bytes == 2**63 - 1
