"""Who has the port."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

from scripts.steps import ports


def test_a_free_port_is_no_complaint(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert ports.complaint("127.0.0.1", port, tmp_path / "none") == ""


def test_the_holder_is_named_with_a_way_out(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        said = ports.complaint("127.0.0.1", port, tmp_path / "none")
        assert f"pid {os.getpid()}" in said and f"KVMWEB_PORT={port + 1}" in said

        register = tmp_path / "processes.json"
        register.write_text(json.dumps({"processes": [[os.getpid(), 1]]}))
        assert ports.complaint("127.0.0.1", port, register) == ""
