"""Secrets are write-only: sealed here to a key whose other half only the processes that reach hosts may read.

HPKE (RFC 9180) with X25519, HKDF-SHA256 and ChaCha20-Poly1305; vms.virt.unsealing opens what was sealed. Keys have
generations, from 1 on: the private file holds 32 bytes for each, zeros for one that is out of use, the public file the
public half of the newest and its number.
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
LENGTH: Final = 32


def ensure_keys(private: Path, public: Path) -> None:
    """Make the pair where there is none; where only the private half is there, its public half is written again."""
    try:
        descriptor = os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        pass
    else:
        with os.fdopen(descriptor, "wb") as file:
            file.write(make_key())
    publish(private.read_bytes(), public)


def make_key() -> bytes:
    return X25519PrivateKey.generate().private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())


def publish(keys: bytes, public: Path) -> None:
    """Write the public half of the newest key and its generation, where that is not what stands there."""
    newest = X25519PrivateKey.from_private_bytes(keys[-LENGTH:])
    raw = newest.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    content = raw + str(len(keys) // LENGTH).encode()
    if not public.exists() or public.read_bytes() != content:
        public.write_bytes(content)
        public.chmod(public.parent.stat().st_mode & 0o660)


def add_key(private: Path, public: Path) -> str:
    """A new pair seals from now on; its generation. The older keys open still."""
    keys = private.read_bytes() + make_key()
    replace(private, keys)
    publish(keys, public)
    return str(len(keys) // LENGTH)


def retire_keys(private: Path) -> None:
    """Only the newest key opens from now on."""
    keys = private.read_bytes()
    replace(private, bytes(len(keys) - LENGTH) + keys[-LENGTH:])


def replace(private: Path, keys: bytes) -> None:
    """In one stroke: whoever reads the file meanwhile has the old or the new content."""
    fresh = private.with_name(f"{private.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(keys)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(private)


def seal(secret: str, bound_to: str) -> str:
    """Text that only the private half opens, and only for what it is bound to ("host:3:key")."""
    content = settings.STATE.sealing_key.read_bytes()
    key, generation = X25519PublicKey.from_public_bytes(content[:LENGTH]), content[LENGTH:].decode() or "1"
    sealed = SUITE.encrypt(secret.encode(), key, bound_to.encode())
    return f"{generation}:{base64.b64encode(sealed).decode()}"
