"""A proposal as people read it: the effect in one sentence, labelled fields, and what changed."""

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeGuard

_PLACE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_LONG = 80
_COMPARED = 6_000
_ROWS = 30


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of a sentence; `value` marks what came from the proposal."""

    text: str
    value: bool = False
    missing: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """One labelled value. `kind` says how it is laid out: text, list, pairs, table or json."""

    name: str
    label: str
    kind: str
    text: str = ""
    items: tuple[Any, ...] = ()
    columns: tuple[str, ...] = ()
    wide: bool = False
    number: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one field between two versions of a proposal."""

    label: str
    word: str
    pieces: tuple[tuple[str, str], ...] = field(default=())


def is_scalar(value: object) -> bool:
    """Tell whether a value fits on a line: text, number, yes or no, or nothing."""
    return value is None or isinstance(value, str | int | float | bool)


def is_number(value: object) -> TypeGuard[int | float]:
    """Tell whether a value is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def scalar_text(value: object) -> str:
    """Return a single value as people write it; numbers keep every digit that was sent."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{Decimal(repr(value)):,f}"
    return str(value)


def money(amount: Decimal | float, currency: str = "") -> str:
    """Return an amount with two digits, or all it has, and its currency after it."""
    number = Decimal(repr(amount)) if isinstance(amount, float) else Decimal(amount)
    exact = number.quantize(Decimal("0.01"))
    text = f"{exact:,.2f}" if exact == number else f"{number:,f}"
    return f"{text} {currency}".strip()


def currency_of(proposal: Mapping[str, Any]) -> str:
    """Return the currency a proposal names, as a three-letter code, or nothing."""
    named = proposal.get("currency")
    return named if isinstance(named, str) and _CURRENCY.fullmatch(named) else ""


def effect(
    sentence: str, proposal: Mapping[str, Any], amount: Decimal | None = None
) -> tuple[Part, ...]:
    """Return a checkpoint's sentence with the proposal's values in place of `{name}`.

    Only plain names of single values are replaced; nothing else in the sentence is read. A value
    that is the ticket's `amount` is written as money.
    """
    parts: list[Part] = []
    end = 0
    for place in _PLACE.finditer(sentence):
        parts.append(Part(sentence[end : place.start()]))
        value = proposal.get(place[1])
        if place[1] in proposal and is_scalar(value) and value is not None:
            text = _as_money(value, amount, proposal) or scalar_text(value)
            parts.append(Part(text, value=True))
        elif isinstance(value, list):
            parts.append(Part(f"{len(value)}", value=True))
        else:
            parts.append(Part(humanised(place[1]).lower(), missing=True))
        end = place.end()
    parts.append(Part(sentence[end:]))
    return tuple(part for part in parts if part.text)


def is_amount(value: object, amount: Decimal | None) -> bool:
    """Tell whether a value of the proposal is the amount the ticket states."""
    return is_number(value) and amount is not None and Decimal(repr(value)) == amount


def amount_beside(proposal: Mapping[str, Any], amount: Decimal | None) -> str:
    """Return the amount a ticket states as money, where no value of its proposal shows it."""
    if amount is None or any(is_amount(value, amount) for value in proposal.values()):
        return ""
    return money(amount, currency_of(proposal))


def _as_money(value: Any, amount: Decimal | None, proposal: Mapping[str, Any]) -> str:
    return money(value, currency_of(proposal)) if is_amount(value, amount) else ""


def humanised(name: str) -> str:
    """Return a field's name as words."""
    return name.replace("_", " ").replace("-", " ").strip().capitalize() or name


def labels_of(view: object, schema: object) -> dict[str, str]:
    """Return field names with their labels in the order a checkpoint shows them.

    A view names fields in `fields` (names, or objects with `name` and `label`) or in `order` with
    `labels`; the schema's properties follow with their titles.
    """
    shown: dict[str, str] = {}
    view = view if isinstance(view, Mapping) else {}
    schema = schema if isinstance(schema, Mapping) else {}
    properties = schema.get("properties")
    properties = properties if isinstance(properties, Mapping) else {}
    named = view.get("labels")
    labels = dict(named) if isinstance(named, Mapping) else {}
    listed = view.get("fields") or view.get("order") or []
    for entry in listed if isinstance(listed, list) else []:
        if isinstance(entry, Mapping):
            name = entry.get("name") or entry.get("field") or entry.get("key")
            if isinstance(name, str) and entry.get("label"):
                labels[name] = entry["label"]
        else:
            name = entry
        if isinstance(name, str):
            shown[name] = ""
    for name in properties:
        shown.setdefault(name, "")
    for name in shown:
        schema_title = properties.get(name, {})
        title = schema_title.get("title") if isinstance(schema_title, Mapping) else None
        shown[name] = str(labels.get(name) or title or humanised(name))
    return shown


