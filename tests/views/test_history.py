"""The pages of what waits, of what a definition was, and of the text that is written."""

from __future__ import annotations

import html
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from lxml import etree

from tests.conftest import sign_in
from tests.data.shapes import MACHINE
from tests.grants import grant
from tests.libvirtxml.test_pending import EDITS, read
from tests.routes import DEFINED
from vms.inventory.rows import waiting
from vms.kinds.power import RESTART
from vms.libvirtxml import DomainXML, settings, spread
from vms.libvirtxml.shaping import shape
from vms.models import Document, Host, Operation, Placement, User, Version, VirtualMachine
from vms.services import history
from vms.services.history import digest

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


@pytest.fixture
def defined(vm: VirtualMachine) -> str:
    """The definition of its next start, and one before that."""
    placement = Placement.objects.get(vm=vm)
    text = DEFINED.format(name=vm.name, uuid=placement.uuid).replace("<memory", "\n<memory")
    Document.objects.update_or_create(placement=placement, defaults={"next_boot": text})
    history.keep(vm.pk, placement.host_id, text.replace("<memory", "<title>was</title>\n<memory"), found=True)
    history.keep(vm.pk, placement.host_id, text)
    return text


def wait(vm: VirtualMachine, *edits: str) -> None:
    """The rows of a run beside a definition with these edits."""
    run, then = read("rich", "run"), read("rich", "next")
    began = settings(then)
    for name in edits:
        EDITS[name][1](then)
    changes = waiting(DomainXML(run), DomainXML(then))
    placement = Placement.objects.get(vm=vm)
    Placement.objects.filter(pk=placement.pk).update(state="running", run_id=1, waiting=len(edits))
    fields: dict[str, Any] = {"pending": changes, "settings": settings(then), "began": began}
    Document.objects.update_or_create(placement=placement, defaults=fields)


