"""The console's page and card, its tickets, and what the front asks before it calls the relay."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from django.test import Client
from django.utils import timezone

from tests.conftest import make_vm, sign_in
from tests.data.shapes import MACHINE
from tests.grants import grant
from vms.gateways.closing import CODES
from vms.models import (
    ApiToken,
    Console,
    Document,
    Host,
    Image,
    ImageCopy,
    Operation,
    Placement,
    StoragePool,
    User,
    VirtualMachine,
    Volume,
)
from vms.permissions import Actor
from vms.services import consoles

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

VNC_NEXT = "<domain type='qemu'><devices><graphics type='spice'/><graphics type='vnc'/></devices></domain>"


def card(client: Client, vm: VirtualMachine) -> str:
    return client.get(f"/vms/{vm.pk}/console/card").content.decode()


@pytest.mark.parametrize("path", ["console/", "console/?own", "console/card"])
def test_a_page_for_who_may_and_nothing_for_others(
    path: str, client: Client, client_alice: Client, client_mallory: Client, vm: VirtualMachine
) -> None:
    assert client_alice.get(f"/vms/{vm.pk}/{path}").status_code == 200
    assert client_mallory.get(f"/vms/{vm.pk}/{path}").status_code == 404
    assert client.get(f"/vms/{vm.pk}/{path}").status_code == 302
    assert client_alice.post(f"/vms/{vm.pk}/{path}").status_code == 405


@pytest.mark.parametrize(
    ("fields", "offer", "button"),
    [
        ({"state": "running"}, "ready", None),
        ({"state": "paused"}, "ready", None),
        ({"state": "shut_off"}, "off", "start/"),
        ({"state": "saved"}, "off", "restore/"),
        ({"state": "running", "graphics": ["spice"]}, "spice", "add-screen/"),
        ({"state": "running", "graphics": []}, "none", "add-screen/"),
        ({"state": "running", "graphics": [], "persistent": False}, "none", None),
        ({"state": "shut_off", "graphics": ["spice", "vnc"]}, "off", "start/"),
        ({"present": False}, "gone", None),
    ],
)
def test_the_card_offers_what_helps(
    fields: dict[str, object], offer: str, button: str | None, client_alice: Client, host: Host
) -> None:
    vm = make_vm(host, **fields)  # type: ignore[arg-type]
    text = card(client_alice, vm)
    assert f'data-offer="{offer}"' in text
    for verb in ("start/", "add-screen/"):
        assert (f'formaction="/vms/{vm.pk}/{verb}"' in text) == (verb == button)


NONE = {"type": "vnc", "listen": "none", "address": None}
LOOPBACK = {"type": "vnc", "listen": "address", "address": "127.0.0.1"}
NETWORK = {"type": "vnc", "listen": "address", "address": "192.0.2.7"}
SOCKET = {"type": "vnc", "listen": "socket", "address": None}


@pytest.mark.parametrize(
    ("transport", "user", "screen", "said", "verb"),
    [
        ("local", "", NONE, "", ""),
        ("ssh", "", LOOPBACK, "", ""),
        ("ssh", "", SOCKET, "", ""),
        ("ssh", "", NONE, "has no port", "listen-locally/"),
        ("ssh", "fred", SOCKET, "as fred", "listen-locally/"),
        ("ssh", "", NETWORK, "network address", "listen-locally/"),
        ("tls", "", NETWORK, "", ""),
        ("tls", "", LOOPBACK, "over tls", "listen-on-network/"),
        ("tcp", "", NONE, "over tcp", "listen-on-network/"),
    ],
)
@pytest.mark.parametrize("state", ["running", "shut_off"])
def test_a_screen_that_is_not_reached_says_what_is_missing_and_gives_no_ticket(
    transport: str, user: str, screen: dict[str, object], said: str, verb: str, state: str,
    client_alice: Client, host: Host,
) -> None:  # fmt: skip
    Host.objects.update(transport=transport, user=user)
    vm = make_vm(host, state=state)
    Document.objects.update(facts={"graphics": [screen]})
    text = card(client_alice, vm)
    reached = "ready" if state == "running" else "off"
    assert f'data-offer="{"unreachable" if verb else reached}"' in text
    assert said in text
    assert ("listen-" in text) == bool(verb)
    assert not verb or f'formaction="/vms/{vm.pk}/{verb}"' in text
    if state == "running":
        assert ask(client_alice, vm)[0] == (409 if verb else 200)


def test_a_serial_line_is_offered_where_a_screen_is_not_reached(client_alice: Client, host: Host) -> None:
    Host.objects.update(transport="ssh")
    vm = make_vm(host, serials=["serial0"])
    Document.objects.update(facts={"graphics": [NONE]})
    assert f'href="/vms/{vm.pk}/serial/"' in card(client_alice, vm)
    Placement.objects.update(serials=[])
    assert "serial line" not in card(client_alice, vm)


@pytest.mark.parametrize(("address", "offer"), [("127.0.0.1", "pending"), ("192.0.2.7", "unreachable")])
def test_what_was_changed_waits_for_the_next_start(address: str, offer: str, client_alice: Client, host: Host) -> None:
    Host.objects.update(transport="ssh")
    vm = make_vm(host)
    listen = f"<graphics type='vnc'><listen type='address' address='{address}'/></graphics>"
    Document.objects.update(facts={"graphics": [NONE]}, next_boot=f"<domain><devices>{listen}</devices></domain>")
    assert f'data-offer="{offer}"' in card(client_alice, vm)


@pytest.mark.parametrize("state", ["running", "shut_off"])
def test_a_screen_that_was_added_waits_for_the_next_start(state: str, client_alice: Client, host: Host) -> None:
    vm = make_vm(host, state=state, graphics=["spice"])
    Document.objects.update(next_boot=VNC_NEXT)
    text = card(client_alice, vm)
    assert 'data-offer="pending"' in text
    assert "add-screen" not in text
    assert (f'formaction="/vms/{vm.pk}/start/"' in text) == (state == "shut_off")


def test_a_silent_host_is_said(client_alice: Client, vm: VirtualMachine) -> None:
    Host.objects.update(error_code="host_unreachable")
    assert 'data-offer="silent"' in card(client_alice, vm)


def test_the_line_for_another_viewer_needs_no_quotes(client_alice: Client, host: Host) -> None:
    vm = make_vm(host, "-x; $(reboot)", graphics=["spice"])
    assert vm.placement
    for asked, machine in (("localhost:8000", "node-a"), ("testserver", "testserver")):
        text = client_alice.get(f"/vms/{vm.pk}/console/card", headers={"host": asked}).content.decode()
        assert f"virt-viewer -c qemu+ssh://root@{machine}/system {vm.placement.uuid}<" in text


def test_the_clipboard_is_offered_only_where_it_can_cross(client_alice: Client, vm: VirtualMachine) -> None:
    assert "data-clipboard" not in client_alice.get(f"/vms/{vm.pk}/console/").content.decode()
    Document.objects.update(facts={"clipboard": True})
    assert "data-clipboard" in client_alice.get(f"/vms/{vm.pk}/console/").content.decode()


def test_there_is_a_sentence_for_every_way_to_end(client_alice: Client, vm: VirtualMachine) -> None:
    text = client_alice.get(f"/vms/{vm.pk}/console/").content.decode()
    assert [word for word in CODES if f'data-word="{word}"' not in text] == []


def ask(client: Client, vm: VirtualMachine, mode: str = "drive") -> tuple[int, dict[str, str]]:
    answer = client.post(f"/vms/{vm.pk}/console/ticket/", {"mode": mode})
    return answer.status_code, answer.json() if "json" in answer["Content-Type"] else {}


def test_a_ticket_is_bound_to_the_session_that_asked(client_alice: Client, vm: VirtualMachine) -> None:
    status, answer = ask(client_alice, vm, "view")
    assert (status, answer["url"]) == (200, f"/console/{vm.pk}?ticket={answer['ticket']}")
    console = Console.objects.get()
    assert (console.session_key, console.mode, console.address) == (
        client_alice.session.session_key,
        "view",
        "127.0.0.1",
    )


def test_no_ticket_without_a_reason_in_words(
    client: Client, client_alice: Client, client_mallory: Client, host: Host, vm: VirtualMachine
) -> None:
    assert ask(client, vm) == (401, {"code": "signed_out", "said": "You are signed out."})
    assert ask(client_mallory, vm)[0] == 404
    assert ask(client_alice, vm, "own")[1]["code"] == "bad_parameters"
    status, answer = ask(client_alice, make_vm(host, "off", state="shut_off"))
    assert (status, answer["code"]) == (409, "no_console")
    assert client_alice.get(f"/vms/{vm.pk}/console/ticket/").status_code == 405
    assert not Console.objects.exists()


def test_a_ticket_needs_the_forms_token(alice: User, vm: VirtualMachine) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(alice)
    assert strict.post(f"/vms/{vm.pk}/console/ticket/", {"mode": "drive"}).status_code == 403


def test_the_front_lets_in_a_session_or_the_ticket_of_a_script_and_spends_nothing(
    client: Client, client_alice: Client, alice: User, vm: VirtualMachine
) -> None:
    assert client_alice.get("/internal/session").status_code == 204
    assert client.get("/internal/session").status_code == 401
    assert client.get("/internal/session", headers={"X-Kvmweb-Ticket": "a" * 43}).status_code == 401
    token = ApiToken.objects.create(
        user=alice, prefix="p", token_hash="0" * 64, scopes=" all ", expires_at=timezone.now() + timedelta(days=1)
    )
    _, scripted = consoles.issue(Actor(alice, token=token), vm)
    for _ in range(2):
        assert client.get("/internal/session", headers={"X-Kvmweb-Ticket": scripted}).status_code == 204
    _, of_browser = consoles.issue(Actor(alice, client_alice.session.session_key or ""), vm)
    assert client.get("/internal/session", headers={"X-Kvmweb-Ticket": of_browser}).status_code == 401


def cd_of(vm: VirtualMachine) -> Image:
    assert vm.placement
    pool = StoragePool.objects.create(
        host=vm.placement.host, uuid=UUID(int=7), name="default", type="dir", path="/pool", active=True
    )
    volume = Volume.objects.create(storage=pool.storage, name="debian.iso", format="raw", origin="created")
    image = Image.objects.create(name="Debian 13", kind="iso", format="raw")
    ImageCopy.objects.create(image=image, volume=volume, published=True)
    return image


def test_a_cd_is_put_in_beside_the_screen(client_alice: Client, host: Host, mallory: User) -> None:
    vm = make_vm(host, "web-01", "running", persistent=True)
    path = f"/vms/{vm.pk}/console/"
    assert 'id="console-cds"' not in client_alice.get(path).content.decode(), "nothing is known of its drives"
    there = MACHINE.replace("<target dev='sda'", "<source file='/old.iso'/><target dev='sda'")
    Document.objects.update(next_boot=MACHINE, live=there)
    image = cd_of(vm)
    shown = client_alice.get(path).content.decode()
    assert "/old.iso" in shown and "Debian 13" in shown and "Change" in shown and "eject/" in shown
    Document.objects.update(next_boot=MACHINE, live=MACHINE)
    shown = client_alice.get(f"{path}cds").content.decode()
    assert "empty" in shown and "Insert" in shown and "eject/" not in shown
    wrong = client_alice.post(
        f"/vms/{vm.pk}/cd/", {"drive": "sda", "medium": "/etc/shadow"}, headers={"HX-Request": "1"}
    )
    assert wrong.status_code == 409 and not Operation.objects.exists()
    assert client_alice.post(f"/vms/{vm.pk}/cd/", {"drive": "vda", "medium": str(image.pk)}).status_code == 302
    assert not Operation.objects.exists(), "a disk is no drive"
    answer = client_alice.post(f"/vms/{vm.pk}/cd/", {"drive": "sda", "medium": str(image.pk)})
    assert (answer.status_code, answer["Location"]) == (302, path)
    operation = Operation.objects.get()
    assert (operation.kind, operation.params["apply"], operation.params["needs"]) == ("vm.shape", "both", ["vm.media"])
    assert operation.params["edits"][0]["value"] == "default/debian.iso"


def test_who_may_not_change_media_has_no_menu_of_cds(host: Host, mallory: User) -> None:
    vm = make_vm(host, "web-01", "running", persistent=True)
    Document.objects.update(next_boot=MACHINE, live=MACHINE)
    grant(mallory, "operator", vm)
    client = sign_in(mallory)
    assert 'id="console-cds"' not in client.get(f"/vms/{vm.pk}/console/").content.decode()
    assert client.get(f"/vms/{vm.pk}/console/cds").status_code == 403
    assert client.post(f"/vms/{vm.pk}/cd/", {"drive": "sda", "medium": "1"}).status_code == 403
