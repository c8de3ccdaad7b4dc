"""Untrusted text made harmless and honest: escaped, and with everything that deceives written out.

Escaping keeps text from acting. It does not keep it from lying: marks turn the reading direction,
characters show nothing of themselves, letters of one script pose as another's, and empty lines
push the rest out of sight. What does so is named where it stands.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

# Line breaks and tabs are layout; every other control or format character can only deceive:
# it turns the reading direction, hides between letters, or speaks to a terminal.
_HARMLESS = frozenset("\n\r\t")
_HIDING = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})
# Fillers count as letters, but show nothing.
_BLANK_LETTERS = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5")
# Selectors choose how the character before them is drawn; more than one hides data.
_SELECTORS = frozenset(
    map(chr, (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))
)
# Marks that are drawn over their letter: 9\u03360\u0336 looks as if it were struck out.
_OVERLAYS = frozenset(map(chr, (*range(0x334, 0x339), *range(0x20D0, 0x20E6))))
_KNOWN_SPACES = frozenset(" \u00a0\u2009\u202f")
_MOST_MARKS = 3
_GAP = re.compile(r"(?:[ \t\r]*\n){5,}[ \t\r]*|[\u00a0\u2009\u202f]{4,}")

# Letters that are drawn like Latin ones, by the first word of their Unicode names.
_LIKE_LATIN = {
    "CYRILLIC": "авгеікмнорстухьѕјһԁԛԝѵӏԍАВЕЗІКМНОРСТУХЅЈҮԌԜԚҺӀ",
    "GREEK": "αγικνορτυχωϲϳΑΒΕΖΗΙΚΜΝΟΡΤΥΧϹͿ",
    "ARMENIAN": "աեհոսցօգքզԼՏՍՕ",
    "CHEROKEE": "ᎠᎡᎢᎪᎫᎬᎳᎷᎻᏀᏃᏎᏏᏒᏔᏙᏚᏞᏟᏢᏦᏧᏴ",
    "COPTIC": "ⲀⲂⲈⲎⲒⲔⲘⲚⲞⲢⲤⲦⲨⲬⲟⲣⲥ",
    "LISU": "ꓐꓚꓓꓰꓝꓖꓧꓲꓙꓗꓡꓟꓠꓳꓑꓢꓔꓴꓦꓪꓫꓬꓜ",
}
_POSING = {letter: script for script, letters in _LIKE_LATIN.items() for letter in letters}
# Letters for phonetics and dividers that pose as ASCII wherever they stand.
_ALWAYS_POSING = frozenset("ɑɡɩʟɴʀʏɪᴀᴄᴇᴋᴍᴏᴘᴛᴜᴠᴡᴢꜱ\u2024\u2215\u29f8\ua4f8\ua789")
_WORD = re.compile(r"[^\W_]+")
_ASCII_HIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a text that deceives: what is written there instead, and why."""

    start: int
    end: int
    shown: str
    why: str


@lru_cache(maxsize=4096)
def hidden(character: str) -> bool:
    """Tell whether a character shows nothing of itself."""
    if character in _HARMLESS or character in _KNOWN_SPACES:
        return False
    category = unicodedata.category(character)
    return (
        category in _HIDING
        or category == "Zs"
        or character in _BLANK_LETTERS
        or character in _SELECTORS
    )


@lru_cache(maxsize=4096)
def _script(letter: str) -> str:
    return unicodedata.name(letter, "").partition(" ")[0]


@lru_cache(maxsize=4096)
def _compatible(character: str) -> bool:
    """Tell whether a letter, digit or sign is another drawing of an ASCII one: `𝗮`, `ａ`, `／`."""
    if character.isascii():
        return False
    fullwidth = "\uff01" <= character <= "\uff5e"
    if not fullwidth and unicodedata.category(character) not in ("Ll", "Lu", "Nd", "Nl"):
        return False
    plain_one = unicodedata.normalize("NFKC", character)
    return len(plain_one) == 1 and plain_one.isascii()


def _named(character: str) -> str:
    return unicodedata.name(character, "unnamed").lower()


def _code(character: str) -> str:
    return f"U+{ord(character):04X}"


