"""The hardware of a VM: its parts, what a form would change in words and lines, and by whose right."""

from __future__ import annotations

import html
import re
import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from tests.conftest import make_vm, sign_in
from tests.data.shapes import MACHINE, TRIALS
from tests.data.shapes_seen import ADDED, LATE, LIVE, NOT_WHILE_IT_RUNS, SEEN_BOOTED, SEEN_LIVE, TAKEN, kind
from tests.grants import grant
from tests.views.test_vm_page import make_operation
from vms.forms.hardware import Added, Shaped
from vms.kinds.privileges import TABLE
from vms.libvirtxml.shaping import SORTS
from vms.models import (
    Document,
    Host,
    HostDevice,
    Image,
    ImageCopy,
    Network,
    NetworkFilter,
    Offer,
    Operation,
    Reservation,
    StoragePool,
    User,
    Version,
    VirtualMachine,
    Volume,
)
from vms.services import history, shaping

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


@pytest.fixture
def machine(host: Host) -> VirtualMachine:
    """It is off."""
    made = make_vm(host, "web-01", "shut_off", persistent=True)
    Document.objects.update(next_boot=MACHINE)
    return made


@pytest.fixture
def runs(host: Host) -> VirtualMachine:
    made = make_vm(host, "web-01", "running", persistent=True)
    Document.objects.update(next_boot=MACHINE.replace("'MiB'>64<", "'MiB'>128<"), live=MACHINE)
    return made


@pytest.fixture
def pool(host: Host) -> StoragePool:
    return StoragePool.objects.create(
        host=host, uuid=uuid.UUID(int=7), name="default", type="dir", path="/pool", active=True
    )


@pytest.fixture
def network(host: Host) -> Network:
    NetworkFilter.objects.create(host=host, uuid=uuid.uuid4(), name="clean-traffic")
    return Network.objects.create(host=host, uuid=uuid.uuid4(), name="office", active=True)


def words(response: object) -> str:
    return " ".join(html.unescape(response.content.decode()).split())  # type: ignore[attr-defined]


def page(client: Client, vm: VirtualMachine, query: str = "") -> str:
    answer = client.get(f"/vms/{vm.pk}/hardware/{query}")
    assert answer.status_code == 200
    return words(answer)


def preview(client: Client, vm: VirtualMachine, part: str, **fields: object) -> str:
    answer = client.post(f"/vms/{vm.pk}/hardware/preview/?part={part}", fields)
    assert answer.status_code == 200
    return words(answer)


def test_its_parts_are_listed_and_one_is_a_form(client_alice: Client, machine: VirtualMachine) -> None:
    shown = page(client_alice, machine)
    order = ["Overview", "Processors", "Memory", "Boot", "Disk vda", "Disk vdb", "CD drive sda", "Network card net0",
             "Screen", "Sound", "Video", "Watchdog"]  # fmt: skip
    places = [shown.index(f'<span class="what">{word}</span>') for word in order]
    assert places == sorted(places) and "64 MiB" in shown and 'name="title"' in shown
    assert f'<a href="/vms/{machine.pk}/rename/">Give web-01 another name</a>' in shown
    disk = page(client_alice, machine, "?part=vda")
    assert 'name="cache"' in disk and "libvirt's own choice" in disk and '<target dev="vda"' in disk
    assert client_alice.get(f"/vms/{machine.pk}/hardware/?part=vdz").status_code == 404


def test_a_change_is_told_in_words_and_lines_before_it_is_done(client_alice: Client, machine: VirtualMachine) -> None:
    told = preview(client_alice, machine, "memory", memory="128", memory_max="96")
    assert "More than it has at most" in told
    told = preview(client_alice, machine, "memory", memory="128")
    assert "Memory at most: 64 MiB → 128 MiB" in told and "Memory: 64 MiB → 128 MiB" in told
    assert "4 lines of XML change" in told and "after a restart" not in told
    assert '+ <memory unit="KiB">131072</memory>' in told
    assert "Nothing yet" in preview(client_alice, machine, "memory", memory="64")
    assert not Operation.objects.exists()


