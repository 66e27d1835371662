"""What is taken over from the row before, and what is read anew."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.fakehost import info
from vms.inventory import row, rows


def test_the_same_documents_are_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    made = info("web-01")
    before = row(made, {})
    monkeypatch.setattr(rows, "read", None)
    after = row(replace(made, state="crashed", autostart=True), {}, before)
    assert after.document is before.document
    assert (after.placement["state"], after.placement["autostart"]) == ("crashed", True)


def test_a_changed_document_is_read_again() -> None:
    made = info("web-01")
    changed = replace(made, next_boot_xml=made.next_boot_xml.replace(">1024<", ">2048<"))
    after = row(changed, {}, row(made, {}))
    assert after.placement["memory_kib"] == 2048
    assert after == row(changed, {})


def test_new_leases_change_the_addresses_of_the_same_documents() -> None:
    made = info("web-01", "running")
    after = row(made, {"52:54:00:00:00:01": ("192.0.2.7",)}, row(made, {}))
    assert after.placement["addresses"] == ["192.0.2.7"]
    assert "192.0.2.7" in after.placement["search"]


def test_the_serial_lines_are_those_of_the_run_else_of_the_next_start() -> None:
    made = info("web-01", "running")
    serial = "</devices>", "<serial type='pty'/><serial type='pty'/></devices>"
    assert row(replace(made, next_boot_xml=made.next_boot_xml.replace(*serial)), {}).placement["serials"] == []
    assert row(replace(made, live_xml=made.live_xml.replace(*serial)), {}).placement["serials"] == [
        "serial0", "serial1",
    ]  # fmt: skip


def test_more_or_longer_names_than_are_stored_are_left_out() -> None:
    made = info("web-01", "running")
    names = ["x" * 41, *(f"serial{number}" for number in range(20))]
    devices = "".join(f"<serial type='pty'><alias name='{name}'/></serial>" for name in names)
    shown = row(replace(made, live_xml=made.live_xml.replace("</devices>", f"{devices}</devices>")), {})
    assert shown.placement["serials"] == names[1:17]
