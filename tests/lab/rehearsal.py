"""`python rehearsal.py CODE`: runs Python in the setting of a dashboard, as `manage.py shell` would, for one start.

Each line of its input is one piece as JSON; each line of its output what that printed and what it raised.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import traceback


def main() -> None:
    sys.path.insert(0, sys.argv[1])
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kvmweb.settings")
    import django

    django.setup()
    from django.db import connections

    for line in sys.stdin:
        printed, raised = io.StringIO(), ""
        try:
            with contextlib.redirect_stdout(printed):
                exec(compile(json.loads(line), "given", "exec"), {})
        except Exception:
            raised = traceback.format_exc()
        finally:
            connections.close_all()
        print(json.dumps([printed.getvalue(), raised]), flush=True)


if __name__ == "__main__":
    main()
