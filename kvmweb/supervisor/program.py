"""`python -m kvmweb.supervisor.program NAME`: becomes one of the dashboard's processes, as systemd's units start them.

The units and the supervisor so have one list of commands.
"""

from __future__ import annotations

import os
import sys

from kvmweb.environment import BadSetting, load
from kvmweb.supervisor import nginx
from kvmweb.supervisor.processes import children_environment, programs


def main() -> str:
    """Does not return where it can start; else what is wrong."""
    [name] = sys.argv[1:]
    try:
        environment = load()
    except BadSetting as problem:
        return f"The dashboard cannot start: {problem}"
    found = {program.name: program for program in programs(environment, nginx.place(environment))}
    if name not in found:
        return f"There is no process {name!r} by these settings; there are: {', '.join(found)}"
    program = found[name]
    os.execvpe(program.executable or program.argv[0], program.argv, children_environment(os.environ))


if __name__ == "__main__":
    sys.exit(main())
