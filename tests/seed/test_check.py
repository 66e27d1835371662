from __future__ import annotations

import pytest

from vms.errors import BadSeed
from vms.seed import check_network, check_user_data
from vms.seed.check import LONGEST


@pytest.mark.parametrize(
    "text",
    [
        "#cloud-config\npackages: [nginx]\n",
        "#cloud-config\n",
        "#cloud-config\r\ntimezone: UTC\r\n",
        "#!/bin/sh\nthis: is: no yaml [\n",
        "## template: jinja\n#cloud-config\nhostname: {{ v1.instance_id }}\n",
        "#include\nhttps://example.org/x\n",
        "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n",
    ],
)
def test_what_cloud_init_reads(text: str) -> None:
    check_user_data(text)


@pytest.mark.parametrize(
    ("text", "reason", "line"),
    [
        ("packages: [nginx]\n", "beginning", "1"),
        ("", "beginning", "1"),
        ("#cloud-config\npackages: [nginx\n", "yaml", "3"),
        ("#cloud-config\na: b\nc: d: e\n", "yaml", "3"),
        ("#cloud-config\n- a\n", "mapping", "0"),
        ("#cloud-config\na: !!python/object/apply:os.getcwd []\n", "yaml", "2"),
        ("#cloud-config\n\x00", "yaml", "0"),
        ("#cloud-config\nwhen: 2026-02-30\n", "yaml", "0"),
        ("#cloud-config\na: " + "[" * 5000, "deep", "0"),
        ("#cloud-config\n" + "a" * LONGEST, "too_long", "0"),
    ],
)
def test_what_it_would_not(text: str, reason: str, line: str) -> None:
    with pytest.raises(BadSeed) as refused:
        check_user_data(text)
    assert (refused.value.params["reason"], refused.value.params["line"]) == (reason, line)


@pytest.mark.parametrize("text", ["version: 2\nethernets: {}\n", "network: {version: 1, config: []}\n"])
def test_a_network_of_somebodys_own(text: str) -> None:
    check_network(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "mapping"), ("- version: 2\n", "mapping"), ("ethernets: {}\n", "version"), ("network: 2\n", "version"),
        ("version: 3\n", "version"), ("version: [\n", "yaml"), ("version: 2\n" + "#" * LONGEST, "too_long"),
        ("a: &a [x]\n" + "b: " + "*a\n", "version"), ("a: *none\n", "yaml"),
    ],
)  # fmt: skip
def test_none_that_it_reads(text: str, reason: str) -> None:
    with pytest.raises(BadSeed) as refused:
        check_network(text)
    assert refused.value.params["reason"] == reason
