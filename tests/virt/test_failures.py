"""libvirt's errors by code and speaker."""

from __future__ import annotations

import libvirt
import pytest

from vms import errors
from vms.virt.failures import leaf


def made(code: int, part: int) -> libvirt.libvirtError:
    error = libvirt.libvirtError("x")
    error.err = (code, part, "its own words", 2, "", None, None, 0, 0)
    return error


@pytest.mark.parametrize(
    ("code", "part", "expected"),
    [
        (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_FROM_QEMU, errors.NotFound),
        (libvirt.VIR_ERR_NO_NETWORK, libvirt.VIR_FROM_NETWORK, errors.NotFound),
        (libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_FROM_QEMU, errors.InvalidState),
        (libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_FROM_TEST, errors.Unsupported),
        (libvirt.VIR_ERR_CONFIG_UNSUPPORTED, libvirt.VIR_FROM_QEMU, errors.Unsupported),
        (libvirt.VIR_ERR_AUTH_CANCELLED, libvirt.VIR_FROM_RPC, errors.AuthRefused),
        (libvirt.VIR_ERR_AUTH_UNAVAILABLE, libvirt.VIR_FROM_RPC, errors.AuthRefused),
        (libvirt.VIR_ERR_XML_ERROR, libvirt.VIR_FROM_DOMAIN, errors.BadDocument),
        (libvirt.VIR_ERR_XML_INVALID_SCHEMA, libvirt.VIR_FROM_DOMAIN, errors.BadDocument),
        (libvirt.VIR_ERR_OPERATION_TIMEOUT, libvirt.VIR_FROM_QEMU, errors.TimedOut),
        (libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_FROM_RPC, errors.HostUnreachable),
        (libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_FROM_QEMU, errors.HostRefused),
        (libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_FROM_QEMU, errors.HostRefused),
    ],
)
def test_each_code_has_its_leaf(code: int, part: int, expected: type[errors.VirtError]) -> None:
    told = leaf(made(code, part), alive=True)
    assert type(told) is expected
    assert told.details == "its own words"


def test_an_internal_error_of_a_dead_connection_is_a_broken_wire() -> None:
    told = leaf(made(libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_FROM_QEMU), alive=False)
    assert type(told) is errors.HostUnreachable
