"""How a question is read, resolved for one ticket, and tightened by a requester."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from approvals.presets import PRESETS
from approvals.question import (
    LadderStep,
    Need,
    Question,
    QuestionInvalid,
    Stage,
    parse_question,
    render_question,
    resolve,
)
from approvals.tightening import tighten

SMALL: dict[str, Any] = {
    "options": [
        {"key": "approve", "effect": "allow"},
        {"key": "reject", "effect": "deny", "reason": "required"},
    ],
    "stages": [{"needs": [{"role": "reviewer"}]}],
}


def errors(call: Any) -> list[str]:
    with pytest.raises(QuestionInvalid) as refused:
        call()
    assert all(error["message"].endswith(".") for error in refused.value.errors)
    return [error["pointer"] for error in refused.value.errors]


def changed(**parts: Any) -> dict[str, Any]:
    return {**deepcopy(SMALL), **parts}


def asked_of(*needs: Any, **more: Any) -> Question:
    return parse_question(changed(stages=[{"needs": list(needs), **more}]))


# Reading


def test_what_is_left_out_takes_its_safe_default() -> None:
    question = parse_question(SMALL)
    assert render_question(question) == {
        "options": [
            {"key": "approve", "label": "Approve", "effect": "allow", "reason": "optional",
             "form": None, "carries": {}},
            {"key": "reject", "label": "Reject", "effect": "deny", "reason": "required",
             "form": None, "carries": {}},
        ],
        "options_from": None,
        "stages": [
            {"name": "Stage 1", "needs": [{"role": "reviewer", "count": 1, "people": []}],
             "rejections": 1, "ladder": []},
        ],
        "timing": {"ask": "before", "due": None, "escalate": [], "expires": None,
                   "silence": None, "hold": "PT0S", "revocable": "PT5M"},
        "repeat": {"rounds": 1, "steps": []},
    }  # fmt: skip


def test_everything_that_can_be_said_is_read() -> None:
    question = parse_question(
        changed(
            stages=[
                {
                    "name": "Money",
                    "needs": [
                        {"role": "Legal", "count": "all"},
                        {"role": "Finance", "count": 2, "people": [7, "ana"]},
                    ],
                    "rejections": "majority",
                    "ladder": [
                        {"above": 10_000, "role": "manager"},
                        {"above": 0.3, "role": "lead"},
                    ],
                }
            ],
            timing={"due": "PT4H", "escalate": [{"after": "PT12H", "role": "lead"}],
                    "expires": "P3D", "silence": "reject", "hold": "PT1H", "ask": "after",
                    "revocable": "PT0S"},
            repeat={"rounds": 3, "steps": [10, 50, 100]},
        )
    )  # fmt: skip
    assert question.stages == (
        Stage(
            "Money",
            (Need("Legal", "all"), Need("Finance", 2, (7, "ana"))),
            "majority",
            (LadderStep(Decimal(10_000), "manager"), LadderStep(Decimal("0.3"), "lead")),
        ),
    )
    assert question.timing.escalate[0].after == timedelta(hours=12)
    assert question.timing.hold == timedelta(hours=1)
    assert question.repeat.steps == (10, 50, 100)
    assert render_question(question)["stages"][0]["ladder"][1] == {"above": 0.3, "role": "lead"}


LONG = "x" * 201
OPTION = {"key": "go", "effect": "allow"}


@pytest.mark.parametrize(
    "data, pointers",
    [
        (None, ["", "/options", "/stages"]),
        ([], ["", "/options", "/stages"]),
        ({}, ["/stages", "/options", "/stages"]),
        (changed(colour="red"), ["/colour"]),
        (changed(**{"a/b~c": 1}), ["/a~1b~0c"]),
        (changed(options=[]), ["/options"]),
        (changed(options={}), ["/options", "/options"]),
        (changed(options=[{"key": "a", "effect": "none"}]), ["/options"]),
        (changed(options=[OPTION, OPTION]), ["/options/1/key"]),
        (changed(options=[OPTION, {"key": "GO", "effect": "deny"}]), ["/options/1/key"]),
        (changed(options=[OPTION, {"key": "x"}]), ["/options/1/effect"]),
        (changed(options=[OPTION, {"effect": "deny"}]), ["/options/1/key"]),
        (changed(options=[OPTION, {"key": "x", "effect": "veto"}]), ["/options/1/effect"]),
        (changed(options=[{**OPTION, "effect": ["allow"]}]), ["/options/0/effect"]),
        (changed(options=[{**OPTION, "key": ""}]), ["/options/0/key"]),
        (changed(options=[{**OPTION, "key": 5}]), ["/options/0/key"]),
        (changed(options=[{**OPTION, "key": "g\u200bo", "label": "Go"}]), ["/options/0/key"]),
        (changed(options=[{**OPTION, "key": "x" * 81, "label": "Go"}]), ["/options/0/key"]),
        (changed(options=[{**OPTION, "label": LONG}]), ["/options/0/label"]),
        (changed(options=[{**OPTION, "label": "a\u202eb"}]), ["/options/0/label"]),
        (changed(options=[{**OPTION, "label": "a\nb"}]), ["/options/0/label"]),
        (changed(options=[{**OPTION, "label": "\ud800"}]), ["/options/0/label"]),
        (changed(options=[{**OPTION, "reason": "never"}]), ["/options/0/reason"]),
        (changed(options=[{**OPTION, "form": "edit"}]), ["/options/0/form"]),
        (changed(options=[{**OPTION, "form": 5}]), ["/options/0/form"]),
        (changed(options=[{**OPTION, "form": {"type": "array"}}]), ["/options/0/form/type"]),
        (changed(options=[{**OPTION, "carries": []}]), ["/options/0/carries"]),
        (changed(options=[{**OPTION, "carries": {"a": float("nan")}}]), ["/options/0/carries/a"]),
        (changed(options=[{**OPTION, "carries": {"a": "x" * 17_000}}]), ["/options/0/carries"]),
        (
            changed(options=[{**OPTION, "key": str(n)} for n in range(51)]),
            ["/options"],
        ),
        (changed(options_from="ai.features"), ["/options_from"]),
        (changed(stages=[]), ["/stages"]),
        (changed(stages=[{}]), ["/stages/0/needs", "/stages/0/needs"]),
        (changed(stages=[{"needs": []}]), ["/stages/0/needs"]),
        (changed(stages=[{"needs": [{}]}]), ["/stages/0/needs/0/role"]),
        (changed(stages=[{"needs": [{"role": " "}]}]), ["/stages/0/needs/0/role"]),
        (changed(stages=SMALL["stages"] * 11), ["/stages"]),
        (changed(timing={"silence": "maybe"}), ["/timing/silence"]),
        (changed(timing={"silence": 1}), ["/timing/silence"]),
        (changed(timing={"hold": "P31D"}), ["/timing/hold"]),
        (changed(timing={"hold": None}), ["/timing/hold"]),
        (changed(timing={"expires": "PT0S"}), ["/timing/expires"]),
        (changed(timing={"expires": 3600}), ["/timing/expires"]),
        (changed(timing={"due": "P1Y"}), ["/timing/due"]),
        (changed(timing={"ask": "never"}), ["/timing/ask"]),
        (changed(timing={"escalate": [{"after": "PT1H"}]}), ["/timing/escalate/0/role"]),
        (changed(timing={"escalate": "lead"}), ["/timing/escalate"]),
        (changed(timing=[]), ["/timing"]),
        (changed(repeat={"rounds": 0}), ["/repeat/rounds"]),
        (changed(repeat={"rounds": 101}), ["/repeat/rounds"]),
        (changed(repeat={"rounds": True}), ["/repeat/rounds"]),
        (changed(repeat={"steps": [10, 10]}), ["/repeat/steps/1"]),
        (changed(repeat={"steps": [50, 10]}), ["/repeat/steps/1"]),
        (changed(repeat={"steps": [0]}), ["/repeat/steps/0"]),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused_where_it_goes_wrong(
    data: Any, pointers: list[str]
) -> None:
    assert errors(lambda: parse_question(data)) == pointers


@pytest.mark.parametrize(
    "need, place",
    [
        ({"count": 0}, "count"),
        ({"count": -1}, "count"),
        ({"count": 100_001}, "count"),
        ({"count": True}, "count"),
        ({"count": 1.0}, "count"),
        ({"count": "most"}, "count"),
        ({"count": None}, "count"),
        ({"people": [1, 1]}, "people/1"),
        ({"people": [0]}, "people/0"),
        ({"people": [True]}, "people/0"),
        ({"people": [None]}, "people/0"),
        ({"people": "ana"}, "people"),
        ({"role": 5}, "role"),
        ({"level": 1}, "level"),
    ],
)
def test_a_need_out_of_bounds_is_refused(need: dict[str, Any], place: str) -> None:
    data = changed(stages=[{"needs": [{"role": "Legal", **need}]}])
    found = errors(lambda: parse_question(data))
    assert set(found) == {f"/stages/0/needs/0/{place}"}


@pytest.mark.parametrize("above", ["5", None, True, float("nan"), float("inf"), 2**53, 1e300])
def test_a_ladder_step_has_a_plain_number(above: Any) -> None:
    stage = {"needs": [{"role": "Legal"}], "ladder": [{"above": above, "role": "lead"}]}
    found = errors(lambda: parse_question(changed(stages=[stage])))
    assert found == ["/stages/0/ladder/0/above"]


def test_silence_cannot_mean_an_option_that_never_counts() -> None:
    data = changed(
        options=[OPTION, {"key": "abstain", "effect": "none"}], timing={"silence": "abstain"}
    )
    assert errors(lambda: parse_question(data)) == ["/timing/silence"]


def test_every_error_is_named_at_once() -> None:
    data = changed(colour=1, options=[{"key": "a"}], timing={"hold": "x"}, repeat={"rounds": 0})
    found = errors(lambda: parse_question(data))
    assert set(found) == {"/colour", "/options/0/effect", "/options", "/timing/hold",
                          "/repeat/rounds"}  # fmt: skip


def test_what_was_read_does_not_change_with_what_was_sent() -> None:
    data = changed(options=[{**OPTION, "carries": {"limits": [1]}}])
    question = parse_question(data)
    data["options"][0]["carries"]["limits"].append(2)
    assert question.options[0].carries == {"limits": [1]}


# Resolving


@pytest.mark.parametrize(
    "count, people, needed",
    [("majority", 0, 1), ("majority", 1, 1), ("majority", 2, 2), ("majority", 3, 2),
     ("majority", 4, 3), ("majority", 5, 3), ("all", 0, 1), ("all", 1, 1), ("all", 4, 4),
     (3, 1, 3)],
)  # fmt: skip
def test_shares_become_numbers(count: Any, people: int, needed: int) -> None:
    question = asked_of({"role": "Legal", "count": count}, rejections=count)
    ready = resolve(question, eligible=lambda _stage, _need: people)
    assert ready.stages[0].needs == (Need("Legal", needed),)
    assert ready.stages[0].rejections == needed


def test_each_need_counts_its_own_people_and_rejections_the_largest_need() -> None:
    needs = [{"role": "Legal", "count": "all"}, {"role": "Finance", "count": "majority"}]
    question = asked_of(*needs, rejections="majority")
    ready = resolve(question, eligible=lambda _stage, need: (2, 5)[need])
    assert [need.count for need in ready.stages[0].needs] == [2, 3]
    assert ready.stages[0].rejections == 3


@pytest.mark.parametrize(
    "amount, roles",
    [
        (0, ["Legal"]),
        (10_000, ["Legal"]),
        (Decimal("10000.01"), ["Legal", "lead"]),
        (49_999.99, ["Legal", "lead"]),
        (50_001, ["Legal", "manager"]),
        (None, ["Legal", "manager"]),
        (float("nan"), ["Legal", "manager"]),
        (float("inf"), ["Legal", "manager"]),
        (-1, ["Legal"]),
    ],
)
def test_the_highest_step_below_the_amount_adds_its_role(amount: Any, roles: list[str]) -> None:
    ladder = [{"above": 50_000, "role": "manager"}, {"above": 10_000, "role": "lead"}]
    question = asked_of({"role": "Legal"}, ladder=ladder)
    ready = resolve(question, eligible=lambda _stage, _need: 3, amount=amount)
    assert [need.role for need in ready.stages[0].needs] == roles
    assert ready.stages[0].needs[-1].count == 1


def test_an_amount_just_above_a_fraction_is_above_it() -> None:
    ladder = [{"above": 0.3, "role": "lead"}]
    question = asked_of({"role": "Legal"}, ladder=ladder)
    at, above = (
        resolve(question, eligible=lambda _s, _n: 1, amount=Decimal(amount)).stages[0].needs
        for amount in ("0.3", "0.30000000000000001")
    )
    assert (len(at), len(above)) == (1, 2)


def test_a_ladder_never_makes_a_stage_too_long_to_be_read_again() -> None:
    needs = [{"role": "Legal"}] * 9
    ladder = [{"above": 1, "role": "lead"}]
    ready = resolve(asked_of(*needs, ladder=ladder), eligible=lambda _s, _n: 1, amount=2)
    assert len(ready.stages[0].needs) == 10
    assert parse_question(render_question(ready)) == ready
    assert errors(lambda: asked_of(*needs, needs[0], ladder=ladder)) == ["/stages/0/needs"]


def test_a_question_nobody_could_answer_is_not_made_ready() -> None:
    question = parse_question(PRESETS["options"])
    assert errors(lambda: resolve(question, eligible=lambda _s, _n: 3)) == ["/options"]


# Tightening

REVIEW = parse_question(
    {**PRESETS["review"], "timing": {**PRESETS["review"]["timing"], "expires": "PT24H"}}
)


def keys(question: Question) -> list[str]:
    return [option.key for option in question.options]


def test_a_requester_may_ask_for_fewer_options() -> None:
    assert keys(tighten(REVIEW, {"options": ["approve", "reject"]})) == ["approve", "reject"]


def test_a_requester_may_bring_options_which_are_answers() -> None:
    brought = {"key": "later", "label": "Ask me tomorrow", "carries": {"days": 1}}
    result = tighten(REVIEW, {"options": ["reject", brought, "Option B"]})
    assert keys(result) == ["reject", "later", "Option B"]
    assert [option.effect for option in result.options] == ["deny", "answer", "answer"]
    assert result.options[1].carries == {"days": 1}
    assert result.options[2].label == "Option B"


def test_an_own_key_brings_the_questions_own_option() -> None:
    result = tighten(REVIEW, {"options": [{"key": "reject"}, {"key": "modify"}]})
    assert result.options == (REVIEW.options[1], REVIEW.options[3])


@pytest.mark.parametrize(
    "requested, pointers",
    [
        ({"options": ["approve"]}, ["/options", "/options"]),
        ({"options": ["modify", "request_changes"]}, ["/options", "/options"]),
        ({"options": ["yes", "no"]}, ["/options", "/options"]),
        ({"options": []}, ["/options"]),
        ({"options": "reject"}, ["/options"]),
        ({"options": ["reject", "Reject"]}, ["/options/1/key"]),
        ({"options": ["reject", "Approve"]}, ["/options/1/key"]),
        ({"options": ["reject", "reject"]}, ["/options/1/key"]),
        ({"options": ["reject", 5]}, ["/options/1"]),
        ({"options": ["reject", {"key": "go", "effect": "allow"}]}, ["/options/1/effect"]),
        ({"options": ["reject", {"key": "no", "effect": "deny"}]}, ["/options/1/effect"]),
        ({"options": ["reject", {"key": "a", "form": "edit-proposal"}]}, ["/options/1/form"]),
        ({"options": ["reject", {"key": "a", "weight": 5}]}, ["/options/1/weight"]),
        ({"options": [{"key": "reject", "effect": "answer"}]}, ["/options/0/effect"]),
        ({"options": [{"key": "reject", "label": "Approve"}]}, ["/options/0/label"]),
        ({"options": [{"key": "reject", "reason": "optional"}]}, ["/options/0/reason"]),
        ({"options": ["reject", {"key": "approve", "form": {}}]}, ["/options/1/form"]),
        ({"options": ["reject", {"key": "approve", "carries": {"a": 1}}]}, ["/options/1/carries"]),
        ({"options": ["reject", {"key": "modify", "form": None}]}, ["/options/1/form"]),
        ({"options_from": "ai.options"}, ["/options_from"]),
        ({"timing": {"expires": "PT25H"}}, ["/timing/expires"]),
        ({"timing": {"expires": None}}, ["/timing/expires"]),
        ({"timing": {"expires": "PT0S"}}, ["/timing/expires"]),
        ({"timing": {"silence": "approve"}}, ["/timing/silence"]),
        ({"timing": {"silence": None}}, ["/timing/silence"]),
        ({"timing": {"ask": "after"}}, ["/timing/ask"]),
        ({"timing": {"hold": "PT1H"}}, ["/timing/hold"]),
        ({"timing": {"revocable": "PT0S"}}, ["/timing/revocable"]),
        ({"timing": {"escalate": [{"after": "PT1S", "role": "x"}]}}, ["/timing/escalate"]),
        ({"timing": {"due": "PT1H"}}, ["/timing/due"]),
        ({"stages": []}, ["/stages"]),
        ({"stages": [{}, {}]}, ["/stages"]),
        ({"stages": [{"rejections": 5}]}, ["/stages/0/rejections"]),
        ({"stages": [{"ladder": [{"above": 1, "role": "x"}]}]}, ["/stages/0/ladder"]),
        ({"stages": [{"needs": []}]}, ["/stages/0/needs"]),
        ({"stages": [{"needs": [{"role": "friends"}]}]}, ["/stages/0/needs/0/role"]),
        ({"stages": [{"needs": [{"count": 2}]}]}, ["/stages/0/needs/0/count"]),
        ({"stages": [{"needs": [{"people": "me"}]}]}, ["/stages/0/needs/0/people"]),
        ({"repeat": {"rounds": 9}}, ["/repeat"]),
        ({"colour": 1}, ["/colour"]),
        ("approve", [""]),
    ],
)
def test_nothing_a_requester_sends_loosens_or_changes_the_question(
    requested: Any, pointers: list[str]
) -> None:
    assert errors(lambda: tighten(REVIEW, requested)) == pointers


def test_an_earlier_expiry_is_taken() -> None:
    result = tighten(REVIEW, {"timing": {"expires": "PT90S", "silence": "reject"}})
    assert result.timing.expires == timedelta(seconds=90)


def test_an_expiry_by_priority_is_only_shortened_to_what_every_priority_exceeds() -> None:
    by_priority = parse_question(PRESETS["review"])
    asked = {"timing": {"expires": "PT24H"}}
    assert tighten(by_priority, asked).timing.expires == timedelta(hours=24)
    later = {"timing": {"expires": "PT25H"}}
    assert errors(lambda: tighten(by_priority, later)) == ["/timing/expires"]


def test_people_may_be_narrowed_and_never_widened() -> None:
    def naming(*people: Any) -> dict[str, Any]:
        return {"stages": [{"needs": [{"people": list(people)}]}]}

    anybody = asked_of({"role": "Legal", "count": 2})
    named = tighten(anybody, naming("ana", "bo", 7))
    assert named.stages[0].needs == (Need("Legal", 2, ("ana", "bo", 7)),)
    assert tighten(named, naming("bo", 7)).stages[0].needs[0].people == ("bo", 7)
    place = "/stages/0/needs/0"
    assert errors(lambda: tighten(named, naming("bo", "eve"))) == [f"{place}/people"]
    assert errors(lambda: tighten(named, naming())) == [f"{place}/people"]
    assert errors(lambda: tighten(named, naming("bo"))) == [f"{place}/people"]


def test_an_answer_without_a_form_takes_the_callers_form() -> None:
    question = parse_question(PRESETS["input"])
    form = {"type": "object", "properties": {"colour": {"type": "string"}}}
    result = tighten(question, {"options": [{"key": "submit", "form": form}]})
    assert result.options[0].form == form
    loop = {"$ref": "#"}
    assert errors(lambda: tighten(question, {"options": [{"key": "submit", "form": loop}]})) == [
        "/options/0/form/$ref"
    ]


def test_offered_options_fill_an_open_question() -> None:
    question = parse_question(PRESETS["options"])
    offered = [{"key": "a", "label": "Plan A"}, {"key": "b", "label": "Plan B"}]
    result = tighten(question, {"options": offered})
    assert [(o.key, o.label, o.effect) for o in result.options] == [
        ("a", "Plan A", "answer"),
        ("b", "Plan B", "answer"),
    ]
    assert result.options_from == "ai.options"


def test_an_allowing_silence_stays_the_questions_and_is_never_brought() -> None:
    question = parse_question(PRESETS["post-approval"])
    assert tighten(question, {"timing": {"silence": "keep"}}) == question
    assert errors(lambda: tighten(question, {"options": ["override"]})) == ["/options"]
    boxed = parse_question(PRESETS["time-boxed"])
    assert errors(lambda: tighten(boxed, {"timing": {"silence": "proceed"}})) == ["/timing/silence"]
