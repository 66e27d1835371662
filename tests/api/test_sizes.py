"""Sizes and systems for programs."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.conftest import sign_in
from tests.services.test_create import ground
from vms.models import Host, Operation, Size, User

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
XL = {"name": "XL", "vcpus": 8, "memory_mib": 16384, "disk_gib": 80}
JSON = "application/json"


def test_one_is_added_changed_and_removed(client_alice: Client) -> None:
    answer: Any = client_alice.post("/api/v1/sizes", XL, content_type=JSON)
    assert answer.status_code == 201, answer.content
    made = answer.json()
    path = f"/api/v1/sizes/{made['id']}"
    assert made == {"id": made["id"], **XL}
    changed: Any = client_alice.patch(path, {"vcpus": 6}, content_type=JSON)
    assert changed.json() == {**made, "vcpus": 6}
    listed: Any = client_alice.get("/api/v1/sizes")
    assert [item["name"] for item in listed.json()["items"]] == ["S", "M", "L", "XL"]
    again: Any = client_alice.post("/api/v1/sizes", XL, content_type=JSON)
    assert again.status_code == 422 and "There is a size of this name" in again.content.decode()
    assert client_alice.delete(path).status_code == 204
    assert client_alice.delete(path).status_code == 404


def test_everybody_may_read_them_and_the_systems(mallory: User) -> None:
    client = sign_in(mallory)
    sizes: Any = client.get("/api/v1/sizes")
    assert sizes.json()["count"] == 3
    systems: Any = client.get("/api/v1/os")
    known = {item["id"]: item for item in systems.json()["items"]}
    assert systems.json()["count"] == len(known)
    debian, windows = known["debian12"], known["win11"]
    assert (debian["name"], debian["family"], debian["kernel"]) == ("Debian 12", "debian", "linux")
    assert debian["memory_mib"] >= 512 and debian["disk_gib"] >= 10 and debian["uefi"] and not debian["tpm"]
    assert windows["tpm"] and windows["secure_boot"]
    # What has a CD of drivers and is no system is not among them.
    assert "virtio-win" not in known


def test_a_vm_takes_one_by_name_or_number(client_alice: Client, host: Host) -> None:
    ground(host)
    wish: dict[str, Any] = {"name": "new", "size": "L", "disks": [{}]}
    shown: Any = client_alice.post("/api/v1/vms/preview", wish, content_type=JSON)
    assert shown.status_code == 200, shown.content
    takes = shown.json()["takes"]
    assert (takes["vcpus"], takes["memory_kib"], takes["disk_bytes"]) == (4, 8 << 20, 40 << 30)
    by_number = {**wish, "size": Size.objects.get(name="L").pk, "cpus": 1}
    made: Any = client_alice.post("/api/v1/vms", by_number, content_type=JSON)
    assert made.status_code == 202, made.content
    params = Operation.objects.get().params
    assert (params["cpus"], params["memory_mib"], params["disks"][0]["size_bytes"]) == (1, 8192, 40 << 30)
    Size.objects.all().delete()
    gone: Any = client_alice.post("/api/v1/vms/preview", wish, content_type=JSON)
    assert gone.status_code == 422 and "There is no such size any more" in gone.content.decode()
