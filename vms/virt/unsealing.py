"""The other half of vms.services.sealing; the web process never comes here."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from vms.errors import SecretUnreadable

LENGTH: Final = 32
SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


def unseal(sealed: str, bound_to: str, key_file: str) -> str:
    """The secret; SecretUnreadable where the key is another one or out of use, or the text was sealed for something
    else."""
    generation, _, text = sealed.partition(":")
    try:
        start = (int(generation) - 1) * LENGTH
        key = X25519PrivateKey.from_private_bytes(Path(key_file).read_bytes()[max(start, 0) : start + LENGTH])
        return SUITE.decrypt(base64.b64decode(text), key, bound_to.encode()).decode()
    except (OSError, ValueError, InvalidTag):
        raise SecretUnreadable(key_file) from None
