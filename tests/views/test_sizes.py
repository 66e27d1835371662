"""Sizes as administrators define them."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.views.test_grants import read
from vms.models import Size

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
XL = {"name": "XL", "vcpus": "8", "memory_mib": "16384", "disk_gib": "80"}


def test_one_is_added_changed_and_removed_after_a_question(client_alice: Client) -> None:
    assert "S 1 vCPU · 1 GiB · disk 10 GiB" in read(client_alice, "/sizes/")
    assert client_alice.post("/sizes/", XL).status_code == 302
    size = Size.objects.get(name="XL")
    form: Any = client_alice.get(f"/sizes/?change={size.pk}")
    assert form.context["form"]["vcpus"].value() == 8
    assert client_alice.post(f"/sizes/?change={size.pk}", {**XL, "memory_mib": "512"}).status_code == 302
    assert "XL 8 vCPUs · 512 MiB · disk 80 GiB" in read(client_alice, "/sizes/")
    assert "Remove the size XL?" in read(client_alice, f"/sizes/{size.pk}/remove/")
    assert Size.objects.filter(pk=size.pk).exists()
    assert client_alice.post(f"/sizes/{size.pk}/remove/").status_code == 302
    assert not Size.objects.filter(pk=size.pk).exists()
    assert client_alice.get(f"/sizes/?change={size.pk}").status_code == 404
    assert client_alice.get(f"/sizes/{size.pk}/remove/").status_code == 404


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"name": "own"}, "“own” is taken"),
        ({"name": "m"}, "There is a size of this name"),
        ({"vcpus": "0"}, "From 1 to 512"),
        ({"disk_gib": "0"}, "From 1 GiB"),
        ({"memory_mib": "x"}, "Enter a whole number"),
    ],
)
def test_what_does_not_fit_is_said(client_alice: Client, values: dict[str, str], sentence: str) -> None:
    answer = client_alice.post("/sizes/", {**XL, **values})
    assert answer.status_code == 400 and sentence in answer.content.decode()
    assert Size.objects.count() == 3


def test_without_any_one_says_how_large(client_alice: Client, db: None) -> None:
    Size.objects.all().delete()
    assert "No size" in read(client_alice, "/sizes/")