def test_without_a_script_too_it_is_looked_at_before_it_is_done(client_alice: Client, machine: VirtualMachine) -> None:
    path = f"/vms/{machine.pk}/hardware/?part=memory"
    answer = client_alice.post(path, {"memory": "128", "look": "1"})
    assert answer.status_code == 200 and "Memory: 64 MiB → 128 MiB" in words(answer) and 'value="128"' in words(answer)
    assert client_alice.post(path, {"memory": "much", "look": "1"}).status_code == 400
    assert not Operation.objects.exists()


def test_of_one_that_runs_it_is_said_what_comes_when(client_alice: Client, runs: VirtualMachine) -> None:
    shown = page(client_alice, runs, "?part=memory")
    assert "Now: 64 MiB; this is after a restart." in shown and "A change waits for a restart." in shown
    told = preview(client_alice, runs, "vda", cache="none", bytes_sec="1000", apply="both")
    assert "Cache: libvirt's own choice → none, after a restart" in told
    assert "Limit, bytes a second: nothing → 1000, now and after a restart" in told
    told = preview(client_alice, runs, "vda", bytes_sec="1000", apply="next")
    assert "1000, after a restart" in told


def test_it_is_asked_for(client_alice: Client, machine: VirtualMachine) -> None:
    answer = client_alice.post(f"/vms/{machine.pk}/hardware/?part=vda", {"cache": "none", "discard": "unmap"})
    assert (answer.status_code, answer["Location"]) == (302, f"/vms/{machine.pk}/hardware/?part=vda")
    operation = Operation.objects.get()
    assert [(edit["lens"], edit["was"], edit["value"]) for edit in operation.params["edits"]] == [
        ("cache", "", "none"), ("discard", "", "unmap"),
    ]  # fmt: skip
    assert operation.params["needs"] == ["vm.disk"]
    shown = page(client_alice, machine, "?part=vda")
    assert "being changed" in shown and "when what is being done with the VM is done" in shown


def test_a_form_waits_until_what_was_changed_is_read(
    client_alice: Client, machine: VirtualMachine, alice: User
) -> None:
    """The worker is done before the watcher has read what it made."""
    changed = MACHINE.replace("<vcpu>2<", "<vcpu>3<")
    operation = make_operation(machine, alice, "vm.shape", "succeeded")
    history.keep(machine.pk, None, changed, operation)
    shown = page(client_alice, machine, "?part=cpu")
    assert 'data-live="vm:' in shown and 'name="cpus"' not in shown
    Document.objects.update(next_boot=changed, next_boot_sha256=history.digest(changed))
    assert 'name="cpus"' in page(client_alice, machine, "?part=cpu")
    # Nobody reads it: it is not waited for.
    Document.objects.update(next_boot=MACHINE, next_boot_sha256=history.digest(MACHINE))
    Version.objects.update(at=timezone.now() - timedelta(minutes=1))
    assert 'name="cpus"' in page(client_alice, machine, "?part=cpu")


def test_whoever_looked_at_another_definition_is_told(client_alice: Client, machine: VirtualMachine) -> None:
    body = {"cache": "none", "seen": "0" * 32}
    answer = client_alice.post(f"/vms/{machine.pk}/hardware/?part=vda", body)
    assert answer.status_code == 400 and "Somebody else has changed web-01" in words(answer)
    assert not Operation.objects.exists()


def test_a_device_is_taken_out_after_a_question(client_alice: Client, machine: VirtualMachine) -> None:
    asked = page(client_alice, machine, "?part=rng0&ask=remove")
    assert "Random numbers rng0 is taken out" in asked and "btn-danger" in asked
    answer = client_alice.post(f"/vms/{machine.pk}/hardware/?part=rng0&ask=remove", {"remove": "1"})
    assert answer["Location"] == f"/vms/{machine.pk}/hardware/"
    assert Operation.objects.get().params["edits"][0]["do"] == "remove"


