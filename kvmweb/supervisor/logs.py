"""Log files that stay small."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

MOST_BYTES = 10 << 20


def bound(folder: Path, most: int = MOST_BYTES) -> None:
    """Move what is in a log past its size to NAME.1 (one is kept).

    The writers hold the file open for appending, so it is emptied and not renamed; lines written between copy and
    truncation are lost, which a log of this size can bear.
    """
    for log in folder.glob("*.log"):
        if log.stat().st_size > most:
            kept = log.with_suffix(".log.1")
            try:
                shutil.copyfile(log, kept)
            except OSError:
                # A full disk is helped more by an empty log than by half a copy.
                kept.unlink(missing_ok=True)
            os.truncate(log, 0)
