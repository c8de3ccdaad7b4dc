"""Read a checkpoint's JSON Schema: which type a named value has, and which defaults it fills."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

# Schemas may refer to themselves; proposals and names never go deeper than this.
_DEEPEST = 32


class Kind(NamedTuple):
    """Name a type: number, text, boolean, list, object or null; ``items`` is that of a list's."""

    name: str
    items: str = ""


_KINDS = {
    "number": "number",
    "integer": "number",
    "string": "text",
    "boolean": "boolean",
    "array": "list",
    "object": "object",
    "null": "null",
}


class NoSuchValue(ValueError):
    """Say in a sentence why a rule cannot name this value."""


def kind_at(schema: Mapping[str, Any], path: Sequence[str]) -> Kind:
    """Return the type of the value at the path of property names.

    Everything on the way must be required or have a default, so that it is always there.

    :raises NoSuchValue: when it is unknown, may be absent, or the schema does not give it one
        type (null aside).
    """
    here, shown = schema, ""
    for part in path:
        here = _resolved(here, schema)
        properties = here.get("properties")
        properties = properties if isinstance(properties, Mapping) else {}
        shown = f"{shown}.{part}" if shown else part
        if part not in properties or not isinstance(properties[part], Mapping):
            raise NoSuchValue(nothing_called(shown, part, properties))
        required = here.get("required")
        here_part = _resolved(properties[part], schema)
        if part not in (required or ()) and "default" not in {**here_part, **properties[part]}:
            raise NoSuchValue(f"`{shown}` may be absent; make it required or give it a default.")
        here = here_part
    kind = _kind(here, schema)
    if kind is None:
        raise NoSuchValue(f"The schema does not say which one type `{shown}` has.")
    return kind


def nothing_called(shown: str, name: str, known: Mapping[str, Any]) -> str:
    """Return the sentence that a name is unknown, with a hint at the one most like it."""
    close = get_close_matches(name, [str(key) for key in known], n=1)
    return f"Nothing is called `{shown}`" + (f"; did you mean `{close[0]}`?" if close else ".")


def complete(proposal: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the proposal with the schema's defaults filled in, also inside its objects.

    The proposal stays as it was: its digest covers what was sent. Parts without defaults are
    shared, not copied.
    """
    return _completed(proposal, schema, schema, 1)


def _completed(
    value: Mapping[str, Any], schema: Mapping[str, Any], root: Mapping[str, Any], depth: int
) -> dict[str, Any]:
    completed = dict(value)
    properties = _resolved(schema, root).get("properties")
    if depth > _DEEPEST or not isinstance(properties, Mapping):
        return completed
    for name, sub in properties.items():
        if not isinstance(sub, Mapping):
            continue
        whole = {**_resolved(sub, root), **sub}
        if name not in completed and "default" in whole:
            completed[name] = copy.deepcopy(whole["default"])
        if isinstance(completed.get(name), Mapping):
            completed[name] = _completed(completed[name], whole, root, depth + 1)
    return completed


def _kind(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int = 1) -> Kind | None:
    """Return the one type a schema allows besides null, or None when there is not exactly one."""
    schema = _resolved(schema, root)
    found = {kind for kind in _kinds(schema, root, depth) if kind is None or kind.name != "null"}
    return found.pop() if len(found) == 1 else None


def _kinds(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Iterator[Kind | None]:
    if depth > _DEEPEST:
        yield None
        return
    types = schema.get("type")
    branches = schema.get("anyOf", schema.get("oneOf"))
    values = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if isinstance(types, (str, list)):
        for name in [types] if isinstance(types, str) else types:
            kind = _KINDS.get(name) if isinstance(name, str) else None
            if kind == "list":
                items = schema.get("items")
                inner = _kind(items, root, depth + 1) if isinstance(items, Mapping) else None
                yield Kind("list", inner.name if inner else "")
            else:
                yield Kind(kind) if kind else None
    elif isinstance(branches, list) and branches:
        for branch in branches:
            if isinstance(branch, Mapping):
                yield from _kinds(_resolved(branch, root), root, depth + 1)
            else:
                yield None
    elif isinstance(values, list) and values:
        for value in values:
            yield _kind_of_value(value)
    else:
        yield None


def _kind_of_value(value: object) -> Kind | None:
    if value is None:
        return Kind("null")
    if isinstance(value, bool):
        return Kind("boolean")
    if isinstance(value, (int, float)):
        return Kind("number")
    return Kind("text") if isinstance(value, str) else None


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a schema's local ``$ref`` points at; other references are never followed."""
    for _ in range(_DEEPEST):
        ref = schema.get("$ref")
        if not isinstance(ref, str) or not ref.startswith("#/"):
            break
        target: Any = root
        for token in ref[2:].split("/"):
            key = token.replace("~1", "/").replace("~0", "~")
            target = target.get(key) if isinstance(target, Mapping) else None
        if not isinstance(target, Mapping):
            return {}
        schema = target
    return schema
