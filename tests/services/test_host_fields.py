"""What a host may be made of: every field of every transport, with what somebody might try in it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.data.names import STRANGE_NAMES
from tests.data.pem import Pair, make_pair
from vms.errors import BadFields
from vms.models import Host
from vms.services import host_fields
from vms.services.host_fields import HostFields, check

pytestmark = pytest.mark.django_db

TEXTS = ("name", "address", "user", "socket", "ca_certificate", "certificate", "private_key")
# Each of these would be an option, a second argument, a part of a URI, a second line, or nothing that is meant.
HOSTILE = (
    "-oProxyCommand=touch${IFS}/tmp/x", "--help", "host -oProxyCommand=x", "x&command=/tmp/x", "x?no_verify=1", "x#y",
    "root@x", "x/y", "x\\y", "x:22", "x;id", "x|id", "$(id)", "`id`", "x\nProxyCommand id", "x\r\ny", "x\0y", "x\ty",
    "x y", "'x'", '"x"', "x%00", "%h", "a" * 256, "..", ".", "~", "*", "a,b", "{x}", "\ud800", "\u202ex", "❤ ❤",
)  # fmt: skip
FITTING: dict[str, dict[str, Any]] = {
    "ssh": {"name": "a", "transport": "ssh", "address": "kvm2.example.org"},
    "tcp": {"name": "a", "transport": "tcp", "address": "192.0.2.7", "unencrypted": True},
    "unix": {"name": "a", "transport": "unix", "socket": "/run/other/libvirt-sock"},
    "local": {"name": "a", "transport": "local"},
}


@pytest.fixture(scope="module")
def pair() -> Pair:
    return make_pair()


def tls(pair: Pair) -> dict[str, Any]:
    return {
        "name": "a", "transport": "tls", "address": "kvm2.example.org", "ca_certificate": pair.certificate,
        "certificate": pair.certificate, "private_key": pair.key,
    }  # fmt: skip


def faults(given: dict[str, Any], before: Host | None = None) -> dict[str, str]:
    with pytest.raises(BadFields) as refused:
        check(given, before)
    return refused.value.errors


def test_the_fewest_fields_of_each_way_are_enough(pair: Pair) -> None:
    for given in (*FITTING.values(), tls(pair)):
        assert check(given).transport == given["transport"]
    assert check(FITTING["ssh"]).user == "root"
    assert (check(FITTING["ssh"]).node, check(FITTING["unix"]).node != "") == ("", True)


@pytest.mark.parametrize("transport", ["ssh", "tls", "tcp", "unix"])
@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: ascii(value)[1:31])
def test_no_field_takes_what_is_more_than_its_value(transport: str, value: str, pair: Pair) -> None:
    fitting = {**FITTING, "tls": tls(pair)}[transport]
    for name in TEXTS[1:]:
        if name in host_fields.TAKES[transport]:
            assert name in faults({**fitting, name: value}), name


@pytest.mark.parametrize("value", [0, -1, 65536, 10**20, True, "22", "22; id", 2.5, [22], {"port": 22}])
def test_a_port_is_a_number_of_a_port(value: object) -> None:
    assert faults({**FITTING["ssh"], "port": value}) == {"port": "port"}


def test_every_port_of_a_machine_fits() -> None:
    assert [check({**FITTING["ssh"], "port": port}).port for port in (1, 22, 65535, None)] == [1, 22, 65535, None]


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("KVM2.Example.Org", "kvm2.example.org"),
        (" kvm2 ", "kvm2"),
        ("192.0.2.7", "192.0.2.7"),
        ("2001:DB8::1", "2001:db8::1"),
        ("[2001:db8:0:0::1]", "2001:db8::1"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("straße.example", "xn--strae-oqa.example"),
        ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("a" * 63 + ".example", "a" * 63 + ".example"),
    ],
)
def test_an_address_is_kept_in_one_form(typed: str, kept: str) -> None:
    assert check({**FITTING["ssh"], "address": typed}).address == kept


@pytest.mark.parametrize(
    "typed",
    ["127.1", "0x7f000001", "2130706433", "192.0.2.256", "010.0.0.1", "fe80::1%eth0", "fe80::1%25eth0", "[192.0.2.7]",
     "[::1", "::1]", "a.", ".a", "a..b", "-a", "a-", "a_b", "a" * 64, "a." * 127 + "ab", "ａ＠ｂ", "xn--\u00fc",
     "1.2.3.4.5", "kvm2\u2024example"],
)  # fmt: skip
def test_what_only_looks_like_an_address_is_refused(typed: str) -> None:
    assert faults({**FITTING["ssh"], "address": typed}) == {"address": "address"}


@pytest.mark.parametrize("name", STRANGE_NAMES, ids=lambda name: ascii(name)[1:31])
def test_any_name_that_can_be_printed_fits(name: str) -> None:
    assert check({**FITTING["ssh"], "name": name}).name == name.strip(" ")


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\0b", "bell\x07", "a\u2028b", "\ud800", "x" * 256])
def test_a_name_that_breaks_lines_does_not(name: str) -> None:
    assert list(faults({**FITTING["ssh"], "name": name})) == ["name"]


def test_a_name_is_one_hosts_until_that_is_removed() -> None:
    first = Host.objects.create(name="a")
    assert faults(FITTING["ssh"]) == {"name": "taken"}
    Host.objects.filter(pk=first.pk).update(removed_at="2026-01-01T00:00:00Z")
    assert check(FITTING["ssh"]).name == "a"


def test_this_machine_is_there_once() -> None:
    here = check(FITTING["local"])
    Host.objects.create(name="here", transport="local", node=here.node)
    assert faults(FITTING["local"]) == {"transport": "local_once"}
    assert check({**FITTING["local"], "driver": "lxc"}).driver == "lxc"


@pytest.mark.parametrize("transport", ["", "session", "qemu+ssh", "ssh ", None, "SSH"])
def test_a_way_that_is_none_is_refused(transport: object) -> None:
    assert faults({"name": "a", "transport": transport}) == {"transport": "choice"}


@pytest.mark.parametrize("driver", ["vbox", "qemu+ssh", "esx", "QEMU"])
def test_a_driver_that_is_none_is_refused(driver: str) -> None:
    assert faults({**FITTING["ssh"], "driver": driver}) == {"driver": "choice"}


def test_the_test_driver_in_this_process_is_nobodys_host() -> None:
    assert faults({**FITTING["local"], "driver": "test"}) == {"driver": "test_local"}


def test_fields_of_another_way_are_refused_and_so_are_unknown_ones() -> None:
    given = {**FITTING["unix"], "address": "x", "private_key": "x", "uri": "qemu:///system", "node": "elsewhere"}
    expected = {"address": "not_for", "private_key": "not_for", "uri": "unknown", "node": "unknown"}
    assert faults(given) == expected


def test_what_is_needed_is_asked_for(pair: Pair) -> None:
    for transport, needed in host_fields.NEEDS.items():
        if needed:
            assert faults({"name": "a", "transport": transport}) == dict.fromkeys(needed, "missing")


def test_clear_text_must_be_agreed_to() -> None:
    assert faults({**FITTING["tcp"], "unencrypted": False}) == {"unencrypted": "missing"}


@pytest.mark.parametrize(
    "path",
    ["relative", "/", "//x", "/x/", "/x/../y", "/./x", "/x y", "/x?a=b", "/x&command=y", "/x%20", "/" + "x" * 100],
)
def test_a_socket_is_a_plain_path(path: str) -> None:
    assert faults({**FITTING["unix"], "socket": path}) == {"socket": "socket"}
    assert faults({**FITTING["ssh"], "socket": path}) == {"socket": "socket"}


@pytest.mark.parametrize("user", ["-l", "1st", "a b", "a@b", "a:b", "a$", "a" * 33, "ü"])
def test_a_user_is_a_plain_name(user: str) -> None:
    assert faults({**FITTING["ssh"], "user": user}) == {"user": "user"}


def test_certificates_are_kept_as_nothing_but_pem(pair: Pair) -> None:
    chatty = f"Subject: CN=x\nsome words\n{pair.certificate}\ntrailing words"
    found = check({**tls(pair), "certificate": chatty})
    assert found.certificate == pair.certificate
    assert found.private_key.startswith("-----BEGIN PRIVATE KEY-----\n") and "words" not in found.private_key


def test_certificates_and_keys_that_are_none(pair: Pair) -> None:
    other = make_pair()
    for field, value, code in (
        ("certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "certificate"),
        ("ca_certificate", "words", "certificate"),
        ("ca_certificate", pair.certificate * 200, "too_long"),
        ("certificate", pair.key, "is_key"),
        ("certificate", pair.certificate + pair.key, "is_key"),
        ("certificate", other.certificate, None),
        ("private_key", pair.certificate, "key"),
        ("private_key", other.key, "key_other"),
        ("private_key", pair.locked_key, "key_locked"),
    ):
        expected = {"private_key": "key_other"} if code is None else {field: code}
        assert faults({**tls(pair), field: value}) == expected, (field, code)


def test_a_certificate_past_its_day_is_taken(pair: Pair) -> None:
    """The host page says so; the machine's own clock decides."""
    old = make_pair(days=-1)
    assert check({**tls(pair), "certificate": old.certificate, "private_key": old.key}).certificate == old.certificate


