"""Changed content is a new round: old votes do not count, old versions are refused."""

import pytest

from approvals.errors import AlreadyDecided, Invalid, SchemaMismatch, TicketChanged
from approvals.models import Decision, Vote
from audit.canonical import sha256_hex
from reviews.models import Assignment, Ticket
from reviews.representation import ticket_allowed
from reviews.services.assignments import claim_ticket
from reviews.services.receipts import receipt_of
from reviews.services.sweeps import sweep_deadlines
from reviews.services.tickets import cancel_ticket, resubmit_ticket
from tests.stories import (
    checkpoint,
    later,
    people,
    question,
    refused,
    stopped_by_the_database,
    types_told,
)

pytestmark = pytest.mark.db

NUMBER = {"type": "object", "properties": {"n": {"type": "number"}}, "required": ["n"]}


def resubmit(story, ticket: Ticket, proposal: dict | None = None, **more) -> Ticket:
    return resubmit_ticket(
        ticket_id=ticket.pk,
        requester=story.machine,
        proposal=proposal if proposal is not None else {"total": 5},
        **more,
    )


def returned(story, **given) -> Ticket:
    ticket = story.open(**given)
    changes = {"feedback": "Cheaper, please."}
    return story.vote(
        ticket, story.ann, "request_changes", reason="Too dear.", response=changes
    ).ticket


def test_asking_for_changes_hands_the_ball_to_the_requester(story):
    ticket = returned(story)

    assert (ticket.status, ticket_allowed(ticket, ticket.decision)) == ("needs_changes", None)
    assert ticket.decision.response["feedback"] == "Cheaper, please."
    assert ticket.decision.reason == "Too dear."
    assert types_told(ticket) == ["opened", "vote_cast", "returned"]


def test_changed_content_opens_the_next_round(story):
    ticket = returned(story)
    first = ticket.decision
    again = resubmit(story, ticket, {"total": 5})

    assert (again.status, again.round, again.version) == ("pending", 2, 2)
    assert again.decision.pk != first.pk
    assert again.decision.digest != first.digest
    assert again.decision.action_digest == sha256_hex(b'{"total":5}')
    first.refresh_from_db()
    assert first.closed_at is not None
    assert first.outcome == "request_changes"


def test_the_same_content_again_still_gets_another_digest(story):
    ticket = returned(story)
    again = resubmit(story, ticket, ticket.proposal)

    assert again.decision.action_digest == ticket.decision.action_digest
    assert again.decision.digest != ticket.decision.digest


def test_votes_of_an_earlier_round_count_no_more(story):
    ticket = story.open(priority="critical")
    story.vote(ticket, story.ann, "approve")
    resubmit(story, ticket)

    assert story.vote(ticket, story.ben, "approve").ticket.status == "pending"
    answer = story.vote(ticket, story.ann, "approve")
    assert not answer.replayed
    assert answer.ticket.status == "approved"
    votes = Vote.objects.filter(decision__subject=ticket.pk)
    assert [vote.version for vote in votes] == [1, 2, 2]


def test_a_vote_for_the_old_content_is_refused_and_told_the_new_version(story):
    ticket = story.open()
    resubmit(story, ticket)
    with refused(TicketChanged, version=2):
        story.vote(ticket, story.ann, "approve", version=1)


def test_the_database_refuses_a_vote_that_names_the_old_digest(story):
    ticket = story.open()
    old = ticket.decision
    vote = story.vote(ticket, story.ann, "request_changes", response={"feedback": "x"}).vote
    again = resubmit(story, ticket)

    fields = {
        name: getattr(vote, name)
        for name in ("voter_kind", "choice", "version", "channel", "cast_at")
    }
    people_ = {"voter": story.ben, "principal": story.ben}
    for decision, digest in ((old, old.digest), (again.decision, old.digest)):
        with stopped_by_the_database("this decision is not open"):
            Vote.objects.create(decision=decision, digest=digest, **fields, **people_)


def test_an_approval_is_not_kept_over_changed_content(story):
    checkpoint("held", question(hold="PT1H"))
    ticket = story.vote(story.open(checkpoint="held"), story.ann, "approve").ticket
    resubmit(story, ticket, {"total": 10**6})
    with later(hours=2):
        sweep_deadlines()
    ticket.refresh_from_db()

    assert (ticket.status, ticket.round) == ("pending", 2)
    assert Decision.objects.get(subject=ticket.pk, round=1).outcome == ""


def test_claims_are_freed_and_may_be_taken_anew(story):
    ticket = story.open()
    claim_ticket(ticket_id=ticket.pk, person=story.ann)
    resubmit(story, ticket)

    assert not Assignment.objects.filter(released_at__isnull=True).exists()
    assert claim_ticket(ticket_id=ticket.pk, person=story.ben).person == story.ben


def test_the_rules_run_anew_over_what_was_changed(story):
    rules = [
        {"when": "n < 5", "then": "allow", "name": "small"},
        {"when": "n > 100", "then": "deny", "name": "huge"},
    ]
    checkpoint("auto", rules=rules, proposal_schema=NUMBER)
    small, huge = (story.open(checkpoint="auto", proposal={"n": 50}) for _ in range(2))

    passed = resubmit(story, small, {"n": 1})
    assert (passed.status, passed.decision.by, passed.rule["name"]) == ("approved", "rule", "small")
    assert receipt_of(passed)["round"] == 2
    stopped = resubmit(story, huge, {"n": 101})
    assert (stopped.status, stopped.rule["name"]) == ("rejected", "huge")


