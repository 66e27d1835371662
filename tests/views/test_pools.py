"""Storage on pages and by the API: what is shown to whom, what a form takes, and what is asked before."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.test import Client

from tests.conftest import make_vm, sign_in
from tests.grants import grant
from tests.views.test_grants import read
from vms.kinds import KINDS
from vms.models import AuditEvent, Document, Host, Network, Operation, StoragePool, User, VirtualMachine, Volume
from vms.permissions import Actor
from vms.services import operations, pools

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
SECRET = "canary-of-a-chap-password"
SAN = {
    "name": "san", "server": "san.example", "target": "iqn.2026-01.example:vms",
    "initiator": "iqn.2026-01.example:host-a", "user": "kvm", "chap_password": SECRET,
}  # fmt: skip


def make(host: Host, name: str = "fast", **fields: Any) -> StoragePool:
    made = {"type": "dir", "path": f"/srv/{name}", "active": True, "capacity_bytes": 100 << 30, **fields}
    return StoragePool.objects.create(
        host=host, uuid=uuid.uuid4(), name=name, available_bytes=25 << 30, allocation_bytes=70 << 30, **made
    )


def test_the_list_is_over_all_hosts_and_is_searched(client_alice: Client, host: Host) -> None:
    other = Host.objects.create(name="host-b")
    make(host)
    make(other, "slow", active=False)
    shown = read(client_alice, "/pools/")
    assert "fast" in shown and "slow" in shown and "25 GiB free of 100 GiB" in shown
    assert "slow" not in read(client_alice, f"/pools/?host={host.pk}")
    assert "fast" not in read(client_alice, "/pools/?q=host-b")
    assert "No storage pool is like that." in read(client_alice, "/pools/?q=nothing")
    for strange in ("x", "-1", "999999999999999999999", "\u0661"):
        assert client_alice.get("/pools/", {"host": strange, "page": strange}).status_code == 200


def test_who_uses_one_pool_sees_that_one(mallory: User, host: Host) -> None:
    mine, hers = make(host), make(host, "hers")
    browser = sign_in(mallory)
    assert "no storage here" in read(browser, "/pools/")
    grant(mallory, "operator", mine)
    assert "hers" not in read(browser, "/pools/") and "fast" in read(browser, "/pools/")
    page = browser.get(f"/pools/{mine.pk}/").content.decode()
    assert "Refresh" in page and "Delete" not in page and "Definition" not in page
    assert browser.get(f"/pools/{hers.pk}/").status_code == 404
    assert f'href="/hosts/{host.pk}/"' not in page


def test_a_page_says_how_full_it_is_and_what_is_one_with_it(client_alice: Client, host: Host) -> None:
    pool = make(host, document="<pool type='dir'><name>fast</name></pool>")
    other = Host.objects.create(name="host-b")
    make(other, "the-same", storage=pool.storage)
    shown = read(client_alice, f"/pools/{pool.pk}/")
    assert "75 %" in shown and "the-same on host-b" in shown and "&lt;pool type=" in shown
    StoragePool.objects.filter(pk=pool.pk).update(active=False)
    assert "Not known while it is stopped." in read(client_alice, f"/pools/{pool.pk}/")


def test_its_buttons_ask(client_alice: Client, host: Host) -> None:
    pool = make(host)
    assert client_alice.post(f"/pools/{pool.pk}/refresh/").status_code == 302
    Operation.objects.all().delete()
    assert client_alice.post(f"/pools/{pool.pk}/autostart/", {"enabled": "true"}).status_code == 302
    assert Operation.objects.get().params == {"enabled": True}
    # The lock of the first: said on the page, not raised.
    assert client_alice.post(f"/pools/{pool.pk}/start/").status_code == 302
    assert "is not done" in read(client_alice, f"/pools/{pool.pk}/")
    Operation.objects.all().delete()
    assert "Until it is started again" in client_alice.get(f"/pools/{pool.pk}/stop/").content.decode()
    assert client_alice.post(f"/pools/{pool.pk}/stop/").status_code == 200
    assert not Operation.objects.exists()
    client_alice.post(f"/pools/{pool.pk}/stop/", {"confirmed": "1"})
    assert Operation.objects.get().kind == "pool.stop"


def test_deleting_names_what_is_inside_and_wants_the_name(client_alice: Client, host: Host, vm: VirtualMachine) -> None:
    pool = make(host)
    volume = Volume.objects.create(storage=pool.storage, name="disk-of-web", allocation_bytes=3 << 30)
    volume.vms.add(vm)
    where = f"/pools/{pool.pk}/delete/"
    shown = client_alice.get(where).content.decode()
    assert "1 volume is in it, 3 GiB." in shown and "disk-of-web" in shown and vm.name in shown
    attempts: tuple[dict[str, str], ...] = (
        {},
        {"inside": "keep", "name": "another"},
        {"inside": "all", "name": "fast"},
        {"name": "fast"},
    )
    for wrong in attempts:
        assert client_alice.post(where, wrong).status_code == 400
    assert client_alice.post(where, {"inside": "wipe", "name": "fast"})["Location"] == f"/pools/{pool.pk}/"
    assert f"{vm.name} needs something in fast" in read(client_alice, f"/pools/{pool.pk}/")
    assert not Operation.objects.exists()
    assert client_alice.post(where, {"inside": "keep", "name": "fast"}).status_code == 302
    assert Operation.objects.get().params == {"wipe": False}


@pytest.mark.parametrize("type", ["dir", "fs", "netfs", "disk", "logical", "iscsi-direct", "rbd", "zfs", "nonsense"])
def test_each_type_is_asked_only_what_it_needs(client_alice: Client, host: Host, type: str) -> None:
    answer: Any = client_alice.get(f"/pools/add/?host={host.pk}&type={type}")
    assert answer.status_code == 200
    names = [field.name for field in answer.context["form"].fields]
    assert names == {
        "dir": ["name", "path"],
        "disk": ["name", "device", "format"],
        "rbd": ["name", "monitors", "pool", "user", "ceph_key"],
        "zfs": ["document"],
    }.get(type, names)
    sent: Any = client_alice.post(f"/pools/add/?host={host.pk}&type={type}", {})
    assert sent.status_code == 200 and not Operation.objects.exists()
    assert all(field.error for field in sent.context["form"].fields if field.name in ("name", "path", "document"))


def test_a_pool_is_asked_for_and_its_secret_is_nowhere_to_be_seen(client_alice: Client, host: Host) -> None:
    where = f"/pools/add/?host={host.pk}&type=iscsi-direct"
    shown: Any = client_alice.post(where, {**SAN, "do": "preview", "target": "no name"})
    assert shown.status_code == 200 and SECRET not in shown.content.decode()
    previewed: Any = client_alice.post(where, {**SAN, "do": "preview"})
    assert "chap" in previewed.context["preview"] and SECRET not in previewed.content.decode()
    assert not Operation.objects.exists()
    asked = client_alice.post(where, {**SAN, "autostart": "on"})
    operation = Operation.objects.get()
    assert asked["Location"] == f"/operations/{operation.pk}/"
    assert operation.params["spec"]["user"] == "kvm" and operation.params["autostart"] is True
    assert operation.sealed and SECRET not in str(Operation.objects.values_list().get())
    assert SECRET not in str(list(AuditEvent.objects.values_list()))
    assert SECRET not in client_alice.get(f"/operations/{operation.pk}/").content.decode()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"user": ""}, "user"),
        ({"chap_password": ""}, "chap_password"),
        ({"chap_password": "x" * 5000}, "chap_password"),
    ],
)
def test_a_user_and_his_secret_come_together(
    client_alice: Client, host: Host, change: dict[str, str], field: str
) -> None:
    answer: Any = client_alice.post(f"/pools/add/?host={host.pk}&type=iscsi-direct", {**SAN, **change})
    assert [each.name for each in answer.context["form"].fields if each.error] == [field]


def test_a_folder_of_the_system_is_typed_twice(client_alice: Client, host: Host) -> None:
    where, wish = f"/pools/add/?host={host.pk}&type=dir", {"name": "jobs", "path": "/etc/cron.d"}
    shown = client_alice.post(where, wish).content.decode()
    assert "root on the host" in shown and 'name="confirmed"' in shown
    assert client_alice.post(where, {**wish, "confirmed": "/etc"}).status_code == 200
    assert not Operation.objects.exists()
    assert client_alice.post(where, {**wish, "confirmed": "/etc/cron.d"}).status_code == 302


def test_our_own_state_folder_is_one_of_the_systems(client_alice: Client, host: Host, settings: Any) -> None:
    path = str(settings.ENVIRONMENT.state.root / "db")
    answer = client_alice.post(f"/pools/add/?host={host.pk}&type=dir", {"name": "ours", "path": path})
    assert answer.status_code == 200 and not Operation.objects.exists()


def test_what_a_host_found_fills_the_form(client_alice: Client, alice: User, host: Host) -> None:
    answer = client_alice.post("/pools/find/", {"host": host.pk, "type": "netfs", "server": "nas"})
    search = Operation.objects.get()
    assert search.kind == "pool.discover" and f"found={search.pk}" in answer["Location"]
    assert "The host is looking" in client_alice.get(answer["Location"]).content.decode()
    found = {"sources": [{"server": "nas", "export": "/vms <b>"}]}
    Operation.objects.update(state="succeeded", result=found, ended_at="2026-01-01T00:00:00Z")
    page: Any = client_alice.get(answer["Location"])
    [(words, query)] = page.context["found"]
    assert words == "nas · /vms <b>" and "<b>" not in page.content.decode().split("<main")[1]
    filled: Any = client_alice.get(f"/pools/add/?{query}")
    values = {field.name: field.value for field in filled.context["form"].fields}
    assert (values["server"], values["export"]) == ("nas", "/vms <b>")
    assert client_alice.post("/pools/find/", {"host": host.pk, "type": "netfs", "server": "-o"}).status_code == 302
    assert client_alice.post("/pools/find/", {"host": "x", "type": "netfs"}).status_code == 302
    assert Operation.objects.count() == 1


def test_secrets_are_set_and_told_with_who_uses_them(client_alice: Client, host: Host) -> None:
    where = f"/hosts/{host.pk}/secrets/"
    assert "The host keeps none." in read(client_alice, where)
    known = str(uuid.uuid4())
    Host.objects.filter(pk=host.pk).update(
        facts={"secrets": [{"uuid": known, "usage": "ceph", "name": "admin", "private": True}]}
    )
    assert "nothing on this host names it" in read(client_alice, where)
    make(host, "ceph", document=f"<pool><source><auth><secret uuid='{known}'/></auth></source></pool>")
    assert "used by ceph" in read(client_alice, where)
    assert client_alice.post(where, {"usage": "x", "name": "", "value": ""}).status_code == 200
    assert client_alice.post(where, {"usage": "ceph", "name": "new", "value": SECRET}).status_code == 302
    assert SECRET not in str(Operation.objects.values_list().get())
    assert client_alice.post(f"{where}{known}/delete/").status_code == 200
    assert client_alice.post(f"{where}{known}/delete/", {"confirmed": "1"}).status_code == 302
    assert Operation.objects.filter(kind="secret.delete", params={"uuid": known}).exists()


def test_who_sees_a_host_is_not_told_of_its_secrets(mallory: User, host: Host) -> None:
    Host.objects.filter(pk=host.pk).update(facts={"cpus": 2, "secrets": [{"name": "canary"}]})
    grant(mallory, "viewer", host)
    answer = sign_in(mallory).get(f"/api/v1/hosts/{host.pk}")
    assert answer.json()["facts"] == {"cpus": 2}


def test_an_operation_leads_to_its_pool_as_long_as_that_is_there(client_alice: Client, alice: User, host: Host) -> None:
    pool = make(host)
    operations.request(KINDS["pool.refresh"], pool, actor=Actor(alice))
    link = f'<a href="/pools/{pool.pk}/">'
    assert link in client_alice.get("/activity/").content.decode()
    assert link in client_alice.get(f"/operations/{Operation.objects.get().pk}/").content.decode()
    StoragePool.objects.update(present=False)
    assert link not in client_alice.get("/activity/").content.decode()


def test_the_same_key_is_the_same_pool(alice: User, host: Host) -> None:
    wish = {"type": "dir", "name": "fast", "path": "/srv/fast"}
    first = pools.define(Actor(alice), host, wish, {}, key="k")
    make(host)
    assert pools.define(Actor(alice), host, wish, {}, key="k").pk == first.pk


def test_disks_in_no_pool_are_shown_with_their_vm(client_alice: Client, host: Host) -> None:
    vm = make_vm(host, "old-one")
    Document.objects.filter(placement__vm=vm).update(sources=[["path", "/home/me/x.qcow2", "qcow2"]])
    shown = client_alice.get(f"/pools/?host={host.pk}").content.decode()
    assert "/home/me/x.qcow2" in shown and "not in a pool" in shown
    StoragePool.objects.create(host=host, uuid=uuid.UUID(int=9), name="mine", path="/home/me")
    assert "/home/me/x.qcow2" not in client_alice.get(f"/pools/?host={host.pk}").content.decode()
    assert "/home/me/x.qcow2" not in client_alice.get("/pools/").content.decode()


def test_two_pools_are_said_to_be_one_storage_and_two_again(client_alice: Client, host: Host) -> None:
    pool, san = make(host), make(host, "san", type="iscsi-direct")
    other = make(Host.objects.create(name="host-b"), "the-same")
    where = f"/pools/{pool.pk}/join/"
    assert "by itself" not in read(client_alice, f"/pools/{pool.pk}/")
    asked = client_alice.get(where).content.decode()
    assert "host-b · the-same · /srv/the-same" in asked and f'value="{san.pk}"' not in asked
    for wrong in ("", "x", str(san.pk), str(pool.pk)):
        assert client_alice.post(where, {"pool": wrong}).status_code == 400
    Volume.objects.create(storage=pool.storage, name="disk")
    assert client_alice.post(where, {"pool": other.pk})["Location"] == f"/pools/{pool.pk}/"
    assert "disk is not the same in fast and in the-same" in read(client_alice, f"/pools/{pool.pk}/")
    Volume.objects.create(storage=other.storage, name="disk")
    client_alice.post(where, {"pool": other.pk})
    shown = read(client_alice, f"/pools/{pool.pk}/")
    assert "the-same on host-b" in shown and "as somebody said here" in shown and "A storage by itself" in shown
    where = f"/pools/{pool.pk}/separate/"
    assert client_alice.post(where).status_code == 200
    assert "on host-b" in read(client_alice, f"/pools/{pool.pk}/")
    assert client_alice.post(where, {"confirmed": "1"})["Location"] == f"/pools/{pool.pk}/"
    assert "on host-b" not in read(client_alice, f"/pools/{pool.pk}/")


def test_programs_say_it_too(client_alice: Client, host: Host) -> None:
    pool, other = make(host), make(Host.objects.create(name="host-b"))

    def post(verb: str, body: dict[str, Any]) -> Any:
        return client_alice.post(f"/api/v1/pools/{pool.pk}/{verb}", body, content_type="application/json")

    joined = post("join", {"pool": other.pk})
    assert (joined.status_code, joined.json()["storage_by_hand"]) == (200, True)
    assert joined.json()["storage"] == client_alice.get(f"/api/v1/pools/{other.pk}").json()["storage"]
    assert post("join", {"pool": other.pk}).json()["code"] == "bad_fields"
    assert post("join", {"pool": 2**63}).status_code == 422
    assert post("separate", {}).json()["storage_by_hand"] is False
    assert post("separate", {}).json()["code"] == "pool_alone"


def test_programs_let_a_host_look_and_read_what_it_found(client_alice: Client, host: Host) -> None:
    where = f"/api/v1/hosts/{host.pk}/pools/discover"
    assert client_alice.get(where).json() == {"operation": None, "state": "", "type": "", "sources": []}
    asked = client_alice.post(where, {"type": "netfs", "server": "nas"}, content_type="application/json")
    number = asked.json()["operation"]["id"]
    assert asked.status_code == 202
    assert client_alice.get(where).json() == {"operation": number, "state": "queued", "type": "netfs", "sources": []}
    found = {"sources": [{"server": "nas", "export": "/vms", "strange": "x"}]}
    Operation.objects.update(state="succeeded", result=found)
    sources = [{"server": "nas", "export": "/vms"}]
    assert client_alice.get(f"{where}?operation={number}").json()["sources"] == sources
    assert client_alice.get(f"{where}?operation={number + 1}").json()["operation"] is None
    wishes: tuple[dict[str, str], ...] = ({"type": "rbd"}, {"type": "netfs", "server": "-o"}, {"kind": "netfs"})
    for wrong in wishes:
        assert client_alice.post(where, wrong, content_type="application/json").status_code == 422


def test_programs_list_what_is_a_hosts_own(client_alice: Client, mallory: User, host: Host) -> None:
    other = Host.objects.create(name="host-b")
    mine, hers, _ = make(host), make(host, "hers"), make(other, "elsewhere")
    for number, each in enumerate((host, host, other)):
        Network.objects.create(host=each, uuid=uuid.UUID(int=number), name=f"net-{number}")
    grant(mallory, "viewer", host)
    grant(mallory, "operator", mine)

    def names(browser: Client, noun: str) -> list[str]:
        return [item["name"] for item in browser.get(f"/api/v1/hosts/{host.pk}/{noun}").json()["items"]]

    assert names(client_alice, "pools") == ["fast", hers.name] and names(sign_in(mallory), "pools") == ["fast"]
    assert names(client_alice, "networks") == ["net-0", "net-1"] and names(sign_in(mallory), "networks") == []
