"""Prints seconds of a VM's pages, and of the processor: `python -m tests.bench.hardware_in_process`, inside a prepared
state folder."""

from __future__ import annotations

import json
import os
import time
import uuid
from statistics import median

ROUNDS = 40


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "kvmweb.settings"
    import django

    django.setup()
    from tests.bench.visitor import signed_in
    from vms.models import User
    from vms.services.roles import keep_fixed

    keep_fixed()
    client = signed_in(User.objects.create(username="boss", is_administrator=True))
    asks = {str(number): asked(number) for number in (4, 40)}
    times: dict[str, dict[str, list[tuple[float, float]]]] = {
        number: {name: [] for name in of} for number, of in asks.items()
    }
    for turn in range(ROUNDS + 5):
        for number, of in asks.items():
            for name, (address, body) in of.items():
                began, used = time.perf_counter(), time.process_time()
                answer = client.post(address, body) if body else client.get(address)
                seconds, used = time.perf_counter() - began, time.process_time() - used
                assert answer.status_code == 200, answer.status_code
                if turn >= 5:
                    times[number][name].append((seconds, used))
    print(json.dumps({
        number: {name: [median(column) for column in zip(*took, strict=True)] for name, took in of.items()}
        for number, of in times.items()
    }))  # fmt: skip


def asked(number: int) -> dict[str, tuple[str, dict[str, str]]]:
    """{what: (address, what is sent)} of a VM that runs with so many devices."""
    from tests.routes import DEFINED
    from vms.models import Document, Host, Placement, VirtualMachine

    host, _ = Host.objects.get_or_create(name="kvm", transport="ssh", address="kvm")
    vm = VirtualMachine.objects.create(name=f"devices-{number}")
    identity = uuid.UUID(int=number)
    vm.placement = Placement.objects.create(
        vm=vm, host=host, uuid=identity, name=vm.name, state="running", vcpus=2, memory_kib=1 << 20, run_id=1,
        search=vm.name,
    )  # fmt: skip
    vm.save(update_fields=["placement"])
    text = DEFINED.format(name=vm.name, uuid=identity).replace("<rng model='virtio'/>", devices(number))
    Document.objects.create(placement=vm.placement, next_boot=text, live=text)
    page, wished = f"/vms/{vm.pk}/", text.replace(">64<", ">128<")
    return {
        "overview": (page, {}),
        "hardware": (f"{page}hardware/", {}),
        "a disk's form": (f"{page}hardware/?part=vda", {}),
        "of a form": (f"{page}hardware/preview/?part=vda", {"cache": "none", "discard": "unmap"}),
        "of a text": (f"{page}xml/preview", {"xml": wished}),
    }


def devices(number: int) -> str:
    """A screen and a video card, a third of the rest cards, the others disks, as libvirt writes them."""
    cards = (number - 2) // 3 or 1
    disks = (
        f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/pool/{one}.qcow2'/>"
        f"<target dev='vd{chr(97 + one)}' bus='virtio'/><address type='pci' domain='0x0000' bus='0x{one + 1:02x}' "
        "slot='0x00' function='0x0'/></disk>"
        for one in range(number - 2 - cards)
    )
    nets = (
        f"<interface type='network'><mac address='52:54:00:00:{number:02x}:{one:02x}'/><source network='default'/>"
        f"<model type='virtio'/><filterref filter='clean-traffic'/><address type='pci' domain='0x0000' "
        f"bus='0x{one + 100:02x}' slot='0x00' function='0x0'/></interface>"
        for one in range(cards)
    )
    screen = "<graphics type='vnc'><listen type='none'/></graphics><video><model type='virtio'/></video>"
    return "".join(disks) + "".join(nets) + screen


if __name__ == "__main__":
    main()
