"""libvirt's numbers for states and reasons in our words."""

from __future__ import annotations

from typing import Final

import libvirt

WORDS: Final = {
    libvirt.VIR_DOMAIN_NOSTATE: "unknown",
    libvirt.VIR_DOMAIN_RUNNING: "running",
    libvirt.VIR_DOMAIN_BLOCKED: "running",
    libvirt.VIR_DOMAIN_PAUSED: "paused",
    libvirt.VIR_DOMAIN_SHUTDOWN: "shutting_down",
    libvirt.VIR_DOMAIN_SHUTOFF: "shut_off",
    libvirt.VIR_DOMAIN_CRASHED: "crashed",
    libvirt.VIR_DOMAIN_PMSUSPENDED: "pmsuspended",
}
PREFIXES: Final = {
    libvirt.VIR_DOMAIN_RUNNING: "VIR_DOMAIN_RUNNING_",
    libvirt.VIR_DOMAIN_PAUSED: "VIR_DOMAIN_PAUSED_",
    libvirt.VIR_DOMAIN_SHUTDOWN: "VIR_DOMAIN_SHUTDOWN_",
    libvirt.VIR_DOMAIN_SHUTOFF: "VIR_DOMAIN_SHUTOFF_",
    libvirt.VIR_DOMAIN_CRASHED: "VIR_DOMAIN_CRASHED_",
}
REASONS: Final = {
    (state, getattr(libvirt, name)): name.removeprefix(prefix).lower()
    for state, prefix in PREFIXES.items()
    for name in dir(libvirt)
    if name.startswith(prefix) and not name.endswith("_LAST")
}


def words(state: int, reason: int, has_managed_save: bool) -> tuple[str, str]:
    """(state, reason): "saved" is a VM that is off with its memory kept; the reason is "" where libvirt gives none."""
    word = WORDS.get(state, "unknown")
    if word == "shut_off" and has_managed_save:
        word = "saved"
    why = REASONS.get((state, reason), "")
    return word, "" if why == "unknown" else why
