"""Storage pools: one small description a type, the document that is made of it, and what a document says."""

from vms.libvirtxml.pool.examples import EXAMPLES
from vms.libvirtxml.pool.found import pool_sources, source_document
from vms.libvirtxml.pool.made import made_pool
from vms.libvirtxml.pool.spec import (
    FORMATS,
    SECRETS,
    SPECS,
    BadPool,
    PoolSpec,
    read_spec,
    secret_name,
    spec_name,
    spec_type,
)
from vms.libvirtxml.pool.told import canonical, is_closed, public_pool
from vms.libvirtxml.pool.uses import names_secret, used_sources

__all__ = [
    "EXAMPLES",
    "FORMATS",
    "SECRETS",
    "SPECS",
    "BadPool",
    "PoolSpec",
    "canonical",
    "is_closed",
    "made_pool",
    "names_secret",
    "pool_sources",
    "public_pool",
    "read_spec",
    "secret_name",
    "source_document",
    "spec_name",
    "spec_type",
    "used_sources",
]
