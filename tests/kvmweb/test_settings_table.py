"""docs/settings.md holds every setting that the code reads, and no other."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
READ = re.compile(r"""(?:read|read_int|environ\.get)\(\s*"(KVMWEB_[A-Z_]+)\"""")


def test_the_table_and_the_code_name_the_same_settings() -> None:
    files = [path for folder in ("kvmweb", "vms", "scripts/steps") for path in (ROOT / folder).rglob("*.py")]
    in_code = {name for path in files for name in READ.findall(path.read_text())}
    rows = [
        line.split("|")[1] for line in (ROOT / "docs/settings.md").read_text().splitlines() if line.startswith("| `K")
    ]
    in_table = {name for row in rows for name in re.findall(r"KVMWEB_[A-Z_]+", row)}
    assert in_code == in_table
