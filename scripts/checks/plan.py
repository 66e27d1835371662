"""Which checks there are, in the order in which they begin: what takes seconds, then what takes or waits longest."""

from __future__ import annotations

from dataclasses import dataclass, replace

from scripts.steps.work import ROOT

LEVELS = ("quick", "full", "long")
# A room of its own in tests/ and a run of its own: they walk over all routes, need real hosts, a browser or a machine.
APART = ("security", "lab", "browser", "bench", "newcomer", "chaos")

# What asks the database for more than rows.
ON_BOTH = (
    "tests/inventory", "tests/operations", "tests/services", "tests/watcher", "tests/chain", "tests/permissions",
    "tests/metrics", "tests/test_consumers.py",
)  # fmt: skip
# And of what shows rows and refuses requests: a part, whose other walks ask for the same rows; all of it.
SOME_REQUESTS = (
    "tests/security/test_access.py::test_everybody_gets_what_the_table_says",
    "tests/security/test_entries.py", "tests/security/test_race.py",
)  # fmt: skip
ALL_REQUESTS = ("tests/views", "tests/api", "tests/security")

# They start processes or threads and wait for them; the gateways as long as all others.
WAITING = ("kvmweb", "supervisor", "virt", "watcher")
# The other half of what computes.
REQUESTS = ("api", "permissions", "views")

# How many checks with real parts run at a time: they wait more than they work. How many others beside them: as many as
# there are cores.
REAL_LANES, LANES = 3, 2
# The others take what those leave of the cores.
BEHIND = 5

# Seconds that a test may take with all that it asks to be set up: several times the slowest one's on a busy machine.
LIMIT, LONG_LIMIT = 600, 3600
# More of them for pytest itself to say where it hangs and to end, before it is ended.
LAST_WORDS = 60
# Seconds for everything together in the levels that are looked at each day.
WHOLE = 80 * 60


@dataclass(frozen=True)
class Check:
    """One command; its words follow the environment's Python."""

    title: str
    command: tuple[str, ...]
    counts: bool = False
    # KVMWEB_TEST_* of this check alone.
    settings: tuple[tuple[str, str], ...] = ()
    # Real daemons, guests or a browser beside another check: what fails is run once more, alone.
    crowded: bool = False
    # It waits for real parts; the others only compute.
    real: bool = False
    # It computes, though it is crowded: it takes what the others leave of the cores.
    behind: bool = False
    # Seconds for one test, or for all of a check that isn't one of tests.
    limit: int = LIMIT


def words(*, limit: int, crowded: bool) -> tuple[str, ...]:
    """What starts pytest. A test over its limit fails, after the stacks of all threads were printed; where there are
    real parts it ends the process (their libraries wait where no exception comes through, and Playwright's event loop
    does not survive one), after which running.py goes on with the others."""
    method = "thread" if crowded else "signal"
    return ("-m", "pytest", "-q", f"--timeout={limit}", f"--timeout-method={method}")


def pytest(title: str, *which: str, everything: bool, crowded: bool = False, real: bool | None = None) -> Check:
    """A pytest run; everything: also the tests marked long, which pyproject.toml deselects. What is crowded is real,
    unless something else is said."""
    limit = LONG_LIMIT if everything else LIMIT
    start = words(limit=limit, crowded=crowded)
    command = (*start, "--durations=10", *(("-m", "") if everything else ()), *which)
    real = crowded if real is None else real
    return Check(title, command, counts=True, crowded=crowded, real=real, limit=limit)


def again(check: Check, names: tuple[str, ...]) -> Check:
    """These tests of it alone, or all where none has a name."""
    start = (*words(limit=check.limit, crowded=check.crowded), "-m", "", *names) if names else check.command
    return replace(check, title=f"{check.title} again", command=start)


def half(room: str, number: int) -> tuple[str, ...]:
    """Every second file of tests in the room, from this one on."""
    return tuple(str(path.relative_to(ROOT)) for path in sorted((ROOT / "tests" / room).glob("test_*.py")))[number::2]


def checks(level: str) -> list[Check]:
    """quick: lint, types, unit. full: real hosts and the browser too. long: and what takes minutes each."""
    everything, quick = level == "long", level == "quick"
    found = [
        Check("ruff check", ("-m", "ruff", "check", "--quiet", ".")),
        Check("ruff format", ("-m", "ruff", "format", "--quiet", "--check", ".")),
        Check("imports", ("-c", "from importlinter.cli import lint_imports_command as run; run()")),
        Check("templates", ("-m", "djlint", "--quiet", "--lint", "templates")),
        Check("migrations", ("manage.py", "makemigrations", "--check", "--dry-run")),
    ]
    if not quick:
        found += [
            # Playwright's own event loop and asynchronous tests don't go together in one run.
            pytest(
                "browser",
                "tests/browser",
                "--ignore=tests/browser/test_controls.py",
                everything=everything,
                crowded=True,
            ),
            # Its tests wait for guests most of the time.
            *(pytest(f"lab {1 + each}", *half("lab", each), everything=everything, crowded=True) for each in (0, 1)),
            pytest("controls", "tests/browser/test_controls.py", everything=everything, crowded=True),
            pytest("security", "tests/security", everything=everything),
            # Once more on the other database: what commits, and of the others a third (tests/strictness.py).
            replace(
                pytest(
                    "PostgreSQL",
                    *ON_BOTH,
                    *(ALL_REQUESTS if everything else SOME_REQUESTS),
                    everything=everything,
                    crowded=True,
                    real=False,
                ),
                settings=(("DATABASE", "postgresql"), ("SHARE", "1" if everything else "3")),
                behind=True,
            ),
        ]
    others = (*APART, *WAITING, "gateways", *REQUESTS)
    found += [
        pytest("unit", "tests", *(f"--ignore=tests/{room}" for room in others), everything=everything),
        pytest("requests", *(f"tests/{room}" for room in REQUESTS), everything=everything),
        Check("mypy --strict", ("-m", "mypy")),
        # Short ones that wait, in the time that the others leave; the quick level has nothing else that waits.
        pytest("processes", *(f"tests/{room}" for room in WAITING), everything=everything, crowded=True, real=quick),
        pytest("gateways", "tests/gateways", everything=everything, crowded=True, real=quick),
    ]
    if everything:
        whole = (("CHROMIUM", "/usr/bin/chromium"),)
        found = [replace(one, settings=whole) if one.title in ("browser", "controls") else one for one in found]
        found += [pytest(room, f"tests/{room}", everything=True, real=True) for room in ("newcomer", "chaos")]
    return found
