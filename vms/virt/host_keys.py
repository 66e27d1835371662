"""Asking a machine for the key by which it proves who it is, before anybody trusts it."""

from __future__ import annotations

from vms.errors import HostUnreachable, TimedOut
from vms.virt import fields
from vms.virt.spec import HostSpec
from vms.virt.ssh import ALIAS, Ssh

SECONDS = 15.0


def offered_key(spec: HostSpec) -> str:
    """Type and key as the machine shows them now, ED25519 where it has one. Nothing of ours is shown to it.

    Raises the step at which it could not be asked.
    """
    asking = Ssh(spec, "--", ALIAS, "true", ask_key=True)
    try:
        asking.ended.join(SECONDS)
        if asking.ended.is_alive():
            raise TimedOut(f"no key within {SECONDS:g} s")
        lines = asking.known.text().splitlines()
        if not lines:
            raise asking.why() or HostUnreachable("no key was shown")
        return fields.host_key(lines[0])
    finally:
        asking.end()
        asking.forget()
