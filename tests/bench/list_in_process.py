"""Inside a dashboard's environment: `python -m tests.bench.list_in_process` prints the list's time and query count."""

from __future__ import annotations

import json
import os
import time
from statistics import median

ROUNDS = 60


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "kvmweb.settings"
    import django

    django.setup()
    from allauth.usersessions.models import UserSession
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from vms.models import User

    user = User.objects.get(is_administrator=True)
    client = Client(HTTP_X_REAL_IP="127.0.0.1", HTTP_HOST="localhost")
    client.force_login(user)
    key = client.session.session_key or ""
    UserSession.objects.get_or_create(user=user, session_key=key, defaults={"ip": "127.0.0.1", "user_agent": "bench"})
    times = []
    for turn in range(ROUNDS + 10):
        began = time.perf_counter()
        answer = client.get("/vms/")
        seconds = time.perf_counter() - began
        assert answer.status_code == 200, answer.status_code
        if turn >= 10:
            times.append(seconds)
    with CaptureQueriesContext(connection) as queries:
        client.get("/vms/")
    print(json.dumps({"seconds": median(times), "queries": len(queries)}))


if __name__ == "__main__":
    main()
