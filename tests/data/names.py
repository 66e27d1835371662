"""Names that break programs which take text for something else; all of them must be shown as they are.

A name here is one that libvirt accepts for a VM, or a title; tests make VMs of them and look for damage.
"""

from __future__ import annotations

from typing import Final

STRANGE_NAMES: Final = (
    # Other scripts, other directions, other widths.
    "מכונה וירטואלית",
    "آلة-افتراضية-٣",
    "web\u202e10-bew",  # right-to-left override: reads as web-01 web
    "虚拟机-01",
    "ﬁle-ﬂow",  # ligatures
    "e\u0301te\u0301",  # combining marks
    "z\u0300\u0301\u0302\u0303\u0304\u0305\u0306\u0307\u0308",
    "🧪🖥️👩‍💻",
    "zero\u200bwidth\u2060joined",
    "\ufeffbom",
    "\u00a0no-break\u00a0",
    # Look-alikes of web-01.
    "wеb-01",  # Cyrillic е
    "web‑01",  # non-breaking hyphen
    "web-O1",
    "WEB-01",
    "web-01 ",
    # Long.
    "x" * 255,
    "ü" * 127,  # 254 bytes
    "w " * 100,
    # Programs' own signs: shells, options, paths, URLs.
    "-rf",
    "--help",
    "..",
    "../../etc/passwd",
    ".hidden",
    "a/b",
    "C:\\con",
    "$(reboot)",
    "`id`",
    "a;b|c&d",
    "*",
    "~root",
    "a?b#c",
    "a%20b",
    "%s%n%d",
    "100%",
    "%00",
    "a+b=c&d=e",
    'json:{"driver":"null-co"}',
    "nbd:127.0.0.1:9",
    # Quotes, markup, templates, queries.
    "'",
    '"',
    "`",
    "a'b\"c",
    "<",
    "<b>bold</b>",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title><svg onload=alert(1)>",
    "javascript:alert(1)",
    "&lt;&amp;&#39;",
    "]]>",
    "<!-- -->",
    "<?xml?>",
    "{{ 7*7 }}",
    "{% now 'Y' %}",
    "${7*7}",
    "{0.__class__}",
    "{name}",
    "{",
    "' OR 1=1 --",
    "_",
    "a_b%c\\d",
    "[a-z]",
    "(unclosed",
    # Words that mean something to programs.
    "null",
    "None",
    "undefined",
    "true",
    "0",
    "-1",
    "1e5",
    "NaN",
    "constructor",
    "__proto__",
    "new",
    "*:*",
    "vm:1",
    "=cmd|' /C calc'!A0",
)

# Titles and descriptions may have lines of their own.
STRANGE_TEXTS: Final = (*STRANGE_NAMES, "two\nlines", "tab\there", "carriage\r\nreturn", "a\u2028b", "bell\x07")
