"""What a part of a page says that it shows is something that is announced, else it never changes by itself."""

from __future__ import annotations

import re

from django.conf import settings

# "vms:*" reaches them as "vm:*" (static/js/live.js).
ANNOUNCED = {"vm", "host", "op", "pool", "network", "volume"}
TAG = re.compile(r"{%.*?%}|{{.*?}}")


def test_each_part_listens_to_what_is_announced() -> None:
    told = 0
    for template in (settings.BASE_DIR / "templates").rglob("*.html"):
        for shown in re.findall(r'data-live="([^"]*)"', template.read_text()):
            nouns = {name.split(":")[0] for name in TAG.sub(" 0", shown.replace(":{{", ":1{{")).split() if ":" in name}
            assert nouns <= ANNOUNCED, f"{template.name}: {shown}"
            told += len(nouns)
    assert told > 20
