"""Whatever a question looks like: every door shows it, an answer is checked, and it ends."""

import itertools
import os
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from approvals.options import EDIT_PROPOSAL, Option
from approvals.presets import PRESETS
from approvals.question import Need, Question, Stage, parse_question, render_question
from approvals.services.links import issue_link
from audit.clock import db_now, shifted
from reviews import lifecycle
from reviews.models import Ticket
from reviews.services.sweeps import sweep_deadlines
from tests.approvals import strategies as some
from tests.builders import make_checkpoint, make_policy
from tests.journeys.test_every_preset import Forms

pytestmark = pytest.mark.db

ASKED = (Stage("Review", (Need("reviewer", 1),)),)
OFFERS = [{"key": "offer one", "pros": ["short"]}, {"key": "offer two", "confidence": 0.4}]
VALUES: dict[str, Any] = {"string": "written", "number": 1.5, "integer": 2, "boolean": True}
numbers = itertools.count(1)
# More by hand: FUZZ=200 pytest …
CASES = int(os.environ.get("FUZZ", "8"))
gently = settings(
    max_examples=CASES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
questions = some.questions().map(lambda question: replace(question, stages=ASKED))


def open_one(cast: Any, question: Question) -> Ticket:
    for role in some.ROLES:
        Group.objects.get_or_create(name=role)
    slug = f"any-{next(numbers)}"
    policy = make_policy(slug, render_question(question), silence_may_allow=True)
    make_checkpoint(slug, question=policy)
    body = {"checkpoint": slug, "proposal": {"miles": 40}, "ai": {"options": OFFERS}}
    opened = cast.as_key().post("/api/v1/tickets", body, format="json")
    assert opened.status_code == 201, opened.json()
    return Ticket.objects.select_related("decision").get(pk=opened.json()["id"])


def response_to(option: Option) -> dict[str, Any]:
    """Return what somebody sends who fills every field in."""
    if option.form == EDIT_PROPOSAL:
        return {"amendments": {"miles": 20}}
    if not isinstance(option.form, dict):
        return {}
    fields = option.form.get("properties", {})
    return {"response": {name: VALUES[part["type"]] for name, part in fields.items()}}


def choices(page: str) -> set[str]:
    return {choice for form in Forms(page).found for choice in form.choices}


@gently
@given(question=questions, data=st.data())
def test_any_question_is_shown_answered_and_ends(
    cast: Any, settings: Any, question: Question, data: st.DataObject
) -> None:
    settings.MAIL_NOTICES = True
    ticket = open_one(cast, question)
    frozen = parse_question(ticket.decision.question)
    keys = {option.key for option in frozen.options}

    desk = Client()
    desk.force_login(cast.ann, backend="django.contrib.auth.backends.ModelBackend")
    page = desk.get(f"/admin/reviews/ticket/{ticket.pk}/change/")
    assert (page.status_code, choices(page.content.decode())) == (200, keys)
    _, token = issue_link(decision=ticket.decision, person=cast.ann, now=db_now())
    mail = Client().get(f"/a/{token}", follow=True)
    assert (mail.status_code, choices(mail.content.decode())) == (200, keys)
    ann = cast.as_person(cast.ann)
    told = ann.get(f"/api/v1/tickets/{ticket.pk}").json()
    asked = {name: told["policy"][name] for name in render_question(frozen)}
    assert parse_question(asked) == frozen
    seen = ann.get("/hitl/pending/ann").json()
    assert str(ticket.pk) in [one["interaction_id"] for one in seen]

    option = data.draw(st.sampled_from(frozen.options))
    votes = f"/api/v1/tickets/{ticket.pk}/votes"
    vote = {"choice": option.key, "version": 1, "reason": "Because.", **response_to(option)}
    wrong = ann.post(votes, {**vote, "response": ["no object"]}, format="json")
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/response")
    answered = ann.post(votes, vote, format="json")
    assert answered.status_code == 201, answered.json()

    ticket = Ticket.objects.select_related("decision").get(pk=ticket.pk)
    if option.effect == "none":
        assert ticket.decision.settled_at is None
    else:
        assert ticket.decision.outcome == option.key
        if not frozen.timing.hold:
            spent = option.effect == "return" and 1 < frozen.repeat.rounds <= 1
            assert ticket.status == lifecycle.status_for("answer" if spent else option.effect)


@gently
@given(question=questions)
def test_any_question_nobody_answers_ends_as_its_silence_says(
    cast: Any, question: Question
) -> None:
    ticket = open_one(cast, question)
    silence = question.timing.silence
    effect = {option.key: option.effect for option in question.options}.get(silence or "", "deny")
    with shifted(ticket.expires_at - db_now() + timedelta(days=60)):
        sweep_deadlines()
        sweep_deadlines()  # what a hold keeps back ends with the hold
    ticket = Ticket.objects.select_related("decision").get(pk=ticket.pk)
    assert ticket.decision.by == "timeout"
    assert ticket.decision.outcome == (silence or "")
    assert ticket.status == lifecycle.timeout_status(effect)


def test_what_the_ai_offers_stands_before_an_option_that_settles_nothing(cast: Any) -> None:
    abstain = {"key": "abstain", "label": "Abstain", "effect": "none"}
    asked = {**PRESETS["options"], "options_from": "ai.options", "options": [abstain]}
    question = replace(parse_question(asked), stages=ASKED)

    ticket = open_one(cast, question)

    keys = [option["key"] for option in ticket.decision.question["options"]]
    assert keys == ["offer one", "offer two", "abstain"]


def test_the_presets_are_questions_like_any_other() -> None:
    assert all(parse_question(question) for question in PRESETS.values())
