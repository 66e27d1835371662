"""What ssh, and the programs that it starts on the other machine, say of their end."""

from __future__ import annotations

import re
from typing import Final

from vms.errors import (
    HelperMissing,
    HostKeyChanged,
    HostUnreachable,
    HungUp,
    KeyRefused,
    LibvirtStopped,
    NameUnknown,
    NoRoute,
    NotLibvirt,
    PortClosed,
    SocketForbidden,
    TimedOut,
    VirtError,
)
from vms.virt import keys
from vms.virt.spec import HostSpec

# ssh's own exit code for whatever went wrong before the other side's program ran; below it is that program's.
OWN: Final = 255
NO_HELPER: Final = "kvmweb: neither virt-ssh-helper nor nc"
SHOWN: Final = re.compile(r"fingerprint for the (\S+) key sent by the remote host is\s+(SHA256:[A-Za-z0-9+/]+)")
# ssh's capitals, and its advice to edit a file that is ours.
NOISE: Final = re.compile(r"^@|SOMEONE IS DOING|^Add correct host key in|^Offending|remove with:|ssh-keygen -f|^\s*$")
PATTERNS: Final[tuple[tuple[str, type[VirtError]], ...]] = (
    (r"Could not resolve hostname", NameUnknown),
    (r"connect to host \S+ port \d+: Connection refused", PortClosed),
    (r"Connection timed out during banner exchange|Timeout, server", TimedOut),
    (r"connect to host \S+ port \d+: ", NoRoute),
    (r"no matching host key type|Host key verification failed", HostKeyChanged),
    (r"Permission denied \(|Too many authentication failures", KeyRefused),
    (r"banner exchange: .*invalid format|Bad packet length|no matching|Protocol mismatch", NotLibvirt),
    (r"kex_exchange_identification|Connection (closed|reset) by", HungUp),
)
HELPER_PATTERNS: Final[tuple[tuple[str, type[VirtError]], ...]] = (
    (re.escape(NO_HELPER), HelperMissing),
    (r"Permission denied|access denied", SocketForbidden),
    (r"No such file or directory|Connection refused|connection failed", LibvirtStopped),
)


def meaning(text: str, code: int | None, spec: HostSpec) -> VirtError | None:
    """The leaf for its last words, which are its details; None for one that was ended from here."""
    text = "\n".join(line for line in text.splitlines() if not NOISE.search(line)).strip()
    if code is None or code <= 0:
        return None
    for pattern, leaf in PATTERNS if code == OWN else HELPER_PATTERNS:
        if re.search(pattern, text):
            return leaf(text, **params(leaf, text, spec))
    return HostUnreachable(text or f"ssh ended with code {code}")


def params(leaf: type[VirtError], text: str, spec: HostSpec) -> dict[str, str | int]:
    """What the leaf's sentence names."""
    if leaf is HostKeyChanged:
        shown = SHOWN.search(text)
        return {
            "accepted": keys.fingerprint(spec.host_key) if spec.host_key else "",
            "kind": shown[1] if shown else "",
            "fingerprint": shown[2] if shown else "",
        }
    known: dict[type[VirtError], dict[str, str | int]] = {
        NameUnknown: {"address": spec.address},
        NotLibvirt: {"address": spec.address},
        KeyRefused: {"address": spec.address, "user": spec.user or "root"},
        SocketForbidden: {"user": spec.user or "root"},
    }
    if leaf in (PortClosed, NoRoute):
        return {"address": spec.address, "port": spec.port or 22}
    return known.get(leaf, {})
