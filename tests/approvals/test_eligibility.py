"""Who is refused a vote, with which code, and under which names people are recognised."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.eligibility import Standing, normalise_identity, refusal
from approvals.question import Need, Option, Question, Stage
from approvals.quorum import Cast

LEGAL = frozenset({(0, "Legal")})
QUESTION = Question(
    (Option("approve", "Approve", "allow"), Option("reject", "Reject", "deny")),
    None,
    (Stage("First", (Need("Legal", 1), Need("Finance", 1))), Stage("Second", (Need("lead", 1),))),
)
ANA = Standing(1, is_active=True, is_human=True, seats=LEGAL)


def approved_by(voter: int, seats: frozenset[tuple[int, str]] = LEGAL) -> Cast:
    at = datetime(2026, 3, 2, tzinfo=UTC)
    return Cast(voter, "approve", "", seats, True, at, voter)


@pytest.mark.parametrize(
    "standing, code",
    [
        (ANA, None),
        (replace(ANA, already_voted=True), "already-voted"),
        (replace(ANA, seats=frozenset()), "not-eligible"),
        (replace(ANA, seats=frozenset(), already_voted=True), "not-eligible"),
        (replace(ANA, seats=frozenset({(1, "lead")})), "not-eligible"),
        (replace(ANA, seats=frozenset({(1, "Legal")})), "not-eligible"),
        (replace(ANA, excluded_as="requester"), "own-work"),
        (replace(ANA, excluded_as="editor", seats=frozenset()), "own-work"),
        (replace(ANA, is_active=False, excluded_as="requester"), "inactive"),
        (replace(ANA, is_human=False, is_active=False), "machine-cannot-vote"),
        (replace(ANA, is_human=False, already_voted=True), "machine-cannot-vote"),
    ],
)
@pytest.mark.parametrize("choice", [None, "approve", "reject"])
def test_the_gravest_reason_is_the_one_given(
    standing: Standing, code: str | None, choice: str | None
) -> None:
    assert refusal(standing, QUESTION, [], choice=choice) == code


def test_an_unknown_choice_is_nobodys_to_make() -> None:
    assert refusal(ANA, QUESTION, [], choice="perhaps") == "not-eligible"


def test_a_filled_need_leaves_only_refusing() -> None:
    casts = [approved_by(2)]
    assert refusal(ANA, QUESTION, casts, choice="approve") == "not-eligible"
    assert refusal(ANA, QUESTION, casts, choice="reject") is None
    assert refusal(ANA, QUESTION, casts) is None


def test_who_voted_is_told_so_and_not_called_a_stranger() -> None:
    voted = replace(ANA, already_voted=True)
    assert refusal(voted, QUESTION, [approved_by(1)], choice="approve") == "already-voted"


def test_a_later_stage_opens_when_the_first_is_through() -> None:
    lead = replace(ANA, seats=frozenset({(1, "lead")}))
    casts = [approved_by(2), approved_by(3, frozenset({(0, "Finance")}))]
    assert refusal(lead, QUESTION, casts[:1], choice="approve") == "not-eligible"
    assert refusal(lead, QUESTION, casts, choice="approve") is None


def test_named_people_are_known_by_id_and_by_user_name() -> None:
    stage = Stage("Only", (Need("Legal", 1, (1, "bo")),))
    question = replace(QUESTION, stages=(stage,))
    assert refusal(ANA, question, []) is None
    bo = replace(ANA, user_id=2, names=frozenset({"bo"}))
    assert refusal(bo, question, []) is None
    cy = replace(ANA, user_id=3, names=frozenset({"cy"}))
    assert refusal(cy, question, []) == "not-eligible"
    assert refusal(cy, question, [], choice="reject") == "not-eligible"


def test_an_escalated_role_may_vote_where_it_sits() -> None:
    lead = replace(ANA, seats=frozenset({(0, "lead")}))
    assert refusal(lead, QUESTION, []) == "not-eligible"
    assert refusal(lead, QUESTION, [], escalated=frozenset({"lead"})) is None


def test_a_question_that_only_allows_is_open_to_whom_a_fresh_outcome_needs() -> None:
    question = replace(QUESTION, options=QUESTION.options[:1])
    assert refusal(ANA, question, [approved_by(2)]) is None
    assert refusal(ANA, question, [approved_by(2)], choice="approve") == "not-eligible"


@pytest.mark.parametrize(
    "text, same",
    [
        ("Ana@Example.org", "ana@example.org"),
        ("  ana@example.org\n", "ana@example.org"),
        ("ana+bot@example.org", "ana@example.org"),
        ("ana+a+b@example.org", "ana@example.org"),
        ("ａｎａ＋x@example.org", "ana@example.org"),
        ("a.na@example.org", "a.na@example.org"),
        ("+tag@example.org", "+tag@example.org"),
        ("Ana Müller <ana+x@Example.org>", "ana@example.org"),
        ("mailto:ana@example.org", "ana@example.org"),
        ("a\u200bna@example.org", "ana@example.org"),
        ("ana\u00ad", "ana"),
        ("ANA", "ana"),
        ("c++", "c++"),
        ("Straße", "strasse"),
        ("", ""),
        ("<>@", "<>@"),
        ("@", "@"),
    ],
)
def test_spellings_of_one_person_meet(text: str, same: str) -> None:
    assert normalise_identity(text) == same


@given(st.text(st.sampled_from("aAß+@<>. \u200bＡ＋İmailto:"), max_size=30) | st.text())
def test_a_normal_spelling_is_its_own(text: str) -> None:
    normal = normalise_identity(text)
    assert normalise_identity(normal) == normal
    assert normalise_identity(text.upper().lower()) == normalise_identity(text.lower())


@pytest.mark.parametrize(
    "spelt, compared",
    [
        ("Ana <ana@example.org>", "ana@example.org"),
        ("Ana <a<ana@example.org>", "ana@example.org"),
        ("ana+one+two@example.org", "ana@example.org"),
        ('"ana@home"@example.org', '"ana@home"@example.org'),
        ("ana+x@home@example.org", "ana@example.org"),
        ("XXXX", "xxxx"),
        ("+x@example.org", "+x@example.org"),
    ],
)
def test_an_address_is_compared_by_what_reaches_the_mailbox(spelt: str, compared: str) -> None:
    assert normalise_identity(spelt) == compared


def test_for_a_choice_listed_people_and_escalated_roles_count_as_for_any() -> None:
    stage = Stage("Only", (Need("Legal", 1, ("bo",)),))
    question = replace(QUESTION, stages=(stage,))
    bo = replace(ANA, user_id=2, names=frozenset({"bo"}))
    lead = replace(ANA, seats=frozenset({(0, "lead")}))
    for choice in ("approve", "reject", None):
        assert refusal(bo, question, [], choice=choice) is None
        assert refusal(lead, question, [], choice=choice) == "not-eligible"
        roles = frozenset({"lead"})
        assert refusal(lead, question, [], choice=choice, escalated=roles) is None
