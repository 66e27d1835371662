"""Strange names on every page, in the API and in the search: shown as they are, escaped, found again."""

from __future__ import annotations

import html
import json
from typing import Any

import pytest
from django.template.defaultfilters import force_escape
from django.test import Client
from django.utils import timezone

from tests.api.conftest import Program
from tests.conftest import make_vm
from tests.data.names import STRANGE_NAMES, STRANGE_TEXTS
from tests.routes import World, address, make_template, make_world, put_in_trash
from tests.security.test_access import TABLE
from tests.shares import SHARES, share_of
from vms.models import (
    AgentReport,
    AuditEvent,
    Document,
    Freeze,
    GuestKeys,
    Happening,
    Host,
    Operation,
    OperationLog,
    Placement,
    Tag,
    User,
    VirtualMachine,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

PAGES = [
    route
    for route, row in TABLE.items()
    if str(row.get("GET")).endswith("200")
    and not route.startswith(("api/", "accounts/", "healthz", "audit/export"))
    # A redirect where there is one host, and texts for other programs (tests/services/test_viewers.py,
    # tests/api/test_metrics.py).
    and route not in ("hosts/", "vms/<int:pk>/console/viewer.vv", "metrics")
]
# What shows a template, which has no page of a VM, and a VM that is in the trash, where no other page knows it.
OF_TEMPLATE = "templates/<int:pk>/"
OF_TRASH = "trash/<int:pk>/delete/"
# What is deleted for good.
GONE = ("trash/gone/<int:pk>/", "trash/gone/<int:pk>/<int:number>/")
LAST = (OF_TEMPLATE, OF_TRASH, *GONE)
AGENT = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0' state='connected'/></channel>"


def strange_world(host: Host, alice: User, name: str) -> World:
    """The name in every place that a page shows."""
    world = make_world(host, alice, name)
    vm = world.vm
    Tag.objects.create(vm=vm, name=name[:50])
    Placement.objects.filter(vm=vm).update(
        title=name, description=name, addresses=[name[:60]], state_reason=name[:40], graphics=["vnc", name[:10]],
        search=name.lower(),
    )  # fmt: skip
    live = f"<domain><name>{html.escape(name)}</name><devices>{AGENT}</devices></domain>"
    Document.objects.update(live=live, next_boot="<domain/>")
    guest_tells(vm, name)
    Host.objects.update(name=name, error_details=name, facts={"domain_type": name, "emulator": name, "networks": []})
    failed = Operation.objects.create(
        kind="vm.start", actor_name=name[:150], target_kind="vm", target_id=vm.pk, target_name=name, vm=vm, host=host,
        node="n", queue="quick", state="failed", error_code="network_stopped", error_params={"network": name},
        details=name,
    )  # fmt: skip
    for operation in (world.operation, failed):
        OperationLog.objects.create(operation=operation, code="network_started", params={"network": name})
    Happening.objects.create(vm=vm, host=host, code="renamed", params={"was": name, "state": name})
    AuditEvent.objects.create(user_name=name[:150], action="asked:vm.start", target=f"vm:{vm.pk}", target_name=name)
    User.objects.filter(pk=alice.pk).update(first_name=name[:150])
    return world


def guest_tells(vm: VirtualMachine, name: str) -> None:
    now = timezone.now()
    facts = dict.fromkeys(("host_name", "system", "version", "kernel", "machine", "time_zone"), name) | {
        "cards": [{"name": name, "mac": name, "addresses": [name]}],
        "file_systems": [{"mounted_at": name, "type": name, "disks": [name], "total_bytes": 2, "used_bytes": 1}],
        "users": [{"name": name, "domain": name, "since": 0}],
    }
    placement = Placement.objects.get(current_of=vm)
    AgentReport.objects.create(placement=placement, run_id=1, asked_at=now, told_at=now, facts=facts)
    Freeze.objects.create(vm=vm, run_id=1, asked_at=now, frozen_at=now, seconds=60, thaw_at=now)
    GuestKeys.objects.create(
        vm=vm, user=name[:64], read_at=now, keys=[{"type": name, "fingerprint": name, "comment": name}]
    )


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("name", STRANGE_TEXTS, ids=lambda name: ascii(name)[1:31])
def test_every_page_shows_it_escaped(name: str, share: int, host: Host, alice: User, client_alice: Client) -> None:
    world = strange_world(host, alice, name)
    escaped = str(force_escape(name)).strip()
    shown = 0
    walked = [*(route for route in PAGES if route not in LAST), *LAST]
    mine = set(share_of(walked, share, STRANGE_TEXTS.index(name)))
    for route in walked:
        if route == OF_TEMPLATE:
            make_template(world.vm, alice)
        if route == OF_TRASH:
            put_in_trash(world.vm, alice)
        if route == GONE[0]:
            VirtualMachine.objects.filter(pk=world.vm.pk).update(deleted_at=timezone.now(), trashed_at=None)
        if route not in mine:
            continue
        path = address(route, world.values(route))
        Host.objects.update(transport=TABLE[route].get("transport", "local"))
        answer: Any = client_alice.get(path if route != "vms/rows" else f"{path}?ids={world.vm.pk}")
        assert answer.status_code == 200, path
        page = answer.content.decode()
        shown += escaped in page
        # Signs alone stand in any page; a name of some length that needs escaping never comes out raw.
        assert force_escape(name) == name or len(name) < 5 or name not in page, path
        assert name != "{{ 7*7 }}" or ">49<" not in page
    assert shown >= 2


@pytest.mark.parametrize("name", STRANGE_NAMES, ids=lambda name: ascii(name)[1:31])
def test_the_api_gives_it_back_unchanged(name: str, host: Host, alice: User, program: Program) -> None:
    world = strange_world(host, alice, name)
    item = program.get(f"/vms/{world.vm.pk}").json()
    assert (item["name"], item["title"], item["description"], item["tags"]) == (name, name, name, [name[:50]])
    assert program.get("/hosts").json()["items"][0]["name"] == name
    operation = program.get("/operations").json()["items"][0]
    assert operation["target"]["name"] == name and name in operation["error"]["detail"]
    refused = program.post(f"/vms/{world.vm.pk}/start")
    assert refused.status_code == 409 and json.loads(refused.content)["params"]["name"] == name


@pytest.mark.parametrize("name", STRANGE_NAMES, ids=lambda name: ascii(name)[1:31])
def test_a_search_for_it_finds_it_and_not_everything(
    name: str, host: Host, alice: User, client_alice: Client, program: Program
) -> None:
    vm = make_vm(host, name, search=name.lower())
    make_vm(host, "unlike", search="unlike")
    found = program.client.get("/api/v1/vms", {"q": name}, headers=program.headers).json()
    ids = [item["id"] for item in found["items"]]
    assert vm.pk in ids
    assert len(ids) == 1 or name.lower() in "unlike"
    assert client_alice.get("/vms/", {"q": name}, follow=True).status_code == 200


def test_names_that_look_alike_stay_apart(host: Host, program: Program) -> None:
    for name in STRANGE_NAMES:
        make_vm(host, name)
    listed = [item["name"] for item in program.get("/vms?page_size=200").json()["items"]]
    assert sorted(listed) == sorted(STRANGE_NAMES) and len(set(listed)) == len(STRANGE_NAMES)