def test_the_question_is_read_anew_as_the_checkpoint_asks_it_now(story):
    held = checkpoint("law", question(needs=[people("reviewer")]))
    ticket = returned(story, checkpoint="law")
    from tests.builders import make_policy

    held.question = make_policy("law", question(needs=[people("reviewer", 2)]))
    held.save()
    again = resubmit(story, ticket)

    assert again.decision.policy.version == 2
    assert again.decision.question["stages"][0]["needs"][0]["count"] == 2


def test_an_open_question_keeps_the_words_it_was_asked_in(story):
    held = checkpoint("law", question(needs=[people("reviewer", 2)]))
    ticket = story.open(checkpoint="law")
    from tests.builders import make_policy

    held.question = make_policy("law", question(needs=[people("reviewer")]))
    held.save()

    assert story.vote(ticket, story.ann, "approve").ticket.status == "pending"
    assert story.vote(ticket, story.ben, "approve").ticket.status == "approved"


def test_changed_content_must_match_the_schema_too(story):
    checkpoint("auto", proposal_schema=NUMBER)
    ticket = story.open(checkpoint="auto", proposal={"n": 1})
    with refused(SchemaMismatch, at="/proposal/n"):
        resubmit(story, ticket, {"n": "many"})
    ticket.refresh_from_db()
    assert (ticket.version, ticket.round, ticket.proposal) == (1, 1, {"n": 1})


def test_a_requester_who_read_an_older_version_is_refused(story):
    ticket = story.open()
    resubmit(story, ticket, version=1)
    with refused(TicketChanged, version=2):
        resubmit(story, ticket, version=1)


def test_a_returned_ticket_takes_no_votes(story):
    ticket = returned(story)
    with refused(AlreadyDecided):
        story.vote(ticket, story.ben, "approve")


@pytest.mark.parametrize("ending", ["approved", "rejected", "cancelled", "expired", "answered"])
def test_what_is_over_cannot_be_resubmitted(story, ending):
    ticket = story.open(preset="input" if ending == "answered" else "")
    if ending == "cancelled":
        cancel_ticket(ticket_id=ticket.pk, by=story.machine, reason="")
    elif ending != "expired":
        choice = {"approved": "approve", "rejected": "reject", "answered": "submit"}[ending]
        story.vote(ticket, story.ann, choice)
    with later(hours=49 if ending == "expired" else 0), refused(AlreadyDecided):
        resubmit(story, ticket)


def test_a_new_round_nobody_asked_for_gets_its_time_anew(story):
    ticket = story.open()
    with later(hours=40):
        again = resubmit(story, ticket)
    with later(hours=80):
        assert sweep_deadlines() == 1  # overdue, not over
        again.refresh_from_db()
        assert again.status == "pending"


def test_what_stood_under_one_reference_keeps_its_name_and_origin(story):
    ticket = returned(story, reference="order-9", on_behalf_of="otto", labels=("a",))
    again = resubmit(story, ticket)

    assert (again.reference, again.ref, again.requester) == ("order-9", ticket.ref, story.machine)
    assert (again.beneficiary, again.labels) == (story.otto, ["a"])


def test_three_rounds_tell_one_story(story):
    ticket = returned(story)
    resubmit(story, ticket, {"total": 2})
    story.vote(ticket, story.ben, "request_changes", response={"feedback": "Less."})
    resubmit(story, ticket, {"total": 1})
    answer = story.vote(ticket, story.cleo, "approve")

    assert (answer.ticket.status, answer.ticket.round) == ("approved", 3)
    assert answer.ticket.decision.executed_content == b'{"total":1}'
    assert types_told(ticket) == [
        "opened", "vote_cast", "returned", "resubmitted",
        "vote_cast", "returned", "resubmitted", "vote_cast", "decided",
    ]  # fmt: skip


class TestRefinement:
    def test_past_its_rounds_a_refinement_closes_with_the_last_result(self, story):
        ticket = story.open(preset="refinement")
        for result in ("one", "two"):
            response = {"refined_result": result}
            answer = story.vote(ticket, story.ann, "continue", reason="", response=response)
            assert answer.ticket.status == "needs_changes"
            resubmit(story, ticket, {"result": result})
        last = {"refined_result": "three"}
        answer = story.vote(ticket, story.ann, "continue", reason="", response=last)

        assert answer.ticket.status == "answered"
        response = answer.ticket.decision.response
        assert response["refined_result"] == "three"
        assert response["max_iterations_reached"] is True

    def test_done_ends_it_earlier(self, story):
        ticket = story.open(preset="refinement")
        answer = story.vote(
            ticket, story.ann, "done", reason="", response={"refined_result": "fine"}
        )
        assert answer.ticket.status == "answered"
        assert "max_iterations_reached" not in answer.ticket.decision.response


def test_a_preset_that_is_no_longer_offered_is_refused_at_the_next_round(story):
    ticket = story.open(preset="input")
    story.general.presets = []
    story.general.save()
    with refused(Invalid, at="/preset"):
        resubmit(story, ticket)
