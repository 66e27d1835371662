"""Operating systems: what they are called and need, where their official images are, and which one an ISO installs.

Facts are data files beside this, and libosinfo's where the machine has them; no Django, no libvirt, nothing is asked of
the net.
"""

from vms.osdata.catalogue import CATALOGUE, Entry
from vms.osdata.checksums import Checksum, find, read
from vms.osdata.iso import Label, read_label
from vms.osdata.system import Size, System
from vms.osdata.systems import (
    LINUX,
    UNKNOWN,
    by_file_name,
    find_system,
    is_cloud_image,
    look_in,
    recognise,
    systems,
    tell,
)

__all__ = [
    "CATALOGUE",
    "LINUX",
    "UNKNOWN",
    "Checksum",
    "Entry",
    "Label",
    "Size",
    "System",
    "by_file_name",
    "find",
    "find_system",
    "is_cloud_image",
    "look_in",
    "read",
    "read_label",
    "recognise",
    "systems",
    "tell",
]