def marks_in(text: str) -> list[Mark]:
    """Return every place that deceives, in order and without overlaps."""
    gaps = [_gap(found) for found in _GAP.finditer(text)]
    if text.isascii():
        found = [*gaps, *(_hidden(at.start(), at[0]) for at in _ASCII_HIDDEN.finditer(text))]
    else:
        found = [*gaps, *_one_by_one(text), *_posing_words(text)]
    marks: list[Mark] = []
    for mark in sorted(found, key=lambda mark: (mark.start, -mark.end)):
        if not marks or mark.start >= marks[-1].end:
            marks.append(mark)
    return marks


def _gap(found: re.Match[str]) -> Mark:
    lines = found[0].count("\n") - 1
    shown = f"{lines} empty lines" if lines > 0 else f"{len(found[0])} spaces"
    return Mark(found.start(), found.end(), shown, "Empty space that pushes the rest away")


def _hidden(place: int, character: str) -> Mark:
    return Mark(place, place + 1, _code(character), f"Hidden character: {_named(character)}")


def _one_by_one(text: str) -> Iterator[Mark]:
    stacked = 0
    for place, character in enumerate(text):
        if character.isascii():
            stacked = 0
            if hidden(character):
                yield _hidden(place, character)
            continue
        category = unicodedata.category(character)
        stacked = stacked + 1 if category in ("Mn", "Me") else 0
        if character == "\ufe0f" and place and unicodedata.category(text[place - 1]) == "So":
            continue  # an emoji in colour
        if hidden(character):
            yield _hidden(place, character)
        elif stacked > _MOST_MARKS or character in _OVERLAYS:
            why = f"Drawn over what stands before it: {_named(character)}"
            yield Mark(place, place + 1, _code(character), why)
        elif character in _ALWAYS_POSING or _compatible(character):
            yield _posing(place, character)


def _posing(place: int, character: str) -> Mark:
    why = f"Looks like another character: {_named(character)}"
    return Mark(place, place + 1, f"{character} {_code(character)}", why)


def _posing_words(text: str) -> Iterator[Mark]:
    """Find letters that pose as Latin ones: beside Latin letters, or as a whole word.

    A whole word of lookalikes is honest in a text of its own script, which has other letters too.
    """
    if not any(character in _POSING for character in text):
        return
    counts: dict[str, int] = {}
    genuine: set[str] = set()
    for character in text:
        if character.isalpha():
            script = _script(character)
            counts[script] = counts.get(script, 0) + 1
            if character not in _POSING:
                genuine.add(script)
    for word in _WORD.finditer(text):
        letters = [(n, c) for n, c in enumerate(word[0]) if c.isalpha()]
        scripts = {_script(c) for _, c in letters}
        posing = [(n, c) for n, c in letters if c in _POSING]
        if not posing:
            continue
        script = _POSING[posing[0][1]]
        outnumbered = counts.get("LATIN", 0) > counts.get(script, 0)
        alone = len(posing) == len(letters) and (
            outnumbered or (len(letters) > 2 and script not in genuine)
        )
        if len(scripts & {*_LIKE_LATIN, "LATIN"}) > 1 or alone:
            yield from (_posing(word.start() + n, c) for n, c in posing)


def _pieces(text: str) -> Iterator[str | Mark]:
    end = 0
    for mark in marks_in(text):
        yield text[end : mark.start]
        yield mark
        end = mark.end
    yield text[end:]


def plain(text: object) -> str:
    """Return text with what deceives written out, for attributes and page titles."""
    return "".join(
        f"[{piece.shown}]" if isinstance(piece, Mark) else piece for piece in _pieces(str(text))
    )


def visible(text: object) -> SafeString:
    """Return text as inert HTML, isolated in its direction, with what deceives marked."""
    html = "".join(
        f'<span class="hidden-char" title="{escape(piece.why)}">{escape(piece.shown)}</span>'
        if isinstance(piece, Mark)
        else escape(piece)
        for piece in _pieces(str(text))
    )
    # Every piece above is escaped; what is marked safe is our own markup.
    return mark_safe(f"<bdi>{html}</bdi>")  # noqa: S308


def has_hidden(text: object) -> bool:
    """Tell whether text holds anything that deceives: it hides, poses, or turns."""
    return bool(marks_in(str(text)))
