"""What documents name of a pool: its volumes and its secret."""

from __future__ import annotations

from vms.libvirtxml.document import BadXML, parse


def used_sources(text: str) -> set[str | tuple[str, str]]:
    """What a domain's disks, their backing files and its firmware are in: paths, and (pool, volume)."""
    try:
        root = parse(text)
    except BadXML:
        return set()
    found: set[str | tuple[str, str]] = set()
    for source in root.iterfind("devices/disk//source"):
        found |= {str(source.get(name)) for name in ("file", "dev", "name") if source.get(name)}
        if source.get("pool") and source.get("volume"):
            found.add((str(source.get("pool")), str(source.get("volume"))))
    found |= {path for name in ("kernel", "initrd", "dtb", "loader", "nvram") if (path := root.findtext(f"os/{name}"))}
    return found


def names_secret(text: str, uuid: str, usage: str) -> bool:
    """Whether a document, of a pool or a domain, names the secret by one of the two."""
    try:
        root = parse(text)
    except BadXML:
        return False
    return any(secret.get("uuid") == uuid or (usage and secret.get("usage") == usage) for secret in root.iter("secret"))
