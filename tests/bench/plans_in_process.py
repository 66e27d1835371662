"""Prints seconds of working out a plan for many VMs, and of the processor: `python -m tests.bench.plans_in_process`,
inside a prepared state folder."""

from __future__ import annotations

import json
import os
import time
from random import Random
from statistics import median
from typing import Any

ROUNDS = 3
VMS, HOSTS = 2000, 50
GIB = 1 << 30


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "kvmweb.settings"
    import django

    django.setup()
    from django.db import transaction

    from tests.bench.visitor import signed_in
    from tests.metrics.weeks import quarters
    from tests.services.test_placement import make, make_host, make_pool
    from vms import metrics
    from vms.metrics import HOST, VM
    from vms.models import HostPlan, Operation, OperationState, User
    from vms.operations.host_plans import work_out
    from vms.services.roles import keep_fixed

    keep_fixed()
    metrics.prepare()
    random = Random(1)
    boss = User.objects.create(username="boss", is_administrator=True)
    with transaction.atomic():
        hosts = [make_host(f"kvm-{number:02}", facts=facts()) for number in range(HOSTS)]
        shared = make_pool(hosts[0], "shared", type="netfs")
        pools = [shared, *(make_pool(host, "shared", like=shared, type="netfs") for host in hosts[1:])]
        vms = [
            make(hosts[number % HOSTS], pools[number % HOSTS], f"app-{number:04}", vcpus=random.choice((1, 2, 4)))
            for number in range(VMS)
        ]
    quarters(HOST, {host.pk: {"cpu": 35.0, "memory": 170.0 * GIB} for host in hosts}, hours=25)
    quarters(
        VM,
        {vm.pk: {"cpu": random.uniform(1, 60), "memory_process": random.uniform(1, 4) * GIB} for vm in vms},
        hours=25,
    )
    client = signed_in(boss)
    found: list[int] = []

    def asked() -> int:
        body = {"kind": "consolidate", "window": 24, "spare": True}
        answer = client.post("/api/v1/plans", json.dumps(body), content_type="application/json")
        assert answer.status_code == 202, answer.content
        return int(answer.json()["id"])

    def worked_out(pk: int) -> None:
        operation = HostPlan.objects.get(pk=pk).computing
        assert operation
        work_out(operation, lambda _connection: None)
        Operation.objects.filter(pk=operation.pk).update(state=OperationState.SUCCEEDED)

    def read(pk: int) -> None:
        told = client.get(f"/api/v1/plans/{pk}").json()
        assert told["state"] == "ready", told["why"]
        found[:] = told["used_hosts"]

    def shown(pk: int) -> None:
        assert client.get(f"/plans/{pk}/").status_code == 200

    times: dict[str, list[tuple[float, float]]] = {"whole": []}
    for _ in range(ROUNDS):
        start, used = time.perf_counter(), time.process_time()
        pk = timed(times, "asked for", asked)
        timed(times, "worked out", worked_out, pk)
        timed(times, "read by the API", read, pk)
        times["whole"].append((time.perf_counter() - start, time.process_time() - used))
        timed(times, "its page", shown, pk)
    medians: dict[str, Any] = {
        name: [median(column) for column in zip(*took, strict=True)] for name, took in times.items()
    }
    print(json.dumps({**medians, "hosts": found}))


def facts() -> dict[str, Any]:
    from tests.services.test_placement import FACTS

    return {**FACTS, "cpus": 64, "memory_kib": 512 << 20}


def timed(times: dict[str, list[tuple[float, float]]], name: str, do: Any, *words: Any) -> Any:
    began, used = time.perf_counter(), time.process_time()
    answer = do(*words)
    times.setdefault(name, []).append((time.perf_counter() - began, time.process_time() - used))
    return answer


if __name__ == "__main__":
    main()
