"""The second step of a sign-in: codes that an app makes from a shared secret (RFC 6238), and recovery codes for the day
on which the app is gone.

The secrets are sealed with a key derived from the site's own, which is in no database. What a code opens, it opens
once: the row says which interval was used last, also where Redis has lost everything.
"""

from __future__ import annotations

import base64
import secrets
from functools import cache
from time import time
from typing import Any, Final

from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth
from cryptography.fernet import Fernet, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils.crypto import constant_time_compare

from vms.errors import FactorOff, FactorOn, WrongCode
from vms.models import User
from vms.permissions import Actor, require_fresh
from vms.services import audit, users

TOTP: Final = Authenticator.Type.TOTP
RECOVERY: Final = Authenticator.Type.RECOVERY_CODES
PURPOSE: Final = b"kvmweb second factors"
INTERVAL: Final = 30
# Clocks of telephones differ, and typing takes its time.
BESIDE: Final = 1


@cache
def key(secret_key: str) -> Fernet:
    """The key for factors that belongs to the site's."""
    derived = HKDF(SHA256(), 32, salt=None, info=PURPOSE).derive(secret_key.encode())
    return Fernet(base64.urlsafe_b64encode(derived))


def keys() -> MultiFernet:
    """Seals with the newest, opens with those before it, too."""
    return MultiFernet([key(each) for each in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


def seal(secret: str) -> str:
    """Text that only who has the site's key opens."""
    return keys().encrypt(secret.encode()).decode()


def unseal(sealed: str) -> str:
    """What was sealed; cryptography.fernet.InvalidToken for anything else."""
    return keys().decrypt(sealed).decode()


def make_secret() -> str:
    """For a new app, as it is typed there: 160 random bits in base 32."""
    return str(auth.generate_totp_secret())


def find(user: User) -> Authenticator | None:
    """What makes his codes; None where his sign-in asks for none."""
    return own(user).filter(type=TOTP).first()


def is_on(user: User) -> bool:
    """Whether his sign-in asks for a code."""
    return find(user) is not None


def codes_left(user: User) -> int:
    """How many recovery codes would still let him in."""
    row = own(user).filter(type=RECOVERY).first()
    return len(row.wrap().get_unused_codes()) if row else 0


def activate(actor: Actor, secret: str, code: str) -> list[str]:
    """Ask for codes of that secret from now on; the recovery codes, which nobody is shown again. His other sessions
    end. Raises NotFresh, FactorOn, WrongCode."""
    require_fresh(actor)
    with transaction.atomic():
        User.objects.select_for_update().get(pk=actor.user.pk)
        if is_on(actor.user):
            raise FactorOn
        interval = find_interval(secret, code, after=0)
        if not interval:
            raise WrongCode
        Authenticator.objects.create(user=actor.user, type=TOTP, data={"secret": seal(secret), "used": interval})
        ended = users.end_sessions(actor.user, but=actor.session_key)
        audit.record("activated:factor", actor=actor, sessions=ended)
        return make_codes(actor)


def renew_codes(actor: Actor, code: str) -> list[str]:
    """New recovery codes; those from before open nothing any more. Raises FactorOff, WrongCode."""
    with transaction.atomic():
        prove(actor, code)
        return make_codes(actor)


def deactivate(actor: Actor, code: str) -> None:
    """Ask for no codes any more. Raises FactorOff, WrongCode."""
    with transaction.atomic():
        prove(actor, code)
        own(actor.user).delete()
        audit.record("deactivated:factor", actor=actor)


def reset(actor: Actor, user: User) -> None:
    """The same for somebody who has lost his app and his codes. Raises NotAllowed, NotFresh."""
    with transaction.atomic():
        users.lock(actor)
        require_fresh(actor)
        if own(user).delete()[0]:
            users.tell("reset:factor", actor, user)


def take(user: User, code: str, *, address: str = "") -> Authenticator | None:
    """What the code belongs to, used up by this; None for one that opens nothing, or nothing any more."""
    with transaction.atomic():
        rows = {row.type: row for row in own(user).select_for_update()}
        if TOTP not in rows:
            return None
        if take_interval(rows[TOTP], code):
            return rows[TOTP]
        recovery = rows.get(RECOVERY)
        if recovery is None or not recovery.wrap().validate_code(code):
            return None
        audit.record("used:recovery-code", actor=Actor(user, address=address), left=codes_left(user))
        return recovery


def prove(actor: Actor, code: str) -> None:
    """Raises FactorOff where no code is asked for, WrongCode where it is not a good one; it is used up."""
    if not is_on(actor.user):
        raise FactorOff
    if take(actor.user, code, address=actor.address) is None:
        raise WrongCode


def own(user: User) -> QuerySet[Authenticator]:
    rows: QuerySet[Authenticator] = Authenticator.objects.filter(user=user)
    return rows


def make_codes(actor: Actor) -> list[str]:
    own(actor.user).filter(type=RECOVERY).delete()
    data: dict[str, Any] = {"seed": seal(secrets.token_hex(40)), "used_mask": 0}
    row = Authenticator.objects.create(user=actor.user, type=RECOVERY, data=data)
    codes: list[str] = row.wrap().generate_codes()
    audit.record("made:recovery-codes", actor=actor, number=len(codes))
    return codes


def take_interval(row: Authenticator, code: str) -> bool:
    """Whether the code is one that was not used yet, nor any that came after it."""
    interval = find_interval(unseal(row.data["secret"]), code, after=row.data["used"])
    if interval:
        row.data["used"] = interval
        row.save(update_fields=["data"])
    return bool(interval)


def find_interval(secret: str, code: str, *, after: int) -> int:
    """The interval around now to which the code belongs, of those after that one; else 0."""
    now = this_interval()
    typed = "".join(code.split())
    fits = [
        interval
        for interval in range(now - BESIDE, now + BESIDE + 1)
        if interval > after and constant_time_compare(code_of(secret, interval), typed)
    ]
    return max(fits, default=0)


def this_interval() -> int:
    return int(time()) // INTERVAL


def code_of(secret: str, interval: int) -> str:
    """The code of the secret in that interval (RFC 4226)."""
    return str(auth.format_hotp_value(auth.hotp_value(secret, interval)))
