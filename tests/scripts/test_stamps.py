"""A step is done when it was done with these very files."""

from __future__ import annotations

from pathlib import Path

from scripts.steps.stamps import Stamp


def test_it_fits_until_a_source_changes(tmp_path: Path) -> None:
    folder = tmp_path / "static"
    folder.mkdir()
    (folder / "app.js").write_text("1")
    stamp = Stamp(tmp_path / "stamp", [folder])
    assert not stamp.fits()
    stamp.set()
    assert stamp.fits()
    (folder / "app.js").write_text("2")
    assert not stamp.fits()
    stamp.set()
    (folder / "new.js").write_text("")
    assert not stamp.fits()
