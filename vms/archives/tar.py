"""What is in an OVA: a tar, plainly, with files side by side and nothing else (DSP0243, 6.4)."""

from __future__ import annotations

import re
import tarfile
from dataclasses import dataclass
from typing import Final, cast

from vms.archives.reading import Read, Window
from vms.errors import RefusedArchive

MOST: Final = 64
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,199}")


@dataclass(frozen=True)
class Member:
    """A file within; offset and size in bytes."""

    name: str
    offset: int
    size: int


def list_members(read: Read, size: int) -> list[Member]:
    """The files in their order.

    Raises RefusedArchive: bad_archive for what is no tar of today, member for a link, a device, a folder or a name with
    a path in it, twice for a name that comes again, many, cut_off where a file goes beyond the end.
    """
    found: dict[str, Member] = {}
    try:
        with tarfile.open(fileobj=cast("tarfile._Fileobj", Window(read, size)), mode="r:") as archive:
            for each in archive:
                if not each.isreg() or each.issparse() or not NAME.fullmatch(each.name):
                    raise RefusedArchive(reason="member")
                if each.name in found:
                    raise RefusedArchive(reason="twice")
                if len(found) >= MOST:
                    raise RefusedArchive(reason="many")
                if each.size < 0 or each.offset_data + each.size > size:
                    raise RefusedArchive(reason="cut_off")
                found[each.name] = Member(each.name, each.offset_data, each.size)
    except (tarfile.TarError, ValueError, OverflowError):
        raise RefusedArchive(reason="bad_archive") from None
    return list(found.values())
