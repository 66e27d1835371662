"""New definitions: what is wanted, on which machine, for which system, made into a domain's document. Nothing is asked
and nothing is chosen here: names, UUIDs, MACs and volumes are handed in.
"""

from vms.libvirtxml.compose.domain import compose
from vms.libvirtxml.compose.wanted import (
    FIRMWARES,
    PLAIN,
    Card,
    Drive,
    Firmware,
    Guest,
    Machine,
    Wanted,
)

__all__ = ["FIRMWARES", "PLAIN", "Card", "Drive", "Firmware", "Guest", "Machine", "Wanted", "compose"]
