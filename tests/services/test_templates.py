"""What may become a template, who may make VMs of it, what protects it, and what an instance takes from it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.http import Http404

from tests.conftest import make_vm
from tests.grants import grant
from tests.routes import make_template
from tests.services.test_create import HARDWARE, codes, ground, refused
from vms.errors import BadFields, NotAllowed, NoTemplate, TemplateInUse, VolumeProtected, WrongState
from vms.kinds import KINDS
from vms.models import Document, Host, Operation, Placement, Role, StoragePool, Template, User, VirtualMachine, Volume
from vms.permissions import (
    Actor,
    get_template_or_404,
    may_grant,
    require_deed,
    usable_templates,
    visible_templates,
    visible_volumes,
)
from vms.permissions.templates import may_use
from vms.services import create, grants, operations, plans, seeds, templates, trash, volumes
from vms.services.lists import find_vms
from vms.services.seeds import SeedWish
from vms.services.wishes import DiskWish, Wish

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
OSINFO = "http://libosinfo.org/xmlns/libvirt/domain/1.0"
DOCUMENT = f"""<domain type='kvm'><name>golden</name><memory unit='GiB'>4</memory><vcpu>3</vcpu>
<metadata><l:libosinfo xmlns:l='{OSINFO}'><l:os id='http://debian.org/debian/12'/></l:libosinfo></metadata>
<os firmware='efi'><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>
<devices><disk type='volume' device='disk'><driver name='qemu' type='qcow2'/>
<source pool='default' volume='golden.qcow2'/><target dev='sda' bus='scsi'/></disk>
<disk type='file' device='cdrom'><source file='/pool/secrets.iso'/><target dev='sdb' bus='sata'/><readonly/></disk>
<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm></devices></domain>"""


@pytest.fixture
def pool(host: Host) -> StoragePool:
    Host.objects.update(hardware=HARDWARE)
    return ground(host)


@pytest.fixture
def vm(host: Host) -> VirtualMachine:
    return make_vm(host, "golden", state="shut_off")


@pytest.fixture
def disk(vm: VirtualMachine, pool: StoragePool) -> Volume:
    made = Volume.objects.create(
        storage=pool.storage, name="golden.qcow2", path="/pool/golden.qcow2", format="qcow2", capacity_bytes=30 << 30
    )
    made.vms.add(vm)
    Document.objects.filter(placement__vm=vm).update(next_boot=DOCUMENT)
    return made


@pytest.fixture
def template(vm: VirtualMachine, disk: Volume, alice: User) -> VirtualMachine:
    make_template(vm, alice)
    return VirtualMachine.objects.select_related("placement__host", "template").get(pk=vm.pk)


@pytest.fixture
def carol(db: None) -> User:
    return User.objects.create(username="carol")


def why(actor: Actor, vm: VirtualMachine) -> str:
    with pytest.raises(NoTemplate) as told:
        templates.make(actor, vm)
    return str(told.value.params["reason"])


def wish(vm: VirtualMachine, **fields: Any) -> Wish:
    return Wish("new", disks=(DiskWish(template=vm.pk, linked=True, **fields),))


def over(template: VirtualMachine, disk: Volume, name: str) -> VirtualMachine:
    """A VM with a linked clone, as the watcher knows it."""
    made = make_vm(Host.objects.get(), name, state="shut_off")
    layer = Volume.objects.create(storage=disk.storage, name=f"{name}.qcow2", format="qcow2", backing=disk)
    layer.vms.add(made)
    disk.vms.add(made)
    return made


def test_only_what_is_whole_and_its_own_becomes_one(actor: Actor, host: Host, vm: VirtualMachine, disk: Volume) -> None:
    asked = templates.make(actor, vm)
    assert asked.params == {"volumes": [disk.pk]} and asked.locks.filter(key=f"volume:{disk.pk}").exists()
    Operation.objects.all().delete()
    Placement.objects.filter(vm=vm).update(has_managed_save=True)
    vm.refresh_from_db()
    assert why(actor, vm) == "saved"
    Placement.objects.filter(vm=vm).update(has_managed_save=False)
    vm.refresh_from_db()
    Document.objects.filter(placement__vm=vm).update(kept={"snapshots": ["monday"]})
    assert why(actor, vm) == "snapshots"
    Document.objects.filter(placement__vm=vm).update(kept={})
    other = make_vm(host, "other")
    disk.vms.add(other)
    assert why(actor, vm) == "shared"
    disk.vms.remove(other)
    layer = Volume.objects.create(storage=disk.storage, name="layer", backing=disk)
    assert why(actor, vm) == "shared"
    layer.delete()
    Volume.objects.filter(pk=disk.pk).update(backing_path="/somewhere/else.img")
    assert why(actor, vm) == "outside"
    Volume.objects.filter(pk=disk.pk).update(backing_path="", state="quarantine")
    assert why(actor, vm) == "not_served"
    Volume.objects.filter(pk=disk.pk).update(state="ready")
    for text, reason in (
        (DOCUMENT.replace("golden.qcow2", "away.qcow2"), "outside"),
        (DOCUMENT.replace("bus='scsi'/>", "bus='scsi'/><readonly/>"), "shared"),
        ("<domain type='kvm'><name>golden</name></domain>", "no_disk"),
    ):
        Document.objects.filter(placement__vm=vm).update(next_boot=text)
        assert why(actor, vm) == reason
    Placement.objects.filter(vm=vm).update(state="running")
    with pytest.raises(WrongState):
        templates.make(actor, vm)


def test_nothing_else_is_asked_of_it(actor: Actor, template: VirtualMachine) -> None:
    allowed = {kind.name for kind in KINDS.values() if kind.target == "vm" and kind.of_template != "no"}
    assert allowed == {
        "vm.untemplate", "vm.trash", "vm.put-back", "vm.delete", "vm.rename", "vm.shutdown", "vm.force-off",
        "vm.drop-seed",
    }  # fmt: skip
    for kind in (KINDS["vm.start"], KINDS["vm.template"], KINDS["vm.add-serial"]):
        with pytest.raises(WrongState) as told:
            operations.check_placement(kind, template)
        assert told.value.params["state"] == "template"
    assert not find_vms(actor).exists() and list(templates.listed(actor)) == [template]


def test_its_disk_is_nobodys(actor: Actor, template: VirtualMachine, disk: Volume) -> None:
    for deed in ("attach", "delete"):
        assert disk not in visible_volumes(actor, deed)
        with pytest.raises(VolumeProtected):
            require_deed(actor, deed, disk)
    require_deed(actor, "copy", disk)
    for ask in (
        lambda: volumes.grow(actor, disk, size_bytes=60 << 30),
        lambda: volumes.wipe(actor, disk),
        lambda: volumes.delete(actor, disk),
        lambda: volumes.look_again(actor, disk),
    ):
        with pytest.raises(VolumeProtected):
            ask()
    assert volumes.abilities(actor, disk) == {"clone"}
    assert refused(actor, Wish("new", disks=(DiskWish(volume=disk.pk),))) == {"disks": "choice"}
    with pytest.raises(NotAllowed):
        require_deed(User.objects.create(username="nobody"), "delete", disk)


def test_what_its_host_has_forgotten_protects_nothing(actor: Actor, template: VirtualMachine, disk: Volume) -> None:
    disk.vms.clear()
    Placement.objects.filter(vm=template).update(present=False)
    assert disk in visible_volumes(actor, "delete")
    with pytest.raises(WrongState):
        plans.plan(actor, wish(template))


def test_who_may_make_vms_of_it(host: Host, template: VirtualMachine, actor: Actor, carol: User) -> None:
    assert not visible_templates(carol).exists()
    grant(carol, "creator", everything=True)
    assert not visible_templates(carol).exists(), "it is offered to nobody"
    templates.publish(actor, template, offered=True)
    assert usable_templates(carol).contains(template)
    assert not find_vms(carol).exists()
    templates.publish(actor, template, offered=False)
    dave = User.objects.create(username="dave")
    for role, sees, uses in (("viewer", True, False), ("editor", True, False), ("owner", True, True)):
        given = grant(dave, role, template)
        assert visible_templates(dave).exists() == sees and usable_templates(dave).exists() == uses, role
        given.delete()
    with pytest.raises(Http404):
        get_template_or_404(dave, template.pk)
    template.template.ready = False
    template.template.save()
    assert not usable_templates(actor).exists() and visible_templates(actor).exists()


@pytest.mark.parametrize("ready", [True, False])
@pytest.mark.parametrize("published", [True, False])
@pytest.mark.parametrize("role", ["viewer", "operator", "creator", "owner", ""])
def test_asked_of_one_it_is_the_same_answer(
    template: VirtualMachine, carol: User, role: str, published: bool, ready: bool
) -> None:
    if role:
        grant(carol, role, template)
    Template.objects.update(published=published, ready=ready)
    assert may_use(carol, template.pk) == usable_templates(carol).filter(pk=template.pk).exists()
    VirtualMachine.objects.update(trashed_at=template.templated_at)
    assert not may_use(carol, template.pk)


def test_its_owner_offers_it_and_lets_others_use_it(template: VirtualMachine, carol: User) -> None:
    owner = User.objects.create(username="owner")
    grant(owner, "owner", template)
    templates.publish(Actor(owner), template, offered=True)
    grants.give(Actor(owner), grants.Wish("creator", user="carol", vm=template.pk))
    assert usable_templates(carol).contains(template)
    grant(User.objects.create(username="editor"), "editor", template)
    editor = Actor(User.objects.get(username="editor"))
    with pytest.raises(NotAllowed):
        templates.publish(editor, template, offered=False)
    assert not may_grant(editor, Role.objects.get(name="creator"), template)


def test_what_needs_it_protects_it(actor: Actor, template: VirtualMachine, disk: Volume, carol: User) -> None:
    mine = over(template, disk, "mine")
    owner = User.objects.create(username="owner")
    grant(owner, "owner", template)
    asks: list[Callable[[Actor], object]] = [
        lambda who: trash.delete(who, template),
        lambda who: trash.delete(who, template, trash=False, confirm="golden"),
        lambda who: templates.make_vm(who, template),
    ]
    for ask in asks:
        for who, by, others in ((actor, "mine", 0), (Actor(owner), "", 1)):
            with pytest.raises(TemplateInUse) as told:
                ask(who)
            assert (told.value.params["by"], told.value.params["others"]) == (by, others)
    mine.delete()
    with pytest.raises(TemplateInUse) as told:
        templates.make_vm(actor, template)
    assert told.value.params["by"] == "mine.qcow2", "a disk that nobody uses lies over it still"
    Volume.objects.filter(name="mine.qcow2").delete()
    [making] = create.create(actor, wish(template, size_mib=40 << 10))
    with pytest.raises(TemplateInUse) as told:
        templates.make_vm(actor, template)
    assert told.value.params["by"] == "new", "it is being made"
    Operation.objects.filter(pk=making.pk).update(state="succeeded")
    making.locks.all().delete()
    assert templates.make_vm(actor, template).kind == "vm.untemplate"


def test_it_goes_with_its_disk(actor: Actor, template: VirtualMachine, disk: Volume) -> None:
    """Which is read-only because it is a template."""
    Document.objects.filter(placement__vm=template).update(
        next_boot=DOCUMENT.replace("bus='scsi'/>", "bus='scsi'/><readonly/>")
    )
    assert trash.delete(actor, template).params["volumes"] == [disk.pk]


def test_an_instance_has_its_disks_and_what_it_starts_by(actor: Actor, template: VirtualMachine, disk: Volume) -> None:
    told = plans.preview(actor, wish(template))
    plan, params = told.plan, told.plan.params
    assert (plan.place.why, params.os, params.firmware, params.tpm) == ("template", "debian12", "efi", True)
    assert (params.cpus, params.memory_mib, params.machine, params.template) == (3, 4096, "q35", template.pk)
    [made] = params.disks
    assert (made["below"], made["linked"], made["size_bytes"], made["format"]) == (disk.pk, True, 30 << 30, "qcow2")
    text = told.document.text
    assert [each.bus for each in told.document.disks] == ["scsi"] and "virtio-scsi" in text
    assert "secrets" not in text and "golden" not in text and "template_same" in codes(told)
    bigger = plans.plan(actor, replace(wish(template, size_mib=40 << 10), cpus=1, memory_mib=512))
    assert (bigger.params.disks[0]["size_bytes"], bigger.params.cpus) == (40 << 30, 1)
    assert refused(actor, wish(template, size_mib=1024)) == {"disks": "template_small"}
    both = (*wish(template).disks, DiskWish(size_mib=1024))
    assert refused(actor, replace(wish(template), disks=both)) == {"disks": "template_more"}
    Placement.objects.filter(vm=template).update(run_id=4, state="running")
    with pytest.raises(WrongState):
        plans.plan(actor, wish(template))


def test_where_its_disks_can_be(actor: Actor, host: Host, template: VirtualMachine, disk: Volume) -> None:
    logical = StoragePool.objects.create(host=host, uuid=uuid.uuid4(), name="lv", type="logical", active=True)
    assert refused(actor, wish(template, pool=logical.pk)) == {"disks": "template_format"}
    full = replace(wish(template), disks=(DiskWish(template=template.pk),))
    assert plans.plan(actor, full).params.disks[0]["format"] == "qcow2"
    Volume.objects.filter(pk=disk.pk).update(backing_path="/pool/base.img")
    assert refused(actor, full) == {"disks": "template_layered"}
    Volume.objects.filter(pk=disk.pk).update(backing_path="", format="raw")
    assert plans.plan(actor, full).params.disks[0]["format"] == "raw"
    assert plans.plan(actor, wish(template)).params.disks[0]["format"] == "qcow2"
    other = Host.objects.create(name="b", node="node-a", libvirt_uuid=uuid.UUID(int=0xB), heard_at=host.heard_at)
    assert refused(actor, replace(full, host=other.pk)) == {"host": "template_host"}


def test_who_may_not_use_it_makes_nothing_of_it(host: Host, template: VirtualMachine, carol: User) -> None:
    grant(carol, "creator", everything=True)
    grant(carol, "editor", template)
    with pytest.raises(BadFields) as told:
        plans.plan(Actor(carol), wish(template))
    assert told.value.errors == {"disks": "choice"}


def test_its_answers_make_a_new_machine(actor: Actor, template: VirtualMachine) -> None:
    told = SeedWish(user="anna", password="open sesame")
    sealed: list[str] = []
    real = seeds.to_json

    def to_json(answers: Any) -> str:
        sealed.append(real(answers))
        return sealed[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seeds, "to_json", to_json)
        create.create(actor, replace(wish(template), seed=told))
    assert seeds.from_json(sealed[0]).new_machine
    plan = plans.preview(actor, replace(wish(template), seed=told))
    assert not {"template_same", "seed_unread"} & set(codes(plan))