def known(fields: HostFields, **more: Any) -> Host:
    kept = {name: value for name, value in vars(fields).items() if name != "private_key"}
    return Host.objects.create(**kept, **more)


def test_a_change_says_only_what_changes(pair: Pair) -> None:
    host = known(check({**tls(pair), "port": 16515}), sealed="1:x")
    changed = check({"name": "b"}, host)
    assert (changed.name, changed.address, changed.port, changed.private_key) == ("b", host.address, 16515, "")
    assert check({"port": None}, host).port is None


def test_a_new_certificate_needs_its_key_unless_that_stays_the_same(pair: Pair) -> None:
    host = known(check(tls(pair)), sealed="1:x")
    assert faults({"certificate": make_pair().certificate}, host) == {"private_key": "key_other"}
    assert check({"certificate": make_pair(key=pair.key).certificate}, host).private_key == ""


def test_another_way_starts_anew(pair: Pair) -> None:
    host = known(check({**FITTING["ssh"], "port": 2222, "user": "ops"}))
    assert faults({"transport": "tcp"}, host) == {"unencrypted": "missing"}
    changed = check({"transport": "tcp", "unencrypted": True}, host)
    assert (changed.address, changed.user) == ("kvm2.example.org", "")
    back = check({"transport": "ssh"}, known(check({**FITTING["tcp"], "name": "c"})))
    assert back.user == "root"


def test_clear_text_that_was_agreed_to_stays_so() -> None:
    host = known(check(FITTING["tcp"]))
    assert check({"name": "b"}, host).transport == "tcp"
    assert faults({"unencrypted": False}, host) == {"unencrypted": "missing"}
