"""Moving a domain to another host: what is said to libvirt, and what ends first where a connection breaks."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any, Final, Literal

import libvirt

MIB: Final = 1 << 20


@dataclass(frozen=True)
class Move:
    """How a domain goes to another host. mode: "live"; "paused", it stands still meanwhile; "offline", it is off.

    way: how its memory goes, under TLS between the two QEMUs, in clear text, or through the connection of the two
    libvirts ("tunnel", with a peer only). peer: the address at which the source's libvirt reaches the target's by
    itself, "" for a move that the caller's two connections manage. address: at which the source's QEMU reaches the
    target, "" for what that calls itself. bandwidth_mib: MiB/s, 0 for no limit. document, next_boot: the definitions
    there, of this run and of the next start, "" for those that it has. copies: the targets of the disks that are copied
    into volumes that are there. postcopy: Domain.begin_postcopy() may be called. unsafe: libvirt is told that both
    hosts see the same bytes of its other disks.
    """

    mode: Literal["live", "paused", "offline"] = "live"
    way: Literal["tls", "clear", "tunnel"] = "tls"
    peer: str = ""
    address: str = ""
    bandwidth_mib: int = 0
    document: str = ""
    next_boot: str = ""
    copies: tuple[str, ...] = ()
    postcopy: bool = False
    unsafe: bool = False

    @property
    def flags(self) -> int:
        """As libvirt's virDomainMigrateFlags."""
        always = (
            libvirt.VIR_MIGRATE_PERSIST_DEST | libvirt.VIR_MIGRATE_UNDEFINE_SOURCE | libvirt.VIR_MIGRATE_ABORT_ON_ERROR
        )
        if self.mode == "offline":
            return int((always & ~libvirt.VIR_MIGRATE_ABORT_ON_ERROR) | libvirt.VIR_MIGRATE_OFFLINE | self.peer_flags)
        wanted = (
            (self.mode == "live", libvirt.VIR_MIGRATE_LIVE),
            (self.way == "tls", libvirt.VIR_MIGRATE_TLS),
            (self.way == "tunnel", libvirt.VIR_MIGRATE_TUNNELLED),
            (bool(self.copies), libvirt.VIR_MIGRATE_NON_SHARED_DISK),
            (self.postcopy, libvirt.VIR_MIGRATE_POSTCOPY),
            (self.unsafe, libvirt.VIR_MIGRATE_UNSAFE),
        )
        return int(always | self.peer_flags | sum(flag for wish, flag in wanted if wish))

    @property
    def peer_flags(self) -> int:
        return int(libvirt.VIR_MIGRATE_PEER2PEER) if self.peer else 0

    @property
    def params(self) -> dict[str, Any]:
        """As libvirt's VIR_MIGRATE_PARAM_*."""
        if self.mode == "offline":
            # Only what is named as that of the run does libvirt take along of what is off.
            return {libvirt.VIR_MIGRATE_PARAM_DEST_XML: self.next_boot} if self.next_boot else {}
        found: dict[str, Any] = {}
        if self.document:
            found[libvirt.VIR_MIGRATE_PARAM_DEST_XML] = self.document
        if self.next_boot:
            found[libvirt.VIR_MIGRATE_PARAM_PERSIST_XML] = self.next_boot
        if self.address and self.way != "tunnel":
            found[libvirt.VIR_MIGRATE_PARAM_URI] = f"tcp:{bracketed(self.address)}"
        if self.way == "clear" and is_number(self.address):
            # Who connects first is taken for the source: nowhere but where that comes.
            found[libvirt.VIR_MIGRATE_PARAM_LISTEN_ADDRESS] = self.address
        if self.bandwidth_mib:
            found[libvirt.VIR_MIGRATE_PARAM_BANDWIDTH] = self.bandwidth_mib
        if self.copies:
            found[libvirt.VIR_MIGRATE_PARAM_MIGRATE_DISKS] = list(self.copies)
        return found


def is_number(address: str) -> bool:
    """Whether it is no name."""
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True


def bracketed(address: str) -> str:
    """As URIs write it."""
    return f"[{address}]" if ":" in address else address
