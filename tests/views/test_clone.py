"""The page on which VMs are cloned."""

from __future__ import annotations

import html
import re
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.test import Client

from tests.conftest import make_vm, sign_in
from tests.grants import grant
from vms.models import (
    Document,
    Host,
    Network,
    NetworkFilter,
    Operation,
    Placement,
    Snapshot,
    StoragePool,
    User,
    VirtualMachine,
    Volume,
)
from vms.services.freshness import placed
from vms.services.sentences import CLONE_REASONS, FIELDS, WARNINGS

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
TEXT = """<domain type='qemu'><name>web-01</name><memory>1048576</memory><vcpu>2</vcpu><devices>
<disk type='volume' device='disk'><driver name='qemu' type='qcow2'/><source pool='default' volume='web-01.qcow2'/>
<target dev='vda' bus='virtio'/></disk>
<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/elsewhere/disk'/>
<target dev='vdb' bus='virtio'/></disk>
<interface type='network'><mac address='52:54:00:00:00:01'/><source network='nat'/></interface></devices></domain>"""


@pytest.fixture
def pool(host: Host) -> StoragePool:
    Network.objects.create(host=host, uuid=uuid.UUID(int=8), name="nat", active=True)
    NetworkFilter.objects.create(host=host, uuid=uuid.UUID(int=9), name="clean-traffic")
    return StoragePool.objects.create(
        host=host, uuid=uuid.UUID(int=7), name="default", type="dir", path="/pool", active=True, available_bytes=1 << 40
    )


@pytest.fixture
def source(host: Host, pool: StoragePool) -> VirtualMachine:
    vm = make_vm(host, state="shut_off")
    Document.objects.filter(placement__current_of=vm).update(next_boot=TEXT)
    row = Volume.objects.create(
        storage=pool.storage, name="web-01.qcow2", format="qcow2", path="/pool/web-01.qcow2", capacity_bytes=4 << 30
    )
    row.vms.add(vm)
    return vm


def words(answer: object) -> str:
    return html.unescape(answer.content.decode())  # type: ignore[attr-defined]


def test_the_page_says_what_can_be_done_and_what_comes_of_it(client_alice: Client, source: VirtualMachine) -> None:
    page = words(client_alice.get(f"/vms/{source.pk}/clone/"))
    assert 'value="web-01-clone"' in page and "vda: default / web-01.qcow2" in page
    assert "a copy of its own" in page and "It is in no storage pool" in page and "Network card 1" in page
    assert "2 vCPUs · 1 GiB" in page and "disk 4 GiB" in page and "web-01-clone.qcow2" in page
    assert "it has the same host name" in page and "Left out" in page and "clean-traffic" in page
    assert f"/vms/{source.pk}/clone/" in words(client_alice.get(f"/vms/{source.pk}/"))


def test_the_preview_follows_the_form(client_alice: Client, source: VirtualMachine) -> None:
    where = f"/vms/{source.pk}/clone/preview/"
    assert "can't be started" in words(client_alice.post(where, {"name": "new", "disk_vda": "linked"}))
    assert "does not get: 1" in words(client_alice.post(where, {"name": "new", "card_0": "none"}))
    assert "A letter or digit first" in words(client_alice.post(where, {"name": "<b>"}))
    Placement.objects.filter(current_of=source).update(state="running")
    assert "in one moment" in words(client_alice.post(where, {"name": "new"}))
    refused = words(client_alice.post(where, {"name": "new", "disk_vda": "linked"}))
    assert "not one of the available choices" in refused
    assert not Operation.objects.exists()


def test_what_is_sent_is_made(client_alice: Client, source: VirtualMachine, pool: StoragePool) -> None:
    where = f"/vms/{source.pk}/clone/"
    body = {"name": "new", "disk_vda": "copy", "pool": str(pool.pk), "start": "1"}
    answer = client_alice.post(where, body)
    made = VirtualMachine.objects.get(name="new")
    assert answer.status_code == 302 and answer["Location"] == f"/vms/{made.pk}/"
    assert "being made" in words(client_alice.get(f"/vms/{made.pk}/"))
    operation = Operation.objects.get(vm=made)
    assert operation.params["start"] and operation.params["disks"][0]["name"] == "new.qcow2"
    again = client_alice.post(where, {**body, "name": "other"})
    assert again.status_code == 400 and "asked for “Clone”" in words(again)
    Operation.objects.update(state="failed")
    assert client_alice.post(where, {"name": "new"}).status_code == 400


