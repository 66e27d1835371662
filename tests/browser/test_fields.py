"""Each field of each part of a machine, changed on its page: exactly that is in the host's definition then, in the run
where it gets it at once, and the guest sees what it can."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial

import pytest
from lxml import etree
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import NewContext
from tests.browser.pages import live
from tests.data.shapes import TRIALS, Trial
from tests.data.shapes_seen import ADDED, BEFORE, LATE, LIVE, NOT_OFFERED, SEEN_BOOTED, SEEN_LIVE, TAKEN, Sight, kind
from tests.lab.guests import LabGuest
from tests.lab.machine import LabHost, eventually
from tests.lab.shaping import (
    MIB,
    defined,
    docs_and_stick,
    drawing_in_3d,
    machine_on,
    said,
    surroundings,
    with_socket,
)
from tests.lab.stack import Dashboard
from tests.lab.test_create import connected, image, volume
from tests.lab.test_serial import command, opened, read
from tests.osdata.test_osdata import iso
from vms.demo import guest
from vms.libvirtxml import DomainXML, difference
from vms.libvirtxml.shaping import HIDDEN, MACHINE, Part, part, parts
from vms.services.shape_words import lens_word
from vms.services.shaping import AUTOSTART

# A field is one by which something of the VM is said; these say how.
NO_FIELDS = {"csrfmiddlewaretoken", "seen", "apply", "remove", "look"}
LAST = "select state, error_code, error_params from vms_operation order by id desc limit 1"
PREDICATE = re.compile(r"\[.*?\]|^name\(|\)$")
# What libvirt adds or takes away beside what a device becomes.
BOOTS = ["os/boot", "devices/disk/boot", "devices/interface/boot"]
BESIDES = re.compile(r"devices/controller(/.*)?|devices/disk/(@type|source.*)|devices/rng/rate/@period|cpu/topology.*")


@dataclass
class Bench:
    """The machine on its host, its guest, and the page that it is changed on."""

    host: LabHost
    dashboard: Dashboard
    uuid: str
    vm: int
    guest: LabGuest
    page: Page
    touched: set[tuple[str, str]] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    last: dict[str, str | None] = field(default_factory=dict)

    def dump(self, *, run: bool = False) -> str:
        return self.host.virsh("dumpxml", self.uuid, "--security-info", *([] if run else ["--inactive"]))

    def start(self) -> None:
        self.host.virsh("start", self.uuid)
        self.dashboard.await_state(self.vm, "running")

    def end(self) -> None:
        self.host.virsh("destroy", self.uuid)
        self.dashboard.await_state(self.vm, "shut_off")

    def runs(self, trial: Trial) -> bool:
        return said(etree.fromstring(self.dump(run=True)).xpath(trial.path)) == trial.said

    def open(self, key: str) -> None:
        self.page.goto(f"/vms/{self.vm}/hardware/?part={key}")
        live(self.page)

    def sees(self, sights: Iterable[Sight], which: str) -> None:
        """Its guest's shell says what it should."""
        sights = list(sights)
        words = ";".join(f'echo "<{number}:$({sight.command})>"' for number, sight in enumerate(sights))

        def look() -> bool:
            with opened(self.guest) as line:
                command(line, f"{words};echo all-$((6*7))\r".encode())
                answer = read(line, b"all-42").decode()
            found = dict(re.findall(r"\n<(\d+):(.*?)>", answer, re.DOTALL))
            self.last = {sight.command: found.get(str(number)) for number, sight in enumerate(sights)}
            return all(
                re.fullmatch(getattr(sight, which), found.get(str(number), "-")) for number, sight in enumerate(sights)
            )

        try:
            eventually(look, f"the guest sees it {which}", within=60, every=2)
        except AssertionError as late:
            raise AssertionError(self.last) from late


@pytest.fixture
def bench(running: Dashboard, lab_host: LabHost, guest_files: guest.Guest, new_browser: NewContext) -> Iterator[Bench]:
    with surroundings(lab_host) as pool:
        (pool.folder / "installer.iso").write_bytes(iso("Debian 13.1.0 amd64 n").ljust(MIB, b"\0"))
        with defined(lab_host, booting(machine_on(pool), guest_files)) as own:
            eventually(lambda: connected(running, "other"), "cards can be put there", within=60)
            pools = running.get("/pools?page_size=200")["items"]
            number = next(one["id"] for one in pools if one["name"] == pool.name)
            running.do(f"from vms.models import Storage; Storage.objects.filter(pools={number}).update(trusted=True)")
            running.await_operation(running.post(f"/pools/{number}/refresh").body["operation"]["id"])
            image(running, "installer.iso")
            volume(running, number, "third")
            there = LabGuest(lab_host, "shaped", lab_host.folder / "serial/shaped.log")
            with drawing_in_3d(running), docs_and_stick(running, running.vm(own)):
                yield Bench(lab_host, running, own, running.vm(own), there, new_browser().new_page())


