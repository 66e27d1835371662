"""What a client of tus 1.0 says (https://tus.io/protocols/resumable-upload), read from its headers."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from vms.errors import UploadStrange

VERSION: Final = "1.0.0"
SUMS: Final = ("sha1", "sha256")
# Creation is the API's. An upload has a known length and one sender.
ABILITIES: Final = {
    "Tus-Version": VERSION,
    "Tus-Extension": "termination,checksum,expiration",
    "Tus-Checksum-Algorithm": ",".join(SUMS),
}
RESUMABLE: Final = {"Tus-Resumable": VERSION}
BODY: Final = "application/offset+octet-stream"
NOT_HERE: Final = ("upload-defer-length", "upload-concat")


@dataclass
class Patch:
    """What a PATCH says of itself. length: of its body, None where that is told piece by piece. sum: of the body, with
    what it has to be."""

    offset: int
    length: int | None
    sum: Any = None
    wanted: bytes = b""

    def check_sum(self) -> None:
        """Raise UploadStrange where the body was another one."""
        if self.sum is not None and self.sum.digest() != self.wanted:
            raise UploadStrange(reason="checksum")


def number(text: str | None) -> int | None:
    """A whole number as the protocol writes it, of a size that a database column holds."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None


def read_patch(headers: Mapping[str, str]) -> Patch:
    """Raises UploadStrange for what does not fit the protocol, or is not offered."""
    offset, length = number(headers.get("upload-offset")), number(headers.get("content-length"))
    strange = offset is None or any(name in headers for name in NOT_HERE)
    if strange or headers.get("content-type", "") != BODY or ("content-length" in headers and length is None):
        raise UploadStrange(reason="headers")
    patch = Patch(offset or 0, length)
    if given := headers.get("upload-checksum"):
        name, _, digest = given.partition(" ")
        if name not in SUMS:
            raise UploadStrange(reason="headers")
        patch.sum = hashlib.new(name, usedforsecurity=False)
        try:
            patch.wanted = base64.b64decode(digest, validate=True)
        except binascii.Error:
            raise UploadStrange(reason="headers") from None
    return patch
