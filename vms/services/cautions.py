"""What somebody should know before a VM is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vms.models import Image
from vms.permissions import Actor
from vms.services import placing, seeds, systems
from vms.services.wishes import GIB, Plan, Warning


def new_bytes(made: Plan) -> dict[int, int]:
    """{pool: what its new disks there can become}."""
    sums: dict[int, int] = {}
    for disk in made.params.disks:
        if "pool" in disk:
            sums[disk["pool"]] = sums.get(disk["pool"], 0) + disk["size_bytes"]
    return sums


def is_written(disk: Mapping[str, Any]) -> bool:
    """Whether something is on it from the beginning."""
    return bool(disk.get("image") or disk.get("packed") or disk.get("below") or "volume" in disk)


def warnings(actor: Actor, made: Plan) -> Iterator[Warning]:
    """What should be known before."""
    wish, host, params, images = made.wish, made.place.host, made.params, made.images
    system = systems.needs(params.os)
    if host.facts.get("domain_type") != "kvm":
        yield Warning("no_kvm", {})
    if system.memory_mib and params.memory_mib < system.memory_mib:
        yield Warning("little_memory", {"least": system.memory_mib})
    if made.place.free_kib < params.memory_mib * 1024 * wish.count:
        yield Warning("host_memory", {"free": made.place.free_kib // 1024})
    new = [disk for disk in params.disks if "size_bytes" in disk]
    if system.disk_gib and new and new[0]["size_bytes"] < system.disk_gib * GIB and not is_written(new[0]):
        yield Warning("little_disk", {"least": system.disk_gib})
    disks = [image for image in images.values() if image.kind == Image.Kind.DISK]
    if disks and system.known and not seeds.lets_in(wish.seed):
        yield Warning("no_key", {})
    if params.template and wish.seed is None:
        yield Warning("template_same", {})
    if wish.seed and not disks and not params.template:
        yield Warning("seed_unread", {})
    for pool, size in new_bytes(made).items():
        if made.pools[pool].available_bytes < size * wish.count:
            yield Warning("pool_room", {"pool": made.pools[pool].name, "free": made.pools[pool].available_bytes // GIB})
    for image in sorted(images.keys() - placing.images_on(actor, host) if images else ()):
        yield Warning("image_brought", {"image": images[image].name, "host": host.name})
    stopped = made.place.networks
    if not made.networks and wish.networks is None and stopped:
        filtered = placing.is_filtered(host)
        yield Warning("network_stopped", {"network": stopped[0].name}) if filtered else Warning("no_filter", {})
    elif not made.networks:
        yield Warning("no_network", {})
    if not params.disks and not params.cds and not wish.pxe:
        yield Warning("no_boot", {})
    elif not params.cds and not wish.pxe and all(not is_written(disk) for disk in params.disks):
        yield Warning("empty_disk", {})
    if system.secure and params.firmware != "secure":
        yield Warning("not_secure", {})
    if system.secure and not params.tpm:
        yield Warning("no_tpm", {})
    if params.drivers:
        yield Warning("drivers", {"image": images[params.cds[1]].name})
    elif system.known and not system.guest.virtio_disk:
        yield Warning("no_drivers", {})