def test_a_disk_and_a_card_are_added_by_rows(
    client_alice: Client, machine: VirtualMachine, pool: StoragePool, network: Network
) -> None:
    Volume.objects.create(storage=pool.storage, name="used.qcow2", format="qcow2").vms.add(make_other(machine))
    free = Volume.objects.create(storage=pool.storage, name="free.qcow2", format="qcow2", origin="created")
    shown = page(client_alice, machine, "?part=add")
    assert "sort=disk" in shown and "sort=serial" in shown and "sort=tpm" not in shown
    shown = page(client_alice, machine, "?part=add&sort=disk")
    assert "free.qcow2" in shown and "used.qcow2" not in shown
    looked = preview(client_alice, machine, "add&sort=disk", volume=free.pk, bus="virtio")
    assert "vdc is added" in looked and ">Add<" in looked
    told = client_alice.post(
        f"/vms/{machine.pk}/hardware/?part=add&sort=disk", {"volume": str(free.pk), "bus": "virtio"}
    )
    assert told.status_code == 302, words(told)
    said = Operation.objects.get().params
    assert said["edits"][0]["said"] == {
        "pool": "default", "volume": "free.qcow2", "format": "qcow2", "bus": "virtio", "target": "vdc"
    }  # fmt: skip
    assert (said["needs"], said["given"]) == (["vm.disk"], {"volumes": [free.pk]})
    Operation.objects.all().delete()
    new = {"volume": "", "pool": str(pool.pk), "size_gib": "3", "bus": "virtio"}
    assert "is added" in preview(client_alice, machine, "add&sort=disk", **new)
    assert client_alice.post(f"/vms/{machine.pk}/hardware/?part=add&sort=disk", new).status_code == 302
    assert Operation.objects.get().params["given"]["new"] == {
        "pool": pool.pk, "name": "web-01-4.qcow2", "size_bytes": 3 << 30, "format": "qcow2"
    }  # fmt: skip
    new["size_gib"] = ""
    answer = client_alice.post(f"/vms/{machine.pk}/hardware/?part=add&sort=disk", new)
    assert answer.status_code == 400
    Operation.objects.all().delete()
    told = client_alice.post(
        f"/vms/{machine.pk}/hardware/?part=add&sort=card", {"network": str(network.pk), "model": "virtio"}
    )
    assert told.status_code == 302, words(told)
    assert Operation.objects.get().params["edits"][0]["said"]["network"] == "office"


def test_a_disk_that_was_taken_out_is_attached_again(
    client_alice: Client, machine: VirtualMachine, pool: StoragePool, mallory: User
) -> None:
    def left(name: str, **fields: object) -> Volume:
        return Volume.objects.create(
            **{"storage": pool.storage, "name": name, "format": "qcow2", "last_vm": machine, **fields}
        )

    mine = left("data.qcow2", capacity_bytes=3 << 30)
    assert machine.placement
    had = MACHINE.replace("<source pool='POOL' volume='second'/>", "<source pool='default' volume='data.qcow2'/>")
    assert had != MACHINE
    history.keep(machine.pk, machine.placement.host_id, had.replace("dev='vdb' bus='virtio'", "dev='sdb' bus='sata'"))
    history.keep(machine.pk, machine.placement.host_id, MACHINE)
    left("other.qcow2").vms.add(make_other(machine))
    left("of-another.qcow2", last_vm=make_vm(machine.placement.host, "db-02"))
    left("gone.qcow2", present=False)
    left("debian.iso", format="raw")
    left("below.qcow2", private=True)
    left("strange.qcow2", state=Volume.State.REFUSED)
    shown = page(client_alice, machine)
    told = shown[shown.index("Not attached") : shown.index('id="part"')]
    assert f'href="/volumes/{mine.pk}/"' in told and "3 GiB · sata" in told and "Attach again: data.qcow2" in told
    assert "strange.qcow2" in told and told.count("<form") == 1
    for name in ("other.qcow2", "of-another.qcow2", "gone.qcow2", "debian.iso", "below.qcow2"):
        assert name not in told
    # Whoever may not see it is not told of it.
    grant(mallory, "editor", machine)
    assert "Not attached" not in page(sign_in(mallory), machine)
    fields = dict(re.findall(r'name="(volume|bus)" value="(\w+)"', told))
    assert fields == {"volume": str(mine.pk), "bus": "sata"}
    answer = client_alice.post(f"/vms/{machine.pk}/hardware/?part=add&sort=disk", fields)
    assert answer.status_code == 302
    operation = Operation.objects.get()
    assert (operation.kind, operation.params["given"]) == ("vm.shape", {"volumes": [mine.pk]})
    assert operation.params["edits"][0]["said"]["bus"] == "sata"
    assert "Attach again: data.qcow2" not in page(client_alice, machine), "something is being done with it"


