"""`python -m kvmweb.supervisor.ready`: the box, as soon as what systemd's units started answers; with --write what they
need written before they start."""

from __future__ import annotations

import os
import sys
import time

from kvmweb.environment import BadSetting
from kvmweb.supervisor import nginx, readiness
from kvmweb.supervisor.box import box, password_line
from kvmweb.supervisor.certificate import certificate

READY_WITHIN = 90.0
# The journal: a file would grow with nobody there to bound it.
ACCESS_LOG = "syslog:server=unix:/dev/log,nohostname,tag=kvmweb_front"
STOP = "systemctl stop kvmweb.target stops the dashboard, never a VM."


def main() -> int:
    os.umask(0o077)
    try:
        from kvmweb import settings

        environment = settings.ENVIRONMENT
        shown = certificate(environment, settings.ALLOWED_HOSTS)
        if "--write" in sys.argv:
            nginx.write(environment, settings.ALLOWED_HOSTS, settings.ASSETS_DIR, shown, "", ACCESS_LOG)
            return 0
    except BadSetting as problem:
        print(f"The dashboard cannot start: {problem}", file=sys.stderr)
        return 1
    until = time.monotonic() + READY_WITHIN
    while readiness.ask(environment) != 200:
        if time.monotonic() > until:
            print("Not all of it answers: systemctl status 'kvmweb-*', journalctl -u 'kvmweb-*'", file=sys.stderr)
            return 1
        time.sleep(0.2)
    password = password_line(environment.state.first_password, terminal=sys.stdout.isatty())
    print("\n".join(box(environment, shown, password, last=STOP)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
