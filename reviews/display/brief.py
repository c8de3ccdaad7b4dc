"""A proposal in a few lines, as mails tell it: facts first, short, nothing that can be clicked."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from reviews.display.fields import Change, Field

MOST_FIELDS = 6
_LONGEST = 240
# What mail programs turn into links by themselves. Written apart it stays readable and is dead.
_SCHEME = re.compile(r"(?i)\b([a-z][a-z0-9+.-]{1,20}):(?=//)")
_BARE_SCHEME = re.compile(r"(?i)\b(mailto|javascript|vbscript|tel|sms):(?=\S)")
_WWW = re.compile(r"(?i)\bwww\.(?=\w)")


@dataclass(frozen=True, slots=True)
class Line:
    """One labelled value on one line; `cut` says that the page shows more of it."""

    label: str
    text: str
    cut: bool = False
    number: bool = False


def unclickable(text: object) -> str:
    """Return text in which no address is recognised as one: `https[:]//…`, `www[.]…`."""
    apart = _SCHEME.sub(r"\1[:]", str(text))
    return _WWW.sub("www[.]", _BARE_SCHEME.sub(r"\1[:]", apart))


def one_line(text: object, longest: int = _LONGEST) -> tuple[str, bool]:
    """Return text with all white space as single spaces, and whether it had to be cut."""
    line = " ".join(str(text).split())
    return (line, False) if len(line) <= longest else (line[: longest - 1].rstrip() + "…", True)


def in_brief(found: Iterable[Field], *, most: int = MOST_FIELDS) -> tuple[list[Line], int]:
    """Return the first fields of a proposal, one line each, and how many more there are."""
    fields = list(found)
    return [_line(field) for field in fields[:most]], max(len(fields) - most, 0)


def changes_in_brief(
    found: Iterable[Change], *, most: int = MOST_FIELDS
) -> list[tuple[str, str, str]]:
    """Return (label, before, after) of the first changes; a side that is not there is empty."""
    rows = []
    for change in list(found)[:most]:
        before = "".join(text for kind, text in change.pieces if kind in ("same", "del"))
        after = "".join(text for kind, text in change.pieces if kind in ("same", "ins"))
        if change.word == "removed":
            after = ""
        elif change.word == "added":
            before = ""
        rows.append((change.label, one_line(before, 120)[0], one_line(after, 120)[0]))
    return rows


def _line(field: Field) -> Line:
    if field.kind == "table":
        return Line(field.label, f"{len(field.items)} entries", cut=True)
    whole = field.text
    if field.kind == "list":
        whole = ", ".join(field.items) or "none"
    elif field.kind == "pairs":
        whole = ", ".join(f"{name} {value}" for name, value in field.items)
    text, cut = one_line(whole)
    return Line(field.label, text, cut, field.number)
