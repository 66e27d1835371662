"""Asking several VMs at once: the ticked ones, or all that the list's filter finds."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.conftest import make_vm, silence
from tests.views.test_power import HX, asked
from vms.models import Host, Operation, VirtualMachine
from vms.views import bulk

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


def test_several_are_asked_at_once_and_refused_one_by_one(client_alice: Client, host: Host) -> None:
    runs, off = make_vm(host, "runs"), make_vm(host, "off", state="shut_off")
    answer = client_alice.post("/vms/bulk/pause/", {"vm": [runs.pk, off.pk], "rows": "1"}, headers=HX)
    assert answer.status_code == 409
    text = answer.content.decode()
    assert "“Pause” was refused for 1 of 2 VMs." in text
    assert "off: off is shut off" in text
    assert asked() == ["vm.pause"]


def test_harm_to_several_is_asked_before_and_names_them(client_alice: Client, host: Host) -> None:
    pks = [make_vm(host, name).pk for name in ("web-01", "web-02")]
    question = client_alice.post("/vms/bulk/force-off/", {"vm": pks}).content.decode()
    assert "Force off 2 VMs?" in question
    assert "web-01" in question and "web-02" in question
    assert asked() == []
    assert client_alice.post("/vms/bulk/force-off/", {"vm": pks, "confirmed": "1"}).status_code == 302
    assert asked() == ["vm.force-off", "vm.force-off"]


def test_bulk_with_one_that_is_not_there_asks_nothing(client_alice: Client, vm: VirtualMachine) -> None:
    assert client_alice.post("/vms/bulk/pause/", {"vm": [vm.pk, 9999]}).status_code == 404
    assert client_alice.post("/vms/bulk/pause/", {"vm": ["1; DROP"]}).status_code == 404
    assert asked() == []


@pytest.mark.parametrize("verb", ["add-screen", "start-with-networks", "explode"])
def test_bulk_knows_only_what_stands_in_the_menu(client_alice: Client, vm: VirtualMachine, verb: str) -> None:
    assert client_alice.post(f"/vms/bulk/{verb}/", {"vm": [vm.pk]}).status_code == 404


def test_bulk_of_none_says_so(client_alice: Client) -> None:
    assert "No VM is ticked." in client_alice.post("/vms/bulk/pause/", follow=True).content.decode()


def test_bulk_is_no_way_around_a_missing_right(client_mallory: Client, vm: VirtualMachine) -> None:
    assert client_mallory.post("/vms/bulk/pause/", {"vm": [vm.pk]}).status_code == 404
    assert asked() == []


def test_an_open_list_is_told_how_far_it_is(client_alice: Client, host: Host) -> None:
    pks = [make_vm(host, f"web-{number}").pk for number in range(3)]
    answer = client_alice.post("/vms/bulk/pause/", {"vm": pks, "rows": "1"}, headers=HX)
    batch = Operation.objects.first().batch  # type: ignore[union-attr]
    text = answer.content.decode()
    assert "“Pause”: 0 of 3 done." in text
    assert f'data-fragment="/vms/batches/{batch}"' in text
    assert f'href="/activity/?batch={batch}"' in text
    first, second, third = Operation.objects.order_by("pk")
    Operation.objects.filter(pk=first.pk).update(state="succeeded")
    Operation.objects.filter(pk=second.pk).update(state="failed", error_code="host_refused")
    now = client_alice.get(f"/vms/batches/{batch}").content.decode()
    assert "“Pause”: 1 of 3 done." in now
    assert "web-1" in now and "The host refused." in now
    assert 'data-live="op:*"' in now
    Operation.objects.filter(pk=third.pk).update(state="succeeded")
    assert "data-live" not in client_alice.get(f"/vms/batches/{batch}").content.decode()


def test_beyond_a_few_failures_are_counted(client_alice: Client, host: Host) -> None:
    pks = [make_vm(host, f"web-{number}").pk for number in range(8)]
    client_alice.post("/vms/bulk/pause/", {"vm": pks})
    Operation.objects.update(state="failed", error_code="host_refused")
    batch = Operation.objects.first().batch  # type: ignore[union-attr]
    text = client_alice.get(f"/vms/batches/{batch}").content.decode()
    assert text.count("The host refused.") == 5
    assert "and 3 more" in text


def test_without_a_script_it_leads_to_its_activity(client_alice: Client, host: Host) -> None:
    pks = [make_vm(host, name).pk for name in ("web-01", "web-02")]
    make_vm(host, "beside")
    answer = client_alice.post("/vms/bulk/pause/", {"vm": pks}, follow=True)
    assert answer.redirect_chain[-1][0] == f"/activity/?batch={Operation.objects.first().batch}"  # type: ignore[union-attr]
    text = answer.content.decode()
    assert "“Pause”: 0 of 2 done." in text and "web-01" in text


@pytest.mark.parametrize("batch", ["x", "00000000-0000-0000-0000-000000000000", "' OR 1=1", "1"])
def test_a_batch_that_is_none_is_not_there(client_alice: Client, batch: str) -> None:
    assert client_alice.get("/activity/", {"batch": batch}).status_code == 404


def test_nobody_is_told_of_a_batch_that_he_may_not_see(
    client_alice: Client, client_mallory: Client, vm: VirtualMachine
) -> None:
    client_alice.post("/vms/bulk/pause/", {"vm": [vm.pk]})
    batch = Operation.objects.get().batch
    assert client_mallory.get(f"/vms/batches/{batch}").status_code == 404
    assert client_mallory.get(f"/activity/?batch={batch}").status_code == 404


def filtered(**fields: str) -> dict[str, str]:
    return {"q": "", "state": "", "host": "", **fields}


def test_all_of_a_filter_are_asked_also_those_of_other_pages(client_alice: Client, host: Host) -> None:
    for number in range(60):
        make_vm(host, f"web-{number:02}")
    make_vm(host, "db")
    make_vm(host, "web-off", state="shut_off")
    client_alice.post("/vms/bulk/pause/", filtered(all="60", q="web", state="running"), headers=HX)
    assert len(asked()) == 60


def test_a_list_that_has_changed_since_is_not_asked(client_alice: Client, host: Host) -> None:
    make_vm(host, "web-01")
    answer = client_alice.post("/vms/bulk/pause/", filtered(all="2"), headers=HX)
    assert answer.status_code == 409
    assert "it has 1 VM now" in answer.content.decode()
    assert asked() == []


def test_the_question_brings_the_filter_back(client_alice: Client, host: Host) -> None:
    for number in range(3):
        make_vm(host, f"web-{number}")
    question = client_alice.post("/vms/bulk/force-off/", filtered(all="3", q="web")).content.decode()
    assert "Force off 3 VMs?" in question
    assert 'name="all" value="3"' in question and 'name="q" value="web"' in question
    assert 'name="vm"' not in question
    client_alice.post("/vms/bulk/force-off/", filtered(all="3", q="web", confirmed="1"))
    assert len(asked()) == 3


@pytest.mark.parametrize(
    "sent",
    [{"all": "x"}, {"all": "-1"}, {"all": "1", "host": "x"}, {"all": "1", "state": "owned"}, {"all": "9" * 30}],
)
def test_a_filter_that_is_none_finds_nothing(client_alice: Client, vm: VirtualMachine, sent: dict[str, str]) -> None:
    assert client_alice.post("/vms/bulk/pause/", filtered(**sent)).status_code == 404
    assert asked() == []


def test_too_many_are_refused_in_words(client_alice: Client, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "MOST_AT_ONCE", 2)
    for number in range(3):
        make_vm(host, f"web-{number}")
    answer = client_alice.post("/vms/bulk/pause/", filtered(all="3"), headers=HX)
    assert "2 at once is the most" in answer.content.decode()
    assert asked() == []


def test_those_on_silent_hosts_may_wait(client_alice: Client, host: Host) -> None:
    heard = Host.objects.create(name="host-b", node="node-b", heard_at=host.heard_at)
    silent = [make_vm(host, name).pk for name in ("one", "two")]
    silence(host)
    answer = client_alice.post("/vms/bulk/pause/", {"vm": [*silent, make_vm(heard, "three").pk]}, headers=HX)
    text = answer.content.decode()
    assert "“Pause” was refused for 2 of 3 VMs." in text
    assert "Do it for these 2 when their hosts answer" in text
    assert len(asked()) == 1
    client_alice.post("/vms/bulk/pause/", {"vm": silent, "when_silent": "wait"}, headers=HX)
    assert Operation.objects.exclude(waits_until=None).count() == 2
    batch = Operation.objects.exclude(waits_until=None).first()
    assert batch and "2 wait for their hosts." in client_alice.get(f"/vms/batches/{batch.batch}").content.decode()
