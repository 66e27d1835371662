"""What holds for every document and every change of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from copy import deepcopy
from pathlib import Path
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from vms.libvirtxml import DEFINE, DomainXML, difference

BEFORE: Final = (Path(__file__).with_name("golden") / "rich-got.xml").read_text()
ROOT: Final = DomainXML.parse(BEFORE).element
ELEMENTS: Final = len(list(ROOT.iter()))
# Where any text is taken: what people write, and what only the guest sees.
FREE: Final = (
    "name", "title", "description", "devices/disk/serial", "devices/graphics/@passwd", "cpu/model/@vendor_id",
    "devices/*/alias/@name", "devices/*/address/", "devices/controller/target/@port", "clock/",
)  # fmt: skip
NAMES: Final = ("file", "path", "dev", "dir", "socket", "type", "name", "mode", "model", "source", "script", "address")


def text(root: etree._Element) -> str:
    return etree.tostring(root, encoding="unicode")


def place(element: etree._Element) -> str:
    names = [str(here.tag) for here in (element, *element.iterancestors())]
    return "/".join(reversed(names[:-1]))


def is_free(where: str) -> bool:
    names = where.split("/")
    starred = "/".join([*names[:1], "*", *names[2:]]) if names[0] == "devices" else where
    return any(
        one == free or (free.endswith("/") and f"{one}/".startswith(free)) for free in FREE for one in (where, starred)
    )


def privileges(after: str) -> set[str]:
    return {need.privilege for need in difference(BEFORE, after)}


@given(st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_what_means_nothing_needs_nothing(chance: random.Random) -> None:
    root = deepcopy(ROOT)
    for element in list(root.iter(etree.Element)):
        attributes = list(element.attrib.items())
        chance.shuffle(attributes)
        element.attrib.clear()
        element.attrib.update(attributes)
        if len(element):
            groups: dict[object, list[etree._Element]] = {}
            for child in element:
                groups.setdefault(child.tag, []).append(child)
            order = [child.tag for child in element]
            chance.shuffle(order)
            for tag in order:
                element.append(groups[tag].pop(0))
            element.text = chance.choice(["", "\n", " \t\n "])
        elif element.text and chance.random() < 0.3:
            cut = chance.randrange(len(element.text))
            comment = etree.Comment("kept by nobody")
            comment.tail, element.text = element.text[cut:], element.text[:cut]
            element.append(comment)
        if chance.random() < 0.3 and element.getparent() is not None:
            element.addnext(etree.Comment(" x "))
    assert difference(BEFORE, text(root)) == ()
    assert difference(text(root), BEFORE) == ()


@given(st.integers(1, ELEMENTS - 1), st.sampled_from(NAMES), st.booleans())
@settings(max_examples=200, deadline=None)
def test_a_path_anywhere_needs_vm_define(number: int, name: str, as_child: bool) -> None:
    """As an attribute or a child of whatever element, of whatever name."""
    root = deepcopy(ROOT)
    element = list(root.iter())[number]
    if as_child:
        etree.SubElement(element, name).text = "/etc/shadow"
    else:
        element.set(name, "/etc/shadow")
    where = f"{place(element)}/{'' if as_child else '@'}{name}"
    assert DEFINE in privileges(text(root)) or is_free(where), where


@given(st.integers(1, ELEMENTS - 1))
@settings(max_examples=60, deadline=None)
def test_another_text_anywhere_needs_vm_define(number: int) -> None:
    root = deepcopy(ROOT)
    element = list(root.iter())[number]
    element.text = "/etc/shadow"
    assert DEFINE in privileges(text(root)) or is_free(place(element)), place(element)


@given(st.integers(1, ELEMENTS - 1), st.text("abcdefgh-", min_size=1, max_size=8).filter(lambda word: word[0] != "-"))
@settings(max_examples=40, deadline=None)
def test_an_element_that_nobody_knows_needs_vm_define(number: int, name: str) -> None:
    root = deepcopy(ROOT)
    element = list(root.iter())[number]
    etree.SubElement(element, f"zz{name}")
    assert DEFINE in privileges(text(root)) or is_free(f"{place(element)}/zz{name}")


def put(way: str, attribute: str, value: str) -> Callable[[etree._Element], None]:
    def change(root: etree._Element) -> None:
        element = root.find(way)
        assert element is not None
        if attribute:
            element.set(attribute, value)
        else:
            element.text = value

    return change


PARTS: Final = [
    put("title", "", "Poor"), put("vcpu", "", "9"), put("vcpu", "cpuset", "1"), put("os/boot", "dev", "network"),
    put("devices/disk/driver", "cache", "none"), put("devices/disk/source", "file", "/etc/shadow"),
    put("devices/interface/source", "network", "other"), put("devices/interface/model", "type", "e1000"),
    put("devices/graphics", "passwd", "x"), put("devices/watchdog", "action", "dump"), put("name", "", "other"),
    put("devices/emulator", "", "/my/script"), put("devices/sound", "model", "ac97"), put("on_crash", "", "preserve"),
    put("devices/memballoon/stats", "period", "6"), put("features", "unheard-of", "1"),
]  # fmt: skip


def changed(parts: Iterable[Callable[[etree._Element], None]]) -> str:
    root = deepcopy(ROOT)
    for change in parts:
        change(root)
    return text(root)


ALONE: Final = {change: privileges(changed([change])) for change in PARTS}


@given(st.sets(st.sampled_from(PARTS)))
@settings(max_examples=50, deadline=None)
def test_what_changes_together_needs_what_each_change_needs(parts: set[Callable[[etree._Element], None]]) -> None:
    assert privileges(changed(parts)) == {privilege for change in parts for privilege in ALONE[change]}
