"""`manage.py demo`: three VMs to try the dashboard with, on this machine's libvirt, and two accounts that see a part of
it; `--fleet`: beside them a thousand VMs that are not real; `--second`: the host to move VMs to that root started
(kvmweb.second); `--remove` takes all of it away."""

from __future__ import annotations

import os
import time
from argparse import ArgumentParser
from contextlib import ExitStack
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from vms import live
from vms.demo import fleet, machines, people, second
from vms.demo.guest import guest
from vms.demo.packages import BuildFailed
from vms.errors import Locked, VirtError
from vms.models import Host, LastScreen, Placement, Tag, VirtualMachine
from vms.services import audit
from vms.virt import Connection, HostSpec, connect

TAG: Final = "demo"
# Whose VM the one account looks at.
SEEN: Final = "demo-web"
SHOWN_WITHIN: Final = 20.0


class Command(BaseCommand):
    help = "Make the demo's VMs on this machine's libvirt, and its accounts, where they are missing, or remove them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--fleet", action="store_true", help="also a host with 1,000 VMs that are not real")
        parser.add_argument("--second", action="store_true", help="also the second host, where root started one")
        parser.add_argument("--remove", action="store_true", help="take away what this command made, and nothing else")
        parser.add_argument(
            "--passwords-to", type=int, metavar="FD", help="write names and passwords of accounts that get one there"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        beside = second.row()
        here = Host.objects.filter(node=settings.ENVIRONMENT.node, driver=Host.Driver.QEMU, removed_at=None)
        host = (here.exclude(pk=beside.pk) if beside else here).order_by("pk").first()
        if host is None:
            raise CommandError("This machine is not one of the dashboard's hosts; start it once with scripts/run.")
        try:
            with ExitStack() as stack:
                connection = stack.enter_context(connect(HostSpec(**host.spec_fields())))
                way = second.way()
                other = stack.enter_context(connect(spec_of(way))) if way else None
                if options["remove"]:
                    self.remove(connection, beside, other)
                else:
                    self.make(host, connection, other, options["passwords_to"])
                    if options["second"] and way and other:
                        second.settle(host, second.add(way, self.stdout.write), way, other, self.stdout.write)
                    if options["fleet"]:
                        self.make_fleet(HostSpec(**host.spec_fields()).daemon())
        except BuildFailed as error:
            raise CommandError(f"The demo guest could not be built. {error}") from error
        except VirtError as error:
            raise CommandError(f"libvirt refused: {error.details}") from error
        except Locked as error:
            raise CommandError("Something is being done on the demo's second host; call this again.") from error

    def make(self, host: Host, connection: Connection, other: Connection | None, passwords_to: int | None) -> None:
        """What is missing; a VM that somebody moved to the second host is there."""
        moved = {role: info.uuid for role, info in machines.ours(other)} if other else {}
        made = machines.make(connection, lambda: guest(settings.CACHE_DIR), self.stdout.write, elsewhere=moved)
        tag(host, made)
        seen = [info.uuid for role, info in machines.ours(connection) if role == SEEN]
        seen += [uuid for role, uuid in moved.items() if role == SEEN]
        web = VirtualMachine.objects.filter(placement__present=True, placement__uuid__in=seen).first()
        people.make(people.people(TAG, web), self.stdout.write, teller(passwords_to))

    def remove(self, connection: Connection, beside: Host | None, other: Connection | None) -> None:
        """The second host first: its VMs' disks are this one's."""
        people.remove(self.stdout.write)
        gone = second.empty(other, self.stdout.write) if other else []
        forget(gone + machines.remove(connection, self.stdout.write))
        if beside and not (other and second.foreign(other)):
            second.drop(beside, self.stdout.write)
        self.remove_fleet()

    def make_fleet(self, socket: str) -> None:
        """The row and what stands there; our connection keeps that until the watcher's does."""
        host, made = Host.objects.get_or_create(
            **of_fleet(), defaults={"socket": socket, "node": settings.ENVIRONMENT.node}
        )
        if made:
            audit.record("added:host", target=host, address="scripts/run", transport=host.transport, driver=host.driver)
            live.announce([f"host:{host.pk}"])
        with connect(HostSpec(**host.spec_fields())) as connection:
            fleet.make(connection, self.stdout.write)
            until = time.monotonic() + SHOWN_WITHIN
            while Placement.objects.filter(host=host, present=True).count() < fleet.SIZE and time.monotonic() < until:
                time.sleep(0.2)

    def remove_fleet(self) -> None:
        """Nothing of it is worth keeping, rows and all; libvirt forgets it when nobody is connected any more."""
        for host in Host.objects.filter(**of_fleet()):
            VirtualMachine.objects.filter(placements__host=host).delete()
            with transaction.atomic():
                audit.record("removed:host", target=host, address="scripts/run")
                host.delete()
            live.announce(["*"])
            self.stdout.write(f"{fleet.NAME} removed")


def spec_of(way: second.Way) -> HostSpec:
    return HostSpec("unix", "qemu", way.socket, uuid=way.uuid)


def teller(descriptor: int | None) -> people.Tell | None:
    """Writes to it, for who shows it in a terminal; None where nobody does."""
    if descriptor is None:
        return None

    def tell(name: str, password: str) -> None:
        os.write(descriptor, f"{name} {password}\n".encode())

    return tell


def of_fleet() -> dict[str, Any]:
    """By what its row is known."""
    return {"name": fleet.NAME, "driver": Host.Driver.TEST, "transport": Host.Transport.UNIX, "removed_at": None}


def tag(host: Host, uuids: list[str]) -> None:
    """Tag them as soon as the watcher has shown them; the next run tags one that it shows later."""
    untagged = set(uuids)
    until = time.monotonic() + SHOWN_WITHIN
    while untagged and time.monotonic() < until:
        for placement in Placement.objects.filter(host=host, uuid__in=untagged, present=True):
            Tag.objects.get_or_create(vm_id=placement.vm_id, name=TAG)
            live.announce([f"vm:{placement.vm_id}"])
            # Its host tells of going back to a snapshot, not of one that is taken of what is off.
            live.look(host.pk, f"vm:{placement.vm_id}", wait=0)
            untagged.discard(str(placement.uuid))
        if untagged:
            time.sleep(0.2)


def forget(uuids: list[str]) -> None:
    """Nobody is shown what the demo took away."""
    vms = VirtualMachine.objects.filter(placements__host__node=settings.ENVIRONMENT.node, placements__uuid__in=uuids)
    pks = list(vms.values_list("pk", flat=True).distinct())
    Tag.objects.filter(vm__in=pks).delete()
    LastScreen.objects.filter(vm__in=pks).delete()
    VirtualMachine.objects.filter(pk__in=pks, deleted_at=None).update(deleted_at=timezone.now())
    live.announce([f"vm:{pk}" for pk in pks] + ["vms:*"] * bool(pks))
