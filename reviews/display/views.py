"""A proposal laid out as its checkpoint's view says: sample mails, breakdowns, comparisons.

A view names a kind for a field; what does not have the kind's shape stays a plain field, so that
nothing of a proposal is ever left out because of how it is shown.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from uuid import UUID

from reviews.display.fields import (
    Field,
    humanised,
    is_number,
    is_scalar,
    scalar_text,
    text_of,
    worded,
)

BAR_WIDTH = 120
_MOST_SAMPLES = 20
_TICKET = re.compile(r"/ticket/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/")
_MOST_LINES = 60

Pieces = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample e-mail."""

    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class Slice:
    """One part of a sum; `width` is its bar's on a field of `BAR_WIDTH` units."""

    name: str
    amount: str
    share: str
    width: float


@dataclass(frozen=True, slots=True)
class Check:
    """One line of a checklist; `done` is None where it says neither yes nor no."""

    name: str
    done: bool | None
    word: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two outputs beside each other, word by word, with the measures of both."""

    before: str
    after: str
    before_pieces: Pieces
    after_pieces: Pieces
    columns: tuple[str, ...]
    metrics: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Referred:
    """One ticket a proposal speaks of; `pk` is where its page is."""

    ref: str
    title: str
    checkpoint: str
    pk: UUID


Shown = tuple[Any, ...]
Part = TypeVar("Part", Sample, Comparison)


def parts_of(found: Sequence[Field], proposal: Mapping[str, Any], view: object) -> list[Field]:
    """Return the fields as the view lays them out; a comparison takes its other fields along."""
    wanted = _wanted(view)
    if not wanted:
        return list(found)
    taken: set[str] = set()
    laid_out: set[str] = set()
    parts: list[Field] = []
    for field in found:
        entry = wanted.get(field.name, {})
        items, along = ((), set()) if field.name in taken else _laid_out(entry, proposal)
        part = field
        if items:
            laid_out.add(field.name)
            taken |= along - laid_out
            label = str(entry.get("heading") or field.label)
            part = replace(field, kind=entry["kind"], label=label, items=items, wide=True)
        parts.append(part)
    return [part for part in parts if part.name not in taken]


def comparison_of(proposal: Mapping[str, Any], view: object) -> Comparison | None:
    """Return the comparison a view lays out, or None where it has none or the proposal lacks it."""
    return next(iter(_first(proposal, view, Comparison)), None)


def sample_mails(proposal: Mapping[str, Any], view: object) -> tuple[Sample, ...]:
    """Return the sample e-mails of the first field laid out as such; none where there is none."""
    return _first(proposal, view, Sample)


def _first(proposal: Mapping[str, Any], view: object, kind: type[Part]) -> tuple[Part, ...]:
    """Return what the first field that a view lays out in this kind shows."""
    for entry in _wanted(view).values():
        items, _ = _laid_out(entry, proposal)
        if items and isinstance(items[0], kind):
            return items
    return ()


def _wanted(view: object) -> dict[str, Mapping[str, Any]]:
    listed = view.get("fields") if isinstance(view, Mapping) else None
    return {
        entry["name"]: entry
        for entry in (listed if isinstance(listed, list) else [])
        if isinstance(entry, Mapping)
        and isinstance(entry.get("name"), str)
        and isinstance(entry.get("kind"), str)
        and entry["kind"] in _KINDS
    }


def _laid_out(entry: Mapping[str, Any], proposal: Mapping[str, Any]) -> tuple[Shown, set[str]]:
    """Return what a kind makes of a field, and the other fields it shows with it."""
    if not entry or entry["name"] not in proposal:
        return (), set()
    return _KINDS[entry["kind"]](proposal[entry["name"]], entry, proposal)


def _samples(value: Any, _entry: object, _proposal: object) -> tuple[Shown, set[str]]:
    mails = value if isinstance(value, list) and len(value) <= _MOST_SAMPLES else []
    whole = all(
        isinstance(mail, dict)
        and set(mail) == {"subject", "body"}
        and all(isinstance(text, str) for text in mail.values())
        for mail in mails
    )
    return tuple(Sample(mail["subject"], mail["body"]) for mail in mails) if whole else (), set()


def _breakdown(value: Any, _entry: object, _proposal: object) -> tuple[Shown, set[str]]:
    parts = value if isinstance(value, dict) and 0 < len(value) <= _MOST_LINES else {}
    if not all(is_number(amount) and amount >= 0 for amount in parts.values()):
        return (), set()
    total, most = sum(parts.values()), max(parts.values(), default=0)
    slices = [
        Slice(
            name=name,
            amount=scalar_text(amount),
            share=f"{amount / total:.0%}" if total else "",
            width=round(amount / most * BAR_WIDTH, 1) if most else 0,
        )
        for name, amount in sorted(parts.items(), key=lambda part: -part[1])
    ]
    return tuple(slices), set()


def _checklist(value: Any, _entry: object, _proposal: object) -> tuple[Shown, set[str]]:
    pairs: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list):
        pairs = [_line(line) for line in value]
    whole = 0 < len(pairs) <= _MOST_LINES and all(name and is_scalar(v) for name, v in pairs)
    if not whole:
        return (), set()
    return tuple(
        Check(humanised(name), v if isinstance(v, bool) else None, scalar_text(v))
        for name, v in pairs
    ), set()


def _line(line: Any) -> tuple[str, Any]:
    """Return (name, value) of a checklist's line: a text, or a name with one more member."""
    if isinstance(line, str):
        return line, ""
    if isinstance(line, dict) and len(line) == 2:
        name = next((key for key in ("item", "name", "label", "check") if key in line), "")
        rest = [value for key, value in line.items() if key != name]
        if name and isinstance(line[name], str):
            return line[name], rest[0]
    return "", None


