"""Public SSH keys of people, as they paste them: parsed, and kept as nothing but type and key."""

from __future__ import annotations

import re
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from django.db import transaction
from django.db.models import QuerySet

from vms.errors import BadFields
from vms.models import SshKey, User
from vms.permissions import Actor
from vms.services import audit
from vms.services.host_keys import fingerprint

LONGEST: Final = 16 << 10
LONGEST_NAME: Final = 100
MOST: Final = 50
SHORTEST_RSA: Final = 2048
TYPES: Final = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def find_keys(user: User) -> QuerySet[SshKey]:
    """His, the newest first."""
    return SshKey.objects.filter(user=user).order_by("-pk")


def add(actor: Actor, line: str, name: str = "") -> SshKey:
    """The key of the line, called so or by its own comment. Raises BadFields ("key", "name"), which never holds what
    was sent."""
    kind, key, comment = parse(line)
    name = name.strip() or comment or kind
    if CONTROL.search(name) or len(name) > LONGEST_NAME:
        raise BadFields({"name": "ssh_name"})
    made = SshKey(user=actor.user, name=name, key=f"{kind} {key}", fingerprint=fingerprint(f"{kind} {key}"))
    with transaction.atomic():
        User.objects.select_for_update().get(pk=actor.user.pk)
        fingerprints = set(find_keys(actor.user).values_list("fingerprint", flat=True))
        if made.fingerprint in fingerprints:
            raise BadFields({"key": "ssh_taken"})
        if len(fingerprints) >= MOST:
            raise BadFields({"key": "ssh_many"})
        made.save()
        audit.record("added:ssh-key", actor=actor, name=name, fingerprint=made.fingerprint)
    return made


def remove(actor: Actor, key: SshKey) -> None:
    """Forget it; VMs that were made with it keep it."""
    with transaction.atomic():
        if SshKey.objects.filter(pk=key.pk, user=actor.user).delete()[0]:
            audit.record("removed:ssh-key", actor=actor, name=key.name, fingerprint=key.fingerprint)


def parse(line: str) -> tuple[str, str, str]:
    """Type, key in base64 and comment of one line without options. Raises BadFields ("key")."""
    line = line.strip()
    if "PRIVATE KEY" in line or "PuTTY-User-Key-File" in line:
        raise BadFields({"key": "ssh_private"})
    words = line.split(None, 2)
    if len(line) > LONGEST or len(words) < 2 or words[0] not in TYPES or CONTROL.search(line):
        raise BadFields({"key": "ssh_line"})
    kind, key = words[:2]
    try:
        loaded = load_ssh_public_key(f"{kind} {key}".encode())
    except (ValueError, UnsupportedAlgorithm):
        raise BadFields({"key": "ssh_line"}) from None
    if isinstance(loaded, RSAPublicKey) and loaded.key_size < SHORTEST_RSA:
        raise BadFields({"key": "ssh_short"})
    return kind, key, words[2].strip()[:LONGEST_NAME] if len(words) > 2 else ""