def make_other(vm: VirtualMachine) -> VirtualMachine:
    assert vm.placement
    return make_vm(vm.placement.host, "db-01")


def test_a_cd_comes_from_images(client_alice: Client, machine: VirtualMachine, pool: StoragePool) -> None:
    volume = Volume.objects.create(storage=pool.storage, name="debian.iso", format="raw", origin="created")
    image = Image.objects.create(name="Debian 13", kind="iso", format="raw")
    ImageCopy.objects.create(image=image, volume=volume, published=True)
    assert "Debian 13" in page(client_alice, machine, "?part=sda")
    told = preview(client_alice, machine, "sda", medium=str(image.pk))
    assert "Medium: nothing → default/debian.iso" in told
    answer = client_alice.post(f"/vms/{machine.pk}/hardware/?part=sda", {"medium": str(image.pk)})
    assert answer.status_code == 302
    assert Operation.objects.get().params["needs"] == ["vm.media"]


def test_an_editor_does_what_he_may_and_is_told_what_not(machine: VirtualMachine, mallory: User) -> None:
    client = sign_in(mallory)
    path = f"/vms/{machine.pk}/hardware/"
    grant(mallory, "operator", machine)
    assert client.get(path).status_code == 403
    grant(mallory, "editor", machine)
    assert 'name="bytes_sec"' not in page(client, machine, "?part=vda")
    assert "Nothing yet" in preview(client, machine, "vda", bytes_sec="1000")
    tuned = client.generic(
        "PATCH", f"/api/v1/vms/{machine.pk}", '{"cpu_shares": 512}', content_type="application/json"
    )  # fmt: skip
    assert (tuned.status_code, tuned.json()["params"]) == (403, {"privilege": "vm.tune"})
    # What was given read only stays so: only who may define VMs takes that away.
    Document.objects.update(next_boot=MACHINE.replace("<target dev='vda'", "<readonly/><target dev='vda'"))
    assert "needs the right vm.define" in preview(client, machine, "vda", cache="")
    Document.objects.update(next_boot=MACHINE)
    assert client.post(f"{path}?part=vda", {"cache": "none", "readonly": "on"}).status_code == 302
    assert 'name="protected"' not in page(client, machine)
    assert not Reservation.objects.exists()


def test_more_is_charged_to_whom_the_vm_is_charged(client_alice: Client, machine: VirtualMachine, alice: User) -> None:
    VirtualMachine.objects.filter(pk=machine.pk).update(charged_user=alice)
    client_alice.post(f"/vms/{machine.pk}/hardware/?part=cpu", {"cpus_max": "4"})
    assert list(Reservation.objects.values_list("resource", "amount", "user")) == [("vcpus", 2, alice.pk)]


def test_a_protected_vm_is_neither_deleted_nor_forced_off(client_alice: Client, runs: VirtualMachine) -> None:
    answer = client_alice.post(f"/vms/{runs.pk}/protect/", {"protected": "1"})
    assert answer.status_code == 302 and VirtualMachine.objects.get(pk=runs.pk).protected
    shown = page(client_alice, runs)
    assert "Lift the protection" in shown and "it is protected" in shown
    for verb in ("force-off", "delete"):
        client_alice.post(f"/vms/{runs.pk}/{verb}/", {"confirmed": "1", "trash": "on", "seen": ""})
        assert not Operation.objects.exists(), verb
    client_alice.post(f"/vms/{runs.pk}/protect/", {"protected": "0"})
    assert not VirtualMachine.objects.get(pk=runs.pk).protected


def test_one_of_which_nothing_is_known_says_so(client_alice: Client, machine: VirtualMachine) -> None:
    Document.objects.update(next_boot="")
    assert "It has not been read yet." in page(client_alice, machine)


