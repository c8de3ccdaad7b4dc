"""What people answer beside the choice: reasons shared with forms, defaults, amendments."""

import pytest

from approvals.answers import amended, complete_answer, outcome_digest, share_reason
from approvals.errors import SchemaMismatch

FEEDBACK = {
    "type": "object",
    "properties": {"feedback": {"type": "string", "minLength": 1}},
    "required": ["feedback"],
    "x-reason": "feedback",
}


def test_a_reason_fills_the_field_that_is_the_reason():
    assert share_reason(FEEDBACK, "Too dear.", None) == ("Too dear.", {"feedback": "Too dear."})


def test_the_field_that_is_the_reason_fills_the_reason():
    given = {"feedback": "Too dear."}
    assert share_reason(FEEDBACK, " ", given) == ("Too dear.", given)


def test_both_given_stay_as_they_are():
    given = {"feedback": "Cheaper."}
    assert share_reason(FEEDBACK, "Too dear.", given) == ("Too dear.", given)


@pytest.mark.parametrize("form", [None, "edit-proposal", {"type": "object"}])
def test_a_form_without_such_a_field_shares_nothing(form):
    assert share_reason(form, "Too dear.", None) == ("Too dear.", None)


@pytest.mark.parametrize("response", ["text", ["list"], 3])
def test_a_response_that_is_no_object_is_refused_with_its_place(response):
    with pytest.raises(SchemaMismatch) as refused:
        complete_answer(FEEDBACK, {}, share_reason(FEEDBACK, "r", response)[1])
    assert refused.value.errors[0]["pointer"] == "/response"


def test_defaults_fill_in_and_carried_values_win():
    form = {"type": "object", "properties": {"limit": {"type": "number", "default": 5}}}
    assert complete_answer(form, {"kind": "raise"}, {"kind": "other"}) == {
        "limit": 5,
        "kind": "raise",
    }


def test_a_bare_choice_has_no_digest_of_its_own():
    assert outcome_digest(None, None) == ""
    assert outcome_digest({"a": 1}, None) != outcome_digest(None, {"a": 1})


def test_amendments_replace_fields_and_null_removes_one():
    assert amended({"a": 1, "b": 2}, {"a": 3, "b": None}) == {"a": 3}


@pytest.mark.parametrize("amendments", [None, {}, [], {"a": 1}])
def test_amendments_that_change_nothing_are_refused(amendments):
    with pytest.raises(SchemaMismatch):
        amended({"a": 1}, amendments)
