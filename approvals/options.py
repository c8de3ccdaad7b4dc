"""What may be answered: an option's noun, how it is read, and how it is written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from approvals.form_bounds import bounded_form
from approvals.reading import Reader

EFFECTS = ("allow", "deny", "return", "answer", "none")
ALLOWING = frozenset({"allow", "answer"})  # the caller may go on
REFUSING = frozenset({"deny", "return"})  # the caller may not
EDIT_PROPOSAL = "edit-proposal"


@dataclass(frozen=True)
class Option:
    """One thing that may be answered. ``carries`` are fixed values merged into the response."""

    key: str
    label: str
    effect: str  # one of EFFECTS; "none" never counts (abstain)
    reason: str = "optional"  # or "required"
    form: dict[str, Any] | str | None = None  # JSON schema, EDIT_PROPOSAL, or none
    carries: dict[str, Any] = field(default_factory=dict)


def read_options(reader: Reader, value: object, pointer: str) -> tuple[Option, ...]:
    """Return the options of a list, noting in ``reader`` what is wrong, twins among them."""
    rows = reader.rows(value, pointer, most=50)
    options = tuple(_option(reader, row, f"{pointer}/{i}") for i, row in enumerate(rows))
    seen: set[str] = set()
    for place, option in enumerate(options):
        # "Approve" beside "approve" would only serve to be mistaken for it.
        if option.key and option.key.casefold() in seen:
            reader.refuse(f"{pointer}/{place}/key", "Another option has this key.")
        seen.add(option.key.casefold())
    return options


def _option(reader: Reader, value: object, pointer: str) -> Option:
    known = ("key", "label", "effect", "reason", "form", "carries")
    given = reader.mapping(value, pointer, known, ("key", "effect"))
    key = reader.key(given.get("key", "-"), f"{pointer}/key", most=80)
    label = given.get("label", key.replace("_", " ").capitalize() or "-")
    carries = given.get("carries", {})
    if not isinstance(carries, Mapping):
        reader.refuse(f"{pointer}/carries", "This must be an object.")
        carries = {}
    form = given.get("form")
    if isinstance(form, Mapping):
        form = bounded_form(form, f"{pointer}/form", reader)
    elif form is not None:
        form = reader.choice(form, f"{pointer}/form", (EDIT_PROPOSAL,))
    return Option(
        key=key,
        label=reader.text(label, f"{pointer}/label", most=200),
        effect=reader.choice(given.get("effect", "none"), f"{pointer}/effect", EFFECTS),
        reason=reader.choice(
            given.get("reason", "optional"), f"{pointer}/reason", ("optional", "required")
        ),
        form=form,
        carries=reader.small_json(carries, f"{pointer}/carries"),
    )


def render_option(option: Option) -> dict[str, Any]:
    """Return one option as JSON."""
    return {
        "key": option.key,
        "label": option.label,
        "effect": option.effect,
        "reason": option.reason,
        "form": option.form,
        "carries": option.carries,
    }
