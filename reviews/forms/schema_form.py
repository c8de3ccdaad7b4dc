"""A JSON Schema as a plain form: one field per property, nothing chosen beforehand."""

import json
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from math import ceil, floor
from typing import Any

from django import forms

from reviews.display.fields import humanised, is_number, is_scalar, scalar_text
from reviews.display.inert import has_hidden

_CHOOSE = ("", "Choose …")
_DEEPEST = 3


class SchemaForm(forms.Form):
    """Ask for the properties of an object schema.

    Fields are named by position, so that no property's name can clash or break anything. What is
    left empty is left out; whether that is right, the service says, and `blame` puts its
    errors beside their fields.
    """

    def __init__(
        self,
        schema: Mapping[str, Any],
        data: Mapping[str, Any] | None = None,
        *,
        prefix: str,
        labels: Mapping[str, str] | None = None,
        initial: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(data, prefix=prefix)
        self.paths: dict[str, tuple[str, ...]] = {}
        self.kinds: dict[str, str] = {}
        self.choices: dict[str, list[Any]] = {}
        for position, (path, part, label, required) in enumerate(_leaves(schema, labels or {})):
            key = f"f{position}"
            self.paths[key] = path
            field = self._field(key, part, required)
            field.label = label
            if len(path) > 1:
                pass  # what is inside an object has no value before somebody gives it one
            elif initial is not None and path[0] in initial:
                field.initial = self._shown(key, initial[path[0]])
            elif self.kinds[key] != "tick" and "default" in part and is_scalar(part["default"]):
                field.help_text += f" If left empty: {scalar_text(part['default'])}."
                field.required = False
            self.fields[key] = field

    @property
    def names(self) -> list[str]:
        """Return the members of the answer itself that are asked for as one field each."""
        return [path[0] for path in self.paths.values() if len(path) == 1]

    def _field(self, key: str, part: Mapping[str, Any], required: bool) -> forms.Field:
        common: dict[str, Any] = {
            "required": required,
            "help_text": str(part.get("description") or ""),
        }
        kind = part.get("type")
        if isinstance(part.get("enum"), list):
            self.kinds[key] = "enum"
            self.choices[key] = list(part["enum"])
            rows = [(str(i), scalar_text(v)) for i, v in enumerate(part["enum"]) if is_scalar(v)]
            return forms.ChoiceField(choices=[_CHOOSE, *rows], **common)
        if kind == "boolean" and (part.get("const") is True or part.get("default") is False):
            # A tick is an act of its own; where "no" is what silence means, there is a box to tick.
            self.kinds[key] = "tick"
            return forms.BooleanField(**{**common, "required": False})
        if kind == "boolean":
            self.kinds[key] = "boolean"
            rows = [("yes", "Yes"), ("no", "No")]
            return forms.ChoiceField(choices=[_CHOOSE, *rows], **common)
        if kind in ("number", "integer"):
            self.kinds[key] = kind
            named = _bound(part.get("x-step"))
            step = str(named) if named else "1" if kind == "integer" else "any"
            least, most = _bound(part.get("minimum")), _bound(part.get("maximum"))
            attrs = {"inputmode": "numeric" if kind == "integer" else "decimal", "step": step}
            if kind == "integer":
                whole = forms.NumberInput(attrs)
                return forms.IntegerField(
                    widget=whole,
                    min_value=None if least is None else ceil(least),
                    max_value=None if most is None else floor(most),
                    **common,
                )
            return forms.DecimalField(
                widget=forms.NumberInput(attrs), min_value=least, max_value=most, **common
            )
        if kind == "string":
            self.kinds[key] = "string"
            longest = part.get("maxLength")
            longest = longest if isinstance(longest, int) and longest > 0 else None
            many = part.get("format") == "textarea" or (longest or 0) > 200
            widget = forms.Textarea({"rows": 3}) if many else forms.TextInput()
            return forms.CharField(widget=widget, max_length=longest, strip=False, **common)
        items = part.get("items")
        if kind == "array" and isinstance(items, Mapping) and items.get("type") == "string":
            self.kinds[key] = "lines"
            common["help_text"] = (common["help_text"] + " One per line.").strip()
            return forms.CharField(widget=forms.Textarea({"rows": 3}), **common)
        self.kinds[key] = "json"
        common["help_text"] = (common["help_text"] + " Written as JSON.").strip()
        return forms.CharField(widget=forms.Textarea({"rows": 4}), **common)

    def _shown(self, key: str, value: Any) -> Any:
        if self.kinds[key] == "enum":
            return str(self.choices[key].index(value)) if value in self.choices[key] else ""
        if self.kinds[key] == "boolean":
            return "" if value is None else "yes" if value else "no"
        if self.kinds[key] == "lines" and isinstance(value, list):
            return "\n".join(map(str, value))
        if self.kinds[key] == "json":
            return json.dumps(value, ensure_ascii=False)
        return value

    def clean(self) -> dict[str, Any]:
        """Read what is written as JSON, so that a typing error is told beside its field."""
        cleaned = super().clean() or {}
        for key, kind in self.kinds.items():
            if kind == "json" and cleaned.get(key):
                try:
                    cleaned[key] = json.loads(cleaned[key])
                except (ValueError, RecursionError):
                    self.add_error(key, "This is not JSON.")
        return cleaned

    def values(self) -> dict[str, Any]:
        """Return the answer as JSON values; what was left empty is not in it."""
        given = {
            key: value
            for key in self.paths
            if (value := self.cleaned_data.get(key)) is not None and value != ""
        }
        # A box nobody ticked does not bring the optional object around it into being.
        begun = {self.paths[key][:-1] for key, value in given.items() if value is not False}
        found: dict[str, Any] = {}
        for key, value in given.items():
            *around, name = self.paths[key]
            if around and value is False and tuple(around) not in begun:
                continue
            inner = found
            for step in around:
                inner = inner.setdefault(step, {})
            inner[name] = self._value(key, value)
        return found

    def _value(self, key: str, value: Any) -> Any:
        kind = self.kinds[key]
        if kind == "enum":
            return self.choices[key][int(value)]
        if kind == "boolean":
            return value == "yes"
        if kind == "lines":
            return [line.strip() for line in value.splitlines() if line.strip()]
        if isinstance(value, Decimal):
            return int(value) if value == value.to_integral_value() else float(value)
        return value.replace("\r\n", "\n") if isinstance(value, str) else value

    def blame(self, errors: Iterable[Mapping[str, str]], *, at: str) -> list[str]:
        """Put a refusal's errors beside their fields; return the sentences that fit none."""
        places = {"/".join([at, *map(_escaped, path)]): key for key, path in self.paths.items()}
        rest: list[str] = []
        for error in errors:
            pointer = error.get("pointer", "")
            key = next(
                (k for place, k in places.items() if f"{pointer}/".startswith(f"{place}/")), None
            )
            if key is None:
                rest.append(error.get("message", ""))
            else:
                self.add_error(key, error.get("message", ""))
        return rest


def _leaves(
    schema: Mapping[str, Any],
    labels: Mapping[str, str],
    path: tuple[str, ...] = (),
    before: str = "",
    *,
    asked: bool = True,
) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any], str, bool]]:
    """Yield path, schema, label and whether it must be given, for each field of a form.

    An object inside is asked for member by member; what lies deeper is typed as JSON.
    """
    found = schema.get("properties")
    properties = found if isinstance(found, Mapping) else {}
    required = schema.get("required")
    listed = [name for name in required if name in properties] if isinstance(required, list) else []
    needed = set(listed) if asked else set()
    # A stored object forgets the order of its members; the list of the required does not.
    for name in dict.fromkeys([*listed, *properties]):
        part = properties[name] if isinstance(properties[name], Mapping) else {}
        label = before + str(labels.get(name) or part.get("title") or humanised(name))
        inside = (*path, name)
        whole = part.get("type") == "object" and part.get("properties")
        if whole and isinstance(whole, Mapping) and len(inside) < _DEEPEST:
            yield from _leaves(part, {}, inside, f"{label}: ", asked=name in needed)
        else:
            yield inside, part, label, name in needed


