"""What of a volume is asked for, and what it is called where it arrives."""

from __future__ import annotations

import pytest

from vms.gateways.answers import attachment
from vms.gateways.downloads import NoSuchPart, part


@pytest.mark.parametrize(
    ("asked", "begin", "end"),
    [
        ("bytes=0-", 0, 100), ("bytes=0-0", 0, 1), ("bytes=10-19", 10, 20), ("bytes=99-", 99, 100),
        ("bytes=10-1000", 10, 100), ("bytes=-5", 95, 100), ("bytes=-500", 0, 100), ("bytes = 1 - 2", 1, 3),
    ],
)  # fmt: skip
def test_a_part(asked: str, begin: int, end: int) -> None:
    found = part(asked, 100)
    assert (found.begin, found.end, found.whole, found.size) == (begin, end, False, end - begin)


@pytest.mark.parametrize(
    "asked",
    ["", "bytes=", "bytes=-", "bytes=0-1,5-6", "bytes=a-b", "bytes=1", "bytes=--1", "bytes=0x1-2", "items=0-1",
     "bytes=\u0661-2", f"bytes={'9' * 19}-", "bytes=0-1\n"],
    ids=repr,
)  # fmt: skip
def test_what_we_do_not_read_is_all_of_it(asked: str) -> None:
    found = part(asked, 100)
    assert (found.begin, found.end, found.whole) == (0, 100, True)


@pytest.mark.parametrize("asked", ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=20-10", f"bytes={'9' * 18}-"])
def test_what_is_not_there(asked: str) -> None:
    with pytest.raises(NoSuchPart):
        part(asked, 100)


@pytest.mark.parametrize("asked", ["bytes=0-", "bytes=-1", "bytes=0-0"])
def test_nothing_has_no_part(asked: str) -> None:
    assert part("", 0).size == 0
    with pytest.raises(NoSuchPart):
        part(asked, 0)


@pytest.mark.parametrize(
    ("name", "plain", "whole"),
    [
        ("disk.img", "disk.img", "disk.img"),
        ('a"b\r\nSet-Cookie: x', "a_b__Set-Cookie__x", "a%22b%0D%0ASet-Cookie%3A%20x"),
        ("../\u00e4", "..__", "..%2F%C3%A4"),
    ],
)  # fmt: skip
def test_a_name_says_nothing_but_itself(name: str, plain: str, whole: str) -> None:
    assert attachment(name) == f"attachment; filename=\"{plain}\"; filename*=UTF-8''{whole}"
