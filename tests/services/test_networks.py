"""Who is told what of a network: cards and leases of VMs that he may see, and of others how many there are."""

from __future__ import annotations

import uuid

import pytest

from tests.conftest import make_vm
from tests.grants import grant
from vms.libvirtxml import NetworkXML, fix_lease, made_network, read_lease, read_network
from vms.models import Document, Host, Network, User, VirtualMachine
from vms.services import networks

pytestmark = pytest.mark.django_db
MINE, OTHERS, NOBODYS = (f"52:54:00:00:00:0{number}" for number in (1, 2, 3))
SPEC = {"name": "lab", "mode": "nat", "ipv4": "192.168.50.1/24"}


SIX = {"ipv6": "fd00:5::1/64", "dhcp6_start": "fd00:5::100", "dhcp6_end": "fd00:5::1ff"}
DUID = "00:03:00:01:52:54:00:aa:00:01"


KEPT = (
    "<domain><devices><interface type='network'><mac address='{mac}'/><source network='{network}'/></interface>"
    "</devices></domain>"
)


def card(vm: VirtualMachine, mac: str) -> None:
    facts = {"interfaces": [{"type": "network", "source": "lab", "mac": mac.upper()}]}
    kept = KEPT.format(network="lab", mac=mac)
    document = {"facts": facts, "live_sha256": "1", "live": kept, "next_boot": kept}
    Document.objects.update_or_create(placement=vm.placement, defaults=document)


@pytest.fixture
def network(host: Host) -> Network:
    """Two VMs of three leases, one of them fixed."""
    document = NetworkXML.parse(made_network(read_network(SPEC)))
    fix_lease(document, read_lease({"mac": OTHERS, "address": "192.168.50.2"}, document))
    leases = [
        {"mac": mac, "address": f"192.168.50.{number}", "name": ""}
        for number, mac in enumerate((MINE, OTHERS, NOBODYS), start=1)
    ]
    card(make_vm(host, "mine"), MINE)
    card(make_vm(host, "others"), OTHERS)
    return Network.objects.create(
        host=host, uuid=uuid.uuid4(), name="lab", mode="nat", active=True, document=document.text,
        live_document=document.text, leases=leases,
    )  # fmt: skip


def test_an_administrator_sees_all_with_their_vms(alice: User, network: Network) -> None:
    users, hidden = networks.users(alice, network)
    assert [(user.vm.name, user.mac, user.addresses) for user in users] == [
        ("mine", MINE, ("192.168.50.1",)), ("others", OTHERS, ("192.168.50.2",)),
    ]  # fmt: skip
    assert hidden == 0
    leases, hidden = networks.leases(alice, network)
    assert [(each.mac, each.fixed, each.active, each.vm and each.vm.name) for each in leases] == [
        (OTHERS, True, True, "others"), (MINE, False, True, "mine"), (NOBODYS, False, True, None),
    ]  # fmt: skip
    assert hidden == 0


def test_a_card_is_told_by_when_it_is_connected(alice: User, network: Network) -> None:
    def told(**columns: object) -> list[tuple[str, bool, bool, tuple[str, ...]]]:
        Document.objects.filter(placement__vm__name="mine").update(**columns)
        return [
            (user.mac, user.now, user.later, user.addresses)
            for user in networks.users(alice, network)[0]
            if user.vm.name == "mine"
        ]

    given = ("192.168.50.1",)
    assert told() == [(MINE, True, True, given)]
    assert told(next_boot="") == [(MINE, True, False, given)]
    assert told(next_boot=KEPT.format(network="other", mac=MINE)) == [(MINE, True, False, given)]
    assert told(next_boot=KEPT.format(network="lab", mac=NOBODYS)) == [
        (MINE, True, False, given), (NOBODYS, False, True, ()),
    ]  # fmt: skip
    assert told(live="", live_sha256="") == [(MINE, False, True, ())]


def test_another_sees_those_of_his_vms_and_how_many_more(mallory: User, network: Network) -> None:
    grant(mallory, "operator", network)
    assert networks.users(mallory, network) == ([], 2)
    assert networks.leases(mallory, network) == ([], 3)
    grant(mallory, "viewer", VirtualMachine.objects.get(name="mine"))
    users, hidden = networks.users(mallory, network)
    assert ([user.vm.name for user in users], hidden) == (["mine"], 1)
    leases, hidden = networks.leases(mallory, network)
    assert ([(each.mac, each.vm and each.vm.name) for each in leases], hidden) == ([(MINE, "mine")], 2)


def test_who_may_fix_addresses_sees_those_and_none_of_a_vm_that_he_does_not_see(
    mallory: User, network: Network
) -> None:
    grant(mallory, "owner", network)
    leases, hidden = networks.leases(mallory, network)
    assert [(each.mac, each.fixed, each.vm) for each in leases] == [(OTHERS, True, None), (NOBODYS, False, None)]
    assert hidden == 1


def test_an_address_of_ipv6_is_told_with_its_duid_and_whose_it_is(alice: User, network: Network) -> None:
    document = NetworkXML.parse(made_network(read_network({**SPEC, **SIX})))
    for name in ("mine", "nobodys"):
        fix_lease(document, read_lease({"name": name, "address": f"fd00:5::{len(name)}"}, document))
    given = [
        {"mac": MINE, "address": "fd00:5::4", "name": "mine", "duid": DUID},
        {"mac": "", "address": "fd00:5::9", "name": "", "duid": DUID},
    ]
    Network.objects.filter(pk=network.pk).update(document=document.text, leases=given)
    network.refresh_from_db()
    leases, _ = networks.leases(alice, network)
    assert [(each.address, each.duid, each.fixed, each.active, each.vm and each.vm.name) for each in leases] == [
        ("fd00:5::4", "", True, True, "mine"), ("fd00:5::7", "", True, False, None),
        ("fd00:5::9", DUID, False, True, None),
    ]  # fmt: skip
    assert [user.addresses for user in networks.users(alice, network)[0]] == [("fd00:5::4",), ()]


def test_what_waits_for_a_restart_is_told_by_its_field(network: Network) -> None:
    assert networks.waiting(network) == []
    network.document = network.document.replace("<forward", "<domain name='a'/><forward")
    assert networks.waiting(network) == [("domain", "", "a")]
    network.document = network.live_document.replace("<forward", "<!-- b --><mtu size='1400'/><forward")
    assert networks.waiting(network) == [("", "", "")]
    network.active = False
    assert networks.waiting(network) == []


def test_a_free_subnet_is_suggested(host: Host, network: Network) -> None:
    assert networks.free_address(host) == "192.168.51.1/24"
