"""The keys that the console page offers beside the keyboard's, named as the browser names them (KeyboardEvent)."""

from __future__ import annotations

from typing import Final, NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class Key(NamedTuple):
    """name: static/js/console/keys.js knows it; spoken: where the label is a sign."""

    name: str
    label: str | Promise
    spoken: str | Promise = ""


class Combination(NamedTuple):
    """keys: as vms.kinds.keys names them."""

    keys: str
    label: str


FUNCTIONS: Final = tuple(f"F{number}" for number in range(1, 13))
MODIFIERS: Final = (Key("Control", "Ctrl"), Key("Alt", "Alt"), Key("Shift", "Shift"), Key("Meta", "Super"))
STICKY: Final = (Key("Control", "Ctrl"), Key("Alt", "Alt"))
ROW: Final = (
    Key("Escape", "Esc"),
    Key("Tab", "Tab"),
    Key("ArrowLeft", "←", _("Left")),
    Key("ArrowUp", "↑", _("Up")),
    Key("ArrowDown", "↓", _("Down")),
    Key("ArrowRight", "→", _("Right")),
    Key("Delete", "Del"),
    Key("Home", "Home"),
    Key("End", "End"),
    Key("PageUp", "PgUp", _("Page up")),
    Key("PageDown", "PgDn", _("Page down")),
    *(Key(name, name) for name in FUNCTIONS),
)
NAMED: Final = (
    "Escape",
    "Tab",
    "Enter",
    "Backspace",
    "Delete",
    "Insert",
    "Home",
    "End",
    "PageUp",
    "PageDown",
    *FUNCTIONS,
)
# What the host itself can send, without an open console.
COMBINATIONS: Final = (
    Combination("Control+Alt+Delete", "Ctrl-Alt-Del"),
    Combination("Control+Alt+Backspace", "Ctrl-Alt-Backspace"),
    Combination("PrintScreen", "Print"),
    *(Combination(f"Control+Alt+{name}", f"Ctrl-Alt-{name}") for name in FUNCTIONS),
)
# Those of static/js/console/layouts.js, named as libvirt names a screen's keymap.
LAYOUTS: Final = (Key("us", _("English (US)")), Key("de", _("German")), Key("fr", _("French")))
CONTEXT: Final = {
    "layouts": LAYOUTS,
    "function_keys": FUNCTIONS,
    "modifier_keys": MODIFIERS,
    "sticky_keys": STICKY,
    "row_keys": ROW,
    "named_keys": NAMED,
}
