"""Tickets on demand: `python -m tests.bench.relay.tickets` answers each line, stream or echo, with path and cookie."""

from __future__ import annotations

import os
import sys
import uuid


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "kvmweb.settings"
    import django

    django.setup()
    from allauth.usersessions.models import UserSession
    from django.conf import settings
    from django.contrib.sessions.backends.db import SessionStore

    from vms.models import Host, Placement, User, VirtualMachine
    from vms.permissions import Actor
    from vms.services import consoles

    host = Host.objects.create(name="screens", node="nowhere")
    for name in ("stream", "echo"):
        vm = VirtualMachine.objects.create(name=name)
        vm.placement = Placement.objects.create(
            vm=vm, host=host, uuid=uuid.uuid4(), name=name, state="running", graphics=["vnc"]
        )
        vm.save()
    actor = Actor(User())
    for given, line in enumerate(sys.stdin):
        if given % consoles.MOST_OF_A_USER == 0:
            user = User.objects.create_user(f"viewer-{given}", is_administrator=True)
            session = SessionStore()
            session.create()
            UserSession.objects.create(user=user, ip="127.0.0.1", session_key=session.session_key, user_agent="bench")
            actor = Actor(user, session.session_key or "", address="127.0.0.1")
        console, ticket = consoles.issue(actor, VirtualMachine.objects.get(name=line.strip()))
        print(consoles.address(console, ticket), f"{settings.SESSION_COOKIE_NAME}={actor.session_key}", flush=True)


if __name__ == "__main__":
    main()
