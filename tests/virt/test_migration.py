"""What libvirt is told of a move."""

from __future__ import annotations

from typing import Any, Literal

import libvirt
import pytest

from vms.virt import Move

URI, LISTEN = libvirt.VIR_MIGRATE_PARAM_URI, libvirt.VIR_MIGRATE_PARAM_LISTEN_ADDRESS


@pytest.mark.parametrize(
    ("way", "address", "told"),
    [
        ("clear", "192.0.2.7", {URI: "tcp:192.0.2.7", LISTEN: "192.0.2.7"}),
        ("clear", "2001:db8::7", {URI: "tcp:[2001:db8::7]", LISTEN: "2001:db8::7"}),
        # A name may be another address to the target; under TLS whoever connects must show a certificate.
        ("clear", "nas.example.org", {URI: "tcp:nas.example.org"}),
        ("tls", "192.0.2.7", {URI: "tcp:192.0.2.7"}),
        ("clear", "", {}),
    ],
)
def test_what_takes_a_vm_in_clear_text_listens_where_it_comes(
    way: Literal["tls", "clear"], address: str, told: dict[str, Any]
) -> None:
    assert Move(way=way, address=address).params == told


def test_what_is_off_goes_with_the_definition_of_its_next_start() -> None:
    told = Move(mode="offline", address="192.0.2.7", next_boot="<domain/>").params
    assert told == {libvirt.VIR_MIGRATE_PARAM_DEST_XML: "<domain/>"}
