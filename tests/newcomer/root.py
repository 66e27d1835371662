"""A minimal Debian that has seen nothing, built once and kept in the cache; each walk gets a fresh layer above it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

SUITE = os.environ.get("KVMWEB_TEST_SUITE", "bookworm")
PACKAGES = ("sudo", "ca-certificates", "python3", "git", "iproute2", "login", "passwd")
USER = "anna"
# How this machine reaches the package registries is taken over at run time and written into no repository.
TAKEN_OVER = ("/etc/resolv.conf", "/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt")
NPM_SETTINGS = ("/usr/etc/npmrc", "/root/.npmrc")
VARIABLES = (
    "http_proxy", "https_proxy", "no_proxy", "NODE_EXTRA_CA_CERTS", "PIP_CERT", "PIP_INDEX_URL", "PIP_DEFAULT_TIMEOUT",
    "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE",
)  # fmt: skip


def cached_root(cache: Path, more: tuple[str, ...] = ()) -> Path:
    """The untouched root, made by mmdebstrap where it is not there; more: packages beside the usual ones."""
    packages = (*PACKAGES, *more)
    recipe = hashlib.sha256(" ".join((SUITE, *packages, USER)).encode()).hexdigest()[:12]
    root = cache / f"newcomer-{SUITE}-{recipe}"
    if not root.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        building = cache / f"{root.name}.building"
        shutil.rmtree(building, ignore_errors=True)
        run("mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(packages)}", SUITE, str(building))
        run("chroot", str(building), "useradd", "--create-home", "--shell", "/bin/bash", USER)
        sudoers = building / "etc/sudoers.d" / USER
        sudoers.write_text(f"{USER} ALL=(ALL:ALL) NOPASSWD: ALL\n")
        sudoers.chmod(0o440)
        building.rename(root)
    return root


def take_over_registries(root: Path) -> None:
    """So that apt, pip and npm inside reach what they reach outside."""
    for name in TAKEN_OVER:
        if Path(name).exists():
            target = root / name.removeprefix("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            shutil.copy(name, target)
    (root / "etc/hosts").write_text("127.0.0.1 localhost newcomer\n::1 localhost\n")
    npm = "".join(Path(name).read_text() + "\n" for name in NPM_SETTINGS if Path(name).exists())
    (root / "home" / USER / ".npmrc").write_text(npm)
    for configuration in Path("/etc/apt/apt.conf.d").glob("*proxy*"):
        shutil.copy(configuration, root / "etc/apt/apt.conf.d")


def environment() -> dict[str, str]:
    """What the newcomer's shell has set: a session over SSH on a headless machine."""
    taken = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    ssh = {"SSH_CONNECTION": "192.0.2.9 50000 192.0.2.1 22", "TERM": "xterm", "LANG": "C.UTF-8"}
    return {**taken, **ssh, "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": f"/home/{USER}", "USER": USER}


def run(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
