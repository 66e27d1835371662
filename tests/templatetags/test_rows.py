"""Rows of the list that are kept as text."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.template import Context, Template

from vms.services.rows import Row
from vms.templatetags import rows

ROW = Row(
    pk="7", name="web-01", title="", tags=("a&b",), state="running", shown="running", word="running", note="",
    waiting="", waits="", twin="", host="host-a", cpu="3 %", memory="", address="", lacks="",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    rows.markup.cache_clear()


def render(row: Row, **context: object) -> str:
    return Template("{% load rows %}{% vm_row row %}").render(Context({"row": row, **context}))


def test_the_same_row_is_made_once() -> None:
    first = render(ROW)
    assert render(replace(ROW)) == first
    assert (rows.markup.cache_info().hits, rows.markup.cache_info().misses) == (1, 1)
    assert 'value="7"' in first and "?tag=a%26b" in first and "a&amp;b" in first


def test_one_that_says_anything_else_is_another() -> None:
    first = render(ROW)
    for change in ({"cpu": "4 %"}, {"word": "paused"}, {"tags": ()}, {"lacks": "start"}, {"name": "<b>"}):
        assert render(replace(ROW, **change)) != first
    assert "<b>" not in render(replace(ROW, name="<b>"))


def test_where_it_stands_says_which_cells_it_has() -> None:
    assert "host-a" not in render(ROW)
    assert "host-a" in render(ROW, many_hosts=True)
    assert 'class="pick"' in render(ROW) and 'class="pick"' not in render(ROW, no_pick=True)
