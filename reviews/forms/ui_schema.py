"""Read a pipeline's `ui_schema`: which preset it means, and its fields as a JSON Schema."""

from collections.abc import Mapping
from typing import Any

from approvals.presets import OF_UI_TYPE, OWN_FORM

# Field type → its JSON Schema, before the field's own members are added.
_TYPES: dict[str, dict[str, Any]] = {
    "text": {"type": "string"},
    "textarea": {"type": "string", "format": "textarea"},
    "radio": {"type": "string"},
    "select": {"type": "string"},
    "number": {"type": "number"},
    "checkbox": {"type": "boolean"},
}
# A step is how a widget moves, not what is valid: 0.3 is no multiple of 0.1 in binary.
_MEMBERS = {"min": "minimum", "max": "maximum", "step": "x-step"}
_KNOWN = frozenset({"name", "type", "label", "options", "required", "default", *_MEMBERS})
_MOST_FIELDS = 50


class UiSchemaInvalid(ValueError):
    """Why a `ui_schema` cannot be shown; `errors` are `{"pointer", "message"}`."""

    def __init__(self, errors: list[dict[str, str]]) -> None:
        self.errors = errors
        super().__init__("; ".join(error["message"] for error in errors))


def preset_of(ui_schema: Mapping[str, Any]) -> str:
    """Return the preset a `ui_schema` means; fields without a type are an input.

    :raises UiSchemaInvalid: for a type nobody knows.
    """
    kind = ui_schema.get("type")
    if kind is None:
        return next(iter(OWN_FORM)) if ui_schema.get("fields") else ""
    if not isinstance(kind, str) or kind not in OF_UI_TYPE:
        known = ", ".join(OF_UI_TYPE)
        raise UiSchemaInvalid([_error("/type", f"Known types are {known}.")])
    return OF_UI_TYPE[kind]


def takes_form(preset: str) -> bool:
    """Tell whether a preset is answered with the caller's own form."""
    return preset in OWN_FORM


def form_of(ui_schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a `ui_schema` as the JSON Schema of one object.

    :raises UiSchemaInvalid: naming every field that is not well formed.
    """
    fields = ui_schema.get("fields", [])
    if not isinstance(fields, list) or len(fields) > _MOST_FIELDS:
        raise UiSchemaInvalid([_error("/fields", f"Send a list of at most {_MOST_FIELDS} fields.")])
    errors: list[dict[str, str]] = []
    properties: dict[str, Any] = {}
    required: list[str] = []
    for place, field in enumerate(fields):
        at = f"/fields/{place}"
        if not isinstance(field, Mapping):
            errors.append(_error(at, "A field is an object."))
            continue
        errors += [
            _error(f"{at}/{name[:64]}", f"Known members are {', '.join(sorted(_KNOWN))}.")
            for name in field
            if name not in _KNOWN
        ]
        name = field.get("name")
        if not isinstance(name, str) or not name or len(name) > 80 or name in properties:
            errors.append(_error(f"{at}/name", "A field has a name of its own."))
            continue
        properties[name] = _property(field, at, errors)
        if field.get("required") is True:
            required.append(name)
    if errors:
        raise UiSchemaInvalid(errors)
    return {"type": "object", "properties": properties, "required": required}


def _property(field: Mapping[str, Any], at: str, errors: list[dict[str, str]]) -> dict[str, Any]:
    kind = field.get("type", "text")
    if not isinstance(kind, str) or kind not in _TYPES:
        errors.append(_error(f"{at}/type", f"Known types are {', '.join(_TYPES)}."))
        return {}
    schema = dict(_TYPES[kind])
    _name(field, schema, at, errors)
    _bound(field, schema, at, errors)
    required = field.get("required", False)
    if not isinstance(required, bool):
        errors.append(_error(f"{at}/required", "This must be true or false."))
    elif required and kind == "checkbox":
        # As on a paper form: a box that is required must be ticked.
        schema["const"] = True
    elif required and schema["type"] == "string":
        schema["minLength"] = 1
    if "default" in field:
        schema["default"] = field["default"]
    return schema


def _name(
    field: Mapping[str, Any], schema: dict[str, Any], at: str, errors: list[dict[str, str]]
) -> None:
    label = field.get("label")
    if label is not None:
        if not isinstance(label, str) or len(label) > 200:
            errors.append(_error(f"{at}/label", "A label is a short text."))
        else:
            schema["title"] = label
    if "options" in field:
        options = field["options"]
        if (
            not isinstance(options, list)
            or not options
            or not all(isinstance(option, str) for option in options)
        ):
            errors.append(_error(f"{at}/options", "Options are a list of texts."))
        else:
            schema["enum"] = list(dict.fromkeys(options))


def _bound(
    field: Mapping[str, Any], schema: dict[str, Any], at: str, errors: list[dict[str, str]]
) -> None:
    for name, keyword in _MEMBERS.items():
        if name not in field:
            continue
        number = field[name]
        if isinstance(number, bool) or not isinstance(number, int | float):
            errors.append(_error(f"{at}/{name}", "This must be a number."))
        elif name == "step" and number <= 0:
            errors.append(_error(f"{at}/step", "A step is more than 0."))
        else:
            schema[keyword] = number


def _error(pointer: str, message: str) -> dict[str, str]:
    return {"pointer": pointer, "message": message}
