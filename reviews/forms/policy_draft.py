"""A question as rows of plain inputs: from a question to its draft, through a form and onto a page.

A draft holds what was typed, as text, so that nothing is lost when it is refused.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from approvals.spoken import spoken_length

Draft = dict[str, Any]

# Each kind of row: the letter its inputs begin with, and its columns.
_COLUMNS = {
    "s": ("name", "rejections"),
    "n": ("count", "role", "people"),
    "l": ("above", "role"),
    "o": ("label", "key", "effect", "reason", "form", "own", "carries"),
    "e": ("after", "role"),
}
_INSIDE = {"s": ("n", "l")}
_MOST = {"s": 10, "n": 10, "l": 20, "o": 50, "e": 10}
_ALONE = ("ask", "due", "expires", "silence", "hold", "revocable", "rounds", "steps", "offered")
_BLANK = {"n": {"count": "1"}, "s": {"rejections": "1"}, "o": {"effect": "allow"}}
LENGTHS = ("due", "expires", "hold", "revocable")
_PLACES = {"s": "stages", "n": "needs", "l": "ladder", "o": "options", "e": "escalate"}


@dataclass(frozen=True, slots=True)
class Input:
    """One input as a page draws it."""

    name: str
    value: str
    error: str = ""


@dataclass(slots=True)
class Row:
    """One row of inputs; `rows` are the rows within it, by their letter."""

    name: str
    inputs: dict[str, Input]
    rows: dict[str, list["Row"]] = field(default_factory=dict)


def draft_of(question: Mapping[str, Any]) -> Draft:
    """Return the draft of a rendered question."""
    timing, repeat = question["timing"], question["repeat"]
    return {
        "s": [
            {
                "name": stage["name"],
                "rejections": str(stage["rejections"]),
                "n": [
                    {
                        "count": str(need["count"]),
                        "role": need["role"],
                        "people": ", ".join(str(person) for person in need.get("people", ())),
                    }
                    for need in stage["needs"]
                ],
                "l": [
                    {"above": str(rung["above"]), "role": rung["role"]} for rung in stage["ladder"]
                ],
            }
            for stage in question["stages"]
        ],
        "o": [_option_draft(option) for option in question["options"]],
        "e": [
            {"after": spoken_length(later["after"]), "role": later["role"]}
            for later in timing["escalate"]
        ],
        "ask": timing["ask"],
        **{name: spoken_length(timing[name]) for name in LENGTHS},
        "silence": timing["silence"] or "",
        "rounds": str(repeat["rounds"]),
        "steps": ", ".join(str(step) for step in repeat["steps"]),
        "offered": question["options_from"] or "",
    }


def _option_draft(option: Mapping[str, Any]) -> dict[str, str]:
    form = option["form"]
    own = isinstance(form, Mapping)
    return {
        "label": option["label"],
        "key": option["key"],
        "effect": option["effect"],
        "reason": "required" if option["reason"] == "required" else "",
        "form": "own" if own else form or "",
        "own": json.dumps(form, indent=2, ensure_ascii=False) if own else "",
        "carries": json.dumps(option["carries"], indent=2, ensure_ascii=False)
        if option["carries"]
        else "",
    }


def read_draft(sent: Mapping[str, str]) -> Draft:
    """Return what a form sent, as a draft."""
    rows = {letter: _read_rows(sent, letter, "") for letter in ("s", "o", "e")}
    return {**rows, **{name: sent.get(name, "").strip() for name in _ALONE}}


def _read_rows(sent: Mapping[str, str], letter: str, within: str) -> list[dict[str, Any]]:
    rows = []
    for place in range(_MOST[letter]):
        name = f"{within}{letter}{place}"
        if f"{name}-{_COLUMNS[letter][0]}" not in sent:
            break
        row: dict[str, Any] = {
            column: sent.get(f"{name}-{column}", "").strip() for column in _COLUMNS[letter]
        }
        for inner in _INSIDE.get(letter, ()):
            row[inner] = _read_rows(sent, inner, f"{name}-")
        rows.append(row)
    return rows


def with_row(draft: Draft, where: str) -> None:
    """Add an empty row at the end of a list: `o`, or `s0-n` for the needs of the first step."""
    rows, letter = _rows_at(draft, where)
    if rows is not None and len(rows) < _MOST[letter]:
        row: dict[str, Any] = dict.fromkeys(_COLUMNS[letter], "") | _BLANK.get(letter, {})
        for inner in _INSIDE.get(letter, ()):
            row[inner] = []
        if letter == "s":
            row["n"] = [dict.fromkeys(_COLUMNS["n"], "") | _BLANK["n"]]
        rows.append(row)


def without_row(draft: Draft, which: str) -> None:
    """Take a row away: `o2`, or `s0-n1`."""
    found = re.fullmatch(r"(.*?[a-z])(\d{1,2})", which)
    rows, _ = _rows_at(draft, found[1]) if found else (None, "")
    if found and rows and int(found[2]) < len(rows):
        del rows[int(found[2])]


def _rows_at(draft: Draft, where: str) -> tuple[list[dict[str, Any]] | None, str]:
    found = re.fullmatch(r"(?:s(\d{1,2})-)?([soenl])", where)
    if not found:
        return None, ""
    place, letter = found.groups()
    if place is None:
        return draft.get(letter) if letter in ("s", "o", "e") else None, letter
    steps = draft["s"]
    return (steps[int(place)].get(letter) if int(place) < len(steps) else None), letter


def name_at(pointer: str) -> str:
    """Return the input an error of the question's reader is about: `/stages/0/needs/1/count`.

    Rows that were left out shift nothing for people who fill in forms from the top.
    """
    parts = pointer.strip("/").split("/")
    name, at = "", 0
    letters = {word: letter for letter, word in _PLACES.items()}
    parts = parts[1:] if parts[0] in ("timing", "repeat") else parts
    while at < len(parts) and parts[at] in letters:
        letter = letters[parts[at]]
        if at + 1 == len(parts):
            return f"{name}{letter}0-{_COLUMNS[letter][0]}"
        name += f"{letter}{parts[at + 1]}-"
        at += 2
    column = parts[at] if at < len(parts) else ""
    letter = name.rstrip("-0123456789")[-1:] if name else ""
    if letter:
        column = column if column in _COLUMNS[letter] else _COLUMNS[letter][0]
    elif column not in _ALONE:
        return ""
    return name + column


def inputs_of(draft: Draft, problems: Mapping[str, str]) -> dict[str, Any]:
    """Return a draft as a page draws it: rows by their letter, and the inputs that stand alone."""
    tree: dict[str, Any] = {
        letter: [_row(row, letter, f"{letter}{n}", problems) for n, row in enumerate(draft[letter])]
        for letter in ("s", "o", "e")
    }
    tree |= {name: Input(name, draft[name], problems.get(name, "")) for name in _ALONE}
    return tree


def _row(row: Mapping[str, Any], letter: str, name: str, problems: Mapping[str, str]) -> Row:
    inputs = {
        column: Input(f"{name}-{column}", row[column], problems.get(f"{name}-{column}", ""))
        for column in _COLUMNS[letter]
    }
    rows = {
        inner: [
            _row(each, inner, f"{name}-{inner}{n}", problems) for n, each in enumerate(row[inner])
        ]
        for inner in _INSIDE.get(letter, ())
    }
    return Row(name, inputs, rows)
