"""Lengths of time as the interfaces write them: ISO 8601 from weeks down to seconds."""

from __future__ import annotations

import re
from datetime import timedelta

# Years and months have no fixed length, so a frozen question cannot use them. Ten years is more
# than any wait here and keeps every instant inside what both databases can store.
LONGEST = timedelta(days=3650)
_DURATION = re.compile(
    r"P(?:(?P<weeks>\d{1,9})W)?(?:(?P<days>\d{1,9})D)?"
    r"(?P<time>T(?:(?P<hours>\d{1,9})H)?(?:(?P<minutes>\d{1,9})M)?"
    r"(?:(?P<seconds>\d{1,9}(?:\.\d{1,6})?)S)?)?",
    re.ASCII,
)
_UNITS = ("weeks", "days", "hours", "minutes", "seconds")


def parse_duration(text: str) -> timedelta:
    """Return the length of time that ``text`` (``PT4H``, ``P1DT30M``, ``P2W``) names.

    :raises ValueError: with a sentence, for any other notation and for more than ten years.
    """
    found = _DURATION.fullmatch(text)
    parts = {unit: found[unit] for unit in _UNITS if found[unit]} if found else {}
    if found is None or not parts or found["time"] == "T":
        raise ValueError("Write a length of time as PT30M, PT4H or P1D; years and months vary.")
    whole, _, fraction = parts.pop("seconds", "0").partition(".")
    length = timedelta(
        seconds=int(whole),
        microseconds=int(fraction.ljust(6, "0")) if fraction else 0,
        **{unit: int(number) for unit, number in parts.items()},
    )
    if length > LONGEST:
        raise ValueError("Stay within ten years.")
    return length


def render_duration(length: timedelta) -> str:
    """Return the one way this length is written, so that equal lengths have equal digests.

    Hours up to two days (``PT24H``), days beyond (``P3D``).

    :raises ValueError: for a negative length, which ISO 8601 cannot say.
    """
    if length < timedelta(0):
        raise ValueError("A length of time cannot be negative.")
    days = length.days if length >= timedelta(days=2) else 0
    seconds = (length - timedelta(days=days)) // timedelta(seconds=1)
    hours, rest = divmod(seconds, 3600)
    minutes, whole = divmod(rest, 60)
    fraction = f".{length.microseconds:06d}".rstrip("0") if length.microseconds else ""
    time = (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "")
    time += f"{whole}{fraction}S" if whole or fraction else ""
    date = f"{days}D" if days else ""
    return f"P{date}T{time}" if time else f"P{date}" if date else "PT0S"
