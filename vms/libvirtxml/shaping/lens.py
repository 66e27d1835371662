"""One property of a part of a definition: how it is read, written, and which values it has."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from lxml import etree

from vms.libvirtxml.lenses import KIB, find
from vms.libvirtxml.shaping.tree import put

# What is read and written, as JSON has it. "" and None: the definition says nothing, libvirt's own choice holds.
Value = str | int | bool | None
Form = Literal[
    "text", "lines", "number", "size", "choice", "flag", "order", "medium", "network", "password", "offered", "system"
]
# The call by which a running VM gets it; "" where only a new start brings it.
Live = Literal["", "memory", "cpus", "metadata", "lifecycle", "device", "limits", "period"]
Read = Callable[[etree._Element], Value]
Write = Callable[[etree._Element, Value], None]

TUNE: Final = "vm.tune"
DEFINE: Final = "vm.define"
PLAIN: Final = re.compile(r"[^\x00-\x1f\x7f\ufffe\uffff]*")
LINES: Final = re.compile(r"[^\x00-\x08\x0b-\x1f\x7f\ufffe\uffff]*")
LARGEST: Final = 1 << 40


class BadValue(ValueError):
    """A value that the lens does not take; why: a code."""

    def __init__(self, lens: str, why: str) -> None:
        super().__init__(f"{lens}: {why}")
        self.lens = lens
        self.why = why


@dataclass(frozen=True)
class Lens:
    """name: within its part. form: what it is entered by; a size is in KiB, of what is offered the host has a list.
    choices: "" for libvirt's own choice, where it has one. least, most: of a number or size. pattern: of a text,
    longest: its letters. loses: writing it takes along what belonged to the old value. only: whether an element has it
    at all. privilege: what changing it always takes, where that is more than who shapes VMs has; the difference decides
    in any case. A password is read from the host's own document alone: what it was is compared with nothing, and ""
    takes it away."""

    name: str
    form: Form
    read: Read
    write: Write
    live: Live = ""
    choices: tuple[str, ...] = ()
    least: int = 0
    most: int = LARGEST
    pattern: re.Pattern[str] | None = None
    longest: int = 0
    required: bool = False
    loses: bool = False
    privilege: str = ""
    only: Callable[[etree._Element], bool] = lambda element: True

    def check(self, value: Any) -> Value:
        """The value. Raises BadValue."""
        if self.form in ("number", "size"):
            if value is None and not self.required:
                return None
            if type(value) is not int or not self.least <= value <= self.most:
                raise BadValue(self.name, "number")
            return value
        if self.form == "flag":
            if type(value) is not bool:
                raise BadValue(self.name, "flag")
            return value
        if not isinstance(value, str):
            raise BadValue(self.name, "text")
        if self.form == "choice" and value not in self.choices:
            raise BadValue(self.name, "choice")
        shape = self.pattern or (LINES if self.form == "lines" else PLAIN)
        if (self.longest and len(value) > self.longest) or (value and not shape.fullmatch(value)):
            raise BadValue(self.name, "text")
        return value


def text(name: str, path: str, *, longest: int, form: Form = "text", **more: Any) -> Lens:
    return Lens(name, form, reader(path), writer(path), longest=longest, **more)


def choice(name: str, path: str, choices: tuple[str, ...], **more: Any) -> Lens:
    return Lens(name, "choice", reader(path), writer(path), choices=choices, **more)


def number(name: str, path: str, **more: Any) -> Lens:
    def read(element: etree._Element) -> Value:
        return whole(find(element, path))

    def write(element: etree._Element, value: Value) -> None:
        put(element, path, None if value is None else str(value))

    return Lens(name, "number", read, write, **more)


def flag(name: str, path: str, **more: Any) -> Lens:
    """Whether there is an empty element."""

    def read(element: etree._Element) -> Value:
        return element.find(path) is not None

    def write(element: etree._Element, value: Value) -> None:
        if value != read(element):
            put(element, path, "" if value else None)

    return Lens(name, "flag", read, write, **more)


def reader(path: str) -> Read:
    return lambda element: find(element, path) or ""


def writer(path: str) -> Write:
    return lambda element, value: put(element, path, str(value) if value else None)


def whole(said: str | None) -> int | None:
    return int(said) if said and said.isascii() and said.isdigit() and len(said) < 19 else None


def kib(element: etree._Element, path: str) -> int | None:
    """A size in KiB, whatever unit it is written in."""
    size, factor = whole((find(element, path) or "").strip()), KIB.get(find(element, f"{path}/@unit") or "KiB")
    return None if size is None or factor is None else int(size * factor)


def put_kib(element: etree._Element, path: str, value: int) -> None:
    put(element, path, str(value))
    put(element, f"{path}/@unit", "KiB")