def fields_of(
    proposal: Mapping[str, Any],
    labels: Mapping[str, str],
    *,
    schema: object = None,
    amount: Decimal | None = None,
) -> list[Field]:
    """Return every field of a proposal: those with labels first, and never leaving one out."""
    names = [name for name in labels if name in proposal]
    names += [name for name in proposal if name not in labels]
    found = []
    for name in names:
        value, label = proposal[name], labels.get(name) or humanised(name)
        in_money = _as_money(value, amount, proposal)
        if in_money:
            found.append(Field(name, label, "text", in_money, number=True))
        else:
            found.append(_field(name, label, value, _columns_of(schema, name)))
    return found


def _columns_of(schema: object, name: str) -> list[str]:
    """Return the order in which a schema names the members of a list's objects."""
    part = schema
    for step in ("properties", name, "items", "properties"):
        part = part.get(step) if isinstance(part, Mapping) else None
    return list(part) if isinstance(part, Mapping) else []


def _field(name: str, label: str, value: Any, columns: list[str]) -> Field:
    if is_scalar(value):
        text = scalar_text(value)
        wide = len(text) > _LONG or "\n" in text
        return Field(name, label, "text", text, wide=wide, number=is_number(value))
    if isinstance(value, list) and all(is_scalar(item) for item in value):
        texts = tuple(scalar_text(item) for item in value)
        return Field(name, label, "list", items=texts, wide=sum(map(len, texts)) > _LONG)
    if isinstance(value, dict) and value and all(is_scalar(item) for item in value.values()):
        pairs = tuple((humanised(key), scalar_text(item)) for key, item in value.items())
        return Field(name, label, "pairs", items=pairs, wide=len(pairs) > 3)
    table = _table(name, label, value, columns)
    return table or Field(name, label, "json", pretty(value), wide=True)


def _table(name: str, label: str, value: Any, order: list[str]) -> Field | None:
    """Return a list, or an object, of like objects as a table; None where it is not one."""
    named = isinstance(value, dict)
    rows = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(rows, list) or not rows or len(rows) > _ROWS:
        return None
    if not all(isinstance(row, dict) and row for row in rows):
        return None
    columns = list(dict.fromkeys(key for row in rows for key in row))
    columns.sort(key=lambda key: order.index(key) if key in order else len(order))
    if len(columns) > 5 or not all(is_scalar(item) for row in rows for item in row.values()):
        return None
    lines = [
        tuple(scalar_text(row[column]) if column in row else "" for column in columns)
        for row in rows
    ]
    heads = [humanised(column) for column in columns]
    if named:
        heads.insert(0, "")
        lines = [(key, *line) for key, line in zip(value, lines, strict=True)]
    return Field(name, label, "table", items=tuple(lines), columns=tuple(heads), wide=True)


def pretty(value: Any) -> str:
    """Return JSON for reading."""
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=False)


def changes_between(
    before: Mapping[str, Any], after: Mapping[str, Any], labels: Mapping[str, str]
) -> list[Change]:
    """Return what differs between two versions of a proposal, field by field, with words."""
    names = dict.fromkeys([*labels, *before, *after])
    found: list[Change] = []
    for name in names:
        if (name in before) == (name in after) and before.get(name) == after.get(name):
            continue
        label = labels.get(name) or humanised(name)
        if name not in after:
            found.append(Change(label, "removed", (("del", text_of(before[name])),)))
        elif name not in before:
            found.append(Change(label, "added", (("ins", text_of(after[name])),)))
        else:
            pieces = _pieces(text_of(before[name]), text_of(after[name]))
            found.append(Change(label, "changed", pieces))
    return found


def text_of(value: Any) -> str:
    """Return a value as one text, whatever it holds."""
    return scalar_text(value) if is_scalar(value) else pretty(value)


def _pieces(before: str, after: str) -> tuple[tuple[str, str], ...]:
    """Return (same, del, ins) pieces by words; short texts are shown whole, twice."""
    if min(len(before), len(after)) < 40:
        return (("del", before), ("ins", after))
    return worded(before, after)


def worded(before: str, after: str) -> tuple[tuple[str, str], ...]:
    """Return what two texts share and what differs, by words; huge ones are shown whole, twice."""
    if max(len(before), len(after)) > _COMPARED:
        return (("del", before), ("ins", after))
    old, new = re.findall(r"\s+|[^\s]+", before), re.findall(r"\s+|[^\s]+", after)
    pieces: list[tuple[str, str]] = []
    gone, come = "", ""

    def write() -> None:
        pieces.extend(piece for piece in (("del", gone), ("ins", come)) if piece[1])

    opcodes = difflib.SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes()
    for place, (tag, i1, i2, j1, j2) in enumerate(opcodes):
        text = "".join(old[i1:i2])
        # A space that happens to stand on both sides does not cut a changed passage into words.
        between = gone and come and text.isspace() and place + 1 < len(opcodes)
        if tag == "equal" and not between:
            write()
            gone = come = ""
            pieces.append(("same", text))
        else:
            gone, come = gone + text, come + "".join(new[j1:j2])
    write()
    return tuple(pieces)
