"""The serial line's page, the parts that are renewed, and taking over."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from tests.conftest import make_vm, sign_in
from vms.gateways.closing import CODES
from vms.models import AuditEvent, Console, Document, Host, User, VirtualMachine

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

SERIAL_NEXT = "<domain type='qemu'><devices><serial type='pty'/></devices></domain>"


@pytest.fixture
def serial(host: Host) -> VirtualMachine:
    return make_vm(host, serials=["serial0", "serial1"])


def card(client: Client, vm: VirtualMachine, more: str = "") -> str:
    return client.get(f"/vms/{vm.pk}/serial/card{more}").content.decode()


@pytest.mark.parametrize("path", ["", "?own", "?device=serial1", "card"])
def test_a_page_for_who_may_and_nothing_for_others(
    path: str, client: Client, client_alice: Client, client_mallory: Client, serial: VirtualMachine
) -> None:
    assert client_alice.get(f"/vms/{serial.pk}/serial/{path}").status_code == 200
    assert client_mallory.get(f"/vms/{serial.pk}/serial/{path}").status_code == 404
    assert client.get(f"/vms/{serial.pk}/serial/{path}").status_code == 302
    assert client_alice.post(f"/vms/{serial.pk}/serial/{path}").status_code == 405


@pytest.mark.parametrize(
    ("fields", "offer", "button"),
    [
        ({"serials": ["serial0"]}, "ready", None),
        ({"serials": ["serial0"], "state": "paused"}, "ready", None),
        ({"serials": ["serial0"], "state": "shut_off"}, "off", "start/"),
        ({}, "none", "add-serial/"),
        ({"persistent": False}, "none", None),
        ({"serials": ["serial0"], "present": False}, "gone", None),
    ],
)
def test_the_card_offers_what_helps(
    fields: dict[str, object], offer: str, button: str | None, client_alice: Client, host: Host
) -> None:
    vm = make_vm(host, **fields)  # type: ignore[arg-type]
    text = card(client_alice, vm)
    assert f'data-offer="{offer}"' in text
    for verb in ("start/", "add-serial/"):
        assert (f'formaction="/vms/{vm.pk}/{verb}"' in text) == (verb == button)


@pytest.mark.parametrize("state", ["running", "shut_off"])
def test_a_line_that_was_added_waits_for_the_next_start(state: str, client_alice: Client, host: Host) -> None:
    vm = make_vm(host, state=state)
    Document.objects.update(next_boot=SERIAL_NEXT)
    text = card(client_alice, vm)
    assert 'data-offer="pending"' in text
    assert "add-serial" not in text
    assert (f'formaction="/vms/{vm.pk}/start/"' in text) == (state == "shut_off")


def test_a_silent_host_is_said(client_alice: Client, serial: VirtualMachine) -> None:
    Host.objects.update(error_code="host_unreachable")
    assert 'data-offer="silent"' in card(client_alice, serial)


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"graphics": [], "serials": ["serial0"]}, "serial/"),
        ({"graphics": ["spice"], "serials": ["serial0"]}, "serial/"),
        ({"graphics": ["vnc"], "serials": ["serial0"]}, None),
        ({"graphics": [], "serials": []}, None),
    ],
)
def test_the_console_is_the_line_where_there_is_no_screen(
    fields: dict[str, object], where: str | None, client_alice: Client, host: Host
) -> None:
    vm = make_vm(host, **fields)  # type: ignore[arg-type]
    for more in ("", "?own"):
        answer = client_alice.get(f"/vms/{vm.pk}/console/{more}")
        assert answer.get("Location") == (f"/vms/{vm.pk}/{where}{more}" if where else None)
    assert client_alice.get(f"/vms/{vm.pk}/console/?screen").status_code == 200


def test_all_lines_are_in_the_menu_and_one_that_is_not_there_is_none(
    client_alice: Client, serial: VirtualMachine
) -> None:
    text = client_alice.get(f"/vms/{serial.pk}/serial/?device=serial1").content.decode()
    assert 'name="device" value="serial1"' in text
    assert f'href="/vms/{serial.pk}/serial/?device=serial0"' in text
    # It may have been there in the last run.
    assert (
        'name="device" value="serial0"' in client_alice.get(f"/vms/{serial.pk}/serial/?device=serial9").content.decode()
    )
    for strange in ("x" * 41, "%00", "%C3%A9"):
        assert client_alice.get(f"/vms/{serial.pk}/serial/?device={strange}").status_code == 404


def test_there_is_a_sentence_for_every_way_to_end(client_alice: Client, serial: VirtualMachine) -> None:
    text = client_alice.get(f"/vms/{serial.pk}/serial/").content.decode()
    assert [word for word in CODES if f'data-word="{word}"' not in text] == []


def test_its_style_elements_are_known_by_a_nonce_and_nobody_elses(client_alice: Client, serial: VirtualMachine) -> None:
    answer = client_alice.get(f"/vms/{serial.pk}/serial/")
    nonce = answer.content.decode().split('nonce="')[1].split('"')[0]
    assert f"style-src 'self' 'nonce-{nonce}'" in answer["Content-Security-Policy"]
    assert "nonce" not in client_alice.get(f"/vms/{serial.pk}/console/")["Content-Security-Policy"]


def ask(client: Client, vm: VirtualMachine, **wish: str) -> dict[str, str]:
    answer = client.post(f"/vms/{vm.pk}/console/ticket/", {"kind": "serial", **wish})
    assert answer.status_code == 200, answer.content
    Console.objects.filter(pk=answer.json()["console"]).update(opened_at=timezone.now())
    return dict(answer.json())


def take(client: Client, vm: VirtualMachine, console: object) -> int:
    return client.post(f"/vms/{vm.pk}/console/take-over/", {"console": str(console)}).status_code


def test_two_people_read_who_has_it(client_alice: Client, serial: VirtualMachine) -> None:
    client_bob = sign_in(User.objects.create(username="bob", is_administrator=True))
    alices, bobs = ask(client_alice, serial), ask(client_bob, serial)
    assert (alices["mode"], bobs["mode"]) == ("drive", "view")

    def read(client: Client, console: object) -> str:
        return " ".join(card(client, serial, f"?device=serial0&console={console}").split())

    assert "Watching: bob" in read(client_alice, alices["console"])
    assert "alice uses it." in read(client_bob, bobs["console"])
    assert "Take over" in read(client_bob, bobs["console"])
    assert take(client_bob, serial, bobs["console"]) == 200
    text = read(client_alice, alices["console"])
    assert "bob took over." in text and "Take back" in text and 'data-mode="view"' in text
    assert 'data-mode="drive"' in read(client_bob, bobs["console"])
    # Another's console tells nothing.
    assert 'data-mode=""' in read(client_bob, alices["console"])
    assert take(client_bob, serial, alices["console"]) == 409


@pytest.mark.parametrize("console", ["", "x", "-1", "9" * 30, "٣"])
def test_what_is_no_console_is_not_taken(console: str, client_alice: Client, serial: VirtualMachine) -> None:
    assert take(client_alice, serial, console) == 409
    assert card(client_alice, serial, f"?console={console}")


def test_taking_over_needs_the_forms_token(alice: User, serial: VirtualMachine) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(alice)
    assert take(strict, serial, 1) == 403


def test_force_is_told_to_the_audit(client_alice: Client, serial: VirtualMachine) -> None:
    console = ask(client_alice, serial, force="1", device="serial1")["console"]
    assert Console.objects.get(pk=console).force
    assert AuditEvent.objects.get(action="asked:console").facts["force"] is True
    assert not Console.objects.get(pk=ask(client_alice, serial)["console"]).force
