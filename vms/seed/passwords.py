"""Passwords for guests, kept and handed on in no other form than the one that a guest's own libcrypt reads."""

from __future__ import annotations

from typing import Final

from passlib.hash import sha512_crypt

# What glibc and every image since 2008 read; libxcrypt's default.
ROUNDS: Final = 5000


def hashed(password: str) -> str:
    """As crypt(5)'s sha512crypt, with a salt of its own. Raises ValueError for one with NUL or over 4,096 bytes."""
    return str(sha512_crypt.using(rounds=ROUNDS).hash(password))
