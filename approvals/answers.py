"""What people answer beside the choice itself, checked against the option's form."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator

from approvals.errors import SchemaMismatch
from audit.canonical import Unrepresentable, canonical_bytes, check_json, digest_of

LONGEST_TEXT = 4000


@lru_cache(maxsize=512)
def _validator(schema: bytes) -> Draft202012Validator:
    return Draft202012Validator(json.loads(schema))


def check_against(schema: dict[str, Any], value: Any, *, at: str) -> None:
    """Refuse a value that does not match a JSON Schema.

    :param at: JSON pointer of the value within the request, for the errors.
    :raises SchemaMismatch: one error per mismatch, at most 20, each with its pointer.
    """
    found = []
    for problem in _validator(canonical_bytes(schema)).iter_errors(value):
        pointer = at + "".join(f"/{_escape(str(part))}" for part in problem.absolute_path)
        found.append({"pointer": pointer, "message": problem.message[:300]})
        if len(found) == 20:
            break
    if found:
        raise SchemaMismatch(errors=sorted(found, key=lambda error: error["pointer"]))


def _escape(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")


def check_plain(value: Any, *, at: str) -> None:
    """Refuse what canonical JSON cannot carry (NUL, lone surrogates, NaN, huge numbers …).

    :raises SchemaMismatch: naming the place.
    """
    try:
        check_json(value)
    except Unrepresentable as problem:
        raise SchemaMismatch(
            errors=[{"pointer": at + problem.pointer, "message": str(problem)}]
        ) from problem


def check_text(text: str, *, at: str) -> None:
    """Refuse words that are too long or cannot be stored.

    :raises SchemaMismatch: naming the place.
    """
    check_plain(text, at=at)
    if len(text) > LONGEST_TEXT:
        message = f"Write at most {LONGEST_TEXT} characters."
        raise SchemaMismatch(errors=[{"pointer": at, "message": message}])


def complete_answer(
    form: dict[str, Any] | str | None, carries: dict[str, Any], response: Any
) -> dict[str, Any] | None:
    """Return the response as it counts: defaults filled in, checked, fixed values merged over.

    :raises SchemaMismatch: where the response does not match the option's form.
    """
    if response is not None and not isinstance(response, dict):
        raise SchemaMismatch(errors=[{"pointer": "/response", "message": "Send an object."}])
    check_plain(response, at="/response")
    if not isinstance(form, dict):
        merged = {**(response or {}), **carries}
        return merged or None
    defaults = {
        name: field["default"]
        for name, field in form.get("properties", {}).items()
        if isinstance(field, dict) and "default" in field
    }
    answer = {**defaults, **(response or {}), **carries}
    check_against(form, answer, at="/response")
    return answer


def share_reason(form: Any, reason: str, response: Any) -> tuple[str, Any]:
    """Return reason and response, each filled from the other where the form names `x-reason`."""
    name = form.get("x-reason") if isinstance(form, Mapping) else None
    if name is None or not isinstance(response, dict | None):
        return reason, response
    given = (response or {}).get(name)
    if reason.strip() and not given:
        return reason, {**(response or {}), name: reason}
    return (reason if reason.strip() or not isinstance(given, str) else given), response


def outcome_digest(response: Any, amendments: Any) -> str:
    """Return the key votes are tallied by beside the choice; empty for a bare choice."""
    if response is None and amendments is None:
        return ""
    return digest_of({"response": response, "amendments": amendments})


def amended(proposal: dict[str, Any], amendments: Any) -> dict[str, Any]:
    """Return the proposal with the given top-level fields replaced; null removes one.

    :raises SchemaMismatch: when nothing changes, or the amendments are not an object.
    """
    if not isinstance(amendments, dict) or not amendments:
        raise SchemaMismatch(
            errors=[{"pointer": "/amendments", "message": "Send the changed fields as an object."}]
        )
    check_plain(amendments, at="/amendments")
    removed = {name for name, value in amendments.items() if value is None}
    changed = {k: v for k, v in {**proposal, **amendments}.items() if k not in removed}
    if changed == proposal:
        raise SchemaMismatch(
            errors=[{"pointer": "/amendments", "message": "Nothing differs from the proposal."}]
        )
    return changed
