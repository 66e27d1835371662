"""`manage.py demo`: three VMs to try the dashboard with, on this machine's libvirt; `--remove` takes them away."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from vms import live
from vms.demo import machines
from vms.demo.guest import guest
from vms.demo.packages import BuildFailed
from vms.errors import VirtError
from vms.models import Host, Placement, Tag, VirtualMachine
from vms.virt import HostSpec, connect

TAG: Final = "demo"
SHOWN_WITHIN: Final = 20.0


class Command(BaseCommand):
    help = "Make the demo VMs on this machine's libvirt where they are missing, or remove them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--remove", action="store_true", help="take away what this command made, and nothing else")

    def handle(self, *args: Any, **options: Any) -> None:
        host = Host.objects.filter(node=settings.ENVIRONMENT.node).order_by("pk").first()
        if host is None:
            raise CommandError("This machine is not one of the dashboard's hosts; start it once with scripts/run.")
        try:
            with connect(HostSpec(**host.spec_fields())) as connection:
                if options["remove"]:
                    forget(host, machines.remove(connection, self.stdout.write))
                else:
                    tag(host, machines.make(connection, lambda: guest(settings.CACHE_DIR), self.stdout.write))
        except BuildFailed as error:
            raise CommandError(f"The demo guest could not be built. {error}") from error
        except VirtError as error:
            raise CommandError(f"libvirt refused: {error.details}") from error


def tag(host: Host, uuids: list[str]) -> None:
    """Tag them as soon as the watcher has shown them; the next run tags one that it shows later."""
    untagged = set(uuids)
    until = time.monotonic() + SHOWN_WITHIN
    while untagged and time.monotonic() < until:
        for placement in Placement.objects.filter(host=host, uuid__in=untagged, present=True):
            Tag.objects.get_or_create(vm_id=placement.vm_id, name=TAG)
            live.announce([f"vm:{placement.vm_id}"])
            untagged.discard(str(placement.uuid))
        if untagged:
            time.sleep(0.2)


def forget(host: Host, uuids: list[str]) -> None:
    """Nobody is shown what the demo took away."""
    vms = VirtualMachine.objects.filter(placements__host=host, placements__uuid__in=uuids)
    pks = list(vms.values_list("pk", flat=True))
    Tag.objects.filter(vm__in=pks).delete()
    VirtualMachine.objects.filter(pk__in=pks, deleted_at=None).update(deleted_at=timezone.now())
    live.announce([f"vm:{pk}" for pk in pks] + ["vms:*"] * bool(pks))
