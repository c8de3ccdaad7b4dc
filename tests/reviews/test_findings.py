"""What is wrong with how people are asked, told in one place."""

import pytest
from django.core.checks import run_checks

from reviews.services.findings import findings
from tests.builders import make_checkpoint, make_policy
from tests.stories import checkpoint, people, question

pytestmark = pytest.mark.db


def found() -> list[tuple]:
    return [(one["checkpoint"], one["severity"], one["code"]) for one in findings()]


def test_nothing_is_wrong_with_the_cast(story):
    assert found() == []


def test_a_question_in_use_that_lost_its_people_is_an_error(story):
    checkpoint("legal", question(needs=[people("auditor")]))
    assert found() == [("legal", "warning", "no-one-to-spare")]
    story.ada.is_active = False
    story.ada.save()
    assert found() == [
        ("legal", "error", "role-empty"), ("legal", "error", "quorum-unreachable"),
    ]  # fmt: skip
    told = [check.msg for check in run_checks(databases=["default"]) if check.id == "reviews.W001"]
    assert told == [
        "legal: Nobody who can sign in belongs to auditor.",
        "legal: There are too few different people for all that is needed.",
    ]


def test_whose_key_asks_cannot_be_all_who_answer(story):
    checkpoint("boss", question(needs=[people("manager")]))
    assert found() == [("boss", "error", "own-work-only")]


def test_a_version_nobody_uses_any_more_is_no_matter(story):
    old = make_policy("spend", question(needs=[people("reviewer", 9)]))
    made = make_checkpoint("spend", question=old)
    assert found() == [("spend", "error", "quorum-unreachable")]
    made.question = make_policy("spend", question())
    made.save()
    assert found() == []


def test_a_rule_that_never_decides_is_told_with_the_one_before_it(story):
    checkpoint(
        "spend", question(), rules=[{"when": "total > 100"}, {"when": "total > 500"}],
        proposal_schema={"properties": {"total": {"type": "number"}}, "required": ["total"]},
    )  # fmt: skip
    (one,) = findings()
    assert (one["code"], one["severity"], one["pointer"]) == (
        "rule-unreachable", "warning", "/rules",
    )  # fmt: skip
    assert one["message"].startswith("“rule 1” never decides: “rule 0” comes first")


def test_the_interface_tells_them_with_the_policy(story):
    policy = make_policy("spend", question(needs=[people("reviewer", 9)]), channels=["desk"])
    told = story.as_person(story.max).get(f"/api/v1/policies/{policy.pk}").json()
    assert told["safeguards"] == {
        "confirm_identity": "high_risk", "channels": ["desk"], "silence_may_allow": False,
    }  # fmt: skip
    assert told["weakens"] is False
    assert [one["code"] for one in told["findings"]] == ["quorum-unreachable"]
