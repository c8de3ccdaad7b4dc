"""What a change of a checkpoint lets through that was stopped or asked before."""

from dataclasses import replace

import pytest

from approvals.presets import PRESETS
from approvals.question import parse_question
from reviews.loosening import RuleState, State, loosenings

ASKED = parse_question(PRESETS["approval"])
RULES = (
    RuleState("1", "Sanctions", "country == 'X'", "deny", live=True),
    RuleState("2", "Dear", "total > 100", "ask", live=True, risk="high"),
    RuleState("3", "Known", "known", "allow", live=True, audit_sample=0.2),
)
BEFORE = State(
    otherwise="ask",
    critical=True,
    risk="high",
    question=ASKED,
    rules=RULES,
    presets=frozenset({"approval"}),
    schema={"required": ["total", "country"]},
)


def with_rule(place: int, **changes):
    rules = list(RULES)
    rules[place] = replace(rules[place], **changes)
    return replace(BEFORE, rules=rules)


LOOSER = {
    "What no rule matches now passes": replace(BEFORE, otherwise="allow"),
    "no longer critical": replace(BEFORE, critical=False),
    "Its risk is low instead of high": replace(BEFORE, risk="low"),
    "in the way of “vote”": replace(BEFORE, presets=frozenset({"approval", "vote"})),
    "need not say its country": replace(BEFORE, schema={"required": ["total"]}),
    "Rule “Dear” is no longer in force.": with_rule(1, live=False),
    "Rule “Dear” is deleted.": replace(BEFORE, rules=[RULES[0], RULES[2]]),
    "“Sanctions” says ask instead of deny": with_rule(0, then="ask"),
    "“Dear” has another condition: total > 900": with_rule(1, when="total > 900"),
    "counts as less risky": with_rule(1, risk=""),
    "Fewer of what rule “Known” lets pass": with_rule(2, audit_sample=0.0),
    "“New” lets things pass": replace(
        BEFORE, rules=[*RULES, RuleState("4", "New", "true", "allow", live=True)]
    ),
    "before other rules are read": replace(BEFORE, rules=[RULES[2], RULES[0], RULES[1]]),
}


@pytest.mark.parametrize("said", LOOSER)
def test_each_way_of_letting_more_through_has_its_sentence(said):
    assert said in " ".join(loosenings(BEFORE, LOOSER[said]))


STRICTER = (
    BEFORE,
    with_rule(1, then="deny"),
    with_rule(1, name="Very dear", when="total  >  100"),
    with_rule(2, live=False),
    replace(BEFORE, rules=[*RULES, RuleState("4", "New", "true", "ask", live=True)]),
    replace(BEFORE, presets=frozenset(), schema={"required": ["total", "country", "more"]}),
    replace(BEFORE, rules=[RULES[1], RULES[0], RULES[2]]),
)


@pytest.mark.parametrize("after", STRICTER)
def test_what_is_as_strict_or_stricter_says_nothing(after):
    assert loosenings(BEFORE, after) == []


def test_another_question_that_asks_fewer_is_told():
    two = {**PRESETS["approval"], "stages": [{"needs": [{"role": "reviewer", "count": 2}]}]}
    before = replace(BEFORE, question=parse_question(two))
    assert any("instead of 2 of reviewer" in said for said in loosenings(before, BEFORE))
