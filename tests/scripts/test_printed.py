"""What is printed of tests that failed, and the one line that says why."""

from __future__ import annotations

from scripts.checks.printed import FIRST, LAST, LONGEST, REASON, SHORT, reason, shortened

HEAD = "_ test_of_a_page[chromium] _"


def long_part(number: int) -> list[str]:
    """Of a test with so many lines, whose assertion is in the middle."""
    lines = [HEAD, *(f"    line {each}" for each in range(number))]
    lines[number // 2] = "E       AssertionError: Locator expected to contain text"
    return lines


def test_the_reason_is_the_first_line_that_pytest_marks() -> None:
    lines = [
        "> assert 1 == 2",
        "E       ",
        "E       AssertionError: not within  60 s",
        "E         more",
        "",
        "x.py:3: A",
    ]
    assert reason("\n".join(lines)) == "AssertionError: not within 60 s"
    assert reason("the process\nended\n\n") == "ended"
    assert reason("") == ""
    assert len(reason("E " + "x" * 1000)) == SHORT


def test_a_test_that_prints_too_much_keeps_its_beginning_its_assertion_and_its_end() -> None:
    part = long_part(4000)
    printed = shortened("\n".join([".F. [100%]", "= FAILURES =", *part, "= 1 failed in 3 s ="])).splitlines()
    assert len(printed) == 3 + FIRST + REASON + LAST + 2
    assert printed[:3] == [".F. [100%]", "= FAILURES =", HEAD] and printed[-1] == "= 1 failed in 3 s ="
    assert part[2000] in printed and printed[-2] == part[-1]
    left_out = [line for line in printed if line.startswith("[…")]
    assert left_out == [f"[… {2000 - FIRST} lines …]", f"[… {4001 - 2000 - REASON - LAST} lines …]"]


def test_what_is_short_or_no_tests_stays_but_for_endless_lines() -> None:
    text = "\n".join([*("a line of a stack" for _ in range(200)), HEAD, "_ _ _ _ _ _ _", "x" * LONGEST]) + "\n"
    assert shortened(text) == text
    assert shortened("x" * (LONGEST + 1)) == "x" * LONGEST + "[…]\n"
