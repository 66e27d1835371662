"""Prints seconds of judging which VM can go where, and of the processor: `python -m tests.bench.placement_in_process`,
inside a prepared state folder."""

from __future__ import annotations

import json
import os
import time
from statistics import median

ROUNDS = 20
VMS, HOSTS = 200, 20


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "kvmweb.settings"
    import django

    django.setup()
    from django.db import transaction

    from tests.bench.visitor import signed_in
    from tests.services.test_placement import make, make_host, make_pool
    from vms.models import User
    from vms.permissions import visible_vms
    from vms.services import placement
    from vms.services.roles import keep_fixed

    keep_fixed()
    boss = User.objects.create(username="boss", is_administrator=True)
    with transaction.atomic():
        hosts = [make_host(f"kvm-{number:02}") for number in range(HOSTS)]
        shared = make_pool(hosts[0], "shared", type="netfs")
        for host in hosts[1:]:
            make_pool(host, "shared", like=shared, type="netfs")
        for number in range(VMS):
            # Of some the disks would be copied, and for some there is no room.
            pool = shared if number % 3 else make_pool(hosts[number % HOSTS], f"own-{number}")
            make(hosts[number % HOSTS], pool, f"app-{number:03}", state="running" if number % 5 else "shut_off")
    client = signed_in(boss)

    def judged() -> None:
        found = placement.matrix(boss, visible_vms(boss), placement.targets(boss)[:HOSTS])
        assert len(found) == VMS * HOSTS

    def asked() -> None:
        answer = client.get(f"/api/v1/placement?page_size={VMS}")
        assert answer.status_code == 200 and len(answer.json()["items"]) >= VMS * HOSTS

    def shown() -> None:
        assert client.get("/hosts/moves/").status_code == 200

    times: dict[str, list[tuple[float, float]]] = {"rules": [], "API": [], "page of fifty": []}
    for _ in range(ROUNDS):
        for name, do in (("rules", judged), ("API", asked), ("page of fifty", shown)):
            began, used = time.perf_counter(), time.process_time()
            do()
            times[name].append((time.perf_counter() - began, time.process_time() - used))
    print(json.dumps({name: [median(column) for column in zip(*took, strict=True)] for name, took in times.items()}))


if __name__ == "__main__":
    main()
