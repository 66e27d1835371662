"""Networks and filters on a host that exists in this process: what is done, what is undone, what is told."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.fakehost import info
from tests.operations.conftest import Stage
from vms.errors import BadFields, HostRefused, NetworkInUse, NetworkMismatch, NetworkTaken, NotAllowed, SubnetTaken
from vms.kinds import KINDS, Autostart, Params
from vms.kinds.networks import Change, Definition, FilterDocument, FixedAddress, Identity, Mac
from vms.libvirtxml import NetworkXML, made_network, read_network
from vms.models import Document, Network, Operation, User
from vms.operations import networks as ways
from vms.operations.verdicts import is_gone
from vms.operations.way import Verdict
from vms.permissions import Actor
from vms.services import networks, operations
from vms.virt import FilterInfo, NetworkInfo

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
Done = Callable[[Operation], Operation]
SPEC = {
    "name": "lab",
    "mode": "nat",
    "ipv4": "192.168.50.1/24",
    "dhcp4_start": "192.168.50.2",
    "dhcp4_end": "192.168.50.9",
}
MAC = "52:54:00:00:00:77"
FILTER = "<filter name='mine' chain='ipv4'/>"


@pytest.fixture
def network(stage: Stage) -> Network:
    """A private network that runs."""
    text = made_network(read_network(SPEC))
    made = Network.objects.create(
        host=stage.host, uuid=uuid.uuid4(), name="lab", mode="nat", active=True, document=text, live_document=text
    )
    told = NetworkInfo(str(made.uuid), "lab", True, False, mode="nat", document=text, live_document=text)
    stage.fake.networks[told.uuid] = told
    return made


def define(stage: Stage, spec: dict[str, Any], **more: Any) -> Operation:
    return operations.request(
        KINDS["network.define"], stage.host, actor=stage.actor, params=Definition(spec, **more)
    )  # fmt: skip


def ask(stage: Stage, network: Network, verb: str, params: Params | None = None) -> Operation:
    return operations.request(KINDS[f"network.{verb}"], network, actor=stage.actor, params=params)


def test_a_network_is_defined_started_and_set_to_start_with_its_host(stage: Stage, done: Done) -> None:
    assert done(define(stage, SPEC)).state == "succeeded"
    assert stage.fake.calls == ["define", "start network", "autostart True"]
    [made] = stage.fake.networks.values()
    assert made.document == made_network(read_network(SPEC))


@pytest.mark.parametrize("step", ["start network", "autostart True"])
def test_a_step_that_fails_leaves_nothing(stage: Stage, done: Done, step: str) -> None:
    stage.fake.fail[step] = HostRefused("no")
    operation = done(define(stage, SPEC))
    assert (operation.state, operation.error_code, operation.details) == ("failed", "host_refused", "no")
    assert not stage.fake.networks


def test_a_name_and_a_subnet_that_are_taken_are_refused_before_and_by_the_worker(
    stage: Stage, done: Done, network: Network
) -> None:
    meets = {**SPEC, "name": "other", "ipv4": "192.168.50.33/28", "dhcp4_start": "", "dhcp4_end": ""}
    with pytest.raises(NetworkTaken):
        networks.define(stage.actor, stage.host, SPEC)
    with pytest.raises(SubnetTaken):
        networks.define(stage.actor, stage.host, meets)
    assert done(define(stage, SPEC)).error_code == "network_taken"
    assert done(define(stage, meets)).error_code == "subnet_taken"
    assert done(define(stage, {**SPEC, "ipv4": "x"})).error_code == "bad_fields"
    assert stage.fake.calls == []


@pytest.mark.parametrize(
    ("verb", "params", "calls", "active"),
    [
        ("start", None, ["start network"], False),
        ("start", None, [], True),
        ("stop", None, ["stop network"], True),
        ("restart", None, ["stop network", "start network"], True),
        ("autostart", Autostart(True), ["autostart True"], True),
        ("delete", None, ["stop network", "undefine"], True),
        ("delete", None, ["undefine"], False),
    ],
)
def test_it_is_done_once_and_seen(
    stage: Stage, done: Done, network: Network, verb: str, params: Params | None, calls: list[str], active: bool
) -> None:
    stage.fake.domains.clear() if verb == "delete" else None
    stage.fake.networks[str(network.uuid)] = replace(stage.fake.networks[str(network.uuid)], active=active)
    stage.sync = lambda: None  # type: ignore[method-assign]
    operation = done(ask(stage, network, verb, params))
    assert (operation.state, stage.fake.calls) == ("succeeded", calls)


def test_it_is_not_deleted_while_the_definition_of_a_vm_names_it(stage: Stage, done: Done, network: Network) -> None:
    there = info("user", identity=str(uuid.uuid4()))
    stage.fake.add(replace(there, next_boot_xml=there.next_boot_xml.replace("'default'", "'lab'")))
    operation = done(ask(stage, network, "delete"))
    assert (operation.error_code, operation.error_params) == ("network_in_use", {"name": "lab", "vm": "user"})
    assert stage.fake.calls == []
    card = {"type": "network", "source": "lab", "mac": MAC}
    Document.objects.update_or_create(placement=stage.vm.placement, defaults={"facts": {"interfaces": [card]}})
    with pytest.raises(NetworkInUse):
        networks.delete(stage.actor, network)


def test_a_change_is_made_in_the_document_that_is_there(stage: Stage, done: Done, network: Network) -> None:
    known = stage.fake.networks[str(network.uuid)]
    stage.fake.networks[known.uuid] = replace(
        known, document=known.document.replace("<forward", "<!-- mine --><forward")
    )
    operation = done(networks.edit(stage.actor, network, {"domain": "lab.example"}))
    assert operation.state == "succeeded"
    text = stage.fake.networks[known.uuid].document
    assert "<!-- mine -->" in text and "lab.example" in text
    assert "network_waits" in [line.code for line in operation.log.all()]


def test_what_cannot_be_changed_is_refused(stage: Stage, done: Done, network: Network) -> None:
    for changes in ({"name": "x"}, {"mode": "open"}, {"ipv4": "x"}, {"colour": "red"}):
        with pytest.raises(BadFields):
            networks.edit(stage.actor, network, changes)
    assert done(ask(stage, network, "edit", Change({"name": "x"}))).error_code == "bad_fields"
    network.document = network.document.replace("nat", "hostdev")
    with pytest.raises(NetworkMismatch):
        networks.edit(stage.actor, network, {"domain": "a"})


def test_an_address_is_fixed_and_let_go(stage: Stage, done: Done, network: Network) -> None:
    given = {"mac": MAC.upper(), "address": "192.168.50.7", "name": "seven"}
    assert done(networks.add_lease(stage.actor, network, given)).state == "succeeded"
    [lease] = NetworkXML.parse(stage.fake.networks[str(network.uuid)].document).leases
    assert (lease.mac, lease.address, lease.name) == (MAC, "192.168.50.7", "seven")
    again = ask(stage, network, "add-lease", FixedAddress(MAC, "192.168.50.8"))
    assert done(again).error_code == "bad_fields"
    assert done(networks.remove_lease(stage.actor, network, MAC)).state == "succeeded"
    assert done(ask(stage, network, "remove-lease", Mac(MAC))).error_code == "not_found"


def test_nobody_else_does_it(stage: Stage, network: Network, mallory: User) -> None:
    for kind in KINDS.values():
        if kind.target == "network":
            with pytest.raises(NotAllowed):
                operations.request(kind, network, actor=Actor(mallory))


def test_a_filter_replaces_the_one_of_its_name_and_goes_when_nothing_needs_it(stage: Stage, done: Done) -> None:
    stage.fake.filters["u-1"] = FilterInfo("u-1", "mine", "<filter name='mine'/>")
    stage.fake.filters["u-2"] = FilterInfo("u-2", "more", "<filter name='more'><filterref filter='mine'/></filter>")
    assert done(stage.ask("filter.define", FilterDocument(FILTER))).state == "succeeded"
    assert set(stage.fake.filters) == {"u-1", "u-2"} and "ipv4" in stage.fake.filters["u-1"].document
    operation = done(stage.ask("filter.delete", Identity("u-1")))
    assert (operation.error_code, operation.error_params) == ("filter_in_use", {"name": "mine", "user": "more"})
    assert done(stage.ask("filter.delete", Identity("u-2"))).state == "succeeded"
    assert done(stage.ask("filter.delete", Identity("u-1"))).state == "succeeded"
    assert done(stage.ask("filter.define", FilterDocument("<network/>"))).error_code == "bad_fields"


def test_what_is_seen_decides_where_nobody_saw_the_end() -> None:
    there, gone = {"there": True, "active": True}, {"there": False, "active": False}
    stopped = {"there": True, "active": False}
    assert ways.is_made(gone, there) is Verdict.DONE and ways.is_made(gone, gone) is Verdict.UNDONE
    assert ways.is_made(there, there) is Verdict.UNKNOWN
    assert is_gone(there, gone) is Verdict.DONE and is_gone(there, stopped) is Verdict.UNKNOWN
    assert is_gone(there, there) is Verdict.UNDONE
    assert ways.is_restarted(there, there) is Verdict.UNKNOWN and ways.is_restarted(there, stopped) is Verdict.UNDONE
    assert ways.is_restarted(stopped, there) is Verdict.DONE
    said = {"spec": {"domain": "a"}, "params": {"changes": {"domain": "a"}}}
    assert ways.says_so({}, said) is Verdict.DONE
    assert ways.says_so({}, {**said, "spec": {"domain": ""}}) is Verdict.UNDONE
    assert ways.is_defined({"document": "a"}, {"document": "a"}) is Verdict.UNKNOWN
    assert ways.is_defined({"document": ""}, {"document": "a"}) is Verdict.DONE