def _compare(
    value: Any, entry: Mapping[str, Any], proposal: Mapping[str, Any]
) -> tuple[Shown, set[str]]:
    """Return one comparison; the field itself is the newer side.

    `before` names the field of the older side, `names` the two fields that name the sides,
    `metrics` the field of the measures: {side: {measure: value}}.
    """
    before = entry.get("before")
    if not isinstance(before, str) or before not in proposal:
        return (), set()
    sides = _sides(entry, proposal)
    pieces = worded(text_of(proposal[before]), text_of(value))
    columns, rows = _metrics(proposal.get(str(entry.get("metrics"))), sides)
    comparison = Comparison(
        before=sides[0],
        after=sides[1],
        before_pieces=tuple(piece for piece in pieces if piece[0] != "ins"),
        after_pieces=tuple(piece for piece in pieces if piece[0] != "del"),
        columns=columns,
        metrics=rows,
    )
    return (comparison,), {before} | ({str(entry["metrics"])} if rows else set())


def _sides(entry: Mapping[str, Any], proposal: Mapping[str, Any]) -> tuple[str, str]:
    names = entry.get("names")
    found = [
        proposal.get(name) for name in (names if isinstance(names, list) else [])
        if isinstance(name, str)
    ]  # fmt: skip
    texts = [text for text in found if isinstance(text, str) and text]
    return (texts[0], texts[1]) if len(texts) == 2 else ("Current", "New")


def _metrics(
    value: Any, sides: tuple[str, str]
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Return the sides that were measured and one row per measure; nothing for another shape."""
    if not isinstance(value, dict) or not value:
        return (), ()
    tables = list(value.values())
    if not all(isinstance(t, dict) and all(map(is_scalar, t.values())) for t in tables):
        return (), ()
    order = [name for name in sides if name in value]
    columns = list(dict.fromkeys([*order, *value]))
    measures = list(dict.fromkeys(name for column in columns for name in value[column]))
    if not measures or len(columns) > 5 or len(measures) > _MOST_LINES:
        return (), ()
    rows = tuple(
        (
            humanised(measure),
            *(scalar_text(value[c][measure]) if measure in value[c] else "" for c in columns),
        )
        for measure in measures
    )
    return tuple(columns), rows


def _tickets(value: Any, _entry: object, _proposal: object) -> tuple[Shown, set[str]]:
    """Lead to tickets by their id alone: no address a proposal brings is ever followed."""
    found = []
    for row in value if isinstance(value, list) else []:
        texts = row if isinstance(row, dict) else {}
        named = _TICKET.search(str(texts.get("link", "")))
        if named is None or not all(isinstance(text, str) for text in texts.values()):
            return (), set()
        found.append(
            Referred(
                texts.get("ref", ""),
                texts.get("title", ""),
                texts.get("checkpoint", ""),
                UUID(named[1]),
            )
        )
    return tuple(found), set()


_KINDS: dict[str, Callable[[Any, Mapping[str, Any], Mapping[str, Any]], tuple[Shown, set[str]]]] = {
    "samples": _samples,
    "breakdown": _breakdown,
    "checklist": _checklist,
    "compare": _compare,
    "tickets": _tickets,
}
