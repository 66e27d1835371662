"""A host's check, devices and interfaces by the API."""

from __future__ import annotations

import pytest
from django.utils import timezone

from tests.api.conftest import Program
from tests.grants import grant
from vms.models import Host, HostDevice, User

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


def test_check_and_devices_are_told(host: Host, program: Program) -> None:
    HostDevice.objects.create(
        host=host, name="pci_1", kind="pci", sort="0x020000", address="0000:01:00.0", iommu_group=3, numa_node=1,
        physical="0000:00:01.0",
    )  # fmt: skip
    [device] = program.get(f"/hosts/{host.pk}/devices").json()["items"]
    assert (device["kind"], device["numa_node"], device["iommu_group"], device["free"]) == ("pci", 1, 3, None)
    assert (device["sort"], device["physical"], device["offered"]) == ("0x020000", "0000:00:01.0", False)
    Host.objects.update(facts={})
    assert program.get(f"/hosts/{host.pk}/check").json() == {"read_at": None, "lines": []}
    Host.objects.update(facts={"arch": "s390x"}, hardware={"cells": []}, hardware_at=timezone.now())
    told = program.get(f"/hosts/{host.pk}/check").json()
    assert told["read_at"] and {line["result"] for line in told["lines"]} >= {"unknown", "fail"}


def test_addresses_are_for_who_administers_hosts(
    host: Host, program: Program, stranger: Program, mallory: User
) -> None:
    Host.objects.update(facts={"links": [{"name": "br0", "addresses": ["192.0.2.7/24"]}]})
    assert program.get(f"/hosts/{host.pk}").json()["facts"]["links"][0]["addresses"] == ["192.0.2.7/24"]
    grant(mallory, "viewer", host)
    assert stranger.get(f"/hosts/{host.pk}").json()["facts"]["links"] == [{"name": "br0", "addresses": []}]
