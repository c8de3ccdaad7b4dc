"""The presets: what they are, and what naming one does to a question."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from approvals.answers import check_against
from approvals.errors import SchemaMismatch
from approvals.presets import PRESETS, apply_preset
from approvals.question import (
    EDIT_PROPOSAL,
    Escalation,
    Need,
    Question,
    parse_question,
    render_question,
)

TABLE = {
    "approval": {"approve": "allow", "reject": "deny"},
    "review": {"approve": "allow", "reject": "deny", "request_changes": "return",
               "modify": "allow"},
    "input": {"submit": "answer"},
    "options": {},
    "vote": {"approve": "allow", "reject": "deny", "abstain": "none"},
    "acknowledgement": {"acknowledge": "answer"},
    "fallback": {"submit": "answer", "cannot": "deny"},
    "refinement": {"done": "answer", "continue": "return"},
    "time-boxed": {"proceed": "answer", "abort": "deny", "modify": "allow"},
    "post-approval": {"keep": "allow", "override": "deny"},
    "stepwise": {"approve": "allow", "reject": "deny"},
}  # fmt: skip
SILENCE = {
    "approval": "reject", "review": "reject", "vote": "reject", "stepwise": "reject",
    "fallback": "cannot", "time-boxed": "abort", "post-approval": "keep",
    "input": None, "options": None, "acknowledgement": None, "refinement": None,
}  # fmt: skip


def form_of(name: str, key: str) -> Any:
    return next(o for o in parse_question(PRESETS[name]).options if o.key == key).form


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_a_whole_question_written_the_one_way(name: str) -> None:
    question = parse_question(PRESETS[name])
    assert render_question(question) == PRESETS[name]
    assert {option.key: option.effect for option in question.options} == TABLE[name]
    assert question.timing.silence == SILENCE[name]
    assert {need.role for stage in question.stages for need in stage.needs} == {"reviewer"}


@pytest.mark.parametrize("name", PRESETS)
def test_silence_lets_nothing_happen_but_what_has_happened_already(name: str) -> None:
    question = parse_question(PRESETS[name])
    effects = {option.key: option.effect for option in question.options}
    if question.timing.silence is not None and question.timing.ask == "before":
        assert effects[question.timing.silence] == "deny"


def test_each_preset_differs_from_approval_only_as_its_row_says() -> None:
    base = PRESETS["approval"]
    differing = {
        name: {key for key in base if preset[key] != base[key]} for name, preset in PRESETS.items()
    }
    assert differing == {
        "approval": set(),
        "review": {"options"},
        "input": {"options", "timing"},
        "options": {"options", "options_from", "timing"},
        "vote": {"options", "stages"},
        "acknowledgement": {"options", "timing"},
        "fallback": {"options", "timing"},
        "refinement": {"options", "timing", "repeat"},
        "time-boxed": {"options", "timing"},
        "post-approval": {"options", "timing"},
        "stepwise": {"repeat"},
    }


def test_no_preset_shares_a_value_with_another() -> None:
    PRESETS["stepwise"]["options"][0]["label"] += "!"
    try:
        assert PRESETS["approval"]["options"][0]["label"] == "Approve"
    finally:
        PRESETS["stepwise"]["options"][0]["label"] = "Approve"


def test_every_option_but_a_plain_yes_or_an_answer_asks_for_a_reason() -> None:
    for preset in PRESETS.values():
        for option in parse_question(preset).options:
            wanted = option.effect == "deny" or option.key in {"modify", "request_changes"}
            assert (option.reason == "required") == wanted, option.key


def test_the_timings_of_the_table() -> None:
    timing = {name: parse_question(preset).timing for name, preset in PRESETS.items()}
    assert timing["time-boxed"].expires == timedelta(seconds=300)
    assert timing["post-approval"].expires == timedelta(hours=24)
    assert timing["post-approval"].ask == "after"
    assert {t.ask for name, t in timing.items() if name != "post-approval"} == {"before"}
    assert {t.revocable for t in timing.values()} == {timedelta(minutes=5)}
    assert parse_question(PRESETS["refinement"]).repeat.rounds == 3
    assert parse_question(PRESETS["stepwise"]).repeat.steps == (10, 50, 100)


@pytest.mark.parametrize(
    "name, key, answer",
    [
        ("review", "request_changes", {"feedback": "Shorter, please"}),
        ("review", "request_changes", {"feedback": "x", "suggested_changes": "y"}),
        ("fallback", "submit", {"manual_result": "42", "confidence": 0.9}),
        ("fallback", "submit", {"manual_result": "42", "confidence": 1}),
        ("refinement", "done", {"refined_result": "…"}),
        ("refinement", "continue", {"refined_result": "…", "refinement_notes": "n"}),
        ("time-boxed", "proceed", {"urgency_acknowledged": True}),
        ("time-boxed", "abort", {}),
        ("post-approval", "override", {"new_decision": "deny"}),
        ("acknowledgement", "acknowledge", {}),
    ],
)
def test_the_forms_take_what_people_answer(name: str, key: str, answer: dict[str, Any]) -> None:
    check_against(form_of(name, key), answer, at="")


@pytest.mark.parametrize(
    "name, key, answer",
    [
        ("review", "request_changes", {}),
        ("review", "request_changes", {"feedback": ""}),
        ("review", "request_changes", {"feedback": 5}),
        ("fallback", "submit", {"confidence": 0.5}),
        ("fallback", "submit", {"manual_result": "42", "confidence": 1.1}),
        ("refinement", "done", {"refinement_notes": "n"}),
        ("time-boxed", "proceed", {"urgency_acknowledged": "yes"}),
        ("post-approval", "override", {}),
    ],
)
def test_the_forms_refuse_what_is_missing_or_wrong(
    name: str, key: str, answer: dict[str, Any]
) -> None:
    with pytest.raises(SchemaMismatch):
        check_against(form_of(name, key), answer, at="")


def test_modifying_edits_the_proposal_itself() -> None:
    assert form_of("review", "modify") == form_of("time-boxed", "modify") == EDIT_PROPOSAL


def campaign() -> Question:
    question = parse_question(PRESETS["approval"])
    stage = question.stages[0]
    timing = replace(
        question.timing,
        hold=timedelta(hours=1),
        due=timedelta(hours=2),
        expires=timedelta(hours=12),
        escalate=(Escalation(timedelta(hours=6), "lead"),),
    )
    needs = (Need("Marketing", 2), Need("Legal", 1, ("ana",)))
    stages = (replace(stage, needs=needs, rejections=2), replace(stage, name="Second"))
    return replace(question, stages=stages, timing=timing)


@pytest.mark.parametrize("name", PRESETS)
def test_a_named_preset_brings_its_options_and_leaves_the_people(name: str) -> None:
    before = campaign()
    after = apply_preset(name, onto=before)
    assert {option.key: option.effect for option in after.options} == TABLE[name]
    assert after.timing.silence == SILENCE[name]
    assert after.timing.hold == timedelta(hours=1)
    assert after.timing.escalate == before.timing.escalate
    assert after.timing.due == before.timing.due
    if name != "vote":
        assert after.stages == before.stages


def test_only_a_preset_with_an_expiry_of_its_own_changes_the_expiry() -> None:
    expiries = {name: apply_preset(name, onto=campaign()).timing.expires for name in PRESETS}
    assert expiries.pop("time-boxed") == timedelta(minutes=5)
    assert expiries.pop("post-approval") == timedelta(hours=24)
    assert set(expiries.values()) == {timedelta(hours=12)}


def test_a_vote_asks_a_majority_of_every_role() -> None:
    after = apply_preset("vote", onto=campaign())
    assert after.stages[0].needs == (
        Need("Marketing", "majority"),
        Need("Legal", "majority", ("ana",)),
    )
    assert [stage.rejections for stage in after.stages] == ["majority", "majority"]


def test_an_unknown_preset_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        apply_preset("coin-flip", onto=campaign())
