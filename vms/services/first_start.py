"""What a dashboard has from its first start on: an administrator, and this machine as its first host."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from django.db import transaction

from vms.models import Host, User
from vms.services import audit, factors

NAME = "admin"
# Without what is easily taken for something else; 16 of 57 signs are 93 bits.
ALPHABET = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"


def generate_password() -> str:
    """Four groups of four, so that it can be typed from a screen."""
    signs = [secrets.choice(ALPHABET) for _ in range(16)]
    return "-".join("".join(signs[start : start + 4]) for start in range(0, 16, 4))


def generated_password(file: Path) -> str:
    """The password in the 0600 file, made where there is none: written before it is set, so that it is never lost."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_text().strip()
    password = generate_password()
    with os.fdopen(descriptor, "w") as output:
        output.write(password + "\n")
    return password


def ensure_administrator(given: str, file: Path) -> None:
    """The administrator of the first start, with the given password or a generated one."""
    if User.objects.exists():
        forget_stale_password(file)
        return
    password = given or generated_password(file)
    with transaction.atomic():
        User.objects.create_user(NAME, password=password, is_administrator=True)
        audit.record("made:administrator", address="scripts/run", name=NAME)


def forget_stale_password(file: Path) -> None:
    """Remove the file of a generated password that is no longer the administrator's."""
    user = User.objects.filter(username=NAME).first()
    if file.exists() and (user is None or not user.check_password(file.read_text().strip())):
        file.unlink()


def renew_password(file: Path) -> None:
    """A new generated password for the administrator, who is made, or made active, where need be; sessions end,
    and no second step is asked for any more."""
    file.unlink(missing_ok=True)
    password = generated_password(file)
    with transaction.atomic():
        user, _ = User.objects.get_or_create(username=NAME)
        user.is_administrator = user.is_active = True
        user.set_password(password)
        user.save()
        ended = factors.is_on(user)
        factors.own(user).delete()
        audit.record("renewed:password", address="scripts/run", name=NAME, second_step_ended=ended)


def ensure_host(node: str, socket: str, machine: str) -> None:
    """This machine as the first host; with a socket of the site's own, libvirt behind that."""
    Host.objects.filter(transport=Host.Transport.LOCAL, node=node, machine="").update(machine=machine)
    if Host.objects.exists():
        return
    transport = Host.Transport.UNIX if socket else Host.Transport.LOCAL
    with transaction.atomic():
        host = Host.objects.create(
            name=node, node=node, transport=transport, socket=socket, machine="" if socket else machine
        )
        audit.record("added:host", target=host, address="scripts/run", transport=host.transport, driver=host.driver)
