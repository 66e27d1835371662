"""Building the guest, as far as it can be judged without apt; tests/lab boots it."""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest

from vms.demo import guest, packages
from vms.demo.modules import in_order


def module(*needs: str) -> bytes:
    """What in_order reads of a kernel module."""
    return b"ELF\0license=GPL\0depends=" + ",".join(needs).encode() + b"\0name=x\0"


def test_modules_come_after_what_they_need(tmp_path: Path) -> None:
    (tmp_path / "virtio_net.ko").write_bytes(module("net_failover", "virtio"))
    (tmp_path / "net_failover.ko").write_bytes(module("failover"))
    (tmp_path / "failover.ko").write_bytes(module())
    (tmp_path / "virtio.ko").write_bytes(module())
    (tmp_path / "sound.ko").write_bytes(module())
    assert list(in_order(["virtio_net", "virtio"], tmp_path)) == ["failover", "net_failover", "virtio", "virtio_net"]


def test_a_compressed_module_is_unpacked_and_a_dash_is_an_underscore(tmp_path: Path) -> None:
    (tmp_path / "virtio-rng.ko.xz").write_bytes(lzma.compress(module()))
    assert in_order(["virtio_rng"], tmp_path) == {"virtio_rng": module()}


def test_what_the_kernel_has_built_in_is_not_missed(tmp_path: Path) -> None:
    assert in_order(["evdev"], tmp_path) == {}


def test_the_cached_guest_is_taken_without_asking_anybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guest, "build", lambda work: pytest.fail("built again"))
    folder = tmp_path / f"guest-{guest.recipe_hash()}"
    folder.mkdir()
    assert guest.guest(tmp_path).folder == folder


def test_another_recipe_is_another_guest_and_a_killed_build_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(work: Path) -> Path:
        (work / "guest").mkdir()
        return work / "guest"

    (tmp_path / "guest-0123456789abcdef").mkdir()
    (tmp_path / "build-killed").mkdir()
    monkeypatch.setattr(guest, "build", build)
    assert guest.guest(tmp_path).recipe == guest.recipe_hash() != "0123456789abcdef"
    assert not list(tmp_path.glob("build-*"))


def test_a_missing_program_is_named_with_the_way_out() -> None:
    with pytest.raises(packages.BuildFailed, match="sudo apt-get install no-such-program"):
        packages.run("no-such-program")


def test_a_failing_program_is_quoted() -> None:
    with pytest.raises(packages.BuildFailed, match=r"cpio failed:(.|\n)*not-an-option"):
        packages.run("cpio", "--not-an-option")
