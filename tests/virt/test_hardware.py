"""What libvirt's documents say of a host, document by document: "small" is as Debian 12's libvirt tells a machine
without UEFI for VMs, "server" one of two NUMA nodes, where the machine type that is named by nobody has no UEFI and q35
has, and "old" the same as a libvirt of before 5.2 says it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from lxml import etree

from vms.virt.hardware import described, draws, is_render_node

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize(
    ("name", "machines"), [("small", ("pc", "q35")), ("server", ("pc", "q35")), ("old", ("pc",)), ("container", ())]
)
def test_documents_become_what_is_stored(name: str, machines: tuple[str, ...]) -> None:
    def read(what: str) -> etree._Element:
        return etree.parse(GOLDEN / f"{name}.{what}.xml").getroot()

    told = asdict(described(read("capabilities"), [read(machine) for machine in machines], None))
    assert json.loads(json.dumps(told)) == json.loads((GOLDEN / f"{name}.json").read_text())


DRAWS = (
    "<c><devices><graphics><enum name='type'><value>vnc</value>{}</enum></graphics>"
    "<video><enum name='modelType'><value>{}</value></enum></video></devices></c>"
)


@pytest.mark.parametrize(
    ("display", "card", "told"),
    [("<value>egl-headless</value>", "virtio", True), ("", "virtio", False),
     ("<value>egl-headless</value>", "vga", False)],
)  # fmt: skip
def test_3d_needs_what_draws_and_a_card_of_virtio(display: str, card: str, *, told: bool) -> None:
    assert draws(etree.fromstring(DRAWS.format(display, card))) is told
    assert not draws(None)


@pytest.mark.parametrize(("kind", "told"), [("render", True), ("primary", False), ("control", False)])
def test_a_graphics_card_has_a_node_that_draws_for_programs(kind: str, *, told: bool) -> None:
    """A device as libvirt's schema has it."""
    document = (
        "<device><name>drm_renderD128</name><path>/sys/devices/pci0000:00/0000:00:02.0/drm/renderD128</path>"
        "<devnode type='dev'>/dev/dri/renderD128</devnode>"
        f"<capability type='drm'><type>{kind}</type></capability></device>"
    )
    assert is_render_node(etree.fromstring(document)) is told
    assert not is_render_node(None)