def _bound(value: object) -> int | float | None:
    return value if is_number(value) else None


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def edit_schema(
    proposal: Mapping[str, Any], schema: Mapping[str, Any], order: Iterable[str] = ()
) -> dict[str, Any]:
    """Return a schema that asks for the single values of a proposal anew.

    Types come from the values themselves, bounds and choices from the checkpoint's schema; lists
    and objects are left as they are.

    :param order: names of fields in the order they are shown; others follow.
    """
    known = schema.get("properties")
    known = known if isinstance(known, Mapping) else {}
    properties: dict[str, Any] = {}
    names = dict.fromkeys([*(name for name in order if name in proposal), *proposal])
    for name in names:
        value = proposal[name]
        if not is_scalar(value) or value is None:
            continue
        if isinstance(value, str) and has_hidden(value):
            continue  # a field to type in cannot show what it holds
        part = known.get(name)
        properties[name] = _editable(part if isinstance(part, Mapping) else {}, value)
    return {"type": "object", "properties": properties, "required": list(properties)}


def _editable(part: Mapping[str, Any], value: Any) -> dict[str, Any]:
    kept = {key: part[key] for key in ("enum", "minimum", "maximum", "maxLength") if key in part}
    if isinstance(value, bool):
        kind = "boolean"
    elif isinstance(value, int | float):
        kind = "integer" if isinstance(value, int) and part.get("type") == "integer" else "number"
    else:
        kind = "string"
        if len(value) > 80 or "\n" in value:
            kept["format"] = "textarea"
    return {"type": kind, **kept}
