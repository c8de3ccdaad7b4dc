"""Read what a client or an editor sent: every error is collected with the place it stands at."""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Collection, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from approvals.durations import LONGEST, parse_duration, render_duration

GREATEST = 2**53 - 1  # the largest integer every JSON reader keeps exact
LARGEST = 16 * 1024  # bytes of compact JSON in one form, or in what one option carries
DEEPEST = 8  # levels of objects and lists in the same
# These reorder the text around them, so that a label could read as another one.
_REORDERING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class QuestionInvalid(ValueError):
    """Why a question cannot be asked; ``errors`` are ``{"pointer", "message"}``, in the order met.

    Pointers are JSON pointers into what was sent ("" is the whole of it).
    """

    def __init__(self, errors: list[dict[str, str]]) -> None:
        self.errors = errors
        super().__init__("; ".join(f"{e['pointer'] or '/'}: {e['message']}" for e in errors))


def step(pointer: str, key: object) -> str:
    """Return the pointer one level deeper, with ``~`` and ``/`` written as RFC 6901 asks."""
    return f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}"


class Reader:
    """Read values, note what is wrong, and go on, so that one answer names every error.

    Each method returns the value, or a harmless stand-in of its type after noting an error;
    `finish` raises when anything was noted.
    """

    def __init__(self) -> None:
        self.errors: list[dict[str, str]] = []

    def refuse(self, pointer: str, message: str) -> None:
        """Note one error."""
        # A pointer repeats keys a client chose; a lone surrogate in one could not be answered.
        printable = pointer.encode("utf-8", "backslashreplace").decode()
        self.errors.append({"pointer": printable[:400], "message": message})

    def finish(self) -> None:
        """Raise what was noted.

        :raises QuestionInvalid: when anything was.
        """
        if self.errors:
            raise QuestionInvalid(self.errors)

    def mapping(
        self, value: object, pointer: str, known: Collection[str], required: Collection[str] = ()
    ) -> Mapping[str, Any]:
        """Return an object that has only known keys and all required ones."""
        if not isinstance(value, Mapping):
            self.refuse(pointer, "This must be an object.")
            return {}
        for key in value:
            if key not in known:
                self.refuse(step(pointer, key), f"Unknown; known here: {', '.join(known)}.")
        for key in required:
            if key not in value:
                self.refuse(step(pointer, key), "This is missing.")
        return value

    def rows(self, value: object, pointer: str, *, most: int, least: int = 0) -> list[Any]:
        """Return a list of between ``least`` and ``most`` items."""
        if not isinstance(value, list | tuple):
            self.refuse(pointer, "This must be a list.")
            return []
        if not least <= len(value) <= most:
            self.refuse(pointer, f"Between {least} and {most} items are possible here.")
        return list(value[:most])

    def text(self, value: object, pointer: str, *, most: int) -> str:
        """Return text for people: not blank, one line, nothing that reorders or hides letters."""
        if not isinstance(value, str):
            self.refuse(pointer, "This must be text.")
        elif not value.strip() or value != value.strip():
            self.refuse(pointer, "This must have letters, and no spaces around them.")
        elif len(value) > most:
            self.refuse(pointer, f"At most {most} characters are possible here.")
        elif _REORDERING.intersection(value) or any(
            unicodedata.category(letter) in {"Cc", "Cs", "Zl", "Zp"} for letter in value
        ):
            self.refuse(pointer, "Control characters are not possible here.")
        else:
            return value
        return ""

    def key(self, value: object, pointer: str, *, most: int) -> str:
        """Return text for machines: like text, and every character can be seen."""
        text = self.text(value, pointer, most=most)
        if text and not text.isprintable():
            self.refuse(pointer, "Every character of a key must be visible.")
            return ""
        return text

    def choice(self, value: object, pointer: str, possible: Collection[str]) -> str:
        """Return one of the possible words."""
        if isinstance(value, str) and value in possible:
            return value
        self.refuse(pointer, f"Use one of {', '.join(possible)}.")
        return ""

    def integer(self, value: object, pointer: str, *, least: int, most: int) -> int:
        """Return a whole number in the range; true and 2.0 are not whole numbers here."""
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        self.refuse(pointer, f"This must be a whole number from {least} to {most}.")
        return least

    def number(self, value: object, pointer: str) -> Decimal:
        """Return a number as the decimal its shortest notation shows, so that 0.3 is 0.3."""
        if isinstance(value, Decimal) and value.is_finite():
            value = float(value)
        counts = isinstance(value, int | float) and not isinstance(value, bool)
        # The comparison is false for NaN and the infinities.
        if counts and isinstance(value, int | float) and abs(value) <= GREATEST:
            return Decimal(str(int(value) if value == int(value) else value))
        self.refuse(pointer, f"This must be a number within ±{GREATEST}.")
        return Decimal(0)

    def duration(
        self,
        value: object,
        pointer: str,
        *,
        least: timedelta = timedelta(0),
        most: timedelta = LONGEST,
    ) -> timedelta:
        """Return a length of time within the bounds."""
        try:
            length = parse_duration(value if isinstance(value, str) else "")
        except ValueError as error:
            self.refuse(pointer, str(error))
            return least
        if not least <= length <= most:
            shown = f"{render_duration(least)} to {render_duration(most)}"
            self.refuse(pointer, f"This must last from {shown}.")
            return least
        return length

    def small_json(self, value: object, pointer: str) -> Any:
        """Return a copy of a JSON value of at most 16 kB and 8 levels."""
        before = len(self.errors)
        copy = self._json(value, pointer, DEEPEST)
        if len(self.errors) == before:
            text = json.dumps(copy, ensure_ascii=False, separators=(",", ":"))
            if len(text.encode()) <= LARGEST:
                return copy
            self.refuse(pointer, f"This has at most {LARGEST} bytes.")
        return {}

    def _json(self, value: object, pointer: str, depth: int) -> Any:
        if isinstance(value, Mapping | list | tuple):
            if depth <= 0:
                self.refuse(pointer, "This is nested too deeply.")
                return None
            if isinstance(value, Mapping):
                for key in value:
                    self._letters(key, step(pointer, key))
                return {
                    key: self._json(item, step(pointer, key), depth - 1)
                    for key, item in value.items()
                }
            return [
                self._json(item, step(pointer, place), depth - 1)
                for place, item in enumerate(value)
            ]
        if isinstance(value, str):
            self._letters(value, pointer)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            if not math.isfinite(value) or abs(value) > GREATEST:
                self.refuse(pointer, "Another program could not read this number exactly.")
        elif value is not None and not isinstance(value, bool):
            self.refuse(pointer, "This is not a JSON value.")
        return value

    def _letters(self, value: object, pointer: str) -> None:
        if not isinstance(value, str):
            self.refuse(pointer, "A name must be text.")
        elif "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
            self.refuse(pointer, "NUL and half characters are not text.")