def booting(text: str, files: guest.Guest) -> str:
    """With the demo's guest in it, a shell on its second serial line, and one processor that may come."""
    boot = (
        f"<kernel>{files.kernel}</kernel><initrd>{files.initrd}</initrd>"
        f"<cmdline>{guest.COMMAND_LINE}</cmdline><smbios mode='sysinfo'/>"
    )
    lines = "<serial type='null'/><serial type='pty'/>"
    named = "<sysinfo type='smbios'><system><entry name='serial'>shaped</entry></system></sysinfo>"
    return (
        text.replace("<boot dev='hd'/>", boot)
        .replace("<os>", f"{named}<os>")
        .replace("<channel", lines + "<channel", 1)
        .replace("'MiB'>64<", "'MiB'>112<")
        .replace("<vcpu>2<", "<vcpu current='2'>3<")
    )


def fields(page: Page) -> dict[str, Locator]:
    """Those of the form, by their names."""
    form = page.locator("form.shaping")
    names = form.locator(":is(input, select, textarea)").evaluate_all("all => all.map(one => one.name)")
    return {name: form.locator(f"[name='{name}']") for name in dict.fromkeys(names) if name not in NO_FIELDS}


def enter(at: Locator, value: str | int | bool) -> None:
    """As a person does: tick it, choose it, write it."""
    sort = at.evaluate("one => one.type")
    if sort == "checkbox":
        at.set_checked(bool(value))
    elif sort.startswith("select"):
        at.select_option(str(value))
    else:
        at.fill(str(value))


def applied(page: Page) -> None:
    """Press the button; the form is there again when it is done."""
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("#you-get")).to_contain_text("Nothing yet", timeout=30_000)


