"""The page from which a VM is moved to another host."""

from __future__ import annotations

from typing import Final

import pytest
from django.test import Client

from tests.conftest import sign_in
from tests.grants import grant
from tests.services.test_placement import make, make_host, make_pool
from vms.models import Host, Network, Operation, Role, StoragePool, User, VirtualMachine
from vms.services.freshness import placed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


@pytest.fixture
def hosts() -> list[Host]:
    return [make_host(name) for name in ("host-a", "host-b", "host-c")]


@pytest.fixture
def pool(hosts: list[Host]) -> StoragePool:
    return make_pool(hosts[0])


@pytest.fixture
def fast(hosts: list[Host]) -> StoragePool:
    return make_pool(hosts[1], "fast")


@pytest.fixture
def vm(hosts: list[Host], pool: StoragePool, fast: StoragePool) -> VirtualMachine:
    return make(hosts[0], pool)


def page(client: Client, vm: VirtualMachine) -> str:
    answer = client.get(f"/vms/{vm.pk}/migrate/")
    assert answer.status_code == 200
    return answer.content.decode()


def test_hosts_the_chosen_way_and_what_is_against_the_others(
    client_alice: Client, vm: VirtualMachine, hosts: list[Host]
) -> None:
    text = page(client_alice, vm)
    assert "Move web-01" in text and "Move to host-b" in text
    assert "live, copies 1 disk of 20 GiB to pool fast, 22 min at most" in text
    assert "64 GiB of memory free" in text
    assert "vda would be copied, and host-c has no started pool that you may use." in text
    assert text.index("host-b") < text.index("host-c")
    assert f'value="{hosts[2].pk}" disabled' in text and f'value="{hosts[1].pk}" checked' in text


def test_sent_it_is_asked_for_with_what_was_chosen(
    client_alice: Client, vm: VirtualMachine, hosts: list[Host], fast: StoragePool
) -> None:
    slow = make_pool(hosts[1], "slow", available_bytes=30 << 30)
    sent = {
        "host": hosts[1].pk, "mode": "paused", "pool": slow.pk, "bandwidth_mib": "50", "minutes": "3",
        "on_timeout": "pause",
    }  # fmt: skip
    preview = client_alice.post(f"/vms/{vm.pk}/migrate/preview/", sent).content.decode()
    assert "paused meanwhile, copies 1 disk of 20 GiB to pool slow, 50 MiB/s at most" in preview
    assert "stands still after 3 min until it is there" in preview
    assert not Operation.objects.exists()
    answer = client_alice.post(f"/vms/{vm.pk}/migrate/", sent)
    assert (answer.status_code, answer["Location"]) == (302, f"/vms/{vm.pk}/")
    params = Operation.objects.get(kind="vm.migrate").params
    assert params.pop("disks")[0]["target"] == "vda"
    assert params == {
        "host": hosts[1].pk, "mode": "paused", "copy_storage": True, "pool": slow.pk, "postcopy": False,
        "bandwidth_mib": 50, "timeout_s": 180, "on_timeout": "pause",
    }  # fmt: skip


def test_what_was_changed_meanwhile_is_said_there(client_alice: Client, vm: VirtualMachine, hosts: list[Host]) -> None:
    Network.objects.filter(host=hosts[1]).update(active=False)
    answer = client_alice.post(f"/vms/{vm.pk}/migrate/", {"host": hosts[1].pk})
    assert answer.status_code == 400 and not Operation.objects.exists()
    assert "The network “default” is stopped on host-b. Start it there." in answer.content.decode()


def test_post_copy_takes_no_disks_along(client_alice: Client, vm: VirtualMachine, hosts: list[Host]) -> None:
    sent = {"host": hosts[1].pk, "postcopy": "on"}
    for where in ("migrate/preview/", "migrate/"):
        assert "cannot run there before all of it has come" in client_alice.post(
            f"/vms/{vm.pk}/{where}", sent
        ).content.decode()  # fmt: skip
    assert not Operation.objects.exists()


def test_with_one_host_the_menu_says_what_is_missing(
    client_alice: Client, hosts: list[Host], vm: VirtualMachine
) -> None:
    def menu() -> str:
        return client_alice.get(f"/vms/{vm.pk}/").content.decode()

    assert f'href="/vms/{vm.pk}/migrate/"' in menu()
    Host.objects.exclude(pk=hosts[0].pk).update(removed_at="2026-01-01T00:00:00Z")
    text = menu()
    assert "needs a second host" in text and 'href="/hosts/add/"' in text
    assert f'href="/vms/{vm.pk}/migrate/"' not in text
    assert "there is no second one" in page(client_alice, vm)


