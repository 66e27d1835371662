"""Whatever stands in a field of a new VM, it is refused in words, or made part of nothing but that field."""

from __future__ import annotations

import html
import json
import uuid
from collections import Counter
from copy import deepcopy
from typing import Any

import pytest
from django.test import Client
from lxml import etree

from tests.api.conftest import Program
from tests.data.names import STRANGE_TEXTS
from vms.forms.create import Create
from vms.libvirtxml import faults
from vms.models import Host, Image, ImageCopy, Network, NetworkFilter, Operation, StoragePool, User, Volume
from vms.permissions import Actor

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

DTD = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>&b;'
TEXTS = (
    "</name><devices><disk/></devices><name>", '"/><x y="', DTD, "]]><x/>", "<!--", "--><?php x?>", "\x00", "\ud800",
    "\ufffe", "a\x1bb", "\r\n", "../../etc/shadow", "/etc/shadow", "a,readonly=on,file=/etc/shadow", "x" * 100_000,
    "#" * 99, "qemu:arg", "<qemu:commandline/>", "{0.__class__}", "{{ 7*7 }}", "%s%n", "a\nb: c", "#!/bin/sh\nid",
    "!!python/object/apply:os.system [id]", "&a [*a]", "-rf", " ", *STRANGE_TEXTS[::5],
)  # fmt: skip
OTHERS: tuple[Any, ...] = (-1, 0, 2**31, 2**63, 1e400, True, None, [], {}, [[]], "7", "٣")

# What a wish's own words may bring besides.
BY_CHOICE = {"boot", "loader", "nvram", "feature", "firmware", "smm", "tpm", "backend"}


def some(number: int, of: int) -> tuple[str, ...]:
    """Another part of the texts for each number, all of them after so many."""
    return TEXTS[number % of :: of]


@pytest.fixture(autouse=True)
def wish(host: Host, alice: User) -> dict[str, Any]:
    """One with all fields, which would be made."""
    pool = StoragePool.objects.create(
        host=host, uuid=uuid.UUID(int=7), name="default", type="dir", path="/pool", active=True, available_bytes=1 << 40
    )
    network = Network.objects.create(host=host, uuid=uuid.UUID(int=8), name="nat", active=True)
    NetworkFilter.objects.create(host=host, uuid=uuid.UUID(int=9), name="clean-traffic")
    volume = Volume.objects.create(storage=pool.storage, name="debian.qcow2", format="qcow2", owner=alice)
    image = Image.objects.create(
        kind="disk", name="debian.qcow2", format="qcow2", size_bytes=1 << 20, virtual_bytes=1 << 22, os="debian12"
    )
    ImageCopy.objects.create(image=image, volume=volume, published=True)
    network_of_seed = {
        "address": "192.0.2.10/24", "gateway": "192.0.2.1", "resolvers": ["192.0.2.1"], "search": ["example.org"],
    }  # fmt: skip
    seed = {
        "user": "anna", "keys": [], "my_keys": False, "password": "open sesame", "hostname": "new",
        "packages": ["vim"], "commands": ["true"], "network": network_of_seed,
        "user_data": "#cloud-config\nruncmd: []\n", "network_config": "", "keep": False,
    }  # fmt: skip
    return {
        "name": "new", "host": host.pk, "cpus": 1, "memory_mib": 256, "os": "debian12",
        "disks": [{"pool": pool.pk, "size_mib": 64, "image": image.pk, "backing": "full"}],
        "networks": [{"network": network.pk}], "install": {"pxe": False}, "firmware": "bios", "tpm": False, "count": 1,
        "start": True, "cloud_init": seed,
    }  # fmt: skip


def ways(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to each value in it."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [way] * bool(way) + [each for name, one in inside for each in ways(one, (*way, name))]


def but(wish: dict[str, Any], way: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """The wish with that there."""
    made = deepcopy(wish)
    holder: Any = made
    for name in way[:-1]:
        holder = holder[name]
    holder[way[-1]] = value
    return made


def shape(text: str) -> Counter[str]:
    """How often each element is there."""
    return Counter(str(element.tag) for element in etree.fromstring(text.encode()).iter())


def test_a_new_vm_is_what_its_fields_say_and_no_more(program: Program, wish: dict[str, Any]) -> None:
    good = program.post("/vms/preview", wish)
    assert good.status_code == 200, good.content
    known = shape(good.json()["xml"])
    for number, way in enumerate(ways(wish)):
        text = isinstance(at(wish, way), str)
        for value in [*some(number, 3), *OTHERS[:4]] if text else [TEXTS[number % len(TEXTS)], *OTHERS]:
            answer = program.post("/vms/preview", but(wish, way, value))
            assert answer.status_code in (200, 400, 403, 404, 409, 422), (way, value, answer.content)
            if answer.status_code != 200:
                assert answer.json()["code"] and answer.json()["detail"], (way, value)
                continue
            xml = answer.json()["xml"]
            assert not faults(xml), (way, value, xml)
            more = shape(xml) - known
            assert not set(more) - BY_CHOICE, (way, value)
    assert not Operation.objects.exists()


def at(wish: Any, way: tuple[Any, ...]) -> Any:
    for name in way:
        wish = wish[name]
    return wish


def test_what_is_asked_for_is_refused_or_sealed(program: Program, wish: dict[str, Any]) -> None:
    """POST itself, of the fields that are texts: what would be in a row is a name, or nothing of it."""
    for number, way in enumerate(ways(wish)):
        if not isinstance(at(wish, way), str):
            continue
        for value in some(number, 8):
            answer = program.post("/vms", but(wish, way, value))
            assert answer.status_code in (202, 400, 403, 404, 409, 422), (way, value, answer.content)
            for operation in Operation.objects.all():
                if value.strip() and way[0] == "cloud_init" and way[-1] in ("password", "user_data", "commands"):
                    assert value not in json.dumps(operation.params), (way, value)
                operation.vm.delete() if operation.vm else None
                operation.delete()


def test_the_form_takes_no_more_than_the_api(client_alice: Client, alice: User) -> None:
    form = Create(Actor(alice))
    good = {"source": "empty", "name": "new", "size": "s"}
    for number, name in enumerate(form.fields):
        for value in some(number, 6):
            typed = value.encode("utf-8", "replace").decode()
            shown = client_alice.post("/vms/new/preview", {**good, name: typed})
            assert shown.status_code == 200, (name, value)
            text = shown.content.decode()
            # What is typed comes back as text and never as elements.
            assert "<" not in typed or typed not in text, (name, value)
            xml = text.partition('<pre tabindex="0">')[2].partition("</pre>")[0]
            assert not xml or not faults(html.unescape(xml)), (name, value)
    assert not Operation.objects.exists()
