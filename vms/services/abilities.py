"""What a host's driver can do of what the dashboard offers; the rest is not offered there.

libvirt has no call that tells which of its functions a driver has, so this is its own table of them (hvsupport) in our
kinds. Where it is wrong, the host's answer is still the one that counts: unsupported.
"""

from __future__ import annotations

from typing import Final

QEMU_ONLY: Final = frozenset(
    {"vm.reset", "vm.nmi", "vm.send-key", "vm.add-screen", "vm.listen-locally", "vm.listen-on-network", "vm.dump"}
)
LACKING: Final[dict[str, frozenset[str]]] = {
    "qemu": frozenset(),
    "lxc": QEMU_ONLY
    | {"vm.save", "vm.restore", "vm.discard-saved", "vm.start-paused", "vm.boot-cd", "vm.boot-network", "vm.eject"},
    "xen": QEMU_ONLY,
    "test": QEMU_ONLY | {"vm.start-paused", "vm.eject"},
}
# Whether a screen can be shown, by the driver's own way to one (virDomainOpenGraphicsFD).
SCREENS: Final = frozenset({"qemu"})


def offers(driver: str, kind: str) -> bool:
    """Whether a VM on such a host can be asked for the kind."""
    return kind not in LACKING.get(driver, frozenset())


def shows_screens(driver: str) -> bool:
    """Whether a VM's screen can be shown from such a host."""
    return driver in SCREENS


def lacking_verbs(driver: str) -> str:
    """The verbs that are not offered there, for the menu of a row."""
    return " ".join(sorted(kind.partition(".")[2] for kind in LACKING.get(driver, frozenset())))


def lacks(driver: str) -> bool:
    """Whether something that VMs elsewhere have is not there on such a host."""
    return bool(LACKING.get(driver))
