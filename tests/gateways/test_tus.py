"""What is read from the headers of a PATCH."""

from __future__ import annotations

import base64
import hashlib

import pytest

from vms.errors import UploadStrange
from vms.gateways import tus

SAID = {"upload-offset": "0", "content-length": "5", "content-type": tus.BODY}


def sum_of(data: bytes, name: str = "sha256") -> str:
    return f"{name} {base64.b64encode(hashlib.new(name, data).digest()).decode()}"


def test_what_a_client_says() -> None:
    patch = tus.read_patch(SAID)
    assert (patch.offset, patch.length, patch.sum) == (0, 5, None)
    patch.check_sum()


def test_a_body_may_be_told_piece_by_piece() -> None:
    assert tus.read_patch({"upload-offset": "7", "content-type": tus.BODY}).length is None


WRONG = {
    "upload-offset": ("", "-1", "+1", " 1", "1 ", "1e3", "0x10", "1_000", "\u0661", "\u00b2", "9" * 19),
    "content-length": ("", "-1", "5,5", "5.0", "9" * 19),
    "content-type": ("", "text/html", f"{tus.BODY}; charset=utf-8", tus.BODY.upper()),
    "upload-defer-length": ("1", ""),
    "upload-concat": ("partial", ""),
    "upload-checksum": ("sha256 *", "sha256 AAA", "md5 AAAA", "crc32 AAAA", "SHA256 AAAA", " "),
}


@pytest.mark.parametrize("wrong", [{name: text} for name, texts in WRONG.items() for text in texts], ids=str)
def test_what_does_not_fit_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(UploadStrange) as refused:
        tus.read_patch({**SAID, **wrong})
    assert refused.value.params == {"reason": "headers"}


@pytest.mark.parametrize("missing", ["upload-offset", "content-type"])
def test_what_must_be_said(missing: str) -> None:
    with pytest.raises(UploadStrange):
        tus.read_patch({name: value for name, value in SAID.items() if name != missing})


@pytest.mark.parametrize("name", tus.SUMS)
def test_a_sum_is_of_this_very_body(name: str) -> None:
    for sent, fits in ((b"hello", True), (b"hellO", False), (b"", False)):
        patch = tus.read_patch({**SAID, "upload-checksum": sum_of(b"hello", name)})
        patch.sum.update(sent)
        if fits:
            patch.check_sum()
        else:
            with pytest.raises(UploadStrange) as refused:
                patch.check_sum()
            assert refused.value.params == {"reason": "checksum"}


@pytest.mark.parametrize("digest", ["", " ", " AAAA"])
def test_a_sum_that_is_too_short_fits_nothing(digest: str) -> None:
    patch = tus.read_patch({**SAID, "upload-checksum": f"sha256{digest}"})
    with pytest.raises(UploadStrange):
        patch.check_sum()
