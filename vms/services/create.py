"""Making VMs: a wish, judged and completed by what its maker may use, becomes a plan; a plan becomes operations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import count
from typing import Any, Final
from uuid import UUID, uuid4

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext

from vms import live
from vms.errors import BadFields, BadParameters, NotAllowed, RequestRefused
from vms.kinds.create import CREATE, NewVm
from vms.libvirtxml import FIRMWARES, Card, DomainXML, Drive, Firmware, Machine, Wanted, compose
from vms.models import (
    Document,
    Host,
    Image,
    Network,
    Operation,
    Placement,
    Quota,
    StoragePool,
    User,
    VirtualMachine,
    Volume,
)
from vms.permissions import (
    Actor,
    Who,
    require,
    require_deed,
    visible_images,
    visible_networks,
    visible_pools,
    visible_vms,
    visible_volumes,
)
from vms.services import grants, operations, placing, quotas, selectors, systems, volumes
from vms.services.placing import Asked, Place
from vms.services.reaching import closed_place
from vms.services.sentences import amount

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
MOST: Final = 100
MOST_CPUS: Final = 512
SMALLEST_MIB: Final = 32
LARGEST_MIB: Final = 16 << 20
MOST_DISKS: Final = 16
MIB: Final = 1 << 20
GIB: Final = 1 << 30
# What stands for a name that is not known before it is made.
NO_UUID: Final = "00000000-0000-0000-0000-000000000000"
NO_MAC: Final = "52:54:00:00:00:00"


@dataclass(frozen=True)
class DiskWish:
    """A new disk, from an image where one is named, or a volume that is there. size_mib 0: as large as its system or
    its image wants. linked: a layer over the image."""

    pool: int | None = None
    size_mib: int = 0
    image: int | None = None
    volume: int | None = None
    linked: bool = False


@dataclass(frozen=True)
class Wish:
    """What somebody asks for. host, pool: None for wherever it fits. cpus, memory_mib 0: as its system wants. firmware
    "": likewise; tpm None: likewise. networks None: the first that he may use. install: an ISO's image. pxe: it starts
    from the network. count: so many, "#" in the name being their number."""

    name: str
    host: int | None = None
    cpus: int = 0
    memory_mib: int = 0
    os: str = ""
    disks: tuple[DiskWish, ...] = ()
    networks: tuple[int, ...] | None = None
    install: int | None = None
    pxe: bool = False
    firmware: str = ""
    tpm: bool | None = None
    count: int = 1
    start: bool = True


@dataclass(frozen=True)
class Warning:
    """What its maker should know before: a code, and what its sentence needs."""

    code: str
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Plan:
    """A wish that can be fulfilled. pools, volumes, images, networks: what its parameters name, by id. takes: of one;
    document: its definition, in which NO_UUID and NO_MAC stand for what is given when it is made."""

    place: Place
    params: NewVm
    pools: Mapping[int, StoragePool]
    volumes: Mapping[int, Volume]
    networks: Mapping[int, Network]
    takes: Mapping[str, int]
    warnings: tuple[Warning, ...]
    document: DomainXML


def names(wish: Wish) -> list[str]:
    """What they are called. Raises BadFields ("name", "count")."""
    if not 1 <= wish.count <= MOST:
        raise BadFields({"count": "vm_count"})
    if wish.count > 1 and wish.name.count("#") != 1:
        raise BadFields({"name": "vm_number"})
    found = [wish.name.replace("#", str(number)) for number in range(1, wish.count + 1)]
    if not all(NAME.fullmatch(name) for name in found):
        raise BadFields({"name": "vm_name"})
    return found


def plan(actor: Actor, wish: Wish) -> Plan:
    """What would be made. Raises BadFields with a code for each field that does not fit, by the names of the wish;
    NotAllowed."""
    if not placing.usable_hosts(actor):
        raise NotAllowed(privilege="host.use")
    called = names(wish)
    images = {pk: found(visible_images(actor), pk, "install") for pk in chosen_images(wish)}
    system = systems.needs(wish.os or next((image.os for image in images.values() if image.os), ""))
    os = wish.os or next((image.os for image in images.values() if image.os), "")
    cpus, memory_mib = wish.cpus or systems.CPUS, wish.memory_mib or max(system.memory_mib, systems.MEMORY_MIB)
    wrong = {
        **({} if 1 <= cpus <= MOST_CPUS else {"cpus": "number"}),
        **({} if SMALLEST_MIB <= memory_mib <= LARGEST_MIB else {"memory_mib": "vm_memory"}),
        **({} if wish.firmware in ("", *FIRMWARES) else {"firmware": "choice"}),
        **({} if len(wish.disks) <= MOST_DISKS else {"disks": "vm_disks"}),
        **({"disks": "vm_shared_disk"} if len(called) > 1 and any(disk.volume for disk in wish.disks) else {}),
    }
    if wrong:
        raise BadFields(wrong)
    sizes = [size_of(disk, images, system, alone=number == 0) for number, disk in enumerate(wish.disks)]
    there = where(actor, wish, images, sizes, memory_mib, len(called))
    firmware = firmware_of(wish, there.host, system)
    tpm = wish.tpm if wish.tpm is not None else firmware != "bios" and bool(there.host.hardware.get("tpm"))
    pools = {pool.pk: pool for pool in placing.usable_pools(actor, there.host)}
    disks = [described(actor, disk, size, images, there, pools) for disk, size in zip(wish.disks, sizes, strict=True)]
    networks = networks_of(actor, wish, there)
    params = NewVm(
        os=os,
        cpus=cpus,
        memory_mib=memory_mib,
        firmware=firmware,
        tpm=tpm,
        disks=disks,
        cds=[wish.install] if wish.install else [],
        networks=[network.pk for network in networks],
        boot=[*(["hd"] if disks else []), *(["cdrom"] if wish.install else []), *(["network"] if wish.pxe else [])]
        or ["hd"],
        start=wish.start,
        asked=digest(wish),
    )
    given = Volume.objects.in_bulk([disk["volume"] for disk in disks if "volume" in disk])
    made = Plan(
        place=there,
        params=params,
        pools=pools,
        volumes=given,
        networks={network.pk: network for network in networks},
        takes={
            "vms": 1,
            "vcpus": cpus,
            "memory_kib": memory_mib * 1024,
            "disk_bytes": sum(disk.get("size_bytes", 0) for disk in disks),
        },
        warnings=(),
        document=DomainXML.parse("<domain/>"),
    )
    cds = [copy_on(actor, there.host, pk) for pk in params.cds]
    document = definition(
        params,
        there.host,
        name=called[0],
        uuid=NO_UUID,
        drives=[*preview_drives(made, called[0]), *cds],
        cards=[Card(network.name, NO_MAC) for network in networks],
    )
    return replace(made, warnings=tuple(warnings(actor, wish, made, images, system)), document=document)


def chosen_images(wish: Wish) -> list[int]:
    """The ids of those that it names, each once."""
    named = [wish.install, *(disk.image for disk in wish.disks)]
    return list(dict.fromkeys(pk for pk in named if pk is not None))


def found(rows: Any, pk: int, field: str) -> Any:
    """The row; BadFields for one that he may not use, or that is not there."""
    row = rows.filter(pk=pk).first()
    if row is None:
        raise BadFields({field: "choice"})
    return row


def size_of(disk: DiskWish, images: Mapping[int, Image], system: systems.Needs, *, alone: bool) -> int:
    """Bytes of a new disk, 0 of one that is there. alone: it is the one that a system is installed onto."""
    if disk.volume is not None:
        return 0
    least = 0
    if disk.image is not None:
        image = images[disk.image]
        if image.kind != Image.Kind.DISK:
            raise BadFields({"disks": "vm_no_disk_image"})
        least = image.virtual_bytes or image.size_bytes
    wanted = max(system.disk_gib, systems.DISK_GIB) * GIB if alone else systems.DISK_GIB * GIB
    size = disk.size_mib * MIB or max(least, wanted)
    if size < least:
        raise BadFields({"disks": "vm_disk_small"})
    if not volumes.SMALLEST <= size <= volumes.LARGEST:
        raise BadFields({"disks": "volume_size"})
    return size


def where(
    actor: Actor, wish: Wish, images: Mapping[int, Image], sizes: list[int], memory_mib: int, count: int
) -> Place:  # fmt: skip
    """The place for it. Raises BadFields where nothing has all of it, NotAllowed."""
    host = found(Host.objects.filter(removed_at=None), wish.host, "host") if wish.host is not None else None
    if host:
        require(actor, "host.use", host)
    pool_ids = {disk.pool for disk in wish.disks if disk.pool is not None}
    pools = [found(visible_pools(actor), pk, "disks") for pk in sorted(pool_ids)]
    network = found(visible_networks(actor), wish.networks[0], "networks") if wish.networks else None
    there = [found(visible_volumes(actor, "attach"), disk.volume, "disks") for disk in wish.disks if disk.volume]
    hosts = [*([host] if host else []), *(pool.host for pool in pools), *([network.host] if network else [])]
    hosts += [operations.pool_of(volume).host for volume in there]
    if len({each.pk for each in hosts}) > 1:
        raise BadFields({"host": "vm_hosts"})
    asked = Asked(
        memory_kib=memory_mib * 1024 * count,
        disk_bytes=0 if pools else sum(sizes) * count if not linked(wish) else MIB,
        host=next(iter(hosts), None),
        pool=pools[0] if pools else None,
        network=network,
        images=frozenset(images),
        arch=next((image.arch for image in images.values() if image.arch), ""),
    )
    place, lacking = placing.place(actor, asked)
    if place is None:
        raise BadFields({LACKING.get(lacking, "host"): f"vm_no_{lacking}"})
    chosen = host is not None or not hosts
    return place if chosen else replace(place, why="chosen")


LACKING: Final = {"pool": "disks", "image": "install"}


def linked(wish: Wish) -> bool:
    return any(disk.linked for disk in wish.disks)


def firmware_of(wish: Wish, host: Host, system: systems.Needs) -> Firmware:
    """What is asked for, else what the system wants of what the host has."""
    has = host.hardware.get("firmwares") or []
    asked = next((one for one in FIRMWARES if one == wish.firmware), None)
    if asked:
        if asked != "bios" and has and "efi" not in has:
            raise BadFields({"firmware": "vm_no_uefi"})
        return asked
    if not system.uefi or "efi" not in has:
        return "bios"
    return "secure" if system.secure and host.hardware.get("secure_boot") else "efi"


def described(
    actor: Actor,
    disk: DiskWish,
    size: int,
    images: Mapping[int, Image],
    there: Place,
    pools: Mapping[int, StoragePool],
) -> dict[str, Any]:
    """The disk as the operation's parameters have it; its name comes with the VM's."""
    if disk.volume is not None:
        volume = Volume.objects.get(pk=disk.volume)
        require_free(actor, volume)
        return {"volume": volume.pk}
    pool = pools.get(disk.pool) if disk.pool is not None else there.pool
    if pool is None:
        raise BadFields({"disks": "vm_no_pool"})
    image = images[disk.image] if disk.image is not None else None
    format = image.format if image and not disk.linked else volumes.formats(pool)[0]
    format = "raw" if format in ("", "iso") else format
    if format not in volumes.formats(pool) or (disk.linked and (image is None or format != "qcow2")):
        raise BadFields({"disks": "volume_format"})
    return {
        "pool": pool.pk, "size_bytes": size, "format": format, "image": image.pk if image else 0, "linked": disk.linked,
    }  # fmt: skip


def require_free(actor: Actor, volume: Volume) -> None:
    """Nothing, or what is in the way of giving the volume to a VM: it is none that is served, or somebody uses it."""
    require_deed(actor, "attach", volume)
    try:
        volumes.require_served(volume)
        volumes.require_unused(actor, volume)
    except NotAllowed:
        raise
    except RequestRefused:
        raise BadFields({"disks": "vm_disk_used"}) from None


def networks_of(actor: Actor, wish: Wish, there: Place) -> list[Network]:
    """The networks of its cards, in order."""
    if wish.networks is None:
        return [there.network] if there.network else []
    usable = {network.pk: network for network in placing.usable_networks(actor, there.host)}
    if any(pk not in usable for pk in wish.networks):
        raise BadFields({"networks": "choice"})
    chosen = [usable[pk] for pk in wish.networks]
    if chosen and not placing.is_filtered(there.host):
        raise BadFields({"networks": "vm_no_filter"})
    if wish.start and not all(network.active for network in chosen):
        raise BadFields({"networks": "vm_network_stopped"})
    return chosen


def machine(host: Host) -> Machine:
    """What a definition takes from that host."""
    hardware, arch = host.hardware, str(host.facts.get("arch") or "x86_64")
    pc = arch in ("x86_64", "i686")
    machines = hardware.get("machines") or []
    wanted = "q35" if pc else "virt"
    known = not machines or wanted in machines
    return Machine(
        kvm=host.facts.get("domain_type") == "kvm",
        arch=arch,
        machine=wanted if known else str(hardware.get("default_machine") or wanted),
        listen=closed_place(host),
    )


def definition(
    params: NewVm, host: Host, *, name: str, uuid: str, drives: list[Drive], cards: list[Card]
) -> DomainXML:  # fmt: skip
    """The document of a VM with these parameters on that host."""
    firmware: Firmware = next(one for one in FIRMWARES if one == params.firmware)
    wanted = Wanted(
        name=name,
        uuid=uuid,
        vcpus=params.cpus,
        memory_kib=params.memory_mib * 1024,
        guest=systems.needs(params.os).guest,
        firmware=firmware,
        drives=tuple(drives),
        cards=tuple(cards),
        boot=tuple(params.boot),
        tpm=params.tpm,
    )
    return compose(wanted, machine(host))


def preview_drives(made: Plan, name: str) -> Iterator[Drive]:
    """Its disks as they would be called."""
    for number, disk in enumerate(made.params.disks):
        if "volume" in disk:
            volume = made.volumes[disk["volume"]]
            yield Drive(operations.pool_of(volume).name, volume.name, volume.format)
        else:
            pool = made.pools[disk["pool"]]
            yield Drive(pool.name, disk_name(pool, name, number, disk["format"]), disk["format"])


def disk_name(pool: StoragePool, name: str, number: int, format: str) -> str:
    """What the disk of a VM is called: after it, and as nothing in the pool is called."""
    ending = f".{format}" if pool.type in volumes.FILES else ""
    taken = set(Volume.objects.filter(storage=pool.storage_id, name__startswith=name).values_list("name", flat=True))
    plain = name if number == 0 else f"{name}-{number + 1}"
    candidates = (f"{plain}{'' if again == 0 else f'.{again}'}{ending}" for again in range(1000))
    return next((one for one in candidates if one not in taken), f"{plain}-{uuid4().hex[:8]}{ending}")


def copy_on(who: Who, host: Host, image: int) -> Drive:
    """The CD with the image; BadFields where the host has none."""
    for row, pool in placing.copies_on(who, host, [image]):
        return Drive(pool.name, row.volume.name, row.volume.format or "raw", cd=True)
    raise BadFields({"install": "vm_no_image"})


def new_bytes(made: Plan) -> dict[int, int]:
    """{pool: what its new disks there can become}."""
    sums: dict[int, int] = {}
    for disk in made.params.disks:
        if "pool" in disk:
            sums[disk["pool"]] = sums.get(disk["pool"], 0) + disk["size_bytes"]
    return sums


def warnings(
    actor: Actor, wish: Wish, made: Plan, images: Mapping[int, Image], system: systems.Needs
) -> Iterator[Warning]:  # fmt: skip
    """What should be known before."""
    host, params = made.place.host, made.params
    if host.facts.get("domain_type") != "kvm":
        yield Warning("no_kvm", {})
    if system.memory_mib and params.memory_mib < system.memory_mib:
        yield Warning("little_memory", {"least": system.memory_mib})
    if made.place.free_kib < params.memory_mib * 1024 * wish.count:
        yield Warning("host_memory", {"free": made.place.free_kib // 1024})
    new = [disk for disk in params.disks if "size_bytes" in disk]
    if system.disk_gib and new and new[0]["size_bytes"] < system.disk_gib * GIB and not new[0]["image"]:
        yield Warning("little_disk", {"least": system.disk_gib})
    if any(image.kind == Image.Kind.DISK and system.known for image in images.values()):
        yield Warning("no_key", {})
    for pool, size in new_bytes(made).items():
        if made.pools[pool].available_bytes < size * wish.count:
            yield Warning("pool_room", {"pool": made.pools[pool].name, "free": made.pools[pool].available_bytes // GIB})
    stopped = placing.usable_networks(actor, host)
    if not made.networks and wish.networks is None and stopped:
        filtered = placing.is_filtered(host)
        yield Warning("network_stopped", {"network": stopped[0].name}) if filtered else Warning("no_filter", {})
    elif not made.networks:
        yield Warning("no_network", {})
    if not params.disks and not params.cds and not wish.pxe:
        yield Warning("no_boot", {})
    elif (
        not params.cds and not wish.pxe and all(not disk.get("image") and "volume" not in disk for disk in params.disks)
    ):
        yield Warning("empty_disk", {})
    if system.secure and params.firmware != "secure":
        yield Warning("not_secure", {})
    if system.secure and not params.tpm:
        yield Warning("no_tpm", {})
    if system.known and not system.guest.virtio_disk:
        yield Warning("no_drivers", {})


def create(actor: Actor, wish: Wish, *, idempotency_key: str | None = None) -> list[Operation]:
    """The operations that make them, one each, in one stroke: all of them are asked for or none. Raises BadFields,
    NotAllowed, NameGivesRights, OverQuota and what request raises."""
    with transaction.atomic():
        if idempotency_key:
            # One after the other, so that the second finds the first's rows.
            list(User.objects.select_for_update().filter(pk=actor.user.pk).values_list("pk", flat=True))
            known = asked_before(actor, wish, idempotency_key)
            if known:
                return known
        called = names(wish)
        made = plan(actor, wish)
        batch = uuid4() if len(called) > 1 or idempotency_key else None
        return [
            create_one(actor, made, name, batch=batch, key=idempotency_key if number == 0 else None)
            for number, name in enumerate(called)
        ]


def asked_before(actor: Actor, wish: Wish, key: str) -> list[Operation]:
    """Those of that key in the last day; BadParameters where it was another request."""
    since = timezone.now() - operations.KEY_LIVES
    known = Operation.objects.filter(actor_user=actor.user, idempotency_key=key, queued_at__gte=since).first()
    if known is None:
        return []
    found = list(Operation.objects.filter(batch=known.batch).order_by("pk")) if known.batch else [known]
    if known.kind != CREATE.name or known.params["asked"] != digest(wish):
        raise BadParameters(field="Idempotency-Key")
    return found


def digest(wish: Wish) -> str:
    return sha256(repr(wish).encode()).hexdigest()


def create_one(actor: Actor, made: Plan, name: str, *, batch: UUID | None, key: str | None) -> Operation:
    """Its row, owned by its maker, and the operation."""
    host = made.place.host
    if Placement.objects.filter(host=host, name=name, vm__deleted_at=None).exclude(
        present=False, read_at__isnull=False
    ).exists():  # fmt: skip
        raise BadFields({"name": "vm_taken"})
    vm = VirtualMachine.objects.create(name=name, charged_user=actor.user)
    identity = uuid4()
    vm.placement = Placement.objects.create(
        vm=vm, host=host, uuid=identity, name=name, present=False, graphics=["vnc"], serials=["serial0"],
        vcpus=made.params.cpus, memory_kib=made.params.memory_mib * 1024, search=f"{name} {identity}".lower(),
    )  # fmt: skip
    vm.save(update_fields=["placement"])
    Document.objects.create(placement=vm.placement)
    grants.own(actor, vm)
    # What the name gives is what comes with it: asked as of one that is not called so yet.
    VirtualMachine.objects.filter(pk=vm.pk).update(name="")
    selectors.refuse_name(actor, vm, name)
    VirtualMachine.objects.filter(pk=vm.pk).update(name=name)
    disks = []
    for number, disk in enumerate(made.params.disks):
        if "pool" in disk:
            disk = {**disk, "name": disk_name(made.pools[disk["pool"]], name, number, disk["format"])}
        disks.append(disk)
    new = [(made.pools[disk["pool"]], disk["name"]) for disk in disks if "pool" in disk]
    operation = operations.request(
        CREATE,
        vm,
        actor=actor,
        params=replace(made.params, disks=disks),
        takes=made.takes,
        batch=batch,
        idempotency_key=key,
        locks=[
            f"vmname:{host.pk}:{sha256(name.encode()).hexdigest()[:32]}",
            *(volumes.name_lock(pool, called) for pool, called in new),
            *(f"volume:{disk['volume']}" for disk in disks if "volume" in disk),
        ],
    )
    live.announce(["vms:*"])
    return operation


def free_name(who: Who) -> str:
    """A name that no VM has which he sees: "vm-3"."""
    taken = set(visible_vms(who).filter(name__startswith="vm-").values_list("name", flat=True))
    return next(name for number in count(1) if (name := f"vm-{number}") not in taken)


def room(actor: Actor, made: Plan) -> list[str]:
    """What of the actor's quota is left and what it takes, in words; [] where he has none."""
    quota = Quota.objects.filter(user=actor.user).first()
    if quota is None:
        return []
    now = quotas.used(actor.user)
    limits = {name: getattr(quota, name) for name in made.takes}
    return [
        gettext("takes {asked} of {left} that are left").format(
            asked=amount(name, made.takes[name]), left=amount(name, max(limit - now[name], 0))
        )
        for name, limit in limits.items()
        if limit is not None and made.takes[name]
    ]
