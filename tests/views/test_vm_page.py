"""The pages of one VM and the head that stands over them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tests.conftest import make_vm
from vms.kinds import KINDS
from vms.models import Document, Happening, Host, Operation, Placement, User, VirtualMachine

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

TABS = ("", "xml/", "activity/", "header")


def make_operation(vm: VirtualMachine, user: User, kind: str, state: str, **fields: Any) -> Operation:
    assert vm.placement
    return Operation.objects.create(
        kind=kind, actor_user=user, actor_name=user.username, target_kind="vm", target_id=vm.pk, target_name=vm.name,
        vm=vm, host=vm.placement.host, node="node-a", queue="quick", state=state,
        ended_at=None if state in ("queued", "running", "waiting") else timezone.now(), **fields,
    )  # fmt: skip


def header(client: Client, vm: VirtualMachine) -> str:
    return client.get(f"/vms/{vm.pk}/header").content.decode()


def main_button(text: str) -> str:
    found = re.search(r'class="btn btn-primary"[^>]*>.*?</svg>([^<]+)<', text, re.DOTALL)
    return found.group(1).strip() if found else ""


@pytest.mark.parametrize("tab", TABS)
def test_it_does_not_exist_for_who_may_not_see_it(client_mallory: Client, vm: VirtualMachine, tab: str) -> None:
    missing = client_mallory.get(f"/vms/{vm.pk + 1000}/{tab}")
    hidden = client_mallory.get(f"/vms/{vm.pk}/{tab}")
    assert missing.status_code == hidden.status_code == 404
    assert missing.content == hidden.content


@pytest.mark.parametrize(
    ("state", "button"),
    [("running", "Console"), ("shut_off", "Start"), ("crashed", "Start"), ("saved", "Restore"), ("paused", "Resume")],
)
def test_the_filled_button_is_the_likely_next_step(client_alice: Client, host: Host, state: str, button: str) -> None:
    text = header(client_alice, make_vm(host, state=state))
    assert main_button(text) == button
    assert text.count("btn-primary") == 1


def test_what_the_state_forbids_is_greyed_and_says_why(client_alice: Client, host: Host) -> None:
    text = header(client_alice, make_vm(host, state="shut_off"))
    disabled = re.findall(r"formaction=\"/vms/\d+/([a-z-]+)/\"[^>]* disabled>", text)
    assert list(dict.fromkeys(disabled)) == [
        "resume", "pause", "save", "reboot", "shutdown", "send-key", "nmi", "reset", "force-off",
    ]  # fmt: skip
    assert text.count("it is shut off") == 9


def test_the_menu_stands_in_order_of_harm(client_alice: Client, vm: VirtualMachine) -> None:
    menu = header(client_alice, vm).split('id="vm-menu"')[1].split("</div>")[0]
    verbs = re.findall(r'formaction="/vms/\d+/([a-z-]+)/"', menu)
    assert verbs == sorted(verbs, key=lambda verb: KINDS[f"vm.{verb}"].harm)
    assert verbs[-3:] == ["reset", "force-off", "delete"]


def test_a_shut_down_that_waits_offers_what_helps(client_alice: Client, vm: VirtualMachine, alice: User) -> None:
    operation = make_operation(vm, alice, "vm.shutdown", "waiting", waiting_at=timezone.now())
    text = header(client_alice, vm)
    assert "Waiting for web-01 to shut down" in text
    for offer in ("Ask again", "Keep waiting", "Force off"):
        assert offer in text
    client_alice.post(f"/operations/{operation.pk}/read/")
    assert "Keep waiting" not in header(client_alice, vm)
    assert "Waiting for web-01" in header(client_alice, vm)


def test_a_failure_stays_until_it_is_read(client_alice: Client, host: Host, alice: User) -> None:
    vm = make_vm(host, state="shut_off")
    failed = make_operation(vm, alice, "vm.start", "failed", error_code="host_refused")
    assert "Try again" in header(client_alice, vm)
    client_alice.post(f"/operations/{failed.pk}/read/")
    assert "Try again" not in header(client_alice, vm)


def test_what_has_no_route_of_its_own_is_not_tried_again(client_alice: Client, host: Host, alice: User) -> None:
    vm = make_vm(host, state="shut_off")
    make_operation(vm, alice, "vm.drop-seed", "failed", error_code="host_refused")
    text = header(client_alice, vm)
    assert "refused" in text and "Try again" not in text


def test_a_failure_is_forgotten_after_a_later_success(client_alice: Client, host: Host, alice: User) -> None:
    vm = make_vm(host)
    make_operation(vm, alice, "vm.start", "failed", error_code="host_refused")
    make_operation(vm, alice, "vm.start", "succeeded")
    assert "Try again" not in header(client_alice, vm)


def test_a_known_way_out_is_a_button(client_alice: Client, host: Host, alice: User) -> None:
    vm = make_vm(host, state="shut_off")
    make_operation(vm, alice, "vm.start", "failed", error_code="network_stopped", error_params={"network": "default"})
    text = header(client_alice, vm)
    assert "The network “default” is stopped" in text
    assert f'formaction="/vms/{vm.pk}/start-with-networks/"' in text


def test_what_vanished_keeps_its_page(client_alice: Client, host: Host) -> None:
    vm = make_vm(host, present=False, gone_at=timezone.now())
    page = client_alice.get(f"/vms/{vm.pk}/").content.decode()
    assert re.search(r"gone since <time[^>]*>\d\d:\d\d</time> \(outside\)", page)
    assert 'id="vm-menu"' not in page


def test_a_transient_vm_says_that_it_is_not_kept(client_alice: Client, host: Host) -> None:
    assert "not kept after it stops" in header(client_alice, make_vm(host, persistent=False))
    assert "not kept after it stops" not in header(client_alice, make_vm(host, "kept"))


def test_a_silent_host_is_said_and_offers_what_its_last_state_allows(client_alice: Client, vm: VirtualMachine) -> None:
    Host.objects.update(error_code="host_unreachable")
    text = header(client_alice, vm)
    assert "was running" in text
    assert "last heard" in text
    assert "host-a is not answering. What you ask for is refused, or waits until it does." in text
    disabled = re.findall(r"formaction=\"/vms/\d+/([a-z-]+)/\"[^>]* disabled>", text)
    assert disabled == ["start", "start-paused", "boot-cd", "boot-network", "resume"]
    assert text.count("it was running") == len(disabled)
    assert main_button(text) == ""


def test_a_host_that_is_left_alone_greys_everything(client_alice: Client, vm: VirtualMachine) -> None:
    Host.objects.update(left_alone=True)
    text = header(client_alice, vm)
    shown = [kind for kind in KINDS.values() if kind.menu and "running" not in kind.hidden]
    assert text.count("host-a is left alone") == len(shown) + 1


def test_what_waits_for_its_host_says_so_and_can_be_cancelled(
    client_alice: Client, vm: VirtualMachine, alice: User
) -> None:
    until = timezone.now() + timedelta(hours=1)
    operation = make_operation(vm, alice, "vm.pause", "queued", waits_until=until)
    Host.objects.update(error_code="host_unreachable")
    text = header(client_alice, vm)
    assert "“Pause” waits until host-a answers" in text
    assert f'action="/operations/{operation.pk}/cancel/"' in text
    assert "pausing…" not in text
    assert "“Pause” waits" in client_alice.get("/vms/").content.decode()
    assert "waits for host-a" in client_alice.get(f"/operations/{operation.pk}/").content.decode()


def test_xml_is_text_and_can_be_chosen(client_alice: Client, vm: VirtualMachine) -> None:
    Document.objects.update(live="<domain id='1'><b>&</b></domain>", next_boot="<domain>later</domain>")
    now = client_alice.get(f"/vms/{vm.pk}/xml/").content.decode()
    assert "&lt;domain id=&#x27;1&#x27;&gt;&lt;b&gt;&amp;&lt;/b&gt;" in now
    later = client_alice.get(f"/vms/{vm.pk}/xml/?which=next").content.decode()
    assert "&lt;domain&gt;later" in later
    assert client_alice.get(f"/vms/{vm.pk}/xml/?which=../etc").status_code == 200


def test_activity_is_one_stream(client_alice: Client, vm: VirtualMachine, alice: User, host: Host) -> None:
    make_operation(vm, alice, "vm.pause", "succeeded")
    Happening.objects.create(vm=vm, host=host, code="state", params={"state": "paused"})
    page = client_alice.get(f"/vms/{vm.pk}/activity/").content.decode()
    assert page.index("is paused") < page.index(">Pause</a>")
    assert client_alice.get(f"/vms/{vm.pk}/activity/?before=garbage").status_code == 200


def test_its_cost_is_known(client_alice: Client, vm: VirtualMachine, django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(19):
        client_alice.get(f"/vms/{vm.pk}/")


def seen(exposed: list[str], listen: str = "address", address: str | None = "0.0.0.0") -> dict[str, object]:
    """A VNC screen as the watcher stores it."""
    return {"type": "vnc", "listen": listen, "address": address, "port": 5901, "tls_port": None, "exposed": exposed}


@pytest.mark.parametrize(
    ("transport", "how", "said", "verb"),
    [
        ("local", ["network", "no_password"], "whoever reaches its port", "listen-locally/"),
        ("ssh", ["network"], "needs its password", "listen-locally/"),
        ("ssh", ["no_password"], "every user of host-a", "listen-locally/"),
        ("tls", ["network", "no_password"], "whoever reaches its port", "listen-on-network/"),
        ("tls", ["network"], "needs its password", ""),
        ("local", [], "", ""),
    ],
)
def test_an_exposed_screen_is_marked_with_words_and_a_way_out(
    transport: str, how: list[str], said: str, verb: str, client_alice: Client, vm: VirtualMachine
) -> None:
    Host.objects.update(transport=transport)
    Document.objects.update(facts={"graphics": [seen(how)]})
    text = client_alice.get(f"/vms/{vm.pk}/").content.decode()
    assert ("is exposed" in text) == bool(how)
    assert said in text
    assert ("/listen-" in text) == bool(verb)
    assert not verb or f'formaction="/vms/{vm.pk}/{verb}"' in text
    told = client_alice.get(f"/api/v1/vms/{vm.pk}").json()["exposed"]
    assert told == ([{"type": "vnc", "how": how}] if how else [])


def test_an_exposed_screen_that_will_be_closed_says_so(client_alice: Client, vm: VirtualMachine) -> None:
    loopback = "<graphics type='vnc'><listen type='address' address='127.0.0.1'/></graphics>"
    Document.objects.update(
        facts={"graphics": [seen(["network"])]}, next_boot=f"<domain><devices>{loopback}</devices></domain>"
    )
    assert "It is so from its next start on." in client_alice.get(f"/vms/{vm.pk}/").content.decode()


def test_one_uuid_on_two_hosts_is_marked_on_both_and_refused_in_words(client_alice: Client, vm: VirtualMachine) -> None:
    assert vm.placement
    copy = make_vm(Host.objects.create(name="host-b", node="node-b"), "copy", "shut_off")
    Placement.objects.filter(current_of=copy).update(uuid=vm.placement.uuid)
    for one, name, where, other in ((vm, "copy", "host-b", copy), (copy, "web-01", "host-a", vm)):
        link = re.search(rf'<a href="/vms/{other.pk}/">([^<]*)</a>', header(client_alice, one))
        assert link and link.group(1) == f"same UUID as {name} on {where}"
    page = client_alice.get("/vms/").content.decode()
    assert "same UUID as copy on host-b" in page and "same UUID as web-01 on host-a" in page
    refused = client_alice.post(f"/vms/{copy.pk}/start/", headers={"HX-Request": "true"}).content.decode()
    assert "A VM of the same UUID runs on host-a." in refused
    pasted = client_alice.get("/vms/", {"q": str(vm.placement.uuid)})
    assert pasted.status_code == 200, "there are two, and neither is the one that was meant"


def test_a_vm_that_another_host_defines_too_says_so(client_alice: Client, vm: VirtualMachine) -> None:
    assert vm.placement
    other = Host.objects.create(name="host-b", node="node-b")
    Placement.objects.create(vm=vm, host=other, uuid=vm.placement.uuid, name="web-01", state="shut_off")
    assert "also defined on host-b" in header(client_alice, vm)
