"""No field of a host can be an option, a second line, a shell's word or more than one name."""

from __future__ import annotations

import pytest

from vms.errors import BadHostField
from vms.virt import fields

HOSTILE = [
    "-oProxyCommand=touch${IFS}/tmp/x", "a -oProxyCommand=x", "a&command=x", "a?socket=/x", "a#b", "u@a", "a/b",
    "a%2fb", "a\nProxyCommand touch /tmp/x", "a\r\nUser root", "a\0b", "a b", "$(id)", "`id`", "'a'", '"a"', "a;id",
    "a|id", "%h", "%%", "~", "*", "!a", "a,b", "", " ", "\u0430pple", "m\u00fcnchen", "a\u2028b", "[::1]", "::1%lo",
    "fe80::1%eth0", "a" * 5000,
]  # fmt: skip
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJiYd64hlS/XQ3bc/SN9+JT/M93MkDWJjfy1dvq5X6Rj"


@pytest.mark.parametrize("text", [*HOSTILE, "1.2.3", "127.1", "2130706433", "0x7f000001.1", "-a", "a-", "a..b", ".a"])
def test_what_is_no_name_and_no_address_is_refused(text: str) -> None:
    with pytest.raises(BadHostField) as told:
        fields.address(text)
    assert told.value.params == {"field": "address"}


@pytest.mark.parametrize(
    "text", ["host-a", "host-a.example.org", "192.0.2.7", "2001:db8::7", "::1", "xn--mnchen-3ya.de", "h_1", "A.example"]
)
def test_names_and_addresses_are_taken(text: str) -> None:
    assert fields.address(text) == text


@pytest.mark.parametrize("text", HOSTILE)
def test_a_user_is_a_plain_word(text: str) -> None:
    with pytest.raises(BadHostField):
        fields.user(text)
    assert fields.user("ops-1") == "ops-1"


@pytest.mark.parametrize("text", [*HOSTILE, "relative/path", "/a b", "/a'b", "/a$b", "/a\nb", "/a&b", "/" + "a" * 200])
def test_a_socket_on_the_other_machine_is_a_plain_path(text: str) -> None:
    with pytest.raises(BadHostField):
        fields.path(text, fields.REMOTE_PATH)
    assert fields.path("/run/libvirt/virtqemud-sock", fields.REMOTE_PATH) == "/run/libvirt/virtqemud-sock"


@pytest.mark.parametrize("text", ["", "relative", "/a\nb", "/a\0b", "\0abstract"])
def test_a_socket_here_is_an_absolute_path(text: str) -> None:
    with pytest.raises(BadHostField):
        fields.path(text)


@pytest.mark.parametrize("number", [-1, 65536, 10**9])
def test_a_port_is_a_port(number: int) -> None:
    with pytest.raises(BadHostField):
        fields.port(number, 22)
    assert (fields.port(0, 22), fields.port(2222, 22)) == (22, 2222)


def test_of_a_key_s_line_only_type_and_key_are_used() -> None:
    for line in (KEY, f"{KEY} me@home", f"name,192.0.2.7 {KEY} comment", f"{KEY}\n"):
        assert fields.host_key(line) == KEY


@pytest.mark.parametrize(
    "line",
    ["", "AAAAC3Nz", "ssh-ed25519", "ssh-ed25519 AAAA", f"x\n{KEY[:11]}", "@cert-authority * AAAA", "-o AAAAB3Nza"],
)
def test_what_is_no_key_is_refused(line: str) -> None:
    with pytest.raises(BadHostField):
        fields.host_key(line)
