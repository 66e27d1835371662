"""Overview, hosts, activity, operations, and the frame around them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from tests.conftest import make_vm
from tests.views.test_vm_page import make_operation
from vms.models import Happening, Host, Operation, OperationLock, OperationLog, Placement, User, VirtualMachine
from vms.services import audit

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


def text(client: Client, address: str) -> str:
    return client.get(address).content.decode()


def test_all_is_well_in_one_line(client_alice: Client, vm: VirtualMachine) -> None:
    assert "All well. 1 VM runs." in text(client_alice, "/")


def test_counts_lead_into_the_list(client_alice: Client, host: Host) -> None:
    make_vm(host, "a")
    make_vm(host, "b", state="paused")
    make_vm(host, "c", present=False, gone_at=timezone.now())
    page = text(client_alice, "/")
    for state in ("running", "paused", "shut_off", "gone"):
        assert f'href="/vms/?state={state}"' in page
    assert 'href="/vms/?state=crashed"' not in page


def test_the_first_start_shows_first_steps(client_alice: Client, host: Host) -> None:
    page = text(client_alice, "/")
    assert "First steps" in page
    assert "All well" not in page


def test_what_needs_somebody_comes_first(client_alice: Client, vm: VirtualMachine, alice: User) -> None:
    make_operation(vm, alice, "vm.start", "failed", error_code="timed_out")
    page = text(client_alice, "/")
    assert "Needs you" in page
    assert "The host gave no answer in time" in page
    Host.objects.update(error_code="host_unreachable")
    assert "not answering since" in text(client_alice, "/")


def test_who_has_no_right_sees_nothing(client_mallory: Client, vm: VirtualMachine, alice: User) -> None:
    make_operation(vm, alice, "vm.start", "failed", error_code="timed_out")
    Happening.objects.create(vm=vm, code="rebooted")
    for address in ("/", "/vms/", "/hosts/", "/activity/", "/running"):
        page = text(client_mallory, address)
        assert "web-01" not in page
        assert "host-a" not in page


@pytest.mark.parametrize("number, said", [(9, "9"), (10, "10"), (12, "10+")])
def test_of_what_runs_ten_are_shown_and_whether_there_are_more(
    client_alice: Client, vm: VirtualMachine, alice: User, number: int, said: str
) -> None:
    for _ in range(number):
        make_operation(vm, alice, "vm.start", "queued")
    page = text(client_alice, "/running")
    assert f"<span>{said}</span>" in page
    assert page.count("<b>web-01</b>") == min(number, 10)
    assert ("All activity" in page) == (number == 12)


def test_one_host_is_opened_at_once(client_alice: Client, host: Host) -> None:
    assert client_alice.get("/hosts/")["Location"] == f"/hosts/{host.pk}/"
    Host.objects.create(name="host-b", node="node-b")
    assert client_alice.get("/hosts/").status_code == 200


def many_hosts(number: int) -> list[Host]:
    return [Host.objects.create(name=f"rack-{at:02}", node="node-a", heard_at=timezone.now()) for at in range(number)]


def test_of_many_hosts_the_overview_shows_those_that_do_not_answer(client_alice: Client) -> None:
    racks = many_hosts(30)
    for rack in racks:
        make_vm(rack, f"on-{rack.name}")
    page = text(client_alice, "/")
    assert "<b>30</b><span>of 30 are well" in page and "rack-" not in page.partition("lately-title")[0]
    Host.objects.filter(pk__in=[rack.pk for rack in racks[20:]]).update(error_code="host_unreachable")
    page = text(client_alice, "/")
    assert "<b>20</b><span>of 30 are well" in page
    needs, _, lines = page.partition('class="cards"')
    assert needs.count("not answering since") == 5 and "5 more hosts do not answer" in needs
    assert "rack-29" in lines and "rack-19" not in lines
    Host.objects.filter(pk__gt=racks[9].pk).delete()
    assert "are well" not in text(client_alice, "/") and "rack-09" in text(client_alice, "/")


def test_many_hosts_are_found_by_name_and_the_silent_come_first(client_alice: Client) -> None:
    racks = many_hosts(60)
    Host.objects.filter(pk=racks[55].pk).update(error_code="host_unreachable")
    page = text(client_alice, "/hosts/")
    assert page.index("rack-55") < page.index("rack-00") and "rack-50" not in page
    assert 'href="?&amp;page=2"' in page and 'placeholder="Name or address…"' in page
    assert "rack-50" in text(client_alice, "/hosts/?page=2")
    found = text(client_alice, "/hosts/?q=CK-5")
    assert "rack-50" in found and "rack-40" not in found
    assert "No host is called so" in text(client_alice, "/hosts/?q=%00nothing")
    Host.objects.filter(pk__gt=racks[0].pk).delete()
    assert client_alice.get("/hosts/?q=nothing").status_code == 302


def test_software_emulation_is_said_in_one_line(client_alice: Client, host: Host) -> None:
    assert "software emulation: VMs run, slowly" in text(client_alice, f"/hosts/{host.pk}/")
    Host.objects.update(facts={"domain_type": "kvm"})
    assert "software emulation" not in text(client_alice, f"/hosts/{host.pk}/")


def test_get_it_ready_is_there_while_something_is_missing(client_alice: Client, host: Host) -> None:
    for missing, shown in ((["network_started"], True), (["pool_defined"], True), ([], False)):
        Host.objects.update(facts={"missing": missing})
        assert ("Get it ready" in text(client_alice, f"/hosts/{host.pk}/")) is shown
    Host.objects.update(facts={})
    assert "Get it ready" not in text(client_alice, f"/hosts/{host.pk}/")


def test_get_it_ready_asks_once(client_alice: Client, host: Host) -> None:
    assert client_alice.get(f"/hosts/{host.pk}/get-ready/").status_code == 405
    assert client_alice.post(f"/hosts/{host.pk}/get-ready/").status_code == 302
    refused = client_alice.post(f"/hosts/{host.pk}/get-ready/", follow=True).content.decode()
    assert "alice asked for “Get it ready”" in refused
    assert Operation.objects.count() == 1


def test_a_host_that_one_may_not_see_is_not_there(client_mallory: Client, host: Host) -> None:
    assert client_mallory.get(f"/hosts/{host.pk}/").status_code == 404
    assert client_mallory.post(f"/hosts/{host.pk}/get-ready/").status_code == 404


def test_an_operation_tells_what_became_of_it(client_alice: Client, vm: VirtualMachine, alice: User) -> None:
    operation = make_operation(vm, alice, "vm.start", "failed", error_code="host_refused", details="error: <b>no</b>")
    OperationLog.objects.create(operation=operation, code="claimed")
    page = text(client_alice, f"/operations/{operation.pk}/")
    assert "The host refused. Details say why." in page
    assert "A worker has taken it on." in page
    assert "error: &lt;b&gt;no&lt;/b&gt;" in page


def test_a_waiting_operation_can_be_cancelled_once(client_alice: Client, vm: VirtualMachine, alice: User) -> None:
    operation = make_operation(vm, alice, "vm.shutdown", "waiting")
    assert f"/operations/{operation.pk}/cancel/" in text(client_alice, f"/operations/{operation.pk}/")
    client_alice.post(f"/operations/{operation.pk}/cancel/")
    operation.refresh_from_db()
    assert operation.state == "cancelled"
    refused = client_alice.post(f"/operations/{operation.pk}/cancel/", follow=True).content.decode()
    assert "can no longer be cancelled" in refused


@pytest.mark.parametrize("route", ["", "cancel/", "read/"])
def test_operations_of_others_are_not_there(
    client_mallory: Client, vm: VirtualMachine, alice: User, route: str
) -> None:
    operation = make_operation(vm, alice, "vm.shutdown", "waiting")
    ask = client_mallory.post if route else client_mallory.get
    assert ask(f"/operations/{operation.pk}/{route}").status_code == 404


def test_back_leads_to_this_site_only(client_alice: Client, vm: VirtualMachine, alice: User) -> None:
    operation = make_operation(vm, alice, "vm.start", "failed")
    for to, expected in (("/vms/", "/vms/"), ("//evil.example/", None), ("https://evil.example/", None)):
        answer = client_alice.post(f"/operations/{operation.pk}/read/", {"next": to})
        assert answer["Location"] == (expected or f"/operations/{operation.pk}/")


def test_the_theme_is_a_cookie(client_alice: Client) -> None:
    client_alice.post("/theme/", {"theme": "dark", "next": "/vms/"})
    assert 'data-bs-theme="dark"' in text(client_alice, "/vms/")
    client_alice.post("/theme/", {"theme": '"><script>'})
    assert 'data-bs-theme="dark"' in text(client_alice, "/vms/")
    client_alice.cookies["kvmweb-theme"] = '"><script>'
    assert "<script>" not in text(client_alice, "/vms/")


@pytest.mark.parametrize("zone", ["../../etc/passwd", "x" * 3000, "Europe", "\x01", "America%2FNew_York"])
def test_any_zone_cookie_gives_a_page(client_alice: Client, vm: VirtualMachine, zone: str) -> None:
    client_alice.cookies["kvmweb-zone"] = zone
    assert client_alice.get(f"/vms/{vm.pk}/").status_code == 200


def test_times_are_told_in_the_browsers_zone(client_alice: Client, vm: VirtualMachine) -> None:
    Happening.objects.create(vm=vm, code="rebooted")
    Happening.objects.update(at=timezone.now().replace(hour=12, minute=34))
    client_alice.cookies["kvmweb-zone"] = "Asia%2FKolkata"
    assert "18:04" in text(client_alice, "/activity/")


@pytest.mark.parametrize("name", ["signup", "email", "password/reset", "password/set", "confirm-email", "login/code"])
def test_what_nobody_needs_of_accounts_is_not_there(client_alice: Client, name: str) -> None:
    assert client_alice.get(f"/accounts/{name}/").status_code == 404


@pytest.mark.parametrize("address", ["/accounts/login/", "/accounts/logout/", "/accounts/inactive/"])
def test_the_door_looks_like_the_house(client: Client, client_alice: Client, address: str) -> None:
    one = client_alice if "logout" in address else client
    assert "entrance-box" in text(one, address)


@pytest.mark.parametrize("address", ["/accounts/password/change/", "/accounts/sessions/"])
def test_account_pages_stand_in_the_frame(client_alice: Client, address: str) -> None:
    assert 'class="side"' in text(client_alice, address)


def test_what_is_not_there_has_words(client_alice: Client) -> None:
    answer = client_alice.get("/nowhere/")
    assert answer.status_code == 404
    assert "It does not exist, or you may not see it." in answer.content.decode()


def test_who_has_a_made_password_is_offered_one_of_his_own(client_alice: Client, host: Host) -> None:
    offer = "Set one of your own"
    assert offer not in text(client_alice, "/")
    audit.record("made:administrator", name="alice")
    assert offer in text(client_alice, "/")
    client_alice.post("/accounts/password/keep/")
    assert offer not in text(client_alice, "/")
    audit.record("renewed:password", name="alice")
    assert offer in text(client_alice, "/")
    changed = client_alice.post(
        "/accounts/password/change/",
        {"oldpassword": "correct horse battery", "password1": "staple 4 horses", "password2": "staple 4 horses"},
        follow=True,
    )
    assert "Your password is changed" in changed.content.decode()
    assert offer not in text(client_alice, "/")


def test_a_watcher_that_is_away_is_said(client_alice: Client, vm: VirtualMachine) -> None:
    Host.objects.update(heard_at=timezone.now() - timedelta(minutes=5))
    assert "watcher is not running" in text(client_alice, "/")
    assert "5 min ago" in text(client_alice, "/vms/")


@pytest.mark.parametrize(
    ("transport", "how", "said"),
    [
        ("local", "", ""),
        ("local", "network", "listens on the network"),
        ("ssh", "network no_password", "asks for no password"),
        ("tls", "no_password", "asks for no password"),
        # The only way to a screen there, and it asks for a password.
        ("tls", "network", ""),
    ],
)
def test_the_overview_names_exposed_screens(
    transport: str, how: str, said: str, client_alice: Client, client_mallory: Client, host: Host
) -> None:
    Host.objects.update(transport=transport)
    make_vm(host, "open-01", exposed=how)
    text = client_alice.get("/").content.decode()
    assert ("open-01" in text and said in text) if said else "Needs you" not in text
    assert "open-01" not in client_mallory.get("/").content.decode()


def test_what_waits_is_told_in_the_list_and_on_the_first_page(
    client_alice: Client, client_mallory: Client, host: Host
) -> None:
    make_vm(host, "edited-01", waiting=2)
    make_vm(host, "off-01", "shut_off", waiting=3)
    make_vm(host, "calm-01")
    listed = client_alice.get("/vms/").content.decode()
    assert listed.count('class="waits"') == 1 and "2 changes wait for its next start" in listed
    text = client_alice.get("/").content.decode()
    assert "Needs you" in text and "edited-01" in text and "2 changes wait for its next start." in text
    assert "off-01" not in text and "All well" not in text
    assert "edited-01" not in client_mallory.get("/").content.decode()
    Placement.objects.update(waiting=0)
    assert "All well" in client_alice.get("/").content.decode()


@pytest.mark.parametrize("state", ["queued", "running", "waiting", "cancelling", "succeeded", "failed", "unknown"])
def test_a_kind_that_a_newer_version_asked_for_is_shown_and_left(
    client_alice: Client, vm: VirtualMachine, alice: User, state: str
) -> None:
    operation = make_operation(vm, alice, "vm.teleport", state, error_code="of_tomorrow" if state == "failed" else "")
    assert vm.placement
    operation.log.create(code="folded", params={"by": "hand"})
    for address in (
        "/", "/vms/", f"/vms/{vm.pk}/", f"/vms/{vm.pk}/header", f"/vms/{vm.pk}/activity/", f"/vms/rows?ids={vm.pk}",
        "/activity/", "/running", f"/operations/{operation.pk}/", f"/hosts/{vm.placement.host_id}/",
        "/api/v1/operations", f"/api/v1/operations/{operation.pk}",
    ):  # fmt: skip
        assert client_alice.get(address).status_code == 200, address
    assert "vm.teleport" in text(client_alice, f"/operations/{operation.pk}/")
    assert client_alice.post(f"/operations/{operation.pk}/cancel/").status_code == 302
    operation.refresh_from_db()
    assert operation.state == state
    OperationLock.objects.create(key=f"vm:{vm.pk}", operation=operation)
    assert "teleport" in client_alice.post(f"/vms/{vm.pk}/pause/", headers={"HX-Request": "true"}).content.decode()
