"""How snapshots are drawn."""

from __future__ import annotations

from vms.models import Snapshot
from vms.services.snapshot_tree import dedented, rows
from vms.services.snapshots import Branch


def node(name: str, *children: Branch, parent: str = "", current: bool = False) -> Branch:
    for child in children:
        child.snapshot.parent_name = name
    return Branch(Snapshot(name=name, parent_name=parent, is_current=current), False, list(children))


def drawn(*roots: Branch) -> list[str]:
    """ "|" for a line that goes on, "+" where it turns off, then the name, "…" where something goes on below it."""
    return [
        "|" * (row.column - row.turns)
        + "+" * row.turns
        + (row.snapshot.name if row.snapshot else "here")
        + "…" * row.goes_on
        for row in rows(roots)
    ]


def test_one_line() -> None:
    assert drawn(node("a", node("b", node("c", current=True)))) == ["a…", "b…", "c…", "here"]


def test_what_leads_to_the_present_goes_on_and_the_rest_turns_off() -> None:
    tree = node("a", node("b", node("c", current=True)), node("d", node("e")))
    assert drawn(tree) == ["a…", "+d…", "|e", "b…", "c…", "here"]


def test_who_went_back_stands_beside_what_came_later() -> None:
    assert drawn(node("a", node("b"), current=True)) == ["a…", "+b", "here"]


def test_branches_of_branches() -> None:
    tree = node("a", node("b", node("c"), node("d")), node("e", current=True))
    assert drawn(tree) == ["a…", "+b…", "|+c", "|d", "e…", "here"]


def test_without_a_current_one_it_stands_by_itself() -> None:
    assert drawn(node("a"), node("b")) == ["a", "b", "here"]
    assert drawn() == ["here"]
    assert [row.begins for row in rows([node("a")])] == [True, True]


def test_it_may_be_as_deep_as_it_likes() -> None:
    tree = node("0", current=True)
    for number in range(1, 3000):
        tree = node(str(number), tree)
    assert len(rows([tree])) == 3001


def test_a_definition_out_of_another_document() -> None:
    assert dedented("<domain>\n      <name>a</name>\n    </domain>") == "<domain>\n  <name>a</name>\n</domain>"
    assert dedented("") == "" and dedented("<domain/>") == "<domain/>"
