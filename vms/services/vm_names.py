"""What a VM may be called."""

from __future__ import annotations

import re
from typing import Final

# What is a name to libvirt, to a file system and to whoever types it.
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,79}")
