"""From what a tool printed to what a person may do about it."""

from __future__ import annotations

import re

AGAIN = "then start again: it goes on where it stopped."
WAYS = (
    (r"Could not get lock|Unable to (acquire|lock)|dpkg frontend lock|is another process using it",
     f"another package manager is at work; wait until it ends, {AGAIN}"),
    (r"No space left on device|ENOSPC|You don't have enough free space",
     f"no room on the disk (about 2 GB are needed); make some, {AGAIN}"),
    (r"CERTIFICATE_VERIFY_FAILED|SELF_SIGNED_CERT|unable to get local issuer|certificate verif",
     f"a proxy with a certificate of its own? Make it known to the system (update-ca-certificates), {AGAIN}"),
    (r"Temporary failure resolving|Could not resolve (host|')|Name or service not known|EAI_AGAIN|ENOTFOUND"
     r"|Network is unreachable|ETIMEDOUT|ECONNREFUSED|ECONNRESET|Max retries exceeded|ProxyError|Could not connect to"
     r"|Connection (timed out|refused|failed)",
     f"the package registry is not reached; behind a proxy set https_proxy (for apt: /etc/apt/apt.conf.d), {AGAIN}"),
    (r"Unable to locate package|has no installation candidate",
     f"apt's sources lack Debian's main archive, or its lists are old (sudo apt-get update), {AGAIN}"),
    (r"DO NOT MATCH THE HASHES|EINTEGRITY|Hash Sum mismatch",
     f"what came is not what was published: a broken cache or proxy between here and the registry; clear it, {AGAIN}"),
    (r"dpkg was interrupted|dpkg --configure -a",
     f"an earlier installation was cut off: sudo dpkg --configure -a, {AGAIN}"),
    (r"held broken packages|unmet dependencies",
     f"packages from other sources are in the way (see apt-get install -f), {AGAIN}"),
    (r"not in the sudoers|password is required|may not run sudo|sudo: .*(incorrect|not allowed)",
     "sudo does not let you in: start as a user with sudo, or as root."),
    (r"made by a newer version", "update this clone (git pull), or take another state folder: KVMWEB_STATE_DIR."),
    (r"authentication unavailable|no polkit agent|authentication failed|Permission denied",
     f"libvirt does not let you in: sign out and in, so that the group libvirt counts, {AGAIN}"),
)  # fmt: skip


def likely_way_out(output: str) -> str:
    """A sentence."""
    for pattern, way in WAYS:
        if re.search(pattern, output):
            return way
    return "read the log, mend what it says, " + AGAIN
