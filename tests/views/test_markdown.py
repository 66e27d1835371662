"""A description's Markdown on the page of its VM, and what must not come out of it."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.conftest import make_vm
from tests.data.names import STRANGE_TEXTS
from vms.models import Host, Placement
from vms.templatetags.markdown import markdown

LONG = ("[" * 20_000, "*a " * 10_000, "> " * 5_000)
BAD = ("<script", "<img", 'href="java', 'href="data', 'href="file', 'href="vb')


def test_it_is_read_as_it_is_written() -> None:
    shown = markdown("# Shop\n\nThe *shop* and\nits blog:\n\n- `nginx`\n- [wiki](https://wiki.example/a?b=1&c=2)\n")
    assert "<h3>Shop</h3>" in shown and "<em>shop</em> and<br />\nits blog" in shown
    assert "<li><code>nginx</code></li>" in shown
    assert 'href="https://wiki.example/a?b=1&amp;c=2" rel="noopener noreferrer nofollow">wiki</a>' in shown


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "[x](javascript:alert(1))", "[x](JaVaScRiPt:x)",
        "[x](data:text/html,<b>)", "[x](file:///etc/passwd)", "[x](vbscript:x)", "![x](https://evil.example/x.png)",
        "<a href='javascript:x'>y</a>", "[x](&#106;avascript:alert(1))", '[x](https://a.example/ "\\" onclick=\\"x")',
        "<javascript:alert(1)>", "[a]: javascript:x\n\n[a]",
    ],
)  # fmt: skip
def test_it_does_nothing(text: str) -> None:
    shown = markdown(text)
    assert not any(raw in shown for raw in BAD)
    assert '" onclick' not in shown and shown.count("<a ") == shown.count('rel="noopener')


@pytest.mark.parametrize("text", [*STRANGE_TEXTS, *LONG], ids=lambda text: ascii(text)[1:31])
def test_whatever_it_is_it_ends(text: str) -> None:
    assert "<script" not in markdown(text)


@pytest.mark.django_db
@pytest.mark.usefixtures("redis")
def test_a_vms_page_shows_it(host: Host, client_alice: Client) -> None:
    vm = make_vm(host, "shop")
    Placement.objects.filter(vm=vm).update(description="**Ask** <b>before</b> it is stopped")
    page = client_alice.get(f"/vms/{vm.pk}/").content.decode()
    assert "<strong>Ask</strong> &lt;b&gt;before&lt;/b&gt; it is stopped" in page
