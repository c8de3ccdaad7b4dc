"""What a form may look like: a JSON schema small enough, and tame enough, to be judged at once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from approvals.patterns import complaint
from approvals.reading import Reader, step

# Definitions may name definitions, each twice, so that a short text unfolds into a huge schema.
LARGEST_UNFOLDED = 2_000

# Another dialect knows other keywords with schemas inside, which would go unseen here.
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_MAPS = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
_LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_SINGLE = frozenset(
    {
        "additionalItems",
        "additionalProperties",
        "contains",
        "contentSchema",
        "else",
        "if",
        "items",
        "not",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)
# These give a schema a name or an address of its own, which a reference could then lead to.
_NAMING = frozenset(
    {"$id", "$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveAnchor", "$recursiveRef"}
)
_LOCAL = re.compile(r"#/(?:\$defs|definitions)/[^/%~]+")


def bounded_form(value: Mapping[str, Any], pointer: str, reader: Reader) -> dict[str, Any]:
    """Return a copy of a form's schema, noting in ``reader`` what is out of bounds.

    At most 16 kB and 8 levels; references only to the form's own definitions, never in a circle;
    every pattern short and harmless. Answers are judged elsewhere.
    """
    copy: dict[str, Any] = reader.small_json(value, pointer)
    for place, message in _complaints(json.dumps(copy)):
        reader.refuse(pointer + place, message)
    return copy


@lru_cache(maxsize=512)
def _complaints(text: str) -> tuple[tuple[str, str], ...]:
    # The same few forms are read again with every vote; their text is the key.
    schema = json.loads(text)
    reader = Reader()
    if schema.get("type", "object") != "object":
        reader.refuse("/type", "A form's answer is an object.")
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        place = "".join(step("", key) for key in error.absolute_path)
        reader.refuse(place, "This is not what JSON Schema expects here.")
    else:
        for place, part in _parts(schema, ""):
            _judge(part, place, reader, schema)
        if not reader.errors and _unfolded(schema) > LARGEST_UNFOLDED:
            reader.refuse("", "Its definitions lead in a circle, or unfold into too much.")
    return tuple((error["pointer"], error["message"]) for error in reader.errors)


def _parts(schema: object, pointer: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every schema inside a schema; data such as defaults and examples is left alone."""
    if not isinstance(schema, dict):
        return
    yield pointer, schema
    for keyword, value in schema.items():
        place = step(pointer, keyword)
        if keyword in _SINGLE and isinstance(value, dict):
            yield from _parts(value, place)
        elif keyword in _MAPS and isinstance(value, dict):
            for name, item in value.items():
                yield from _parts(item, step(place, name))
        elif (keyword in _LISTS or keyword == "items") and isinstance(value, list):
            for number, item in enumerate(value):
                yield from _parts(item, step(place, number))


def _judge(schema: dict[str, Any], pointer: str, reader: Reader, root: dict[str, Any]) -> None:
    for keyword in _NAMING.intersection(schema):
        reader.refuse(step(pointer, keyword), "A form has no address of its own.")
    if schema.get("$schema", _DIALECT) != _DIALECT:
        reader.refuse(step(pointer, "$schema"), f"Forms are written in {_DIALECT}.")
    if "$ref" in schema and _referred(root, schema["$ref"]) is None:
        reader.refuse(step(pointer, "$ref"), "A reference leads to one of the form's own $defs.")
    found = [("pattern", schema["pattern"])] if "pattern" in schema else []
    found += [(f"patternProperties/{key}", key) for key in schema.get("patternProperties", ())]
    for keyword, pattern in found:
        if message := complaint(pattern):
            reader.refuse(f"{pointer}/{keyword}", message)


def _referred(root: dict[str, Any], reference: str) -> object | None:
    """Return the definition a reference leads to; None when it leads anywhere else."""
    if not _LOCAL.fullmatch(reference):
        return None
    _, keyword, name = reference.split("/")
    found: object | None = root.get(keyword, {}).get(name)
    return found


def _unfolded(root: dict[str, Any]) -> int:
    """Return how many schemas a validator may visit, counted until it is too many."""
    sizes: dict[str, int] = {}
    open_refs: set[str] = set()

    def size(schema: object) -> int:
        total = 0
        for _, part in _parts(schema, ""):
            total += 1
            if "$ref" in part:
                total += referred(part["$ref"])
            if total > LARGEST_UNFOLDED:
                break
        return total

    def referred(reference: str) -> int:
        if reference in open_refs:
            return LARGEST_UNFOLDED + 1
        if reference not in sizes:
            open_refs.add(reference)
            sizes[reference] = size(_referred(root, reference))
            open_refs.discard(reference)
        return sizes[reference]

    return size(root)
