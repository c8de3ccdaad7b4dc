"""A JSON Schema becomes a form: nothing is chosen beforehand, nothing is lost."""

import pytest

from reviews.forms.schema_form import SchemaForm, edit_schema

SCHEMA = {
    "type": "object",
    "properties": {
        "note": {"type": "string", "title": "Note"},
        "limit": {"type": "number", "minimum": 0},
        "sure": {"type": "boolean"},
        "pick": {"enum": ["a", 2, True]},
        "services": {"type": "array", "items": {"type": "string"}},
        "free": {},
        "share": {"type": "number", "default": 0.9},
    },
    "required": ["note"],
}


def filled(**values: str) -> SchemaForm:
    names = {name: f"p-f{place}" for place, name in enumerate(SCHEMA["properties"])}
    return SchemaForm(SCHEMA, {names[k]: v for k, v in values.items()}, prefix="p")


def test_nothing_is_chosen_beforehand():
    form = SchemaForm(SCHEMA, prefix="p")
    for name in ("f2", "f3"):
        assert form.fields[name].choices[0][0] == ""
        assert form[name].value() is None


def test_values_come_back_in_the_types_of_the_schema():
    form = filled(note="x", limit="12.5", sure="no", pick="1", services="a\nb\n", free='{"k": [1]}')
    assert form.is_valid(), form.errors
    assert form.values() == {
        "note": "x",
        "limit": 12.5,
        "sure": False,
        "pick": 2,
        "services": ["a", "b"],
        "free": {"k": [1]},
    }


def test_a_default_is_told_and_left_to_the_service():
    form = filled(note="x")
    assert form.is_valid()
    assert form.values() == {"note": "x"}
    assert "0.9" in form.fields["f6"].help_text


@pytest.mark.parametrize(
    "field,text", [("limit", "many"), ("limit", "-1"), ("pick", "9"), ("free", "{"), ("note", "")]
)
def test_what_cannot_be_read_is_told_beside_its_field(field, text):
    form = filled(**{"note": "x", field: text})
    assert not form.is_valid()
    assert len(form.errors) == 1


def test_a_refusal_finds_its_field():
    form = filled(note="x")
    form.is_valid()
    rest = form.blame(
        [{"pointer": "/response/note", "message": "Shorter."}, {"pointer": "/", "message": "No."}],
        at="/response",
    )
    assert form.errors == {"f0": ["Shorter."]}
    assert rest == ["No."]


def test_only_single_values_of_a_proposal_can_be_typed_anew():
    schema = edit_schema({"total": 900, "lines": [1], "ok": True, "note": "x", "none": None}, {})
    assert {name: part["type"] for name, part in schema["properties"].items()} == {
        "total": "number",
        "ok": "boolean",
        "note": "string",
    }


NESTED = {
    "type": "object",
    "properties": {
        "budget": {
            "type": "object",
            "title": "Budget",
            "properties": {
                "limit": {"type": "number", "title": "New limit", "minimum": 1},
                "until": {"type": "object", "properties": {"month": {"type": "integer"}}},
                "firm": {"type": "boolean", "default": False},
            },
            "required": ["limit"],
        },
        "tags": {"type": "array", "items": {"type": "string"}},
        "rows": {"type": "array", "items": {"type": "object"}},
    },
    "required": [],
}


def nested_form(**typed):
    return SchemaForm(NESTED, {f"x-{key}": value for key, value in typed.items()}, prefix="x")


def test_an_object_inside_is_asked_for_member_by_member():
    form = nested_form(f0="500", f1="7", f3="a\nb", f4='[{"a": 1}]')
    labels = [field.label for field in form.fields.values()]
    assert labels == ["Budget: New limit", "Budget: Until: Month", "Budget: Firm", "Tags", "Rows"]
    assert form.is_valid(), form.errors
    assert form.values() == {
        "budget": {"limit": 500, "until": {"month": 7}, "firm": False},
        "tags": ["a", "b"],
        "rows": [{"a": 1}],
    }


def test_an_optional_object_nobody_touched_is_not_in_the_answer():
    form = nested_form()
    assert form.is_valid(), form.errors
    assert form.values() == {}


def test_a_refusal_finds_the_field_inside():
    form = nested_form(f0="500")
    assert form.is_valid()
    rest = form.blame([{"pointer": "/response/budget/limit", "message": "Too much."}],
                      at="/response")  # fmt: skip
    assert (rest, form.errors["f0"]) == ([], ["Too much."])


def test_the_step_of_a_number_is_how_its_field_moves():
    schema = {"type": "object", "properties": {"a": {"type": "number", "x-step": 0.1}}}
    assert 'step="0.1"' in str(SchemaForm(schema, prefix="x")["f0"])
