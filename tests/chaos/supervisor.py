"""`python -m tests.chaos.supervisor`: the product's supervisor, with processes that know one kind more."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from kvmweb.environment import Environment
from kvmweb.supervisor import processes
from kvmweb.supervisor.__main__ import main

plain_web = processes.web


def web(environment: Environment, name: str) -> processes.Program:
    made = plain_web(environment, name)
    return replace(made, argv=tuple(word.replace("kvmweb.asgi", "tests.chaos.asgi") for word in made.argv))


if __name__ == "__main__":
    processes.web = web
    processes.BASE = Path(__file__).parent
    sys.exit(main())
