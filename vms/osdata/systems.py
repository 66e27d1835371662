"""The operating systems that we know: our own table, which is right where both tell, and libosinfo's data where the
machine has it. Also which of them an ISO or an image installs."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, Final

from vms.osdata import libosinfo
from vms.osdata.iso import Label, read_label
from vms.osdata.system import Medium, Size, System, has

ARCHES: Final = (
    ("x86_64", re.compile(r"(?<![a-z0-9])(x86[_-]64|amd64|x64)(?![a-z0-9])", re.IGNORECASE)),
    ("aarch64", re.compile(r"(?<![a-z0-9])(aarch64|arm64)(?![a-z0-9])", re.IGNORECASE)),
)
# What projects call disks that are to be copied, and started by cloud-init.
CLOUD: Final = re.compile(r"cloud|(?<![a-z])generic(?![a-z])", re.IGNORECASE)
# What nothing is known of, and what is known of any Linux of today.
UNKNOWN, LINUX = "generic", "linux2022"
FOLDERS: list[Path] = []


def look_in(folders: Iterable[Path]) -> None:
    """Take libosinfo's data from these, where they are there; a later one is right where several tell."""
    FOLDERS[:] = folders
    for each in (systems, by_name):
        each.cache_clear()


@cache
def systems() -> dict[str, System]:
    """{short id: system}: our own in the table's order, then libosinfo's, the newest first. The first call reads a
    thousand files where the machine has them."""
    ours = own()
    return {**ours, **{each.id: each for each in libosinfo.load(tuple(FOLDERS)) if each.id not in ours}}


@cache
def by_name() -> dict[str, System]:
    """The same by all short ids and by libosinfo's long ones."""
    known = systems()
    found = {name: each for each in reversed(known.values()) for name in (*each.aliases, each.url) if name}
    return {**found, **known}


def find_system(id: str) -> System | None:
    """The system by a short id or libosinfo's long one; None for one that we do not know."""
    return by_name().get(id)


def own() -> dict[str, System]:
    table = tomllib.loads(Path(__file__).with_name("systems.toml").read_text())
    return {each["id"]: made(each, table["kernel"]) for each in table["system"]}


def made(told: dict[str, Any], kernels: dict[str, dict[str, Any]]) -> System:
    """One of our table, with what those of its kernel have alike."""
    values = {"kernel": "", **kernels.get(told.get("kernel", ""), {}), **told}
    media, files, arch = (values.pop(name, "") for name in ("media", "files", "arch"))
    for name in ("devices", "drivers"):
        values[name] = frozenset(values.get(name, ()))
    for name in ("least", "advised"):
        values[name] = Size(**values.get(name, {}))
    # Matched from its beginning: a label says first what it is of.
    return System(
        **values,
        media=(Medium(rf"\A(?:{media})", arch=arch),) if media else (),
        files=f"(?i:{files})" if files else "",
    )


def recognise(label: Label) -> tuple[str, str]:
    """The system that the ISO installs and the architecture that it is for, "" for what its label does not tell. Of
    several that have such a label it is the first, which is the newest."""
    return next(iter(candidates(label)), ("", arch_in(label.volume)))


def candidates(label: Label) -> list[tuple[str, str]]:
    """All that have such a label: Windows 10 and 11 have the same."""
    return [
        (system.id, arch_in(label.volume) or medium.arch)
        for system in systems().values()
        for medium in system.media
        if medium.matches(label)
    ]


def by_file_name(name: str) -> tuple[str, str]:
    """The same by the name of a file, which only says what somebody called it."""
    name = name[:255]
    found = (each.id for each in systems().values() if each.files and has(each.files, name))
    return next(found, ""), arch_in(name)


def is_cloud_image(name: str) -> bool:
    """Whether the file is called as a project calls its cloud image, by a system that we know."""
    return bool(CLOUD.search(name[:255]) and by_file_name(name)[0])


def tell(first: bytes, name: str) -> tuple[str, str]:
    """The same by the label of what begins so, and by its file's name for what that does not tell."""
    by_name, label = by_file_name(name), read_label(first)
    if label is None:
        return by_name
    told = candidates(label)
    by_label = next((each for each in told if each[0] == by_name[0]), recognise(label))
    return by_label[0] or by_name[0], by_label[1] or by_name[1]


def arch_in(text: str) -> str:
    return next((arch for arch, pattern in ARCHES if pattern.search(text)), "")
