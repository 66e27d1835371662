"""libvirt's errors as leaves of vms.errors, by code and the part of libvirt that speaks, never by its English."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import libvirt

from vms.errors import (
    Aborted,
    AgentSilent,
    AuthRefused,
    BadDocument,
    HostRefused,
    HostUnreachable,
    InvalidState,
    NotFound,
    NotLibvirt,
    TimedOut,
    Unsupported,
    VirtError,
)

LEAVES: Final[dict[type[VirtError], tuple[str, ...]]] = {
    NotFound: (
        "NO_DOMAIN", "NO_NETWORK", "NO_STORAGE_POOL", "NO_STORAGE_VOL", "NO_NODE_DEVICE", "NO_INTERFACE", "NO_SECRET",
        "NO_NWFILTER", "NO_DOMAIN_SNAPSHOT", "NO_DOMAIN_CHECKPOINT", "NO_DOMAIN_METADATA", "NO_DOMAIN_BACKUP",
    ),
    InvalidState: ("OPERATION_INVALID",),
    Unsupported: ("NO_SUPPORT", "CONFIG_UNSUPPORTED", "ARGUMENT_UNSUPPORTED", "OPERATION_UNSUPPORTED"),
    AuthRefused: ("AUTH_FAILED", "AUTH_CANCELLED", "AUTH_UNAVAILABLE", "ACCESS_DENIED", "OPERATION_DENIED"),
    BadDocument: ("XML_ERROR", "XML_DETAIL", "XML_INVALID_SCHEMA", "PARSE_FAILED"),
    AgentSilent: ("AGENT_UNRESPONSIVE",),
    TimedOut: ("OPERATION_TIMEOUT",),
    Aborted: ("OPERATION_ABORTED",),
    HostUnreachable: ("NO_CONNECT", "INVALID_CONN", "NO_SERVER"),
    NotLibvirt: ("RPC",),
}  # fmt: skip
BY_CODE: Final = {getattr(libvirt, f"VIR_ERR_{name}"): leaf for leaf, names in LEAVES.items() for name in names}
# The parts that carry calls: what they call a system or internal error is a broken wire.
CARRIERS: Final = frozenset({libvirt.VIR_FROM_RPC, libvirt.VIR_FROM_REMOTE, libvirt.VIR_FROM_SSH})
ANYTHING: Final = frozenset({libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_ERR_INTERNAL_ERROR})


def silence() -> None:
    """libvirt writes every error to stderr unless told not to; they are raised anyway."""
    libvirt.registerErrorHandler(lambda context, error: None, None)


def leaf(error: libvirt.libvirtError, alive: bool) -> VirtError:
    """The leaf for it, with libvirt's text as details; alive: whether the connection still stands."""
    code, part, text = error.get_error_code(), error.get_error_domain(), str(error.get_error_message() or error)
    if code in ANYTHING and (part in CARRIERS or not alive):
        return HostUnreachable(text)
    return BY_CODE.get(code, HostRefused)(text)


@contextmanager
def said_by_host(alive: Callable[[], bool]) -> Iterator[None]:
    """Raise what libvirt raises inside as a leaf of ours."""
    try:
        yield
    except libvirt.libvirtError as error:
        raise leaf(error, alive()) from error
