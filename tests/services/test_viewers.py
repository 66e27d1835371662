"""The file and the line for another viewer: strictly built, without a password, and only where a screen is reached."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.conftest import make_vm
from vms.models import Document, Host, Placement, VirtualMachine
from vms.services import viewers
from vms.services.freshness import placed

pytestmark = pytest.mark.django_db


def screen(kind: str, listen: str, address: str | None, port: Any = 5901, tls_port: Any = None) -> dict[str, Any]:
    return {"type": kind, "listen": listen, "address": address, "port": port, "tls_port": tls_port}


def store(*screens: dict[str, Any]) -> None:
    Document.objects.update(facts={"graphics": list(screens)})


@pytest.mark.parametrize(
    ("seen", "lines"),
    [
        (screen("vnc", "address", "192.0.2.7"), ["type=vnc", "host=192.0.2.7", "port=5901"]),
        (screen("vnc", "address", "2001:db8::7"), ["type=vnc", "host=2001:db8::7", "port=5901"]),
        (screen("vnc", "address", "0.0.0.0"), ["type=vnc", "host=desk.example", "port=5901"]),
        (screen("spice", "address", "::", -1, 5902), ["type=spice", "host=desk.example", "tls-port=5902"]),
        (screen("spice", "network", "192.0.2.7", 5900, 5902),
         ["type=spice", "host=192.0.2.7", "port=5900", "tls-port=5902"]),
    ],
)  # fmt: skip
def test_a_file_says_where_the_screen_is(seen: dict[str, Any], lines: list[str], vm: VirtualMachine) -> None:
    store(seen)
    text = viewers.file(placed(vm), "desk.example")
    assert text is not None
    assert text.splitlines() == ["[virt-viewer]", *lines, "title=web-01", "delete-this-file=1"]


@pytest.mark.parametrize(
    "seen",
    [
        screen("vnc", "none", None),
        screen("vnc", "socket", None),
        screen("vnc", "address", "127.0.0.1"),
        screen("vnc", "address", "192.0.2.7", None),
        screen("vnc", "address", "192.0.2.7", -1),
        screen("vnc", "address", "192.0.2.7", 65536),
        screen("vnc", "address", "evil.example\nproxy=http://evil.example"),
        screen("rdp", "address", "192.0.2.7"),
    ],
)
def test_there_is_none_where_others_do_not_reach_it(seen: dict[str, Any], vm: VirtualMachine) -> None:
    store(seen)
    assert viewers.file(placed(vm), "desk.example") is None


def test_there_is_none_while_it_does_not_run(host: Host) -> None:
    vm = make_vm(host, state="shut_off")
    store(screen("vnc", "address", "192.0.2.7"))
    assert viewers.file(placed(vm), "desk.example") is None


def test_no_name_and_no_address_breaks_out_of_the_file(vm: VirtualMachine) -> None:
    store(screen("vnc", "address", "0.0.0.0"))
    Placement.objects.update(name="a\nproxy=http://evil.example\r[x]\u2028é;")
    text = viewers.file(placed(VirtualMachine.objects.get(pk=vm.pk)), "desk.example")
    assert text and "title=a_proxy_http_evil.example_x_" in text.splitlines()
    assert viewers.file(placed(vm), "desk.example\nproxy=x") is None


def test_spice_comes_first_and_a_remote_host_has_its_own_address(vm: VirtualMachine) -> None:
    Host.objects.update(transport="tls", address="kvm-2.example")
    store(screen("vnc", "address", "0.0.0.0"), screen("spice", "address", "0.0.0.0", 5900))
    text = viewers.file(placed(VirtualMachine.objects.get(pk=vm.pk)), "desk.example")
    assert text and "type=spice\nhost=kvm-2.example\nport=5900\n" in text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "qemu+ssh://root@desk.example/system"),
        ({"transport": "ssh", "address": "kvm-2.example"}, "qemu+ssh://root@kvm-2.example/system"),
        ({"transport": "ssh", "address": "kvm-2.example", "user": "fred", "port": 2222}, "qemu+ssh://fred@kvm-2.example:2222/system"),
        ({"transport": "tls", "address": "2001:db8::7", "port": 16514}, "'qemu+ssh://root@[2001:db8::7]/system'"),
    ],
)  # fmt: skip
def test_the_line_goes_to_the_vms_host(fields: dict[str, Any], said: str, vm: VirtualMachine) -> None:
    Host.objects.update(**fields)
    placement = placed(VirtualMachine.objects.get(pk=vm.pk))
    assert viewers.line(placement, "desk.example") == f"virt-viewer -c {said} {placement.uuid}"


@pytest.mark.usefixtures("redis")
def test_the_file_is_for_who_may_type(
    client: Client, client_alice: Client, client_mallory: Client, vm: VirtualMachine
) -> None:
    path = f"/vms/{vm.pk}/console/viewer.vv"
    assert client_alice.get(path).status_code == 404
    store(screen("vnc", "address", "192.0.2.7"))
    answer = client_alice.get(path, headers={"host": "testserver"})
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/x-virt-viewer")
    assert answer["Content-Disposition"] == f'attachment; filename="vm-{vm.pk}.vv"'
    assert client_mallory.get(path).status_code == 404
    assert client.get(path).status_code == 302
    assert client_alice.post(path).status_code == 405
