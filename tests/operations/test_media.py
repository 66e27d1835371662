"""A CD goes out of the drive of this run and of the next, or nothing has changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.operations.conftest import Stage
from vms.errors import BadParameters, CdHeld, HostUnreachable
from vms.kinds.media import Eject
from vms.libvirtxml import DomainXML
from vms.models import Operation, VirtualMachine
from vms.operations import media
from vms.operations.way import Verdict

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]
Done = Callable[[Operation], Operation]
DRIVE = "<disk type='volume' device='cdrom'><source pool='p' volume='{}.iso'/><target dev='{}' bus='sata'/></disk>"
DRIVES = DRIVE.format("debian", "sda") + DRIVE.format("drivers", "sdb")


@pytest.fixture
def runs(stage: Stage) -> Stage:
    """It runs, with two CDs, and was made to install from the first."""
    stage.set_state("running")
    told = stage.fake.domains[stage.uuid]
    text = told.next_boot_xml.replace("</devices>", f"{DRIVES}</devices>")
    stage.fake.domains[stage.uuid] = replace(told, next_boot_xml=text, live_xml=text)
    VirtualMachine.objects.update(installs_from="p/debian.iso")
    return stage


def cds(stage: Stage) -> list[list[str]]:
    """What is in its drives, of this run and of the next."""
    told = stage.fake.domains[stage.uuid]
    return [[disk.source for disk in DomainXML.parse(text).disks] for text in (told.live_xml, told.next_boot_xml)]


def test_it_goes_out_of_both(runs: Stage, done: Done) -> None:
    assert done(runs.ask("vm.eject", Eject("sda"))).state == "succeeded"
    assert cds(runs) == [["", "p/drivers.iso"]] * 2
    assert runs.fake.calls[-2:] == ["eject sda", "modify"]
    assert VirtualMachine.objects.get().installs_from == ""
    assert done(runs.ask("vm.eject", Eject("sda"))).state == "succeeded", "an empty drive stays so"


def test_another_cd_leaves_the_one_that_installs(runs: Stage, done: Done) -> None:
    assert done(runs.ask("vm.eject", Eject("sdb"))).state == "succeeded"
    assert cds(runs) == [["p/debian.iso", ""]] * 2
    assert VirtualMachine.objects.get().installs_from == "p/debian.iso"


def test_a_guest_that_holds_its_drive_keeps_all(runs: Stage, done: Done) -> None:
    runs.fake.fail["eject sda"] = CdHeld("timed out waiting to open tray", drive="sda")
    operation = done(runs.ask("vm.eject", Eject("sda")))
    assert (operation.state, operation.error_code) == ("failed", "cd_held")
    assert cds(runs) == [["p/debian.iso", "p/drivers.iso"]] * 2
    assert VirtualMachine.objects.get().installs_from == "p/debian.iso"


def test_a_drive_that_is_not_there_is_told(runs: Stage, done: Done) -> None:
    assert done(runs.ask("vm.eject", Eject("sdc"))).error_code == "not_found"
    assert cds(runs) == [["p/debian.iso", "p/drivers.iso"]] * 2


def test_what_a_lost_host_did_is_looked_at(runs: Stage, done: Done) -> None:
    runs.fake.fail["modify"] = HostUnreachable("gone")
    operation = done(runs.ask("vm.eject", Eject("sda")))
    assert operation.state == "failed", "half of it is nothing"
    assert media.is_empty({}, {"now": "", "then": ""}) is Verdict.DONE
    assert media.is_empty({}, {"now": "", "then": "p/debian.iso"}) is Verdict.UNDONE


@pytest.mark.parametrize("drive", ["", "sd", "SDA", "../a", "sda\n", "a" * 40])
def test_a_strange_name_is_no_drive(drive: str) -> None:
    if drive == "sd":
        assert Eject(drive).drive == drive
        return
    with pytest.raises(BadParameters):
        Eject(drive)
