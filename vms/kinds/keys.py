"""The keys that can be sent by name, as browsers name them (KeyboardEvent), with Linux's numbers for them."""

from __future__ import annotations

from typing import Final

# A combination of more keys than a hand holds is a mistake.
MOST: Final = 5

HELD: Final = {"Control": 29, "Alt": 56, "Meta": 125}
SHIFT: Final = {"Shift": 42}
NAMED: Final = {
    "Escape": 1, "Backspace": 14, "Tab": 15, "Enter": 28, "Home": 102, "ArrowUp": 103, "PageUp": 104,
    "ArrowLeft": 105, "ArrowRight": 106, "End": 107, "ArrowDown": 108, "PageDown": 109, "Insert": 110, "Delete": 111,
    "PrintScreen": 99, "ScrollLock": 70, "Pause": 119,
    "F1": 59, "F2": 60, "F3": 61, "F4": 62, "F5": 63, "F6": 64, "F7": 65, "F8": 66, "F9": 67, "F10": 68, "F11": 87,
    "F12": 88,
}  # fmt: skip
CHARACTERS: Final = {
    **{character: 2 + place for place, character in enumerate("1234567890")},
    **{character: 16 + place for place, character in enumerate("qwertyuiop")},
    **{character: 30 + place for place, character in enumerate("asdfghjkl")},
    **{character: 44 + place for place, character in enumerate("zxcvbnm")},
}
NUMBERS: Final = {**HELD, **SHIFT, **NAMED, **CHARACTERS}


def numbers(keys: str) -> list[int]:
    """The numbers of "Control+Alt+Delete", in order."""
    return [NUMBERS[name] for name in keys.split("+")]


def fits(keys: str) -> bool:
    """Whether it is a combination: a few known names, each once. A character stands with Control, Alt or Meta only:
    text is typed on a console, where it is stored nowhere."""
    names = keys.split("+")[: MOST + 1]
    known = len(names) <= MOST and len(set(names)) == len(names) and all(name in NUMBERS for name in names)
    return known and (not any(name in CHARACTERS for name in names) or any(name in HELD for name in names))
