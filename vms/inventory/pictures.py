"""A picture of a screen made anew: what came from a host is opened within bounds, and what goes on is ours."""

from __future__ import annotations

import re
import threading
from io import BytesIO
from typing import Final

from PIL import Image

from vms.errors import BadScreen

# What a host may give: a screen of 4096 x 2160 without compression, and a little.
MOST_BYTES: Final = 28 << 20
LONGEST_SIDE: Final = 4096
# A text console of 720 x 400 stays as it is; a larger screen is scaled down to stand on a page.
WIDTH, HEIGHT = 720, 480
PPM: Final = re.compile(rb"P6\s+(\d{1,5})\s+(\d{1,5})\s+255\s")
PNG: Final = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
# A picture takes up to 100 MB and a processor while it is read: of all hosts one at a time.
reading = threading.Lock()


def made_anew(data: bytes) -> bytes:
    """A PNG of at most 256 colours that fits within WIDTH x HEIGHT. Raises BadScreen for what is no PNG or PPM of at
    most LONGEST_SIDE each way."""
    size = size_of(data)
    if not all(1 <= side <= LONGEST_SIDE for side in size):
        raise BadScreen(f"{size[0]} x {size[1]} points")
    with reading:
        return scaled(data, size)


def scaled(data: bytes, size: tuple[int, int]) -> bytes:
    try:
        with Image.open(BytesIO(data), formats=("PNG", "PPM")) as opened:
            if opened.size != size:
                raise BadScreen("two sizes in one picture")
            picture = opened.convert("RGB")
    # Pillow names no end of what it may raise for a broken file.
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise BadScreen(f"it cannot be read: {type(error).__name__}") from None
    picture.thumbnail((WIDTH, HEIGHT), Image.Resampling.BOX)
    made = BytesIO()
    picture.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(made, "PNG", compress_level=6)
    return made.getvalue()


def size_of(data: bytes) -> tuple[int, int]:
    """What its first bytes say of its size, before anything is made of the rest. Raises BadScreen."""
    if data.startswith(PNG) and len(data) > len(PNG) + 8:
        width, height = (data[len(PNG) + at : len(PNG) + at + 4] for at in (0, 4))
        return int.from_bytes(width), int.from_bytes(height)
    if found := PPM.match(data):
        return int(found[1]), int(found[2])
    raise BadScreen("neither PNG nor PPM")
