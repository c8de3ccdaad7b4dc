"""Write a frozen question as a `ui_schema`: the form an earlier design's screens can show."""

from collections.abc import Iterable, Mapping
from typing import Any

from approvals.options import EDIT_PROPOSAL, Option
from approvals.presets import OF_UI_TYPE
from approvals.question import Question

Json = dict[str, Any]

# What somebody writes when they answer; it is the reason of their vote.
REASON = "feedback"
REASONS = ("reason", "comments", REASON)
# Changed fields of the proposal, where an option takes them.
AMENDMENTS = "amendments"
DECISION = "decision"

_TYPE_OF_PRESET = {preset: kind for kind, preset in OF_UI_TYPE.items()}
_LONG_TEXT = 200


def ui_schema_of(question: Question, *, preset: str = "") -> Json:
    """Return the form of a question: `type`, and one field per thing to be answered.

    Where there is something to choose, `decision` comes first and lists the options' keys.
    """
    options = question.options
    fields: dict[str, Json] = {}
    if len(options) > 1:
        fields[DECISION] = {
            "name": DECISION,
            "type": "radio",
            "options": [option.key for option in options],
            "required": True,
        }
    for option in options:
        if option.form == EDIT_PROPOSAL:
            label = f"Changed fields as JSON, for “{option.label}”"
            fields.setdefault(AMENDMENTS, {"name": AMENDMENTS, "type": "textarea", "label": label})
        for field in _fields(option, alone=len(options) == 1):
            fields.setdefault(field["name"], field)
    if len(options) > 1 and not fields.keys() & set(REASONS):
        always = all(option.reason == "required" for option in options)
        fields[REASON] = {
            "name": REASON, "type": "textarea", "label": "Reason", "required": always,
        }  # fmt: skip
    return {"type": _type(options, preset), "fields": list(fields.values())}


def _type(options: Iterable[Option], preset: str) -> str:
    if preset in _TYPE_OF_PRESET:
        return _TYPE_OF_PRESET[preset]
    effects = [option.effect for option in options]
    if effects == ["answer"]:
        return "input"
    return "review" if "return" in effects else "approval"


def _fields(option: Option, *, alone: bool) -> Iterable[Json]:
    form = option.form
    properties = form.get("properties") if isinstance(form, Mapping) else None
    if not isinstance(form, Mapping) or not isinstance(properties, Mapping):
        return
    required = form.get("required")
    needed = required if isinstance(required, list) else []
    # A stored object forgets the order of its members; a list does not.
    for name in dict.fromkeys([*(name for name in needed if name in properties), *properties]):
        part = properties[name]
        yield _field(name, part if isinstance(part, Mapping) else {}, alone and name in needed)


def _field(name: str, part: Mapping[str, Any], required: bool) -> Json:
    field: Json = {"name": name, "type": _kind(part), "required": required}
    if isinstance(part.get("title"), str):
        field["label"] = part["title"]
    if isinstance(part.get("enum"), list):
        field["options"] = part["enum"]
    members = (("min", "minimum"), ("max", "maximum"), ("step", "x-step"), ("default", "default"))
    field |= {ours: part[theirs] for ours, theirs in members if theirs in part}
    if part.get("type") == "integer":
        field.setdefault("step", 1)
    return field


def _kind(part: Mapping[str, Any]) -> str:
    if isinstance(part.get("enum"), list):
        return "radio"
    kind = part.get("type")
    if kind in ("number", "integer"):
        return "number"
    if kind == "boolean":
        return "checkbox"
    longest = part.get("maxLength")
    long = isinstance(longest, int) and longest > _LONG_TEXT
    many = kind != "string" or part.get("format") == "textarea" or long
    return "textarea" if many else "text"
