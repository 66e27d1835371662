"""Operating systems: what they are called and need, where their official images are, and which one an ISO installs.

Facts are data files beside this; no Django, no libvirt, nothing is asked of the net.
"""

from vms.osdata.catalogue import CATALOGUE, Entry
from vms.osdata.checksums import Checksum, find, read
from vms.osdata.iso import Label, read_label
from vms.osdata.systems import SYSTEMS, System, by_file_name, recognise, tell

__all__ = [
    "CATALOGUE",
    "SYSTEMS",
    "Checksum",
    "Entry",
    "Label",
    "System",
    "by_file_name",
    "find",
    "read",
    "read_label",
    "recognise",
    "tell",
]