def test_a_password_is_typed_and_never_shown(client_alice: Client, runs: VirtualMachine) -> None:
    path = f"/vms/{runs.pk}/hardware/?part=graphics0"
    assert 'type="password"' in page(client_alice, runs, "?part=graphics0")
    told = preview(client_alice, runs, "graphics0", password="s3cret", apply="both")
    assert (
        "A new password, now where this run asks for one already, and after a restart" in told and "s3cret" not in told
    )
    assert "Either a new one or none." in preview(client_alice, runs, "graphics0", password="s3cret", no_password="on")
    told = preview(client_alice, runs, "graphics0", no_password="on", apply="next")
    assert "No password, after a restart" in told and "This equals root on the host." in told
    assert "Nothing yet" in preview(client_alice, runs, "graphics0", password="")
    answer = client_alice.post(path, {"password": "far too long", "keymap": ""})
    assert answer.status_code == 400 and "far too long" not in words(answer)
    assert client_alice.post(path, {"password": "s3 cret", "keymap": ""}).status_code == 302
    assert "s3 cret" not in str(Operation.objects.values())


def test_a_disk_is_moved_from_its_form(client_alice: Client, machine: VirtualMachine, pool: StoragePool) -> None:
    Document.objects.update(next_boot=MACHINE.replace("POOL", "default"))
    disk = Volume.objects.create(storage=pool.storage, name="first", format="raw", origin="created")
    disk.vms.add(machine)
    path = f"/vms/{machine.pk}/move-disk/"
    assert "Move it to another pool" not in page(client_alice, machine, "?part=vda"), "there is none"
    other = StoragePool.objects.create(
        host=pool.host, uuid=uuid.UUID(int=9), name="fast", type="dir", path="/fast", active=True
    )
    shown = page(client_alice, machine, "?part=vda")
    assert "Move it to another pool" in shown and "first stays where it is" in shown and ">fast<" in shown
    assert "Move it to another pool" not in page(client_alice, machine, "?part=sda")
    answer = client_alice.post(path, {"part": "vda", "pool": str(pool.pk)}, follow=True)
    assert "It is there already." in words(answer) and not Operation.objects.exists()
    answer = client_alice.post(path, {"part": "vdb", "pool": str(other.pk)}, follow=True)
    assert "Disk vdb cannot be moved: it is in no storage pool that is known here." in words(answer)
    assert client_alice.post(path, {"part": "vda", "pool": str(other.pk)}).status_code == 302
    operation = Operation.objects.get()
    assert (operation.kind, operation.params["name"]) == ("vm.move-disk", "first")


def test_firmware_and_machine_are_those_of_the_host(client_alice: Client, machine: VirtualMachine) -> None:
    assert machine.placement
    host = machine.placement.host
    shown = page(client_alice, machine)
    assert "UEFI" not in shown.partition('id="id_firmware"')[2].partition("</select>")[0]
    answer = client_alice.generic(
        "PATCH", f"/api/v1/vms/{machine.pk}", '{"firmware": "efi"}', content_type="application/json"
    )
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "vm_no_uefi")
    Host.objects.filter(pk=host.pk).update(
        hardware={"firmwares": ["bios", "efi"], "secure_boot": True, "machines": ["q35", "pc"]}
    )
    shown = page(client_alice, machine)
    assert "UEFI with secure boot" in shown and ">pc<" in shown and "Windows may want to be activated again" in shown
    told = preview(client_alice, machine, "overview", firmware="secure")
    assert "Firmware: BIOS → UEFI with secure boot" in told
    told = preview(client_alice, machine, "overview", machine="pc")
    assert "Machine type: q35 → pc" in told
    Document.objects.update(next_boot=MACHINE.replace("machine='q35'", "machine='pc'"))
    assert "secure boot" not in page(client_alice, machine).partition("</select>")[0], "its chipset has none"
    refused = client_alice.post(f"/vms/{machine.pk}/hardware/?part=overview", {"machine": "virt"})
    assert refused.status_code == 400 and not Operation.objects.exists()


