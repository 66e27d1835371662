from __future__ import annotations

from typing import Any

import pytest
from passlib.hash import sha512_crypt

from vms.errors import BadFields, BadSeed
from vms.seed import Address, Answers
from vms.services import seeds
from vms.services.seeds import SeedWish, answers

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIx3ePbRA2uQ4gJzDyFP8sDqKQwXJE8pLR5p1hnGFXJq"
MAC = "52:54:00:00:00:01"


def told(mac: str = MAC, **wish: Any) -> Answers:
    return answers(SeedWish(**wish), instance="5a", name="web-1", mac=mac)


def test_an_empty_wish_names_the_guest() -> None:
    assert told() == Answers(instance="5a", hostname="web-1")


def test_all_that_can_be_answered() -> None:
    found = told(
        user="anna", keys=(f" {KEY} laptop\n", ""), password="open sesame", hostname="web.example.org",
        packages=("nginx",), commands=("a b", " "), address="192.0.2.10/24", gateway="192.0.2.1",
        resolvers=("192.0.2.53",), search=("example.org",), user_data="#!/bin/sh\r\n:\r\n",
    )  # fmt: skip
    assert found.keys == (f"{KEY} laptop",)
    assert found.commands == ("a b",)
    assert found.hostname == "web.example.org"
    assert found.user_data == "#!/bin/sh\n:\n"
    assert found.addresses == (Address(MAC, "192.0.2.10/24", "192.0.2.1", ("192.0.2.53",), ("example.org",)),)
    assert sha512_crypt.verify("open sesame", found.password)


@pytest.mark.parametrize(
    ("name", "hostname"),
    [("web-1", "web-1"), ("Web_1.old", "web-1-old"), ("---", "vm"), ("a" * 90, "a" * 63), ("a" * 62 + "_b", "a" * 62)],
)
def test_a_host_name_is_made_of_the_vms(name: str, hostname: str) -> None:
    assert answers(SeedWish(), instance="5a", name=name, mac="").hostname == hostname


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("user", "Anna", "guest_user"), ("user", "a b", "guest_user"), ("user", "a" * 33, "guest_user"),
        ("user", "anna\n", "guest_user"), ("hostname", "a_b", "guest_name"), ("hostname", "-a", "guest_name"),
        ("hostname", "a..b", "guest_name"), ("hostname", "a" * 64, "guest_name"), ("hostname", "a\n", "guest_name"),
        ("password", "short", "guest_password"), ("password", "with a\nline", "guest_password"),
        ("password", "x" * 201, "guest_password"), ("password", "nothing\0there", "guest_password"),
        ("keys", ("ssh-ed25519 nonsense",), "ssh_line"), ("keys", (f'command="x" {KEY}',), "ssh_line"),
        ("keys", ("-----BEGIN OPENSSH PRIVATE KEY-----",), "ssh_private"), ("keys", (KEY,) * 51, "ssh_many"),
        ("packages", ("a b",), "packages"), ("packages", ("-y",), "packages"), ("packages", ("x",) * 201, "packages"),
        ("commands", ("x" * 4097,), "commands"), ("commands", ("a\0",), "commands"),
        ("commands", ("x",) * 201, "commands"),
        ("address", "192.0.2.10", "guest_address"), ("address", "192.0.2.0/24", "guest_address"),
        ("address", "192.0.2.255/24", "guest_address"), ("address", "127.0.0.1/8", "guest_address"),
        ("address", "fe80::1%eth0/64", "guest_address"), ("address", "x", "guest_address"),
        ("address", "224.0.0.1/24", "guest_address"), ("resolvers", ("x",), "ip_address"),
        ("search", ("a b",), "domain_name"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(field: str, value: Any, code: str) -> None:
    extra = {"address": "192.0.2.10/24"} if field in ("resolvers", "search") else {}
    with pytest.raises(BadFields) as refused:
        told(**extra, **{field: value})
    assert refused.value.errors == {field: code}


@pytest.mark.parametrize("gateway", ["192.0.3.1", "192.0.2.10", "x", "fe80::1", "2001:db8::1"])
def test_a_gateway_that_the_card_does_not_reach(gateway: str) -> None:
    with pytest.raises(BadFields) as refused:
        told(address="192.0.2.10/24", gateway=gateway)
    assert refused.value.errors == {"gateway": "out_of_subnet"}


def test_a_gateway_of_the_link() -> None:
    assert told(address="2001:db8::10/64", gateway="fe80::1").addresses[0].gateway == "fe80::1"


def test_an_address_needs_a_card_and_the_rest_an_address() -> None:
    with pytest.raises(BadFields) as refused:
        told(mac="", address="192.0.2.10/24")
    assert refused.value.errors == {"address": "no_card"}
    with pytest.raises(BadFields) as refused:
        told(resolvers=("192.0.2.53",))
    assert refused.value.errors == {"address": "guest_address_first"}


def test_files_of_ones_own_are_read_first() -> None:
    with pytest.raises(BadSeed):
        told(user_data="packages: [x]")
    with pytest.raises(BadSeed):
        told(network_config="version: 7")


def test_answers_come_back_from_what_is_sealed() -> None:
    found = told(user="anna", keys=(KEY,), packages=("x",), address="192.0.2.10/24", resolvers=("192.0.2.53",))
    assert seeds.from_json(seeds.to_json(found)) == found


def test_nothing_secret_is_shown() -> None:
    wish = SeedWish(user="anna", keys=(KEY,), password="open sesame", commands=("curl x",), user_data="#cloud-config\n")
    shown = repr(seeds.told_of(wish))
    assert not any(word in shown for word in ("sesame", "curl", "cloud-config", "AAAA"))
    assert "sesame" not in repr(wish)


def test_when_nobody_will_be_able_to_log_in() -> None:
    assert not seeds.lets_in(None)
    assert not seeds.lets_in(SeedWish(user="anna", packages=("x",)))
    assert seeds.lets_in(SeedWish(keys=(KEY,)))
    assert seeds.lets_in(SeedWish(password="open sesame"))
    assert seeds.lets_in(SeedWish(user_data="#cloud-config\n"))


def test_what_fields_of_several_say() -> None:
    assert seeds.words("a, b c") == ("a", "b", "c")
    assert seeds.lines("a\n\n b\n") == ("a", " b")
