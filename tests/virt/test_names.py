"""What the room shows to the others."""

from __future__ import annotations

import ast
from pathlib import Path

from vms import virt

ROOT = Path(__file__).parents[2]


def test_these_are_all_its_names() -> None:
    assert virt.__all__ == [
        "BLOCK", "Agent", "CardNumbers", "Connection", "DeviceInfo", "DevicesChanged", "Disconnected", "DiskNumbers",
        "Domain", "DomainBroke", "DomainChanged", "DomainInfo", "DomainRebooted", "Download", "Event", "FilterInfo",
        "GuestCard", "GuestCpu", "GuestFileSystem", "GuestInfo", "GuestUser", "HostFacts", "HostHardware",
        "HostNumbers",
        "HostSpec", "Job",
        "LeaseInfo", "LinkInfo", "Move", "Network", "NetworkChanged", "NetworkInfo", "Numbers", "Pool", "PoolChanged",
        "PoolInfo", "SecretChanged", "SecretInfo", "SnapshotInfo", "Tunnel", "Upload", "Volume", "VolumeFacts",
        "connect", "cut_after", "fingerprint", "kind", "offered_key", "open_connection", "open_console", "tunnel",
        "tunnel_to_socket", "unseal", "upload", "watch",
    ]  # fmt: skip


def test_nobody_reaches_past_them() -> None:
    for path in [*(ROOT / "vms").rglob("*.py"), *(ROOT / "kvmweb").rglob("*.py")]:
        if path.is_relative_to(ROOT / "vms/virt"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                assert not node.module.startswith("vms.virt."), path
