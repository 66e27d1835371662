"""Secrets are write-only: sealed here to a key whose other half only the processes that reach hosts may read.

HPKE (RFC 9180) with X25519, HKDF-SHA256 and ChaCha20-Poly1305; vms.virt.unsealing opens what was sealed.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from django.conf import settings

SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
# Names the key pair's generation, for the day on which it is renewed.
GENERATION: Final = "1"


def ensure_keys(private: Path, public: Path) -> None:
    """Make the pair where there is none; where only the private half is there, its public half is written again."""
    try:
        descriptor = os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        key = X25519PrivateKey.from_private_bytes(private.read_bytes())
    else:
        key = X25519PrivateKey.generate()
        with os.fdopen(descriptor, "wb") as file:
            file.write(key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()))
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    if not public.exists() or public.read_bytes() != raw:
        public.write_bytes(raw)
        public.chmod(public.parent.stat().st_mode & 0o660)


def seal(secret: str, bound_to: str) -> str:
    """Text that only the private half opens, and only for what it is bound to ("host:3:key")."""
    key = X25519PublicKey.from_public_bytes(settings.STATE.sealing_key.read_bytes())
    sealed = SUITE.encrypt(secret.encode(), key, bound_to.encode())
    return f"{GENERATION}:{base64.b64encode(sealed).decode()}"
