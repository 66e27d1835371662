"""Network filters as administrators read and set them: what changes is shown before it does."""

from __future__ import annotations

import re
import uuid

import pytest
from django.test import Client

from vms.models import Host, NetworkFilter, Operation

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
KEPT = """<filter name='no-smtp' chain='ipv4'>
  <uuid>{uuid}</uuid>
  <rule action='drop' direction='out' priority='500'>
    <tcp dstportstart='25'/>
  </rule>
</filter>
"""
WISH = '<filter name="no-smtp" chain="ipv4"><rule action="{}" direction="out" priority="500">{}</rule></filter>'
PORT = '<tcp dstportstart="25"/>'


def changes(page: str) -> list[str]:
    """The lines that go and come."""
    return re.findall(r"<(?:ins|del)>([^<]*)</(?:ins|del)>", page)


def shown(page: str) -> str:
    [found] = re.findall(r'name="shown" value="([0-9a-f]{64})"', page)
    return str(found)


def test_what_changes_is_shown_and_only_that_is_set(client_alice: Client, host: Host) -> None:
    where, number = f"/hosts/{host.pk}/filters/", uuid.uuid4()
    row = NetworkFilter.objects.create(host=host, uuid=number, name="no-smtp", document=KEPT.format(uuid=number))
    wish = WISH.format("accept", PORT)
    page = client_alice.post(where, {"document": wish}).content.decode()
    assert [line.partition("action=")[2][:10] for line in changes(page)] == ["&quot;drop", "&quot;acce"]
    assert not Operation.objects.exists()
    # It was changed meanwhile: shown once more.
    NetworkFilter.objects.filter(pk=row.pk).update(document=row.document.replace("start='25'", "start='26'"))
    again = client_alice.post(where, {"document": wish, "shown": shown(page)})
    assert again.status_code == 200 and len(changes(again.content.decode())) == 4 and not Operation.objects.exists()
    sent = client_alice.post(where, {"document": wish, "shown": shown(again.content.decode())})
    assert sent.status_code == 302
    assert Operation.objects.get().params == {"document": wish}


def test_what_says_the_same_changes_nothing(client_alice: Client, host: Host) -> None:
    where, number = f"/hosts/{host.pk}/filters/", uuid.uuid4()
    NetworkFilter.objects.create(host=host, uuid=number, name="no-smtp", document=KEPT.format(uuid=number))
    page = client_alice.post(where, {"document": WISH.format("drop", PORT)}).content.decode()
    assert "the host has it like this" in page and "no-smtp" in page and not changes(page)


def test_a_new_one_is_all_new_and_a_wrong_one_is_told(client_alice: Client, host: Host) -> None:
    where = f"/hosts/{host.pk}/filters/"
    page = client_alice.post(where, {"document": WISH.format("drop", "")}).content.decode()
    assert "no-smtp is new" in page and all(line.startswith("+") for line in changes(page)) and changes(page)
    wrong = client_alice.post(where, {"document": "<filter/>", "shown": shown(page)}).content.decode()
    assert "document-error" in wrong and not Operation.objects.exists()