def page(client: Client, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, answer
    return html.unescape(answer.content.decode())


def test_what_waits_is_told_in_words(vm: VirtualMachine, client_alice: Client) -> None:
    wait(vm, "memory", "a disk less", "a card's model")
    told = page(client_alice, f"/vms/{vm.pk}/")
    assert "3 changes apply at its next start." in told and "3 changes wait for its next start" in told
    assert "Memory 1 GiB → 2 GiB" in told and "Disk vdb removed" in told
    told = page(client_alice, f"/vms/{vm.pk}/pending/")
    assert "<code>model/@type</code>" in told and "Restart now" in told and "vnet" not in told
    changes = client_alice.get(f"/api/v1/vms/{vm.pk}/pending").json()["changes"]
    assert [(each["place"], each["which"], each["how"]) for each in changes][:2] == [
        ("memory", "", "changed"), ("devices/disk", "vdb", "removed"),
    ]  # fmt: skip


def test_nothing_waits_while_it_is_off(vm: VirtualMachine, client_alice: Client) -> None:
    wait(vm, "memory")
    Placement.objects.filter(vm=vm).update(run_id=None, state="shut_off")
    assert "apply at its next start" not in page(client_alice, f"/vms/{vm.pk}/")
    assert "It is off" in page(client_alice, f"/vms/{vm.pk}/pending/")
    assert client_alice.get(f"/api/v1/vms/{vm.pk}/pending").json() == {"changes": []}


def test_who_may_not_read_the_definition_is_told_the_number_alone(vm: VirtualMachine) -> None:
    wait(vm, "a disk's source")
    bob = User.objects.create(username="bob")
    grant(bob, "operator", vm)
    client = sign_in(bob)
    told = page(client, f"/vms/{vm.pk}/")
    assert "1 change waits for its next start" in told and "/other" not in told and "pending/" not in told
    assert client.get(f"/vms/{vm.pk}/pending/").status_code == 403


def test_restart_now_asks_for_one(vm: VirtualMachine, client_alice: Client) -> None:
    wait(vm, "memory")
    assert client_alice.post(f"/vms/{vm.pk}/restart/").status_code == 302
    assert Operation.objects.get().kind == RESTART.name
    assert "restart/" in page(client_alice, f"/vms/{vm.pk}/pending/")


def test_the_history_says_who_and_what(vm: VirtualMachine, defined: str, client_alice: Client) -> None:
    told = page(client_alice, f"/vms/{vm.pk}/history/")
    assert "2 versions of its definition" in told and 'href="/grants/"' in told, "in the frame of all pages"
    assert "there when the dashboard first saw it" in told and "outside the dashboard" in told
    told = page(client_alice, f"/vms/{vm.pk}/history/1/?to=2")
    assert "From version 2 to version 1" in told and "<ins>+<title>was</title></ins>" in told
    assert "Return to it" in told and "vm.describe" in told
    assert "Return to it" not in page(client_alice, f"/vms/{vm.pk}/history/2/")
    for nowhere in ("history/3/", "history/1/?to=9", "history/1/?to=x"):
        assert client_alice.get(f"/vms/{vm.pk}/{nowhere}").status_code == 404


def test_one_click_returns(vm: VirtualMachine, defined: str, client_alice: Client) -> None:
    base = digest(defined)
    assert client_alice.post(f"/vms/{vm.pk}/history/1/restore/", {"base": "0" * 64}).status_code == 302
    assert not Operation.objects.exists()
    assert "another by now" in page(client_alice, f"/vms/{vm.pk}/history/1/")
    assert client_alice.post(f"/vms/{vm.pk}/history/1/restore/", {"base": base}).status_code == 302
    operation = Operation.objects.get()
    assert (operation.kind, operation.params) == (
        "vm.return", {"number": 1, "base": base, "needs": ["vm.describe"]},
    )  # fmt: skip


def test_what_is_gone_is_kept_for_administrators(vm: VirtualMachine, defined: str, client_alice: Client) -> None:
    assert "Deleted for good" not in page(client_alice, "/trash/")
    VirtualMachine.objects.filter(pk=vm.pk).update(deleted_at=timezone.now())
    assert client_alice.get(f"/vms/{vm.pk}/history/").status_code == 404
    assert "Deleted for good" in page(client_alice, "/trash/") and vm.name in page(client_alice, "/trash/gone/")
    assert "2 versions" in page(client_alice, f"/trash/gone/{vm.pk}/")
    told = page(client_alice, f"/trash/gone/{vm.pk}/1/")
    host = Host.objects.get()
    again = f"/hosts/{host.pk}/define/?vm={vm.pk}&version=1"
    assert again in told and "Return to it" not in told
    assert "<title>was</title>" in page(client_alice, again)
    bob = User.objects.create(username="bob")
    grant(bob, "owner", vm)
    assert sign_in(bob).get(f"/trash/gone/{vm.pk}/").status_code == 404


def test_a_definition_of_one_that_is_there_is_no_template_for_others(
    vm: VirtualMachine, defined: str, client_alice: Client
) -> None:
    host = Host.objects.get()
    for query in (f"vm={vm.pk}&version=1", "vm=x&version=", "version=1"):
        assert "<title>was" not in page(client_alice, f"/hosts/{host.pk}/define/?{query}")


def edit(client: Client, vm: VirtualMachine, status: int, **fields: str) -> str:
    answer = client.post(f"/vms/{vm.pk}/xml/edit/", fields)
    assert answer.status_code == status, answer
    return html.unescape(answer.content.decode())


def test_the_text_is_shown_judged_and_written(vm: VirtualMachine, defined: str, client_alice: Client) -> None:
    assert "xml/edit/" in page(client_alice, f"/vms/{vm.pk}/xml/?which=next")
    assert defined in page(client_alice, f"/vms/{vm.pk}/xml/edit/")
    new, base = defined.replace("<memory", "<title>new</title>\r\n<memory"), digest(defined)
    told = edit(client_alice, vm, 200, xml=new, base=base, preview="1")
    assert "<ins>+" in told and "needs vm.describe" in told and "Write it" in told
    told = html.unescape(client_alice.post(f"/vms/{vm.pk}/xml/preview", {"xml": new, "base": base}).content.decode())
    assert "needs vm.describe" in told and "<html" not in told
    edit(client_alice, vm, 302, xml=new, base=base, save="1")
    assert Operation.objects.get().kind == "vm.edit-xml"


def test_what_does_not_fit_stands_beside_it_with_its_line(
    vm: VirtualMachine, defined: str, client_alice: Client
) -> None:
    wrong = defined.replace("<os>", "\n<odd/>\n<os>")
    told = edit(client_alice, vm, 400, xml=wrong, base=digest(defined), save="1")
    assert 'data-line="3"' in told and "<odd>" in told and wrong in told
    assert "Nothing changes" in edit(client_alice, vm, 200, xml=defined, base=digest(defined))
    assert not Operation.objects.exists()


def test_two_at_the_same_moment_the_second_is_told(vm: VirtualMachine, defined: str, client_alice: Client) -> None:
    base = digest(defined)
    theirs = defined.replace("<memory", "<title>theirs</title>\n<memory")
    Document.objects.filter(placement__vm=vm).update(next_boot=theirs)
    mine = defined.replace("<memory", "<title>mine</title>\n<memory")
    told = edit(client_alice, vm, 409, xml=mine, base=base, save="1")
    assert "Somebody was faster" in told and "<del>-" in told and "theirs" in told and mine in told
    assert not Operation.objects.exists()
    told = edit(client_alice, vm, 200, xml=mine, base=base, new_base=digest(theirs), go_on="1")
    assert f'name="base" value="{digest(theirs)}"' in told and "Write it" in told
    edit(client_alice, vm, 302, xml=mine, base=digest(theirs), save="1")


def put(client: Client, vm: VirtualMachine, text: bytes, query: str = "", match: str = "") -> tuple[int, str]:
    headers = {"If-Match": match} if match else {}
    answer = client.put(f"/api/v1/vms/{vm.pk}/xml{query}", text, content_type="application/xml", headers=headers)
    return answer.status_code, answer.json().get("code", "")


def test_the_api_writes_what_was_read(vm: VirtualMachine, defined: str, client_alice: Client) -> None:
    shown = client_alice.get(f"/api/v1/vms/{vm.pk}/xml?document=next")
    assert shown["Content-Type"] == "application/xml; charset=utf-8" and shown.content.decode() == defined
    tag = shown["ETag"]
    assert client_alice.get(f"/api/v1/vms/{vm.pk}/xml?document=live").status_code == 404
    new = defined.replace("<memory", "<title>new</title><memory").encode()
    assert put(client_alice, vm, new) == (422, "bad_parameters")
    assert put(client_alice, vm, new, match='"other"') == (412, "definition_changed")
    assert put(client_alice, vm, new, "?document=live", match=tag) == (409, "live_fixed")
    assert put(client_alice, vm, b"\xff", match=tag) == (422, "bad_definition")
    assert put(client_alice, vm, b"x" * (1 << 20) + b"y", match=tag) == (422, "bad_definition")
    assert put(client_alice, vm, b"x" * (3 << 20), match=tag) == (413, "too_large")
    assert put(client_alice, vm, new, match=tag) == (202, "")
    assert put(client_alice, vm, new, match=tag) == (409, "locked"), "the second is told"


def test_the_api_tells_of_the_history(vm: VirtualMachine, defined: str, client_alice: Client) -> None:
    listed = client_alice.get(f"/api/v1/vms/{vm.pk}/history").json()["items"]
    assert [(each["number"], each["through"]) for each in listed] == [(2, "outside"), (1, "found")]
    one = client_alice.get(f"/api/v1/vms/{vm.pk}/history/1").json()
    assert "<title>was</title>" in one["xml"]
    diff = client_alice.get(f"/api/v1/vms/{vm.pk}/history/1/diff?to=2").json()
    assert "-<title>was</title>" in diff["diff"]
    assert diff["differences"] == [{"place": "title", "how": "removed", "privilege": "vm.describe"}]
    asked = client_alice.post(f"/api/v1/vms/{vm.pk}/history/1/restore", {}, content_type="application/json")
    assert asked.status_code == 202 and asked.json()["operation"]["kind"] == "vm.return"
    assert Version.objects.count() == 2


def test_the_passwords_of_screens_go_with_a_word(vm: VirtualMachine, defined: str, client_alice: Client) -> None:
    fields = {"xml": defined, "base": digest(defined), "open_screens": "1"}
    assert "no password but those in the text" in edit(client_alice, vm, 200, preview="1", **fields)
    edit(client_alice, vm, 302, save="1", **fields)
    assert Operation.objects.get().params["open_screens"] is True


@pytest.mark.parametrize("name", ["smartcard", "redirdev", "iommu", "numa", "iothreads"])
def test_an_example_comes_into_the_text(vm: VirtualMachine, defined: str, client_alice: Client, name: str) -> None:
    shown = page(client_alice, f"/vms/{vm.pk}/xml/edit/")
    assert f'value="{name}"' in shown
    fields = {"base": digest(defined), "add_example": "1", "example": name}
    shown = edit(client_alice, vm, 200, xml=defined, **fields)
    text = shown.partition("<textarea")[2].partition(">\n")[2].partition("</textarea>")[0]
    assert f"<{name}" in text and "What changes" in shown and not Operation.objects.exists()
    if name != "redirdev":
        assert "There is one already." in edit(client_alice, vm, 200, xml=text, **fields)
    edit(client_alice, vm, 400, xml="<domain", **fields)


def test_what_libvirt_added_to_a_change_is_told_apart(vm: VirtualMachine, client_alice: Client) -> None:
    placement = Placement.objects.get(vm=vm)
    before = spread(MACHINE)
    asked = DomainXML.parse(before)
    edits: list[dict[str, Any]] = [
        {"do": "set", "part": "vda", "lens": "cache", "was": "", "value": "none"},
        {"do": "add", "sort": "card", "said": {"network": "other", "mac": "52:54:00:5e:00:01", "model": "virtio"}},
    ]
    shape(asked, edits)
    got = asked.element.findall("devices/interface")[1]
    etree.SubElement(got, "address", type="pci", slot="0x09")
    bus = etree.SubElement(asked.devices, "controller", type="pci", model="pcie-root-port")
    etree.SubElement(bus, "target", chassis="9")
    # The host writes attributes in its own order.
    after = spread(asked.text).replace('name="qemu" type="raw" cache="none"', 'cache="none" name="qemu" type="raw"')
    assert 'cache="none" name' in after
    history.keep(vm.pk, placement.host_id, before)
    operation = Operation.objects.create(
        kind="vm.shape", target_kind="vm", target_id=vm.pk, vm=vm, params={"edits": edits}, host=placement.host
    )
    version = history.keep(vm.pk, placement.host_id, after)
    assert version
    path = f"/vms/{vm.pk}/history/{version.number}/"
    assert "added by libvirt" not in page(client_alice, path), "done outside: nobody knows what was asked for"
    Version.objects.filter(pk=version.pk).update(operation=operation)
    told = page(client_alice, path)
    marks = [
        line.split("<small")[0].removeprefix("<ins>+").strip() for line in told.splitlines() if "by libvirt" in line
    ]
    assert marks == [
        '<address type="pci" slot="0x09"/>', '<controller type="pci" model="pcie-root-port">', '<target chassis="9"/>',
        "</controller>",
    ]  # fmt: skip
    assert '<ins>+      <driver cache="none" name="qemu" type="raw"/></ins>' in told
