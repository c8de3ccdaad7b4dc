"""What is wrong with a question although it can be read."""

import pytest

from approvals.linting import RolePeople, lint
from approvals.presets import PRESETS
from approvals.question import parse_question
from approvals.safeguards import Safeguards
from tests.stories import people, question

NAMES = {1: "ann", 2: "ben", 3: "cleo", 4: "lena", 5: "max"}


def role(*members: int) -> RolePeople:
    return RolePeople({member: frozenset((member, NAMES[member])) for member in members})


MANAGER = RolePeople({}, appointed=True)
ROLES = {
    "reviewer": role(1, 2, 3),
    "legal": role(1),
    "finance": role(1, 4),
    "lead": role(4),
    "empty": role(),
    "requester's manager": MANAGER,
}


def found(asked, safeguards=None, authors=None) -> list[tuple[str, str]]:
    findings = lint(parse_question(asked), safeguards or Safeguards(), roles=ROLES, authors=authors)
    return [(finding.severity, finding.code) for finding in findings]


def stages(*needs, **more):
    return {"stages": [{"name": "S", "needs": list(needs), **more}]}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (question(), []),
        (question(needs=[people("reviewer", 2)]), []),
        (question(needs=[people("reviewer", 3)]), [("warning", "no-one-to-spare")]),
        (question(needs=[people("reviewer", 4)]), [("error", "quorum-unreachable")]),
        # "All" is whoever is left then, so it asks for nobody in particular.
        (question(needs=[people("reviewer", "all")]), []),
        (question(needs=[people("reviewer", "majority")]), []),
        # Ann is all of Legal, so Finance takes Lena: nobody may be missing.
        (
            question(needs=[people("legal"), people("finance")]),
            [("warning", "no-one-to-spare")],
        ),
        (
            question(needs=[people("legal"), people("finance", 2)]),
            [("error", "quorum-unreachable")],
        ),
        (
            question(needs=[people("legal"), people("reviewer")]),
            [("warning", "no-one-to-spare")],
        ),
        (
            question(needs=[people("empty")]),
            [("error", "role-empty"), ("error", "quorum-unreachable")],
        ),
        (
            question(needs=[people("unknown")]),
            [("error", "role-empty"), ("error", "quorum-unreachable")],
        ),
        (
            question(escalate=[{"after": "PT1H", "role": "empty"}]),
            [("warning", "role-empty")],
        ),
        (
            question(needs=[{"role": "reviewer", "people": ["max"]}]),
            [("error", "person-without-seat"), ("error", "quorum-unreachable")],
        ),
        (
            question(needs=[{"role": "reviewer", "people": ["max", "ann", 2]}]),
            [("warning", "person-without-seat")],
        ),
        (
            question(needs=[{"role": "reviewer", "people": ["ann"]}]),
            [("warning", "no-one-to-spare")],
        ),
        (question(needs=[people("requester's manager")]), []),
        (question(needs=[people("reviewer"), people("requester's manager")]), []),
    ],
)  # fmt: skip
def test_what_is_found(asked, expected) -> None:
    assert found(asked) == expected


def test_a_ladder_is_climbed_before_it_is_called_reachable() -> None:
    ladder = [{"above": 100, "role": "reviewer"}, {"above": 1000, "role": "lead"}]
    asked = question(stages=[{"name": "S", "needs": [people("reviewer", 3)], "ladder": ladder}])
    findings = lint(parse_question(asked), Safeguards(), roles=ROLES)
    assert [f.code for f in findings] == ["quorum-unreachable"]
    assert findings[0].message.endswith("above 100.")


def test_each_stage_takes_other_people() -> None:
    two = [
        {"name": "First", "needs": [people("legal")]},
        {"name": "Second", "needs": [people("legal")]},
    ]
    assert found(question(stages=two)) == [("error", "quorum-unreachable")]


def test_a_role_whose_people_all_ask_themselves_is_found() -> None:
    asked = question(needs=[people("legal")])
    assert found(asked, authors={"buyer": [1]}) == [("error", "own-work-only")]
    assert found(asked, authors={"buyer": [1], "seller": [5]}) == [("warning", "own-work-only")]
    assert found(question(), authors={"buyer": [1]}) == []


@pytest.mark.parametrize("name", ["post-approval", "time-boxed", "approval"])
def test_silence_allows_only_where_that_is_switched_on(name: str) -> None:
    asked = PRESETS[name]
    if name == "time-boxed":
        asked = {**asked, "timing": {**asked["timing"], "silence": "proceed"}}
    findings = found(asked)
    expected = [] if name == "approval" else [("error", "silence-allows")]
    assert findings == expected
    assert found(asked, Safeguards(silence_may_allow=True)) == []


def test_what_the_ai_will_offer_is_no_fault_of_the_question() -> None:
    assert found(PRESETS["options"]) == []


def test_a_finding_is_told_with_its_place() -> None:
    (finding, *_) = lint(
        parse_question(question(needs=[people("empty")])), Safeguards(), roles=ROLES
    )
    assert finding.as_json() == {
        "severity": "error",
        "code": "role-empty",
        "pointer": "/stages/0/needs/0/role",
        "message": "Nobody who can sign in belongs to empty.",
    }
