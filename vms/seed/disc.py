"""The files as a CD that the guest finds by its name (ISO 9660 with Rock Ridge and Joliet)."""

from __future__ import annotations

from io import BytesIO
from typing import Final

import pycdlib

LABEL: Final = "cidata"


def make_disc(files: dict[str, str]) -> bytes:
    """The whole image, some 400 KiB."""
    disc, image = pycdlib.PyCdlib(), BytesIO()
    disc.new(interchange_level=3, rock_ridge="1.09", joliet=3, vol_ident=LABEL)
    for name, text in files.items():
        data = text.encode()
        short = name.upper().replace("-", "_")
        disc.add_fp(BytesIO(data), len(data), f"/{short};1", rr_name=name, joliet_path=f"/{name}")
    disc.write_fp(image)
    disc.close()
    return image.getvalue()
