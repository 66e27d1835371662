"""The difference decides: which privileges it takes to make one definition of a domain out of another.

Every node that differs is looked up in the allow-list (allowed.py). One that no line names needs vm.define, which
equals root on the host.
"""

from vms.libvirtxml.difference.given import Given, plain, without
from vms.libvirtxml.difference.needs import DEFINE, Need, difference, filled, strayed, uncovered

__all__ = ["DEFINE", "Given", "Need", "difference", "filled", "plain", "strayed", "uncovered", "without"]
