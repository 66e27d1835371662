"""The page on which an administrator writes a definition."""

from __future__ import annotations

import html

import pytest
from django.test import Client

from tests.data.names import STRANGE_TEXTS
from tests.libvirtxml.test_blame import GOOD
from vms.models import Host, Operation, VirtualMachine
from vms.services.vm_names import NAME

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


def send(client: Client, host: Host, text: str, status: int, **more: str) -> str:
    answer = client.post(f"/hosts/{host.pk}/define/", {"xml": text, **more})
    assert answer.status_code == status, answer
    return html.unescape(answer.content.decode())


def test_what_is_made_is_shown_before(host: Host, client_alice: Client) -> None:
    assert "What will be made is shown first" in client_alice.get(f"/hosts/{host.pk}/define/").content.decode()
    page = send(client_alice, host, GOOD, 200)
    assert GOOD in page and "disk on /x" in page and "devices/disk[vda]/source" in page
    assert not VirtualMachine.objects.exists()
    assert send(client_alice, host, GOOD, 302, make="1") == ""
    vm = VirtualMachine.objects.get()
    assert vm.name == "x" and Operation.objects.get().vm == vm
    page = send(client_alice, host, GOOD, 400)
    assert "There is a VM called x on this host" in page and GOOD in page


def test_faults_stand_beside_the_text_with_their_lines(host: Host, client_alice: Client) -> None:
    text = GOOD.replace('bus="virtio"', 'bus="none"').replace("1024", "1k")
    page = send(client_alice, host, text.replace("\n", "\r\n"), 400, make="1")
    assert text in page and "2 faults" in page
    assert 'data-line="10"' in page and 'bus="none" is not taken there.' in page
    assert 'data-line="3"' in page and "<memory>1k</memory> is not taken there." in page
    assert not VirtualMachine.objects.exists()


@pytest.mark.parametrize("text", ["", "\n\n<domain>", "</textarea><script>", "&amp;&lt;", "x" * (1 << 20) + "y"])
def test_nothing_of_what_was_typed_is_lost(host: Host, client_alice: Client, text: str) -> None:
    answer = client_alice.post(f"/hosts/{host.pk}/define/", {"xml": text})
    # The line break behind the tag is the tag's own.
    shown = answer.content.decode().partition('translate="no"')[2].partition(">\n")[2].partition("</textarea>")[0]
    assert answer.status_code == 400 and html.unescape(shown) == text


@pytest.mark.parametrize("name", STRANGE_TEXTS[::4])
def test_a_strange_name_is_refused_in_words(host: Host, client_alice: Client, name: str) -> None:
    text = GOOD.replace(">x<", f">{html.escape(name)}<")
    answer = client_alice.post(f"/hosts/{host.pk}/define/", {"xml": text, "make": "1"})
    assert answer.status_code in (302, 400) and answer.status_code == (302 if NAME.fullmatch(name) else 400)
    text = GOOD.replace('dev="vda"', f'dev="{html.escape(name)}"')
    answer = client_alice.post(f"/api/v1/hosts/{host.pk}/vms/preview", {"xml": text}, content_type="application/json")
    assert answer.status_code in (200, 422), answer.content


def test_the_api_says_the_lines(host: Host, client_alice: Client) -> None:
    text = GOOD.replace('bus="virtio"', 'bus="none"')
    answer = client_alice.post(f"/api/v1/hosts/{host.pk}/vms", {"xml": text}, content_type="application/json")
    assert answer.status_code == 422 and answer.json()["code"] == "bad_definition"
    [error] = answer.json()["errors"]
    assert error == {
        "where": ["body", "xml", 10], "code": "attribute", "detail": 'bus="none" is not taken there.'
    }  # fmt: skip
    answer = client_alice.post(
        f"/api/v1/hosts/{host.pk}/vms", {"xml": GOOD}, content_type="application/json", HTTP_IDEMPOTENCY_KEY="k"
    )
    assert answer.status_code == 202
    again = client_alice.post(
        f"/api/v1/hosts/{host.pk}/vms", {"xml": GOOD}, content_type="application/json", HTTP_IDEMPOTENCY_KEY="k"
    )
    assert again.json()["operation"]["id"] == answer.json()["operation"]["id"]