def test_an_operating_system_is_chosen_by_its_name(client_alice: Client, machine: VirtualMachine) -> None:
    shown = page(client_alice, machine)
    assert '<option value="Debian 13"></option>' in shown and 'list="system-names"' in shown
    told = preview(client_alice, machine, "overview", os="debian 13 ", title="")
    assert "Operating system: unknown → Debian 13" in told and 'id="http://debian.org/debian/13"' in told
    assert "No system is called so" in preview(client_alice, machine, "overview", os="Debian 1")
    client_alice.post(f"/vms/{machine.pk}/hardware/?part=overview", {"os": "Debian 13"})
    params = Operation.objects.get().params
    assert [(edit["lens"], edit["value"]) for edit in params["edits"]] == [("os", "http://debian.org/debian/13")]
    assert params["needs"] == ["vm.describe"]


def test_a_system_that_nobody_knows_stays_and_is_shown_as_it_is(client_alice: Client, machine: VirtualMachine) -> None:
    told = (
        "<metadata><o:libosinfo xmlns:o='http://libosinfo.org/xmlns/libvirt/domain/1.0'><o:os id='urn:mine'/>"
        "</o:libosinfo></metadata>"
    )
    Document.objects.update(next_boot=MACHINE.replace("<vcpu>", f"{told}<vcpu>"))
    assert 'value="urn:mine"' in page(client_alice, machine)
    changes = preview(client_alice, machine, "overview", os="urn:mine", title="a")
    assert "Title: nothing → a" in changes and "Operating system:" not in changes
    assert "Operating system: urn:mine → unknown" in preview(client_alice, machine, "overview", os="")


def test_processors_by_name_are_those_of_the_host(client_alice: Client, machine: VirtualMachine) -> None:
    Host.objects.update(hardware={"cpu_models": ["Haswell"]})
    shown = page(client_alice, machine, "?part=cpu")
    assert ">Haswell<" in shown and "mitigations" in shown
    assert "Model: all that this host can give → Haswell" in preview(client_alice, machine, "cpu", cpu_mode="Haswell")
    refused = client_alice.post(f"/vms/{machine.pk}/hardware/?part=cpu", {"cpu_mode": "EPYC"})
    assert refused.status_code == 400 and not Operation.objects.exists()


def test_a_card_draws_in_3d_where_its_host_can(client_alice: Client, machine: VirtualMachine, mallory: User) -> None:
    Document.objects.update(next_boot=MACHINE.replace("<video><model type='vga'/>", "<video><model type='virtio'/>"))
    assert 'name="three_d"' not in page(client_alice, machine, "?part=video0")
    Host.objects.update(hardware={"three_d": True})
    assert 'name="three_d"' in page(client_alice, machine, "?part=video0")
    told = preview(client_alice, machine, "video0", three_d="on")
    assert "3D acceleration: no → yes" in told and '<graphics type="egl-headless"/>' in told
    assert "This equals root on the host." in told
    # What is on can be taken off wherever it is.
    on = MACHINE.replace(
        "<video><model type='vga'/>",
        "<graphics type='egl-headless'/><video><model type='virtio'><acceleration accel3d='yes'/></model>",
    )
    Document.objects.update(next_boot=on)
    Host.objects.update(hardware={})
    told = preview(client_alice, machine, "video0", model="virtio")
    assert "3D acceleration: yes → no" in told and '- <graphics type="egl-headless"/>' in told
    grant(mallory, "owner", machine)
    assert 'name="three_d"' not in page(sign_in(mallory), machine, "?part=video0")


def test_a_limit_of_memory_comes_and_goes(client_alice: Client, machine: VirtualMachine) -> None:
    told = preview(client_alice, machine, "memory", memory_limit="1024")
    assert "Limit of what it takes of the host: nothing → 1 GiB" in told
    assert "at least 256 MiB more" in preview(client_alice, machine, "memory", memory_limit="100")
    Document.objects.update(
        next_boot=MACHINE.replace("<vcpu>", "<memtune><hard_limit unit='MiB'>1024</hard_limit></memtune><vcpu>")
    )
    told = preview(client_alice, machine, "memory", memory_limit="")
    assert "Limit of what it takes of the host: 1 GiB → nothing" in told


def test_the_password_of_a_screen_that_gets_an_address_is_in_no_preview(
    client_alice: Client, machine: VirtualMachine
) -> None:
    told = preview(client_alice, machine, "graphics0", listens="loopback")
    assert "Listens: nowhere: only by its host" in told and "127.0.0.1" in told
    assert "passwd=" not in told.replace("&quot;", '"').replace('passwd="(secret)"', "").replace(
        "passwd='(secret)'", ""
    )


