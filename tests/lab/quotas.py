"""Many who ask at the same moment for what not all of them can have."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.lab.machine import eventually
from tests.lab.pools import LabPool
from tests.lab.stack import ADMIN, Answer, Dashboard

MIB = 1 << 20
EACH = 8 * MIB
ROOM = 7
Asked = tuple[str, dict[str, Any]]


def pool_of(dashboard: Dashboard, pool: LabPool) -> int:
    """The pool's id, once it is known."""

    def found() -> int | None:
        items = dashboard.get("/pools?page_size=200")["items"]
        return next((item["id"] for item in items if item["name"] == pool.name and item["active"]), None)

    return int(eventually(found, f"the dashboard knows {pool.name}"))


def volumes(dashboard: Dashboard, pool: int) -> dict[str, int]:
    """{name: id} of those that are ready."""
    items = dashboard.get(f"/pools/{pool}/volumes?page_size=200")["items"]
    return {item["name"]: item["id"] for item in items if item["state"] == "ready"}


def used(dashboard: Dashboard) -> int:
    return int(dashboard.get("/quotas")["items"][0]["used"]["disk_bytes"])


def allow(dashboard: Dashboard, limit: int) -> None:
    answer = dashboard.post("/quotas", {"user": ADMIN, "limits": {"disk_bytes": limit}})
    assert answer.status == 200, answer


def new_vm(pool: int, name: str) -> Asked:
    disk = {"pool": pool, "size_mib": EACH // MIB}
    wish = {"name": name, "cpus": 1, "memory_mib": 64, "disks": [disk], "networks": [], "firmware": "bios"}
    return "/vms", {**wish, "start": False}


def wishes(pool: int, there: dict[str, int]) -> list[Asked]:
    """Twenty, of which each takes as much as another."""
    return [
        *(new_vm(pool, f"raced-{number}") for number in range(5)),
        *((f"/pools/{pool}/volumes", {"name": f"new-{n}", "size_bytes": EACH, "format": "qcow2"}) for n in range(5)),
        *((f"/volumes/{there['source']}/clone", {"name": f"copy-{number}", "pool": pool}) for number in range(5)),
        *((f"/volumes/{there[f'grows-{number}']}/grow", {"size_bytes": 2 * EACH}) for number in range(5)),
    ]


def at_once(dashboard: Dashboard, asked: list[Asked]) -> list[Answer]:
    """The answers to all of them, released by a barrier; a clone is refused as long as another one reads."""
    barrier = threading.Barrier(len(asked))

    def ask(one: Asked) -> Answer:
        barrier.wait(60)
        return eventually(lambda: settled(dashboard.post(*one)), f"an answer to {one}", within=120)

    with ThreadPoolExecutor(len(asked)) as crowd:
        return list(crowd.map(ask, asked))


def settled(answer: Answer) -> Answer | None:
    """The answer, None where it only says that another operation holds the thing."""
    return None if answer.status == 409 and answer.body["code"] == "locked" else answer


def race(dashboard: Dashboard, lab_pool: LabPool) -> None:
    """Of twenty that ask at once exactly as many get what they want as there is room for, the others are told what is
    missing; nobody gets more while these are being made, and deleting gives the room back."""
    pool = pool_of(dashboard, lab_pool)
    names = ["source", *(f"grows-{number}" for number in range(5))]
    for name in names:
        answer = dashboard.post(f"/pools/{pool}/volumes", {"name": name, "size_bytes": EACH, "format": "raw"})
        dashboard.await_operation(answer.body["operation"]["id"], within=60)
    there = volumes(dashboard, pool)
    allow(dashboard, 1 << 40)
    before = used(dashboard)
    limit = before + ROOM * EACH + EACH // 2
    allow(dashboard, limit)
    asked = wishes(pool, there)
    answers = at_once(dashboard, asked)
    made = [answer.body["operation"] for answer in answers if answer.status == 202]
    refused = [answer.body for answer in answers if answer.status != 202]
    assert (len(made), len(refused)) == (ROOM, len(asked) - ROOM), [answer.body for answer in answers]
    for body in refused:
        assert (body["code"], body["params"]["resource"]) == ("over_quota", "disk_bytes"), body
        told = body["params"]
        assert (told["limit"], told["asked"]) == (limit, EACH) and told["used"] + EACH > limit, body
    # While these are made, and afterwards, there is no moment in which one more fits.
    open_ones = {operation["id"] for operation in made}
    while open_ones:
        late = dashboard.post(*new_vm(pool, "too-late"))
        assert (late.status, late.body["code"]) == (409, "over_quota"), late
        for pk in list(open_ones):
            if (ended := dashboard.operation(pk))["state"] not in ("queued", "running"):
                assert ended["state"] == "succeeded", ended
                open_ones.remove(pk)
    assert used(dashboard) == before + ROOM * EACH
    give_back(dashboard, pool, made[0], asked[[answer.status for answer in answers].index(202)])


def give_back(dashboard: Dashboard, pool: int, operation: dict[str, Any], asked: Asked) -> None:
    """What was made goes; what did not fit fits by then."""
    path, wish = asked
    if path == "/vms":
        vm = operation["target"]["id"]
        eventually(lambda: dashboard.get(f"/vms/{vm}")["present"], "it is seen")
        gone = dashboard.post(f"/vms/{vm}/delete", {"trash": False, "confirm": wish["name"]})
    else:
        name = wish.get("name") or operation["target"]["name"]
        gone = dashboard.request("DELETE", f"/api/v1/volumes/{volumes(dashboard, pool)[name]}")
    assert gone.status == 202, gone
    dashboard.await_operation(gone.body["operation"]["id"], within=60)
    fits = dashboard.post(f"/pools/{pool}/volumes", {"name": "fits", "size_bytes": EACH, "format": "raw"})
    assert fits.status == 202, fits
    dashboard.await_operation(fits.body["operation"]["id"], within=60)


def tidy(dashboard: Dashboard, lab_pool: LabPool) -> None:
    """No quota, and none of the VMs on the host."""
    for quota in dashboard.get("/quotas")["items"]:
        assert dashboard.request("DELETE", f"/api/v1/quotas/{quota['id']}").status == 204
    connection = lab_pool.host.connect()
    for domain in connection.listAllDomains():
        if domain.name().startswith("raced-"):
            domain.undefine()
    connection.close()