def test_who_may_not_see_the_host_is_not_told_its_name(vm: VirtualMachine, hosts: list[Host], mallory: User) -> None:
    client = sign_in(mallory)
    grant(mallory, "owner", vm=vm)
    assert client.get(f"/vms/{vm.pk}/migrate/").status_code == 403
    assert "Move…" not in client.get(f"/vms/{vm.pk}/").content.decode()
    Role.objects.create(name="mover").privileges.create(name="vm.migrate")
    grant(mallory, "mover", vm=vm)
    grant(mallory, "creator", host=hosts[2])
    text = page(client, vm)
    assert "host-c" not in text and "host-b" not in text and "host-a" not in text
    assert "vda would be copied, and the other host has no started pool that you may use." in text


FAR: Final = {
    "done_bytes": 3 << 30, "left_bytes": 1 << 30, "speed_bytes": 100 << 20, "dirty_bytes": 20 << 20, "seconds_left": 13,
    "downtime_ms": 40, "passes": 2,
}  # fmt: skip


def test_its_head_says_how_far_it_is_and_offers_to_end_it(client_alice: Client, vm: VirtualMachine) -> None:
    operation = Operation.objects.create(
        kind="vm.migrate", actor_name="alice", target_kind="vm", target_id=vm.pk, target_name=vm.name, vm=vm,
        host=placed(vm).host, queue="slow", state="running", progress=75, result=FAR, params={"host": 0},
    )  # fmt: skip

    def head() -> str:
        return client_alice.get(f"/vms/{vm.pk}/header").content.decode()

    assert (
        "75 % · 3.0 GiB of 4.0 GiB · 100.0 MiB a second · 20.0 MiB a second written anew · about 13 s left · "
        "stands still at the end for 40 ms"
    ) in head()
    assert f"/operations/{operation.pk}/cancel/" in head()
    Operation.objects.update(result={**FAR, "postcopy": True})
    assert f"/operations/{operation.pk}/cancel/" not in head() and "runs on the other host already" in head()
    Operation.objects.update(result={}, progress=None)
    assert "of 4.0 GiB" not in head()


def test_the_table_of_moves(client_alice: Client, vm: VirtualMachine, hosts: list[Host]) -> None:
    """A line for each VM, a column for each host, and why not where it can't."""
    make(hosts[2], make_pool(hosts[2]), "db-01", state="shut_off")

    def table(query: str = "") -> str:
        answer = client_alice.get(f"/hosts/moves/{query}")
        assert answer.status_code == 200
        return answer.content.decode()

    text = table()
    assert text.count('<th scope="row">') == 2 and text.count('<th scope="col">') == 4
    assert text.count("is here") == 2 and text.count("with 1 disk") == 4
    assert "vda would be copied, and host-c has no started pool that you may use." not in text
    assert table("?q=db").count('<th scope="row">') == 1
    assert table(f"?host={hosts[0].pk}&to={hosts[1].pk}").count("<td>") == 1
    Network.objects.filter(host=hosts[1]).delete()
    assert table(f"?to={hosts[1].pk}").count("host-b lacks the network “default”.") == 2
    assert client_alice.get("/hosts/moves/?to=9999").status_code == 404
    assert 'href="/hosts/moves/"' in client_alice.get("/hosts/").content.decode()


def test_who_may_move_nothing_has_an_empty_table(client_mallory: Client, vm: VirtualMachine) -> None:
    assert "no VM here that you may move" in client_mallory.get("/hosts/moves/").content.decode()


def test_several_go_where_they_can(
    client_alice: Client, vm: VirtualMachine, hosts: list[Host], pool: StoragePool
) -> None:
    """One of three has no room; one is there already."""
    Host.objects.exclude(pk__in=[hosts[0].pk, hosts[1].pk]).update(removed_at="2026-01-01T00:00:00Z")
    stuck = make(hosts[0], pool, "stuck", has_managed_save=True)
    there = make(hosts[1], make_pool(hosts[1], "own"), "there")
    ticked = {"vm": [str(each.pk) for each in (vm, stuck, there)]}
    asked = client_alice.post("/vms/bulk/migrate/", ticked).content.decode()
    assert "Move 3 VMs" in asked and "1 can go there" in asked and not Operation.objects.exists()
    assert "The memory of stuck is saved on host-a." in asked
    assert client_alice.post("/vms/bulk/migrate/", {**ticked, "confirmed": "1", "host": "99"}).status_code == 422
    answer = client_alice.post("/vms/bulk/migrate/", {**ticked, "confirmed": "1", "host": hosts[1].pk}, follow=True)
    assert [operation.vm for operation in Operation.objects.all()] == [vm]
    assert "stuck: The memory of stuck is saved on host-a." in answer.content.decode()
    assert "Move…" in client_alice.get("/vms/").content.decode()


def test_who_may_move_none_of_them_is_told_so(client_mallory: Client, mallory: User, vm: VirtualMachine) -> None:
    grant(mallory, "owner", vm=vm)
    answer = client_mallory.post("/vms/bulk/migrate/", {"vm": vm.pk, "confirmed": "1"})
    assert answer.status_code == 422 and "You may move none of them." in answer.content.decode()
    assert "Move…" not in client_mallory.get("/vms/").content.decode()
