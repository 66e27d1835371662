"""Which checks there are, in the order in which they are run: what fails fastest first."""

from __future__ import annotations

from dataclasses import dataclass

LEVELS = ("quick", "full", "long")
# A room of its own in tests/ and a run of its own: they walk over all routes, need real hosts, a browser or a machine.
APART = ("security", "lab", "browser", "bench", "newcomer")


@dataclass(frozen=True)
class Check:
    """One command; its words follow the environment's Python."""

    title: str
    command: tuple[str, ...]
    counts: bool = False
    # Runs beside the others, which mostly wait; what it prints comes at its end.
    beside: bool = False


def pytest(title: str, *words: str, everything: bool, beside: bool = False) -> Check:
    """A pytest run; everything: also the tests marked long, which pyproject.toml deselects."""
    command = ("-m", "pytest", "-q", "--durations=10", *(("-m", "") if everything else ()), *words)
    return Check(title, command, counts=True, beside=beside)


def checks(level: str) -> list[Check]:
    """quick: lint, types, unit. full: real hosts and the browser too. long: and what takes minutes each."""
    everything = level == "long"
    found = [
        Check("ruff check", ("-m", "ruff", "check", "--quiet", ".")),
        Check("ruff format", ("-m", "ruff", "format", "--quiet", "--check", ".")),
        Check("imports", ("-c", "from importlinter.cli import lint_imports_command as run; run()")),
        Check("templates", ("-m", "djlint", "--quiet", "--lint", "templates")),
        Check("mypy --strict", ("-m", "mypy"), beside=True),
        Check("migrations", ("manage.py", "makemigrations", "--check", "--dry-run")),
        pytest("unit", "tests", *(f"--ignore=tests/{room}" for room in APART), everything=everything),
    ]  # fmt: skip
    if level != "quick":
        found += [
            pytest("security", "tests/security", everything=everything),
            pytest("lab", "tests/lab", everything=everything, beside=True),
            # Playwright's own event loop and asynchronous tests don't go together in one run.
            pytest("browser", "tests/browser", everything=everything),
        ]
    if everything:
        found.append(pytest("newcomer", "tests/newcomer", everything=True))
    return found