def test_several_are_made_at_once(client_alice: Client, source: VirtualMachine) -> None:
    where, body = f"/vms/{source.pk}/clone/", {"name": "new-#", "count": "3"}
    preview = words(client_alice.post(f"{where}preview/", body))
    assert "<bdi>new-1</bdi></strong> and 2 more" in preview and "new-1.qcow2" in preview
    refused = words(client_alice.post(where, {**body, "name": "new"}))
    assert "one #" in refused and '<details class="fold" open><summary>Several at once' in refused
    for wrong in ("101", "0", "many"):
        assert client_alice.post(where, {**body, "count": wrong}).status_code == 400
    assert not Operation.objects.exists()
    answer = client_alice.post(where, body)
    assert (answer.status_code, answer["Location"]) == (302, "/vms/")
    assert set(VirtualMachine.objects.exclude(pk=source.pk).values_list("name", flat=True)) == {
        "new-1", "new-2", "new-3",
    }  # fmt: skip
    assert "new-3" in words(client_alice.get("/vms/"))


def test_one_is_made_as_it_was_in_a_snapshot(client_alice: Client, source: VirtualMachine) -> None:
    """While it runs; what the snapshot does not hold is left out."""
    Placement.objects.filter(current_of=source).update(state="running")
    disks = [
        {"target": "vda", "how": "internal", "source": ["volume", "default/web-01.qcow2", "qcow2"], "layer": []},
        {"target": "vdb", "how": "no", "source": ["path", "/elsewhere/disk", "raw"], "layer": []},
    ]
    Snapshot.objects.create(
        placement=placed(source), name="before & after", kind="internal", state="running", has_memory=True,
        taken_at=datetime.fromtimestamp(1_700_000_000, UTC), disks=disks,
        next_boot=TEXT.replace("<memory>1048576", "<memory>2097152"),
    )  # fmt: skip
    where = f"/vms/{source.pk}/clone/?snapshot=before%20%26%20after"
    page = words(client_alice.get(where))
    assert "A new VM from “before & after” of web-01" in page
    assert "does not come along" in page and "can't be started" not in page
    assert where.replace("/clone/?", "/clone/preview/?") in page
    assert client_alice.post(where, {"name": "new", "disk_vda": "linked"}).status_code == 400
    assert client_alice.post(where, {"name": "new"}).status_code == 302
    params = Operation.objects.get().params
    assert (params["snapshot"], params["running"], params["memory_mib"]) == ("before & after", False, 2048)
    assert params["told"]["taken"] == 1_700_000_000
    assert [(disk["target"], disk["format"]) for disk in params["disks"]] == [("vda", "qcow2")]
    assert client_alice.get(f"/vms/{source.pk}/clone/?snapshot=other").status_code == 404


def test_it_is_not_offered_to_who_may_not(source: VirtualMachine, host: Host, pool: StoragePool) -> None:
    carol = User.objects.create(username="carol")
    client, where = sign_in(carol), f"/vms/{source.pk}/clone/"
    assert client.get(where).status_code == 404
    grant(carol, "editor", source)
    assert client.get(where).status_code == 403
    grant(carol, "owner", source)
    assert client.get(where).status_code == 403
    assert where not in words(client.get(f"/vms/{source.pk}/"))
    grant(carol, "creator", host)
    assert "web-01-clone" in words(client.get(where))
    assert client.post(where, {"name": "new"}).status_code == 302


def test_every_word_is_there() -> None:
    """Of the reasons, the warnings and the fields' sentences that cloning uses."""
    room = Path(__file__).parents[2] / "vms/services"
    text = "".join(path.read_text() for path in room.glob("clone*.py"))
    assert set(re.findall(r'Warning\("(\w+)"', text)) <= set(WARNINGS)
    assert set(re.findall(r'": "(clone_\w+|vm_\w+)"', text)) <= set(FIELDS)
    assert {"outside", "not_yours", "volume_runs"} <= set(CLONE_REASONS)
