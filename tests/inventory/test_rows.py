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