def change(bench: Bench, key: str, trials: Iterable[Trial]) -> None:
    """Enter them all in the part's form, read what changes, and have it done; then the definition has exactly that."""
    trials = list(trials)
    page, there = bench.page, fields(bench.page)
    before = DomainXML.parse(bench.dump())
    for trial in trials:
        assert trial.lens in there, f"{key} has no field for {trial.lens}"
        lens = part(before, key).lens(trial.lens)  # type: ignore[union-attr]
        enter(there[trial.lens], int(trial.value) // 1024 if lens and lens.form == "size" else trial.value)
        bench.touched.add((key, trial.lens))
    for trial in trials:
        told = "A new password" if trial.lens == HIDDEN else f"{lens_word(trial.lens)}: "
        expect(page.locator("#you-get")).to_contain_text(told)
    applied(page)
    after = bench.dump()
    root = etree.fromstring(after)
    found = [one for one in trials if said(root.xpath(one.path)) != one.said]
    bench.wrong += [f"{key}/{one.lens}: {said(root.xpath(one.path))!r} is in the definition" for one in found]
    bench.wrong += [f"{key}: {one} changed too" for one in beside(before, DomainXML.parse(after), trials)]
    if found:
        bench.wrong += [str(row) for row in bench.dashboard.query(LAST)]


def beside(before: DomainXML, after: DomainXML, trials: Sequence[Trial]) -> list[str]:
    """What changed that nobody entered and libvirt does not change along with it."""
    ways = [re.sub(PREDICATE, "", one.path).partition("/*")[0] for one in trials]
    # Where all that it can have is in use, the most that it can have goes along.
    ways += ["memory"] if "memory" in [one.lens for one in trials] else []
    ways += ["devices/graphics"] if "three_d" in [one.lens for one in trials] else []
    # Another device, or another order, takes along what belonged to the old one.
    for one in trials:
        found = part(before, one.part)
        lens = found.lens(one.lens) if found else None
        if found and lens and lens.loses:
            ways += BOOTS if one.part == "boot" else [one.part] if found.sort in MACHINE else [f"devices/{found.sort}"]
    places = {re.sub(PREDICATE, "", need.place) for need in difference(before.text, after.text)}
    other = {place for place in places if not any(place.startswith(way) or way.startswith(place) for way in ways)}
    # What draws on the host.
    drawing = {"graphics1"} if "three_d" in [one.lens for one in trials] else set()
    own = drawing | {trials[0].part, *(one.becomes for one in trials)}
    was, now = (
        {one.key: bare(one) for one in parts(document) if one.sort not in (*MACHINE, "controller")}
        for document in (before, after)
    )
    devices = [key for key in {*was, *now} - own if was.get(key) != now.get(key)]
    return sorted(place for place in other if not BESIDES.fullmatch(place)) + devices


def bare(one: Part) -> bytes:
    """A device without its place on the bus and in the order of starting."""
    element = deepcopy(one.element)
    for child in [*element.findall("address"), *element.findall("boot")]:
        element.remove(child)
    return bytes(etree.tostring(element, method="c14n", with_tail=False))


def rounds(trials: Iterable[Trial]) -> Iterator[list[Trial]]:
    """In their order, each lens once in each."""
    now: list[Trial] = []
    for trial in trials:
        if trial.lens in [one.lens for one in now]:
            yield now
            now = []
        now.append(trial)
    if now:
        yield now


def while_it_runs(bench: Bench) -> None:
    """What a run can have at once is in both documents."""
    for key in dict.fromkeys(trial.part for trial in LIVE):
        bench.open(key)
        for some in rounds(trial for trial in LIVE if trial.part == key):
            change(bench, key, some)
            for one in some:
                # A guest takes its time for giving memory back.
                eventually(partial(bench.runs, one), f"{key}/{one.lens} in the run")


def while_it_is_off(bench: Bench) -> None:
    """Each part that is listed; a field without a value is told."""
    bench.open("overview")
    shown = bench.page.locator("#parts a[href^='?part=']").evaluate_all("all => all.map(one => one.search)")
    sorts = {one.key: kind(one) for one in parts(DomainXML.parse(bench.dump()))}
    tried = {(sorts[one.part], one.lens) for one in (*TRIALS, *TAKEN) if one.part in sorts} | {("overview", AUTOSTART)}
    seen: set[str] = set()
    for key in (word.removeprefix("?part=") for word in shown if word != "?part=add"):
        own = [trial for trial in (*BEFORE, *TRIALS) if trial.part == key]
        if not own and sorts[key] in seen:
            # Such as each port of the bus.
            continue
        seen.add(sorts[key])
        bench.open(key)
        bench.wrong += [
            f"{key}/{name}: no value in tests/data/shapes.py"
            for name in fields(bench.page)
            if (sorts[key], name) not in tried
        ]
        for some in rounds(one for one in own if (key, one.lens) not in LATE | NOT_OFFERED):
            change(bench, key, some)
        for one in (one for one in TAKEN if one.part == key):
            fields(bench.page)[one.lens].check()
            applied(bench.page)
            assert said(etree.fromstring(bench.dump()).xpath(one.path)) == one.said
    bench.open("overview")
    fields(bench.page)[AUTOSTART].check()
    applied(bench.page)
    assert re.search(r"^Autostart: +enable", bench.host.virsh("dominfo", bench.uuid), re.M)


def at_last(bench: Bench) -> None:
    """What keeps it from starting here, or rules out others; then devices that are added."""
    with_socket(bench.host, bench.dashboard, bench.uuid)
    for key in dict.fromkeys(key for key, _ in sorted(LATE)):
        for some in rounds(trial for trial in TRIALS if trial.part == key and (key, trial.lens) in LATE):
            bench.open(key)
            change(bench, key, some)
    for adding in ADDED:
        bench.open(f"add&sort={adding.sort}")
        for name, value in adding.said.items():
            there = fields(bench.page)
            assert name in there, f"no field {name} for a new {adding.sort}; there are {sorted(there)}"
            enter(there[name], value)
        expect(bench.page.locator("#you-get")).to_contain_text("is added")
        bench.page.get_by_role("button", name="Add", exact=True).click()
        expect(bench.page.locator("#you-get")).to_contain_text("Nothing yet", timeout=30_000)
        root = etree.fromstring(bench.dump())
        assert {path: said(root.xpath(path)) for path in adding.paths} == adding.paths


def test_each_field_of_each_part_is_found_in_the_definition_and_in_the_guest(bench: Bench) -> None:
    first = bench.dump()
    bench.start()
    bench.sees([*SEEN_LIVE, *SEEN_BOOTED], "before")
    while_it_runs(bench)
    bench.sees(SEEN_LIVE, "after")
    bench.end()
    bench.host.connect().defineXML(first)
    while_it_is_off(bench)
    bench.start()
    bench.sees(SEEN_BOOTED, "after")
    bench.end()
    at_last(bench)
    assert not bench.wrong, "\n".join(bench.wrong)
    # Without swtpm on the host libvirt takes no TPM (docs/unproved.md).
    assert bench.touched == {(one.part, one.lens) for one in TRIALS if one.part != "tpm0"} - NOT_OFFERED
