"""Forms callers bring are bounded before anybody sees them, and each refusal says where."""

import pytest

from reviews.models import Ticket

pytestmark = pytest.mark.db


def deep(levels):
    schema = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


def circle():
    return {"properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"$ref": "#/$defs/a"}}}


def bomb():
    refs = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(20)}
    return {"$ref": "#/$defs/d0", "$defs": {**refs, "d20": {}}}


def one(**part):
    return {"type": "object", "properties": {"a": part}}


HOSTILE = {
    "no object": {"type": "array"},
    "too deep": deep(12),
    "too large": {"properties": {f"f{n}": {"description": "x" * 900} for n in range(30)}},
    "in a circle": circle(),
    "unfolding": bomb(),
    "leading elsewhere": one(**{"$ref": "https://schemas.example/a.json"}),
    "leading to a file": one(**{"$ref": "file:///etc/passwd"}),
    "with an address of its own": {"$id": "https://schemas.example/a", "type": "object"},
    "in another dialect": {"$schema": "http://json-schema.org/draft-04/schema#"},
    "repeating a repetition": one(type="string", pattern="^(a+)+$"),
    "referring back": one(type="string", pattern=r"^(a)\1$"),
    "a pattern too long": one(type="string", pattern="a" * 500),
    "no pattern at all": one(type="string", pattern="("),
    "patterns for names": {"patternProperties": {"(x*)*y": {}}},
    "unknown type": one(type="function"),
    "bounds that are no numbers": one(type="number", minimum="low"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_form_is_refused_and_the_place_is_told(cast, name):
    body = {"title": "Say", "preset": "input", "response_schema": HOSTILE[name]}
    answer = cast.as_key().post("/api/v1/tickets", body, format="json")
    assert answer.status_code == 422, answer.json()
    assert all(
        error["pointer"].startswith("/response_schema") for error in answer.json()["errors"]
    ), answer.json()["errors"]
    assert Ticket.objects.count() == 0


@pytest.mark.parametrize(
    ("field", "pointer"),
    [
        ({"name": "a", "type": "script"}, "/ui_schema/fields/0/type"),
        ({"type": "text"}, "/ui_schema/fields/0/name"),
        ({"name": "a", "options": "yes"}, "/ui_schema/fields/0/options"),
        ({"name": "a", "type": "number", "min": "low"}, "/ui_schema/fields/0/min"),
        ({"name": "a", "type": "number", "step": 0}, "/ui_schema/fields/0/step"),
        ({"name": "a", "required": "yes"}, "/ui_schema/fields/0/required"),
        ({"name": "a", "onclick": "x"}, "/ui_schema/fields/0/onclick"),
        ({"name": "x" * 200}, "/ui_schema/fields/0/name"),
    ],
)
def test_a_hostile_field_is_refused_and_the_place_is_told(cast, field, pointer):
    body = {"title": "Say", "ui_schema": {"type": "input", "fields": [field]}}
    answer = cast.as_key().post("/api/v1/tickets", body, format="json")
    assert answer.status_code == 422
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]


def test_an_answer_is_checked_by_the_form_and_each_mistake_has_its_place(cast):
    fields = [
        {"name": "share", "type": "number", "min": 0, "max": 1, "step": 0.1, "default": 0.9},
        {"name": "way", "type": "radio", "options": ["air", "sea"], "required": True},
        {"name": "note", "type": "textarea", "required": True},
        {"name": "sure", "type": "checkbox", "required": True},
    ]
    body = {"title": "Say", "ui_schema": {"type": "input", "fields": fields}}
    ticket = cast.as_key().post("/api/v1/tickets", body, format="json").json()
    votes = f"/api/v1/tickets/{ticket['id']}/votes"
    wrong = {"share": 3, "way": "rail", "note": "", "sure": False}
    ann = cast.as_person(cast.ann)
    refused = ann.post(votes, {"choice": "submit", "version": 1, "response": wrong}, format="json")
    assert refused.status_code == 422
    assert [error["pointer"] for error in refused.json()["errors"]] == [
        "/response/note", "/response/share", "/response/sure", "/response/way",
    ]  # fmt: skip
    right = {"way": "sea", "note": "Slow, and fine.", "sure": True}
    taken = ann.post(votes, {"choice": "submit", "version": 1, "response": right}, format="json")
    assert taken.status_code == 201, taken.json()
    assert taken.json()["ticket"]["decision"]["response"] == {"share": 0.9, **right}
