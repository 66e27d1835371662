"""Files on their way into a pool: asked for by pages and API, sent to the transfer process by an address that only who
asked can use."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import Final

from django.db import transaction
from django.utils import timezone

from vms.errors import BadFields, NotAllowed
from vms.kinds.uploads import FORMATS, UPLOAD, File
from vms.models import ApiToken, Operation, StoragePool, Upload, User, Volume
from vms.permissions import Actor
from vms.services import operations, sessions, volumes

LIVES: Final = timedelta(hours=24)
LARGEST: Final = 2**63 - 1


def ask(actor: Actor, pool: StoragePool, *, name: str, size_bytes: int, format: str) -> tuple[Upload, str]:
    """The upload and the address to send it to, which is told this once. Nothing is made on the host before the first
    bytes have been judged.

    Raises NotAllowed, OverQuota, Locked where another upload has the name, BadFields ("name", "size_bytes", "format"),
    and what operations.request raises of a silent host.
    """
    wrong = {
        "name": "" if volumes.NAME.fullmatch(name) else "volume_name",
        "size_bytes": wrong_size(pool, size_bytes),
        "format": wrong_format(format),
    }
    if not wrong["name"] and Volume.objects.filter(storage=pool.storage_id, name=name, present=True).exists():
        wrong["name"] = "volume_taken"
    if found := {field: code for field, code in wrong.items() if code}:
        raise BadFields(found)
    secret = secrets.token_urlsafe(32)
    with transaction.atomic():
        operation = operations.request(
            UPLOAD, pool, actor=actor, params=File(name, size_bytes, format), takes={"disk_bytes": size_bytes},
            locks=[lock_of(pool, name)],
        )  # fmt: skip
        upload = Upload.objects.create(
            operation=operation, secret_hash=hashed(secret), name=name, format=format, size_bytes=size_bytes,
            expires_at=timezone.now() + LIVES,
        )  # fmt: skip
    return upload, f"/transfer/uploads/{upload.pk}?key={secret}"


def lock_of(pool: StoragePool, name: str) -> str:
    """What keeps two uploads from one name; of a fixed length, whatever the name's is."""
    return f"upload:{pool.storage_id}:{hashed(name)[:32]}"


def hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def wrong_size(pool: StoragePool, size: int) -> str:
    if not 0 < size <= LARGEST:
        return "size"
    # A pool of which nothing is known yet has a capacity of 0.
    return "no_room" if pool.capacity_bytes and size > pool.available_bytes else ""


def wrong_format(format: str) -> str:
    return "" if format in FORMATS else "choice"


def find(pk: int, secret: str, actor: Actor) -> Upload | None:
    """The upload of that address, for who asked for it by the same session or token; for anybody else it is not
    there."""
    found = Upload.objects.select_related("operation__pool", "operation__host", "volume").filter(
        pk=pk, secret_hash=hashed(secret), operation__actor_user=actor.user,
        operation__actor_session="" if actor.token else actor.session_key, operation__actor_token=actor.token,
    )  # fmt: skip
    return found.first()


def require_still_in(operation: Operation) -> None:
    """Nothing, or NotAllowed: the session or token that asked for it is no longer good."""
    user = operation.actor_user
    if user is None:
        raise NotAllowed(privilege=UPLOAD.privileges[0])
    require_good(Actor(user, operation.actor_session, operation.actor_token))


def require_good(actor: Actor) -> None:
    """Nothing, or NotAllowed: asked now, the session is signed in, or the token neither revoked nor too old."""
    if actor.token is not None:
        good = ApiToken.objects.filter(pk=actor.token.pk, revoked_at=None, expires_at__gt=timezone.now()).exists()
    else:
        good = actor.session_key in sessions.living([actor.session_key])
    if not good or not User.objects.filter(pk=actor.user.pk, is_active=True).exists():
        raise NotAllowed(privilege=UPLOAD.privileges[0])
