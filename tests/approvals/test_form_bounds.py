"""Forms that would be slow, huge, circular or lead elsewhere are refused before anybody answers."""

from __future__ import annotations

import time
from typing import Any

import pytest

from approvals.form_bounds import bounded_form
from approvals.patterns import complaint
from approvals.reading import Reader


def complaints(schema: dict[str, Any]) -> dict[str, str]:
    reader = Reader()
    bounded_form(schema, "/form", reader)
    return {error["pointer"]: error["message"] for error in reader.errors}


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(levels - 1):
        schema = {"not": schema}
    return schema


def doubling(definitions: int) -> dict[str, Any]:
    refs = {
        f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}, {"$ref": f"#/$defs/d{n + 1}"}]}
        for n in range(definitions)
    }
    return {"$ref": "#/$defs/d0", "$defs": {**refs, f"d{definitions}": {"type": "string"}}}


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object", "properties": {"id": {"type": "integer"}, "pattern": {"const": 1}}},
        {"properties": {"$ref": {"type": "string"}, "$id": {"type": "string"}}},
        {"properties": {"plate": {"type": "string", "pattern": "^[A-Z]{1,3}-[0-9]{1,4}$"}}},
        {"$defs": {"name": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/name"}}},
        {"$schema": "https://json-schema.org/draft/2020-12/schema"},
        {"properties": {"a": {"default": {"$ref": "http://example.org/x"}}}},
        nested(8),
        doubling(5),
    ],
)
def test_an_ordinary_form_passes(schema: dict[str, Any]) -> None:
    assert complaints(schema) == {}


@pytest.mark.parametrize(
    "schema, pointer",
    [
        ({"type": "string"}, "/form/type"),
        ({"properties": 5}, "/form/properties"),
        ({"properties": {"a": {"minimum": "low"}}}, "/form/properties/a/minimum"),
        ({"properties": {"a/b": {"type": "text"}}}, "/form/properties/a~1b/type"),
        ({"$ref": "http://example.org/form.json"}, "/form/$ref"),
        ({"properties": {"a": {"$ref": "file:///etc/passwd"}}}, "/form/properties/a/$ref"),
        ({"$ref": "#"}, "/form/$ref"),
        ({"$ref": "#/properties/a", "properties": {"a": {}}}, "/form/$ref"),
        ({"$ref": "#/$defs/missing"}, "/form/$ref"),
        ({"$ref": "#/$defs/a/default", "$defs": {"a": {"default": {}}}}, "/form/$ref"),
        ({"$id": "http://example.org/"}, "/form/$id"),
        ({"properties": {"a": {"$id": "x"}}}, "/form/properties/a/$id"),
        ({"$dynamicRef": "#a"}, "/form/$dynamicRef"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "/form/$schema"),
        ({"anyOf": [{"pattern": "(a+)+"}]}, "/form/anyOf/0/pattern"),
        ({"patternProperties": {"(a+)+": {}}}, "/form/patternProperties/(a+)+"),
        ({"$defs": {"a": {"pattern": "(a|b*)*"}}}, "/form/$defs/a/pattern"),
        ({"propertyNames": {"pattern": "("}}, "/form/propertyNames/pattern"),
        ({"$defs": {"a": {"$ref": "#/$defs/a"}}}, "/form"),
        (
            {"$defs": {"a": {"not": {"$ref": "#/$defs/b"}}, "b": {"not": {"$ref": "#/$defs/a"}}}},
            "/form",
        ),
        (doubling(20), "/form"),
        ({"default": {"text": "x" * 16_400}}, "/form"),
        ({"default": float("nan")}, "/form/default"),
        ({"default": float("inf")}, "/form/default"),
        ({"default": 2**53}, "/form/default"),
        ({"default": "\ud800"}, "/form/default"),
        ({"default": "a\0b"}, "/form/default"),
        ({"default": {"a\0": 1}}, "/form/default/a\0"),
        ({"default": object()}, "/form/default"),
        (nested(9), "/form" + "/not" * 8),
    ],
)
def test_a_form_out_of_bounds_is_refused_where_it_goes_wrong(
    schema: dict[str, Any], pointer: str
) -> None:
    assert list(complaints(schema)) == [pointer]


def test_a_form_in_a_circle_of_its_own_objects_is_refused_as_too_deep() -> None:
    circle: dict[str, Any] = {}
    circle["not"] = circle
    assert list(complaints(circle)) == ["/form" + "/not" * 8]


def test_the_form_kept_is_a_copy() -> None:
    schema: dict[str, Any] = {"properties": {"a": {"type": "string"}}}
    kept = bounded_form(schema, "", Reader())
    schema["properties"]["a"]["type"] = "number"
    assert kept["properties"]["a"]["type"] == "string"


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "^[A-Z]{2}[0-9]{6}$",
        r"^[^@\s]+@[^@\s]+\.[a-z]{2,}$",
        r"^(?:\d{1,3}\.){3}\d{1,3}$",
        r"^(GET|POST|PUT)$",
        r"^(ab)*$",
        r"^\[[a-z]\]$",
        r"^(?=.*\d).{8,64}$",
    ],
)
def test_patterns_people_write_are_taken(pattern: str) -> None:
    assert complaint(pattern) is None


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$",
        "(a*)*$",
        "(a?)*$",
        "(a|a)*$",
        "(a|aa)+$",
        "(.*a){12}",
        "((a{0,9}){9}){9}",
        "(a?){60}a{60}",
        "^(?:(?:a+)b?)+$",
        r"(\w+)\1+",
        "(?i:(x+x+)+)y",
        "(?=(a+)+b)",
        "a*a*a*a*a*a*b",
        "(",
        "[z-a]",
        "a{2,1}",
        "x" * 101,
        "(?P<a>x)(?(a)y|z)",
        "[[a]",
        "[a--b]",
        "[a||b]",
    ],
)
def test_patterns_that_could_take_forever_are_refused(pattern: str) -> None:
    assert complaint(pattern)


def test_judging_a_hostile_pattern_is_itself_quick() -> None:
    started = time.perf_counter()
    for pattern in ("(" * 45 + "a+" + ")+" * 25, "(a{0,9}){0,9}" * 7, "[" * 100, "(?:" * 33):
        complaint(pattern)
    assert time.perf_counter() - started < 2
