"""What is wished for, judged and completed by what its maker may use, becomes a plan of a VM."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Final, cast

from vms.errors import BadFields, NotAllowed, RequestRefused
from vms.kinds.create import NewVm
from vms.libvirtxml import FIRMWARES, Card, Drive, Firmware
from vms.models import Host, Image, Network, StoragePool, Volume
from vms.permissions import (
    Actor,
    Who,
    require,
    require_deed,
    visible_images,
    visible_networks,
    visible_pools,
    visible_volumes,
)
from vms.services import archives, instances, operations, placing, seeds, sizes, systems, volumes
from vms.services.cautions import warnings
from vms.services.definitions import definition, disk_name, seed_name
from vms.services.images import on_host, readable
from vms.services.placing import Asked, Place
from vms.services.wishes import (
    GIB,
    LARGEST_MIB,
    MIB,
    MOST_CPUS,
    SMALLEST_MIB,
    DiskWish,
    Plan,
    Preview,
    Wish,
    digest,
    names,
)

MOST_DISKS: Final = 16
# What a VM gets as it is; the rest is converted, or not taken.
ATTACHED: Final = ("raw", "qcow2")
# Windows' drivers for what KVM has, by their id in the table of systems.
DRIVERS: Final = "virtio-win"
# What stands for a name that is not known before it is made.
NO_UUID: Final = "00000000-0000-0000-0000-000000000000"
NO_MAC: Final = "52:54:00:00:00:00"


def plan(actor: Actor, wish: Wish) -> Plan:
    """What would be made. Raises BadFields with a code for each field that does not fit, by the names of the wish;
    NotAllowed."""
    own = placing.require_somewhere(actor)
    called, asked = names(wish.name, wish.count), wish
    wish = sizes.filled(wish)
    of = instances.original(actor, wish)
    wish = instances.filled(wish, of) if of else wish
    below = {volume.pk: volume for volume, _ in of.disks} if of else {}
    images = {pk: found(visible_images(actor), pk, "install") for pk in chosen_images(wish)}
    os = wish.os or next((image.os for image in images.values() if image.os), "")
    system = systems.needs(os)
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
    capacities = [
        archives.find_disk(actor, disk).size_bytes
        if disk.packed is not None
        else size_of(disk, images, below, system, alone=number == 0)
        for number, disk in enumerate(wish.disks)
    ]
    there = where(actor, wish, images, capacities, memory_mib, len(called), own)
    there = replace(there, why="template") if of else there
    firmware = firmware_of(wish, there.host, system)
    tpm = wish.tpm if wish.tpm is not None else firmware != "bios" and bool(there.host.hardware.get("tpm"))
    pools = {pool.pk: pool for pool in there.pools}
    disks = [
        described(actor, disk, size, images, below, there, pools)
        for disk, size in zip(wish.disks, capacities, strict=True)
    ]
    networks = networks_of(wish, there)
    drivers = drivers_of(actor, wish, there, system)
    images |= {image.pk: image for image in drivers}
    params = NewVm(
        os=os,
        cpus=cpus,
        memory_mib=memory_mib,
        firmware=firmware,
        tpm=tpm,
        disks=disks,
        cds=[*([wish.install] if wish.install else []), *(image.pk for image in drivers)],
        drivers=bool(drivers),
        networks=[network.pk for network in networks],
        boot=[*(["hd"] if disks else []), *(["cdrom"] if wish.install else []), *(["network"] if wish.pxe else [])]
        or ["hd"],
        start=wish.start,
        seed=seed_of(actor, wish, called, there, pools, disks, networks),
        asked=digest(asked),
        careful=wish.careful,
        template=of.vm.pk if of else 0,
        machine=of.traits.machine if of else "",
    )
    given = Volume.objects.in_bulk([disk["volume"] for disk in disks if "volume" in disk])
    return Plan(
        wish=wish,
        place=there,
        params=params,
        pools=pools,
        volumes=given,
        images=images,
        networks={network.pk: network for network in networks},
        cds=tuple(copy_on(actor, there, pk) for pk in params.cds),
        takes={
            "vms": 1,
            "vcpus": cpus,
            "memory_kib": memory_mib * 1024,
            "disk_bytes": sum(disk.get("size_bytes", 0) for disk in disks) + (seeds.SIZE if wish.seed else 0),
        },
    )


def preview(actor: Actor, wish: Wish) -> Preview:
    """What would be made, and what is told of it before. Raises what plan() raises."""
    made = plan(actor, wish)
    name = names(wish.name, wish.count)[0]
    document = definition(
        made.params,
        made.place.host,
        name=name,
        uuid=NO_UUID,
        drives=[*preview_drives(made, name), *made.cds, *seed_drive(made, name)],
        cards=[Card(network.name, NO_MAC) for network in made.networks.values()],
    )
    return Preview(made, tuple(warnings(actor, made)), document)


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


def size_of(
    disk: DiskWish, images: Mapping[int, Image], below: Mapping[int, Volume], system: systems.Needs, *, alone: bool
) -> int:
    """Bytes of a new disk, 0 of one that is there. alone: it is the one that a system is installed onto."""
    if disk.volume is not None:
        return 0
    if disk.below is not None:
        return instances.size_of(disk, below[disk.below])
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
    actor: Actor, wish: Wish, images: Mapping[int, Image], sizes: list[int], memory_mib: int, count: int,
    own: Sequence[Host],
) -> Place:  # fmt: skip
    """The place for it among the hosts that are his own. Raises BadFields where nothing has all of it, NotAllowed."""
    host = host_of(actor, wish.host, own) if wish.host is not None else None
    pool_ids = {disk.pool for disk in wish.disks if disk.pool is not None}
    pools = [found(visible_pools(actor), pk, "disks") for pk in sorted(pool_ids)]
    network = found(visible_networks(actor), wish.networks[0], "networks") if wish.networks else None
    if not all(pool.active for pool in pools):
        raise BadFields({"disks": "vm_pool_stopped"})
    there = [found(visible_volumes(actor, "attach"), disk.volume, "disks") for disk in wish.disks if disk.volume]
    hosts = [*([host] if host else []), *(pool.host for pool in pools), *([network.host] if network else [])]
    there += [archives.find_source(actor, disk) for disk in wish.disks if disk.packed is not None]
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
    place, lacking = placing.place(actor, asked, own)
    if place is None:
        raise BadFields({LACKING.get(lacking, "host"): f"vm_no_{lacking}"})
    chosen = host is not None or not hosts
    return place if chosen else replace(place, why="chosen")


def host_of(actor: Actor, pk: int, own: Sequence[Host]) -> Host:
    """The host that he asks for; BadFields, NotAllowed where there is none, or it is not his to use."""
    for host in own:
        if host.pk == pk:
            return host
    host = found(Host.objects.filter(removed_at=None), pk, "host")
    require(actor, "host.use", host)
    return cast(Host, host)


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
    below: Mapping[int, Volume],
    there: Place,
    pools: Mapping[int, StoragePool],
) -> dict[str, Any]:
    """The disk as the operation's parameters have it; its name comes with the VM's."""
    if disk.volume is not None:
        volume = Volume.objects.get(pk=disk.volume)
        require_free(actor, volume)
        return {"volume": volume.pk}
    if disk.below is not None:
        return instances.described(disk, below[disk.below], size, there, pools)
    packed = archives.find_disk(actor, disk) if disk.packed is not None else None
    pool = pools.get(disk.pool) if disk.pool is not None else there.pool
    if pool is None:
        raise BadFields({"disks": "vm_no_pool"})
    image = images[disk.image] if disk.image is not None else None
    format = image.format if image and not disk.linked else volumes.formats(pool)[0]
    format = "qcow2" if packed and packed.format == "qcow2" else format
    format = "raw" if format in ("", "iso") else format
    if format not in volumes.formats(pool) or (disk.linked and (image is None or format != "qcow2")):
        raise BadFields({"disks": "volume_format"})
    return {
        "pool": pool.pk, "size_bytes": size, "format": format, "image": image.pk if image else 0, "linked": disk.linked,
        **({"packed": disk.packed, "number": disk.number} if packed else {}),
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
    if volume.format not in ATTACHED or archives.current(volume):
        raise BadFields({"disks": "vm_disk_packed"})


def networks_of(wish: Wish, there: Place) -> list[Network]:
    """The networks of its cards, in order."""
    if wish.networks is None:
        return [there.network] if there.network else []
    usable = {network.pk: network for network in there.networks}
    if any(pk not in usable for pk in wish.networks):
        raise BadFields({"networks": "choice"})
    chosen = [usable[pk] for pk in wish.networks]
    if chosen and not placing.is_filtered(there.host):
        raise BadFields({"networks": "vm_no_filter"})
    if wish.start and not all(network.active for network in chosen):
        raise BadFields({"networks": "vm_network_stopped"})
    return chosen


def seed_of(
    actor: Actor, wish: Wish, called: list[str], there: Place, pools: Mapping[int, StoragePool],
    disks: list[dict[str, Any]], networks: list[Network],
) -> dict[str, Any]:  # fmt: skip
    """Where the answers for the first boot go; {} for none. Raises BadFields and BadSeed by the answers."""
    if wish.seed is None:
        return {}
    seeds.check(wish.seed, has_card=bool(networks))
    if wish.seed.address and len(called) > 1:
        raise BadFields({"address": "guest_address_many"})
    chosen = [pools[disk["pool"]] for disk in disks if disk.get("pool") in pools]
    folders = [pool for pool in (*chosen, there.pool, *pools.values()) if pool and pool.type in volumes.FILES]
    if not folders:
        raise BadFields({"disks": "vm_no_folder"})
    return {"pool": folders[0].pk, "name": "", "keep": wish.seed.keep, "told": dict(seeds.told_of(wish.seed))}


def drivers_of(actor: Actor, wish: Wish, there: Place, system: systems.Needs) -> list[Image]:
    """The image of the CD with what its system lacks, the newest that can be there; none where that is not wished for,
    or what installs it has all that it needs."""
    if not (wish.install and wish.drivers and system.drivers):
        return []
    known = visible_images(actor).filter(os=DRIVERS, kind=Image.Kind.ISO).order_by("-pk")
    usable = (image for image in known if any(on_host(actor, there.host, [image.pk])) or readable(actor, image.pk))
    return list(islice(usable, 1))


def preview_drives(made: Plan, name: str) -> Iterator[Drive]:
    """Its disks as they would be called."""
    for number, disk in enumerate(made.params.disks):
        if "volume" in disk:
            volume = made.volumes[disk["volume"]]
            yield Drive(operations.pool_of(volume).name, volume.name, volume.format)
        else:
            pool = made.pools[disk["pool"]]
            yield Drive(
                pool.name, disk_name(pool, name, number, disk["format"]), disk["format"], bus=disk.get("bus", "")
            )


def seed_drive(made: Plan, name: str) -> Iterator[Drive]:
    if made.params.seed:
        pool = made.pools[made.params.seed["pool"]]
        yield Drive(pool.name, seed_name(pool, name), "raw", cd=True, seed=True)


def copy_on(who: Who, there: Place, image: int) -> Drive:
    """The CD with the image, which is brought where the host has none; BadFields where that cannot be."""
    for row, pool in on_host(who, there.host, [image]):
        return Drive(pool.name, row.volume.name, row.volume.format or "raw", cd=True)
    copy = readable(who, image)
    into = there.pool or next(iter(there.pools), None)
    if copy is None or into is None:
        raise BadFields({"install": "vm_no_image"})
    return Drive(into.name, copy.volume.name, copy.volume.format or "raw", cd=True)
