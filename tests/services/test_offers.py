"""What of a host is offered to VMs, by whom, and what is refused."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.fakehost import HARDWARE
from tests.grants import grant
from vms.errors import BadFields, NotAllowed
from vms.inventory.devices import plan
from vms.models import AuditEvent, Host, HostDevice, Offer, User
from vms.permissions import Actor
from vms.services import offers
from vms.virt import DeviceInfo

pytestmark = pytest.mark.django_db
CARD = DeviceInfo(
    "pci_1", "pci", vendor="Red Hat", product="<b>", sort="0x020000", address="0000:01:00.0", iommu_group=1
)
BRIDGE = DeviceInfo("pci_0", "pci", sort="0x060400", address="0000:00:00.0")
STICK = DeviceInfo("usb_1", "usb", vendor_id="0x1234", product_id="0x0001", address="001:002")


def read(host: Host, *devices: DeviceInfo) -> None:
    for step in plan(host, HARDWARE, devices):
        step()


def test_rows_follow_what_the_host_tells(host: Host) -> None:
    read(host, CARD, BRIDGE, STICK)
    Offer.objects.create(host=host, kind="pci", name="card", device=HostDevice.objects.get(name="pci_1"))
    read(host, BRIDGE)
    assert set(HostDevice.objects.values_list("name", "present")) == {("pci_0", True), ("pci_1", False)}
    assert offers.make_lines(Offer.objects.all())[0].troubles == ("away",)
    read(host, CARD)
    assert set(HostDevice.objects.values_list("name", "present")) == {("pci_1", True)}
    host.refresh_from_db()
    assert host.hardware_at and host.hardware["qemu_user"] == "+0:+0"


def test_only_an_administrator_offers_and_withdraws(host: Host, alice: User, mallory: User) -> None:
    grant(mallory, "owner", host)
    with pytest.raises(NotAllowed):
        offers.add_folder(Actor(mallory), host, "isos", "/srv/isos")
    made = offers.add_folder(Actor(alice), host, "isos", "/srv/isos")
    assert list(offers.find_offers(mallory)) == [made]
    with pytest.raises(NotAllowed):
        offers.withdraw(Actor(mallory), made)
    offers.withdraw(Actor(alice), made)
    said = list(AuditEvent.objects.order_by("pk").values_list("action", flat=True))
    assert said == ["added:offer", "withdrew:offer"] and not Offer.objects.exists()


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/etc", "dangerous_path"), ("/", "dangerous_path"), ("/var/lib", "dangerous_path"),
        ("/home/x", "dangerous_path"), ("srv", "whole_path"), ("/srv/../etc", "whole_path"), ("/srv/", "whole_path"),
        ("/srv/\n", "whole_path"), ("", "whole_path"),
    ],
)  # fmt: skip
def test_a_folder_that_is_the_hosts_own_is_typed_twice(host: Host, alice: User, path: str, code: str) -> None:
    with pytest.raises(BadFields) as refused:
        offers.add_folder(Actor(alice), host, "x", path)
    assert refused.value.errors == {"path": code}
    if code == "dangerous_path":
        assert offers.add_folder(Actor(alice), host, "x", path, again=path).pk


def test_devices_are_offered_once_and_no_bridges(host: Host, alice: User) -> None:
    read(host, CARD, BRIDGE, STICK)
    card, bridge = HostDevice.objects.get(name="pci_1"), HostDevice.objects.get(name="pci_0")
    offers.add_device(Actor(alice), card, "card")
    for device, name, errors in [
        (card, "again", {"device": "device_offered"}),
        (bridge, "bridge", {"device": "device_kind"}),
        (HostDevice.objects.get(name="usb_1"), "card", {"name": "offer_taken"}),
    ]:
        with pytest.raises(BadFields) as refused:
            offers.add_device(Actor(alice), device, name)
        assert refused.value.errors == errors


def test_who_may_not_place_vms_there_sees_no_offer(host: Host, alice: User, mallory: User) -> None:
    made = offers.add_netboot(Actor(alice), host, "rescue", "/srv/vmlinuz", "/srv/initrd")
    grant(mallory, "viewer", host)
    assert not offers.find_offers(mallory).exists()
    grant(mallory, "operator", host)
    assert list(offers.find_offers(mallory)) == [made]


@pytest.mark.usefixtures("redis")
def test_the_pages_show_a_hosts_text_as_text(client_alice: Client, host: Host) -> None:
    read(host, CARD, STICK)
    Host.objects.filter(pk=host.pk).update(facts={"arch": "x86_64", "hostname": "<b>x"})
    for part in ("", "check/", "devices/"):
        page = client_alice.get(f"/hosts/{host.pk}/{part}")
        assert (
            page.status_code == 200
            and "<b>x" not in page.content.decode()
            and "Red Hat <b>" not in page.content.decode()
        )
    device = HostDevice.objects.get(name="pci_1")
    client_alice.post(f"/hosts/{host.pk}/devices/offer/", {"device": device.pk})
    assert Offer.objects.get().device == device and "Withdraw" in client_alice.get("/offers/").content.decode()
    assert client_alice.get(f"/api/v1/hosts/{host.pk}/check").json()["lines"]
    assert client_alice.get(f"/api/v1/hosts/{host.pk}/devices").json()["items"][0]["offered"] is True
    assert client_alice.get("/api/v1/offers").json()["items"][0]["kind"] == "pci"
