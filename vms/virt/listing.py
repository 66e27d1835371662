"""All domains of a host in as few calls as its driver allows: what a driver cannot tell at once is asked one by one."""

from __future__ import annotations

from typing import Any, Final

import libvirt

from vms.virt.domain import describe
from vms.virt.values import DomainInfo

# What is told of all in one call each.
LISTED: Final = ("PERSISTENT", "AUTOSTART", "MANAGEDSAVE", "HAS_SNAPSHOT", "HAS_CHECKPOINT")
LISTS: Final = (("RUNNING", "running"), ("PAUSED", "paused"), ("SHUTOFF", "shut_off"), ("OTHER", "unknown"))


def domains(handle: Any) -> list[DomainInfo]:
    """All domains with their documents; one that vanishes meanwhile is left out."""
    flags = {name: having(handle, name) for name in LISTED}
    described = [
        describe_if_there(
            domain,
            persistent=uuid in flags["PERSISTENT"],
            autostart=uuid in flags["AUTOSTART"],
            saved=uuid in flags["MANAGEDSAVE"],
            told=told,
            kept=uuid in flags["HAS_SNAPSHOT"] or uuid in flags["HAS_CHECKPOINT"],
        )
        for domain, uuid, told in listed(handle)
    ]
    return [info for info in described if info]


def listed(handle: Any) -> list[tuple[Any, str, tuple[int, int] | None]]:
    """(domain, UUID, state with reason) of all in one call; without the state where a driver has none."""
    records = statistics(handle, libvirt.VIR_DOMAIN_STATS_STATE, 0)
    if records is None:
        return [(domain, domain.UUIDString(), None) for domain in handle.listAllDomains(0)]
    return [
        (
            domain,
            domain.UUIDString(),
            (told["state.state"], told["state.reason"]) if "state.reason" in told else None,
        )
        for domain, told in records
    ]


def statistics(handle: Any, kinds: int, flags: int) -> Any:
    """libvirt's records, or None from a driver without statistics (LXC)."""
    try:
        return handle.getAllDomainStats(kinds, flags)
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:
            raise
        return None


def having(handle: Any, flag: str) -> set[str]:
    """The UUIDs of the domains that have it, in one call instead of one a domain."""
    number = getattr(libvirt, f"VIR_CONNECT_LIST_DOMAINS_{flag}")
    return {domain.UUIDString() for domain in handle.listAllDomains(number)}


def states(handle: Any) -> dict[str, tuple[str, int | None]]:
    """{uuid: (state, run id)} of all domains by six lists; "unknown" for states that have no list of their own."""
    found: dict[str, tuple[str, int | None]] = {}
    for flag, state in LISTS:
        for domain in handle.listAllDomains(getattr(libvirt, f"VIR_CONNECT_LIST_DOMAINS_{flag}")):
            run = domain.ID()
            found[domain.UUIDString()] = (state, run if run >= 0 else None)
    for uuid in having(handle, "MANAGEDSAVE"):
        if found.get(uuid, ("", None))[0] == "shut_off":
            found[uuid] = ("saved", None)
    return found


def describe_if_there(
    domain: Any, *, persistent: bool, autostart: bool, saved: bool, told: tuple[int, int] | None, kept: bool
) -> DomainInfo | None:
    """The value, or None for a domain that has vanished since it was listed."""
    try:
        return describe(domain, persistent, autostart, saved, told, kept=kept)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return None
        raise
