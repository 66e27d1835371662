"""What waits for the next start: where the definition of the next one differs from the run by what a person asked for.

What libvirt and QEMU fill in while a VM runs (runtime.py) is no difference.
"""

from vms.libvirtxml.pending.changes import Change, Part, pending
from vms.libvirtxml.pending.settled import settings, sure

__all__ = ["Change", "Part", "pending", "settings", "sure"]
