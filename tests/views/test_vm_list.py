"""The list of VMs as a page."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tests.conftest import make_vm
from vms import live
from vms.models import Host, Operation, Placement, User, VirtualMachine
from vms.services.lists import find_vms
from vms.services.rows import share_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


def shown(client: Client, query: str = "") -> list[str]:
    page = client.get(f"/vms/{query}").content.decode()
    return re.findall(r'class="row-link"[^>]*><bdi[^>]*>([^<]*)<', page)


def test_it_shows_fifty_and_links_to_the_rest(client_alice: Client, host: Host) -> None:
    for number in range(51):
        make_vm(host, f"web-{number:02}")
    assert shown(client_alice) == [f"web-{number:02}" for number in range(50)]
    assert shown(client_alice, "?page=2") == ["web-50"]
    assert 'href="?&amp;page=2"' in client_alice.get("/vms/").content.decode()


@pytest.mark.parametrize("sort", ["name", "-name", "since", "-since", "state"])
def test_pages_from_the_end_go_on_where_those_from_the_beginning_stop(
    client_alice: Client, host: Host, sort: str
) -> None:
    for number in range(212):
        made = make_vm(host, f"web-{number:03}", state="running" if number % 3 else "paused")
        if number % 7 == 0:
            Placement.objects.filter(vm=made).update(state_since=None)
    pages = [shown(client_alice, f"?sort={sort}&page={page}") for page in range(1, 6)]
    assert [len(page) for page in pages] == [50, 50, 50, 50, 12]
    user = User.objects.get(username="alice")
    assert [name for page in pages for name in page] == [vm.name for vm in find_vms(user, sort=sort)]


def test_filters_and_sort_live_in_the_address(client_alice: Client, host: Host) -> None:
    make_vm(host, "b", state="paused")
    make_vm(host, "a")
    assert shown(client_alice, "?state=paused") == ["b"]
    assert shown(client_alice, "?sort=-name") == ["b", "a"]
    page = client_alice.get("/vms/?state=paused&sort=name").content.decode()
    assert 'href="?state=paused&amp;sort=-name"' in page
    assert '<option value="paused" selected>' in page


@pytest.mark.parametrize("query", ["?state=owned", "?sort=actor__password", "?host=99", "?host=%D9%A1", "?host=-1"])
def test_it_knows_nothing_of_what_is_no_choice(client_alice: Client, host: Host, query: str) -> None:
    assert client_alice.get(f"/vms/{query}").status_code == 404


@pytest.mark.parametrize("page", ["0", "99", "x", "-1", "1e9"])
def test_a_page_that_is_none_is_the_nearest(client_alice: Client, vm: VirtualMachine, page: str) -> None:
    assert shown(client_alice, f"?page={page}") == ["web-01"]


def test_a_pasted_uuid_or_address_leads_to_the_vm(client_alice: Client, host: Host) -> None:
    vm = make_vm(host, "web-01", search="web-01 10.0.0.12 52:54:00:aa:bb:cc")
    make_vm(host, "web-02", search="web-02 10.0.0.120")
    assert vm.placement
    for pasted in (str(vm.placement.uuid), f" {str(vm.placement.uuid).upper()} ", "10.0.0.12", "52:54:00:AA:BB:CC"):
        answer = client_alice.get("/vms/", {"q": pasted})
        assert (answer.status_code, answer.get("Location")) == (302, f"/vms/{vm.pk}/"), pasted
    assert client_alice.get("/vms/", {"q": "10.0.0.1"}).status_code == 200


def test_what_is_typed_on_the_way_never_jumps(client_alice: Client, host: Host) -> None:
    make_vm(host, "web-01", search="web-01 10.0.0.12")
    assert client_alice.get("/vms/?q=10.0.0.12", headers={"HX-Request": "true"}).status_code == 200


def test_a_pasted_address_of_what_one_may_not_see_finds_nothing(client_mallory: Client, vm: VirtualMachine) -> None:
    assert vm.placement
    answer = client_mallory.get("/vms/", {"q": str(vm.placement.uuid)})
    assert answer.status_code == 200
    assert b"No VM is like that" in answer.content


def test_a_list_without_vms_says_what_it_is_for(client_alice: Client, host: Host) -> None:
    assert b"No VMs on host-a yet" in client_alice.get("/vms/").content


def test_one_host_has_no_column_and_two_have_one(client_alice: Client, vm: VirtualMachine) -> None:
    assert b'<td class="host">' not in client_alice.get("/vms/").content
    Host.objects.create(name="host-b", node="node-b")
    assert b'<td class="host">' in client_alice.get("/vms/").content


def test_a_silent_host_says_so_on_its_rows(client_alice: Client, vm: VirtualMachine) -> None:
    Host.objects.update(error_code="host_unreachable")
    page = client_alice.get("/vms/").content.decode()
    assert "was running" in page
    assert 'data-state="running"' in page  # the menu offers what it may wait for


def test_names_are_text(client_alice: Client, host: Host) -> None:
    make_vm(host, "<script>alert(1)</script>", title='"><img src=x onerror=y>')
    page = client_alice.get("/vms/").content.decode()
    assert "<script>alert" not in page
    assert "<img src=x" not in page


def test_its_cost_does_not_grow_with_its_rows(
    client_alice: Client, host: Host, alice: User, django_assert_num_queries: Any
) -> None:
    for number in range(30):
        make_vm(host, f"web-{number}")
    client_alice.get("/vms/")
    # session, user, limits, count, hosts, VMs, tags, open operations, twins; for the frame hosts and operations
    with django_assert_num_queries(12):
        client_alice.get("/vms/")


def test_rows_come_for_the_ids_that_were_asked_and_may_be_seen(client_alice: Client, host: Host) -> None:
    first, second = make_vm(host, "web-01"), make_vm(host, "web-02")
    page = client_alice.get(f"/vms/rows?ids={first.pk},99999").content.decode()
    assert f'hx-target="#vm-{first.pk}"' in page
    assert f"vm-{second.pk}" not in page


@pytest.mark.parametrize("ids", ["x", "1;2", "-1", "1" * 30, ",".join(["1"] * 501), "١"])
def test_rows_of_what_is_no_id_are_not_there(client_alice: Client, ids: str) -> None:
    assert client_alice.get("/vms/rows", {"ids": ids}).status_code == 404


def test_fragments_show_nothing_to_who_has_no_right(client_mallory: Client, vm: VirtualMachine) -> None:
    assert b"web-01" not in client_mallory.get(f"/vms/rows?ids={vm.pk}").content
    assert client_mallory.get(f"/vms/numbers?ids={vm.pk}").json() == {}


def test_numbers_are_the_last_sampled(client_alice: Client, vm: VirtualMachine, host: Host) -> None:
    assert vm.placement
    numbers = {"cpu": 0.123, "memory_kib": 512 << 10, "disk_read": 0, "disk_write": 3 << 20}
    live.store_numbers(host.pk, {str(vm.placement.pk): numbers})
    assert client_alice.get(f"/vms/numbers?ids={vm.pk}").json() == {
        str(vm.pk): {"cpu": "12 %", "memory": "0.5 of 1 GiB", "disks": "0 B/s read, 3.0 MiB/s written", "network": ""}
    }
    assert "0 B/s read, 3.0 MiB/s written" in client_alice.get(f"/vms/{vm.pk}/").content.decode()


def test_a_row_says_what_is_going_on(client_alice: Client, vm: VirtualMachine, host: Host, alice: User) -> None:
    Operation.objects.create(
        kind="vm.pause", actor_user=alice, actor_name="alice", target_kind="vm", target_id=vm.pk, target_name=vm.name,
        vm=vm, host=host, node="node-a", queue="quick", state="running",
    )  # fmt: skip
    assert "pausing…" in client_alice.get("/vms/").content.decode()


@pytest.mark.parametrize(
    ("used", "most", "text"),
    [
        (39 << 10, 192 << 10, "39 of 192 MiB"),
        (512 << 10, 1 << 20, "0.5 of 1 GiB"),
        (0, 4 << 20, "0 of 4 GiB"),
        (31 << 10, 1 << 20, "31 MiB of 1 GiB"),
    ],
)
def test_memory_is_told_in_the_unit_that_says_something(used: int, most: int, text: str) -> None:
    assert share_of(used, most) == text


def test_by_host_each_shows_its_first_and_leads_to_all(client_alice: Client, host: Host) -> None:
    other = Host.objects.create(name="host-b", heard_at=timezone.now())
    Host.objects.create(name="empty", heard_at=timezone.now())
    for number in range(25):
        make_vm(host, f"a-{number:02}")
        make_vm(other, f"b-{number:02}", state="shut_off")
    page = client_alice.get("/vms/?group=host").content.decode()
    assert re.findall(r'data-section="(\d+)"', page) == [str(host.pk), str(other.pk)]
    names = re.findall(r"<bdi data-glow>([ab]-\d\d)</bdi>", page)
    assert names == [f"{one}-{number:02}" for one in "ab" for number in range(20)]
    assert f'href="/vms/?host={other.pk}">All 25' in page and 'class="pages"' not in page
    latest = client_alice.get("/vms/?group=host&sort=-name&state=shut_off&q=b-").content.decode()
    assert re.findall(r"<bdi data-glow>([ab]-\d\d)</bdi>", latest)[0] == "b-24"
    assert f'href="/vms/?host={other.pk}&amp;q=b-&amp;state=shut_off">All 25' in latest
    assert f'data-section="{host.pk}"' not in latest


def test_by_host_costs_no_query_a_host(
    client_alice: Client, host: Host, django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    for number in range(9):
        make_vm(Host.objects.create(name=f"host-{number}", heard_at=timezone.now()), f"vm-{number}")
    client_alice.get("/vms/?group=host")
    with django_assert_max_num_queries(14):
        assert client_alice.get("/vms/?group=host").content.count(b"data-section=") == 9


def test_many_hosts_are_pages_of_short_sections(client_alice: Client) -> None:
    for number in range(25):
        host = Host.objects.create(name=f"rack-{number:02}", heard_at=timezone.now())
        for each in range(7):
            make_vm(host, f"vm-{number:02}-{each}")
    page = client_alice.get("/vms/?group=host").content.decode()
    assert page.count("data-section=") == 20 and "1–20 of 25 hosts" in page
    assert re.findall(r"<bdi data-glow>(vm-00-\d)</bdi>", page) == [f"vm-00-{each}" for each in range(5)]
    assert '<span class="count">175</span>' in page and ">All 7</a>" in page
    assert "Tick all 175 of this list" in page
    rest = client_alice.get("/vms/?group=host&page=2").content.decode()
    assert rest.count("data-section=") == 5 and "vm-24-6" in rest and "vm-00-0" not in rest


def test_one_of_many_hosts_is_typed(client_alice: Client) -> None:
    hosts = [Host.objects.create(name=f"rack-{number:02}", heard_at=timezone.now()) for number in range(13)]
    make_vm(hosts[3], "there")
    make_vm(hosts[4], "elsewhere")
    page = client_alice.get("/vms/?host=rack-03").content.decode()
    assert shown(client_alice, "?host=rack-03") == ["there"] == shown(client_alice, f"?host={hosts[3].pk}")
    assert '<option value="rack-12"></option>' in page and 'list="host-names" value="rack-03"' in page
    assert f'name="host" value="{hosts[3].pk}"' in page  # what is done with all that was found
    assert client_alice.get("/vms/?host=rack-99").status_code == 404
    hosts[0].delete()
    assert f'<option value="{hosts[3].pk}">rack-03</option>' in client_alice.get("/vms/").content.decode()


def test_one_host_has_no_sections(client_alice: Client, vm: VirtualMachine) -> None:
    page = client_alice.get("/vms/?group=host").content.decode()
    assert "data-section" not in page and 'name="group"' not in page and "web-01" in page
