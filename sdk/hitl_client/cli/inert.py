"""Other people's text, made visible and harmless. Pure.

A terminal obeys what it is sent: escape sequences move the cursor, rename the window or repaint
what somebody is about to approve; direction marks turn `cod.exe` around; invisible characters hide
words. None of it reaches a terminal from here: what would act is written out instead (`\\x1b`).
"""

from __future__ import annotations

import re
import unicodedata

_ACTING = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_MARKS = frozenset({"Mn", "Me"})
_MOST_MARKS = 3
"""Marks on one letter; more of them climb over the lines above and below."""
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
# Drawn as nothing, though their categories say letter, mark or symbol (Default_Ignorable_Code_Point
# and the blank Braille cell).
_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\ufff0-\ufff8\U000e0000-\U000e0fff]"
)


def inert(text: str, *, lines: bool = False) -> str:
    """Return `text` with everything that acts, hides or turns written out.

    Line ends stay where `lines` says so; other kinds of space become spaces.
    """
    shown: list[str] = []
    marks = 0
    for char in text:
        category = unicodedata.category(char)
        marks = marks + 1 if category in _MARKS else 0
        if lines and char == "\n":
            shown.append(char)
        elif category in _ACTING or marks > _MOST_MARKS or _BLANK.match(char):
            shown.append(_written_out(char))
        elif category == "Zs":
            shown.append(" ")
        else:
            shown.append(char)
    return "".join(shown)


def _written_out(char: str) -> str:
    number = ord(char)
    if char in _SHORT:
        return _SHORT[char]
    if number <= 0xFF:  # noqa: PLR2004 - two hex digits
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"  # noqa: PLR2004
