"""A picture that came from a host is opened within bounds and made anew."""

from __future__ import annotations

import zlib
from io import BytesIO

import pytest
from PIL import Image

from vms.errors import BadScreen
from vms.inventory import pictures
from vms.inventory.pictures import made_anew


def encoded(picture: Image.Image, kind: str) -> bytes:
    made = BytesIO()
    picture.save(made, kind)
    return made.getvalue()


def opened(data: bytes) -> Image.Image:
    return Image.open(BytesIO(data), formats=("PNG",))


@pytest.fixture
def console() -> Image.Image:
    """A text console with a white line."""
    picture = Image.new("RGB", (720, 400), (0, 0, 170))
    picture.paste((255, 255, 255), (0, 16, 720, 32))
    return picture


@pytest.mark.parametrize("kind", ["PNG", "PPM"])
def test_a_text_console_stays_as_it_is(console: Image.Image, kind: str) -> None:
    made = opened(made_anew(encoded(console, kind)))
    assert made.convert("RGB").tobytes() == console.tobytes()


def test_a_larger_one_is_scaled_down_and_keeps_its_shape() -> None:
    made = opened(made_anew(encoded(Image.new("RGB", (1920, 1080), (9, 99, 9)), "PNG")))
    assert (made.size, made.convert("RGB").getpixel((3, 3))) == ((720, 405), (9, 99, 9))


def test_nothing_but_the_picture_goes_on(console: Image.Image) -> None:
    data = encoded(console, "PNG")
    at = data.index(b"IDAT") - 4
    text = b"tEXtComment\0/etc/shadow"
    chunk = (len(text) - 4).to_bytes(4) + text + zlib.crc32(text).to_bytes(4)
    made = made_anew(data[:at] + chunk + data[at:])
    assert b"shadow" not in made and b"tEXt" not in made


def test_a_size_that_is_too_much_is_refused_before_anything_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "scaled", lambda data, size: pytest.fail("it was opened"))
    for data in (b"P6 4097 10 255\n", b"P6 10 99999 255\n", b"P6 0 10 255\n"):
        with pytest.raises(BadScreen):
            made_anew(data)
    head = bytearray(encoded(Image.new("RGB", (1, 1)), "PNG"))
    head[16:20] = (60000).to_bytes(4)
    with pytest.raises(BadScreen):
        made_anew(bytes(head))


@pytest.mark.parametrize(
    "data",
    [
        b"", b"<html>", b"GIF89a\1\0\1\0", b"P6 100 100 255\nshort", b"P3 1 1 255\n0 0 0", b"P6 10 10 65535\n",
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\2\0\0\0AAAA",
    ],
)  # fmt: skip
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(BadScreen):
        made_anew(data)


def test_one_that_ends_too_early_is_refused(console: Image.Image) -> None:
    noise = Image.effect_noise((300, 300), 90).convert("RGB")
    data = encoded(noise, "PNG")
    with pytest.raises(BadScreen):
        made_anew(data[: len(data) // 2])


def test_the_largest_that_comes_of_it_is_bounded() -> None:
    bands = [Image.effect_noise((1280, 800), 120) for _ in range(3)]
    assert len(made_anew(encoded(Image.merge("RGB", bands), "PNG"))) < 400_000
