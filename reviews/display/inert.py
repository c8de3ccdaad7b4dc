"""Untrusted text made harmless and honest: escaped, and with every hidden character shown."""

import unicodedata
from functools import lru_cache

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

# Line breaks and tabs are layout; every other control or format character can only deceive:
# it turns the reading direction, hides between letters, or speaks to a terminal.
_HARMLESS = frozenset("\n\r\t")
_HIDING = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})
# Fillers count as letters, but show nothing.
_BLANK_LETTERS = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5")


@lru_cache(maxsize=2048)
def hidden(character: str) -> bool:
    """Tell whether a character shows nothing of itself."""
    if character in _HARMLESS:
        return False
    return character in _BLANK_LETTERS or unicodedata.category(character) in _HIDING


def _name(character: str) -> str:
    return f"U+{ord(character):04X}"


def plain(text: object) -> str:
    """Return text with hidden characters written out, for attributes and page titles."""
    return "".join(f"[{_name(c)}]" if hidden(c) else c for c in str(text))


def visible(text: object) -> SafeString:
    """Return text as inert HTML, isolated in its direction, with hidden characters marked."""
    pieces: list[str] = []
    for character in str(text):
        if hidden(character):
            name = unicodedata.name(character, "unnamed").lower()
            pieces.append(
                f'<span class="hidden-char" title="Hidden character: {escape(name)}">'
                f"{_name(character)}</span>"
            )
        else:
            pieces.append(escape(character))
    # Every piece above is escaped; what is marked safe is our own markup.
    return mark_safe(f"<bdi>{''.join(pieces)}</bdi>")  # noqa: S308


def has_hidden(text: object) -> bool:
    """Tell whether text holds characters that show nothing of themselves."""
    return any(hidden(character) for character in str(text))