def test_where_nothing_is_offered_nothing_is_written_by_hand(client_alice: Client, machine: VirtualMachine) -> None:
    for sort in ("hostdev", "folder"):
        shown = page(client_alice, machine, f"?part=add&sort={sort}")
        assert '<select class="form-select" name="offer"' in shown and "There is nothing to choose from." in shown


def test_an_offered_device_says_its_whole_group(client_alice: Client, machine: VirtualMachine) -> None:
    assert machine.placement
    host = machine.placement.host
    first, _ = (
        HostDevice.objects.create(
            host=host, name=f"pci_{number}", kind="pci", address=f"0000:03:00.{number}", product=f"part {number}",
            sort="0x030000", iommu_group=13,
        )
        for number in (0, 1)
    )  # fmt: skip
    offer = Offer.objects.create(host=host, kind="pci", name="graphics", device=first)
    shown = page(client_alice, machine, "?part=add&sort=hostdev")
    assert "graphics · IOMMU 13: + 0000:03:00.1 part 1" in shown and 'name="policy"' not in shown
    told = preview(client_alice, machine, "add&sort=hostdev", offer=str(offer.pk))
    assert "Host device is added" in told
    assert client_alice.post(
        f"/vms/{machine.pk}/hardware/?part=add&sort=hostdev", {"offer": str(offer.pk)}
    ).status_code == 302  # fmt: skip
    assert Operation.objects.get().params["given"] == {
        "offers": [{"offer": offer.pk, "by": "product", "policy": "optional"}]
    }


def test_each_field_of_each_form_is_tried_in_a_browser(machine: VirtualMachine) -> None:
    """tests/browser/test_fields.py enters what these tables have; a field without a value there is tried by nobody."""
    own = shaping.machine(machine)
    sorts = {one.key: kind(one) for one in own.parts}
    tried = {(sorts[one.part], one.lens) for one in (*TRIALS, *TAKEN)} | {("overview", shaping.AUTOSTART)}
    live = {(sorts[one.part], one.lens) for one in LIVE} | {(sorts[part], lens) for part, lens in NOT_WHILE_IT_RUNS}
    may = frozenset(one.name for one in TABLE)
    for one in own.parts:
        fields = set(Shaped(one, own.values(one), {}, may=may).fields)
        assert {(kind(one), name) for name in fields} <= tried, one.key
        # All that a lens says of it is in the form, for who may everything.
        assert {lens.name for lens in one.lenses} <= fields
        assert {(kind(one), lens.name) for lens in one.lenses if lens.live} <= live, one.key
    for sort in SORTS:
        assert set(Added(sort).fields) <= {name for one in ADDED if one.sort == sort for name in one.said}, sort
    known = {(one.part, one.lens) for one in TRIALS}
    assert {(one.part, one.lens) for one in (*LIVE, *SEEN_LIVE, *SEEN_BOOTED)} | LATE <= known


def test_what_runs_it_and_what_confines_that_is_shown(client_alice: Client, runs: VirtualMachine) -> None:
    labels = (
        "<seclabel type='dynamic' model='selinux' relabel='yes'><label>system_u:system_r:svirt_t:s0:c1,c2</label>"
        "<imagelabel>system_u:object_r:svirt_image_t:s0:c1,c2</imagelabel></seclabel>"
        "<seclabel type='dynamic' model='dac' relabel='yes'><label>+107:+107</label></seclabel></domain>"
    )
    emulator = "<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>"
    Document.objects.update(next_boot=MACHINE.replace("<devices>", emulator), live=MACHINE.replace("</domain>", labels))
    shown = page(client_alice, runs)
    assert "<dt>Emulator</dt><dd><bdi>/usr/bin/qemu-system-x86_64</bdi>" in shown
    label = "selinux: system_u:system_r:svirt_t:s0:c1,c2; dac: +107:+107"
    assert f"<dt>Security label (sVirt)</dt><dd><bdi>{label}</bdi>" in shown
    assert "Security label" not in page(client_alice, runs, "?part=vda")
