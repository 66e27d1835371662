"""Inside a dashboard's environment: `python -m tests.bench.scale.people USERS SESSIONS` prints what they sign in with.

A JSON list of [token, session key...], one a user; each may all.
"""

from __future__ import annotations

import json
import os
import sys


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "kvmweb.settings"
    import django

    django.setup()
    from allauth.usersessions.models import UserSession
    from django.conf import settings
    from django.test import Client

    from vms.models import User
    from vms.services import tokens

    people = []
    for number in range(int(sys.argv[1])):
        user = User.objects.create_user(f"viewer-{number}", is_administrator=True)
        signed_in = [tokens.create(user)[1]]
        for _ in range(int(sys.argv[2])):
            client = Client(HTTP_X_REAL_IP="127.0.0.1", HTTP_HOST="localhost")
            client.force_login(user)
            key = client.session.session_key or ""
            UserSession.objects.create(user=user, session_key=key, ip="127.0.0.1", user_agent="bench")
            signed_in.append(f"{settings.SESSION_COOKIE_NAME}={key}")
        people.append(signed_in)
    print(json.dumps(people))


if __name__ == "__main__":
    main()
