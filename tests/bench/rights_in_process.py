"""Prints seconds of the list of VMS VMs: `python -m tests.bench.rights_in_process VMS`, inside a prepared state folder.

For who may all, and for one of 500 people whose grants select a part of it.
"""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from statistics import median
from typing import Any

ROUNDS = 40
VMS = int(sys.argv[1])
HOSTS, USERS, GROUPS, TAGS = VMS // 100, 500, 50, 20
# The search finds a tenth of all.
PATHS = {"list": "/vms/", "search": f"/vms/?q=app-0{7 * VMS // 10_000 or '07'}", "overview": "/"}


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "kvmweb.settings"
    import django

    django.setup()
    from django.db import transaction

    from tests.bench.visitor import signed_in
    from vms.permissions import visible_vms
    from vms.services.roles import keep_fixed

    keep_fixed()
    with transaction.atomic():
        make_vms()
        people = make_people()
    clients = {name: signed_in(user) for name, user in people.items()}
    times: dict[str, dict[str, list[float]]] = {name: {path: [] for path in PATHS} for name in clients}
    for turn in range(ROUNDS + 5):
        for name, client in clients.items():
            for path, address in PATHS.items():
                began = time.perf_counter()
                answer = client.get(address)
                seconds = time.perf_counter() - began
                assert answer.status_code == 200, answer.status_code
                if turn >= 5:
                    times[name][path].append(seconds)
    seen = {name: visible_vms(user).count() for name, user in people.items()}
    print(json.dumps({"times": {n: {p: median(t) for p, t in of.items()} for n, of in times.items()}, "seen": seen}))


def make_vms() -> None:
    """A hundred VMs on each host, each with two of 20 tags."""
    from vms.models import Document, Host, Placement, Tag, VirtualMachine

    hosts = Host.objects.bulk_create(
        Host(name=f"kvm-{n:03}", transport="ssh", address=f"kvm-{n}") for n in range(HOSTS)
    )
    vms = VirtualMachine.objects.bulk_create(VirtualMachine(name=f"app-{n:05}") for n in range(VMS))
    placements = Placement.objects.bulk_create(
        Placement(
            vm=vm, host=hosts[n % HOSTS], uuid=uuid.UUID(int=n + 1), name=vm.name, state="running", vcpus=2,
            memory_kib=1 << 20, search=vm.name,
        )
        for n, vm in enumerate(vms)
    )  # fmt: skip
    for vm, placement in zip(vms, placements, strict=True):
        vm.placement = placement
    VirtualMachine.objects.bulk_update(vms, ["placement"], batch_size=500)
    Document.objects.bulk_create(Document(placement=placement) for placement in placements)
    Tag.objects.bulk_create(
        Tag(vm=vm, name=f"team-{(n + step) % TAGS}") for n, vm in enumerate(vms) for step in (0, 7)
    )  # fmt: skip


def make_people() -> dict[str, Any]:
    """An administrator, and 500 users in 50 groups with grants by tag, by beginning of a name, by host, on one VM."""
    from django.contrib.auth.models import Group

    from vms.models import Grant, Host, Role, User, VirtualMachine

    roles = {role.name: role for role in Role.objects.all()}
    groups = Group.objects.bulk_create(Group(name=f"group-{n}") for n in range(GROUPS))
    users = User.objects.bulk_create(User(username=f"user-{n}") for n in range(USERS))
    User.groups.through.objects.bulk_create(
        User.groups.through(user=user, group=groups[n % GROUPS]) for n, user in enumerate(users)
    )
    hosts, vms = list(Host.objects.order_by("pk")[:HOSTS]), list(VirtualMachine.objects.order_by("pk")[:USERS])
    grants = [Grant(group=group, role=roles["viewer"], tag=f"team-{n % TAGS}") for n, group in enumerate(groups)]
    for n, user in enumerate(users):
        grants.append(Grant(user=user, role=roles["operator"], prefix=f"app-{n % HOSTS:03}"))
        grants.append(Grant(user=user, role=roles["owner"], vm=vms[n]))
    grants += [Grant(group=group, role=roles["editor"], host=hosts[n % HOSTS]) for n, group in enumerate(groups)]
    Grant.objects.bulk_create(grants)
    administrator = User.objects.create(username="boss", is_administrator=True)
    return {"administrator": administrator, "user": users[7], "who may nothing": User.objects.create(username="new")}


if __name__ == "__main__":
    main()
