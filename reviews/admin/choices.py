"""What one person may answer: each option with its button, its key and its form."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from approvals.models import User
from approvals.options import ALLOWING, EDIT_PROPOSAL, Option
from approvals.services.polls import Poll
from reviews.display import fields
from reviews.display.blind import Blind
from reviews.display.inert import has_hidden
from reviews.forms.schema_form import SchemaForm, edit_schema
from reviews.models import Ticket


@dataclass(slots=True)
class Typed:
    """What somebody sent, so that nothing is lost when it is refused."""

    choice: str = ""
    reason: str = ""
    on_behalf_of: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Choice:
    """One option as it is shown: its button, its fields, and the key that presses it."""

    place: int
    option: Option
    label: str
    cap: str
    form: SchemaForm | None
    ask_reason: bool
    reason: str = ""
    open: bool = False
    errors: list[str] = field(default_factory=list)

    @property
    def needs_reason(self) -> bool:
        return self.option.reason == "required"

    @property
    def kept(self) -> bool:
        """Tell whether fields of the proposal stay as they are because they cannot be typed."""
        return self.option.form == EDIT_PROPOSAL

    @property
    def allows(self) -> bool:
        """Tell whether the action goes ahead with this answer."""
        return self.option.effect in ALLOWING

    def reason_given(self) -> str:
        """Return the reason; where a form asks for a text anyway, that text is the reason."""
        if self.ask_reason or self.form is None:
            return self.reason
        return str(self.form.values().get(_reason_field(self.option)) or "")


def choices_of(
    poll: Poll,
    user: User,
    typed: Typed,
    ticket: Ticket,
    labels: Mapping[str, str],
    blind: Blind | None,
) -> list[Choice]:
    """Return what this person may answer, each with its form as far as they typed it."""
    options = poll.question.options
    options = blind.options(options) if blind else options
    caps = _caps(options)
    content = json.loads(bytes(poll.decision.content))
    choices = []
    for place, option in enumerate(options):
        # What an answer adds is not known yet; an empty one stands for an outcome of its own.
        if poll.refusal_for(user, choice=option.key):
            continue
        chosen = typed.choice == option.key
        data = typed.data if chosen else None
        form = _form(option, f"o{place}", content, ticket, labels, data)
        choices.append(
            Choice(
                place=place,
                option=option,
                label=option.label,
                cap=caps.get(option.key, ""),
                form=form,
                ask_reason=form is None or not _reason_field(option),
                reason=typed.reason if chosen else "",
                open=chosen and form is not None,
            )
        )
    return choices


def _form(
    option: Option,
    prefix: str,
    content: Mapping[str, Any],
    ticket: Ticket,
    labels: Mapping[str, str],
    data: Mapping[str, Any] | None,
) -> SchemaForm | None:
    if option.form == EDIT_PROPOSAL:
        schema = edit_schema(content, ticket.checkpoint.proposal_schema or {}, labels)
        return SchemaForm(schema, data, prefix=prefix, labels=labels, initial=content)
    if isinstance(option.form, Mapping):
        begun = _begun(option.form, content, _drafts(ticket))
        return SchemaForm(option.form, data, prefix=prefix, initial=begun)
    return None


def _drafts(ticket: Ticket) -> dict[str, str]:
    """Return the texts the requester's own form begins with, by field."""
    form = ticket.interaction.get("ui_schema")
    rows = form.get("fields") if isinstance(form, Mapping) else None
    return {
        row["name"]: row["default"]
        for row in rows or ()
        if isinstance(row.get("name"), str) and isinstance(row.get("default"), str)
    }


def _begun(
    form: Mapping[str, Any], content: Mapping[str, Any], drafts: Mapping[str, str]
) -> dict[str, str]:
    """Return the texts a form begins with: of the field `x-from` names, else those of a draft.

    Texts to work on, never a choice, which is a person's to make.
    """
    found = {}
    for name, part in (form.get("properties") or {}).items():
        if not isinstance(part, Mapping) or part.get("type") != "string" or "enum" in part:
            continue
        source = part.get("x-from")
        value = content.get(source) if isinstance(source, str) else None
        if value is None:
            text = drafts.get(name)
        else:
            text = value if isinstance(value, str) else fields.pretty(value)
        if text is not None and not has_hidden(text):
            found[name] = text
    return found


def _reason_field(option: Option) -> str:
    """Return the first text the option's own form insists on; it is the reason then."""
    if option.reason != "required" or not isinstance(option.form, Mapping):
        return ""
    properties = option.form.get("properties", {})
    for name in option.form.get("required", []):
        if properties.get(name, {}).get("type") == "string" and "enum" not in properties[name]:
            return str(name)
    return ""


def _caps(options: tuple[Option, ...]) -> dict[str, str]:
    """Return the key of each option: a, r, e and q by what it does, digits for the rest."""
    caps: dict[str, str] = {}
    for option in options:
        wish = {"deny": "r", "return": "q"}.get(option.effect, "a")
        if option.form == EDIT_PROPOSAL:
            wish = "e"
        if option.effect != "none" and wish not in caps.values():
            caps[option.key] = wish
    if sum(option.effect == "answer" for option in options) > 1:
        # Answers of equal standing are told apart by number, none of them is "the" approval.
        caps = {o.key: caps[o.key] for o in options if o.key in caps and o.effect != "answer"}
    shown = sorted(options, key=lambda option: option.form is not None)
    rest = (option.key for option in shown if option.key not in caps)
    return caps | {key: str(number) for number, key in enumerate(rest, start=1) if number < 10}


def changed_fields(choice: Choice, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of the proposal that were typed differently."""
    assert choice.form is not None
    values = choice.form.values()
    nothing = {
        name: "" if isinstance(content.get(name), str) else None for name in choice.form.names
    }
    typed = {name: values.get(name, empty) for name, empty in nothing.items()}
    return {name: value for name, value in typed.items() if value != content.get(name)}
