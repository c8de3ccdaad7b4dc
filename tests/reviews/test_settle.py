"""One timeline with two numbers: settled → hold → final → revocable."""

from datetime import timedelta

import pytest

from approvals.errors import AlreadyConsumed, AlreadyDecided, NotAllowed, TicketChanged, WrongState
from approvals.models import Receipt, Vote
from audit.clock import db_now
from reviews.models import Delivery, Ticket
from reviews.representation import decision_members, ticket_allowed
from reviews.services.assignments import claim_next, claim_ticket
from reviews.services.receipts import consume_receipt, receipt_of
from reviews.services.sweeps import conclude_tickets, sweep_deadlines
from reviews.services.tickets import (
    cancel_ticket,
    resubmit_ticket,
    revoke_ticket,
    see_revocation,
)
from reviews.services.votes import withdraw_vote
from tests.builders import make_person
from tests.stories import checkpoint, last_told, later, people, question, refused, types_told

pytestmark = pytest.mark.db

HOUR = timedelta(hours=1)


@pytest.fixture
def campaign(story):
    """A checkpoint that holds a decision for an hour."""
    return checkpoint("campaign", question(hold="PT1H"))


def settled(story, **given) -> Ticket:
    ticket = story.open(checkpoint="campaign", **given)
    return story.vote(ticket, story.ann, "approve").ticket


class TestHold:
    def test_while_it_is_held_the_caller_still_reads_pending(self, story, campaign):
        ticket = settled(story)
        decision = ticket.decision

        assert (ticket.status, ticket_allowed(ticket, decision)) == ("pending", None)
        assert decision.final_at - decision.settled_at == HOUR
        assert decision.revocable_until - decision.final_at == timedelta(minutes=5)
        announced = decision_members(ticket, decision)
        assert announced is not None
        assert announced["outcome"] == "approve"
        assert announced["final_at"] is not None
        assert types_told(ticket) == ["opened", "vote_cast", "settled"]

    def test_it_becomes_final_when_the_hold_is_over_and_not_before(self, story, campaign):
        ticket = settled(story)

        with later(minutes=59):
            assert sweep_deadlines() == 0
        with later(minutes=61):
            assert sweep_deadlines() == 1
        ticket.refresh_from_db()
        assert ticket.status == "approved"
        assert ticket_allowed(ticket, ticket.decision) is True
        assert types_told(ticket)[-1] == "decided"

    def test_nothing_leaves_before_it_is_final(self, story, campaign):
        ticket = settled(story, callback_url="https://caller.example.org/hook")
        assert not Delivery.objects.exists()
        with refused(WrongState):
            receipt_of(ticket)

        with later(hours=2):
            conclude_tickets([ticket.pk])
        assert list(Delivery.objects.values_list("type", flat=True)) == ["ticket.decided"]

    def test_concluding_again_changes_nothing(self, story, campaign):
        ticket = settled(story)
        with later(hours=2):
            assert conclude_tickets([ticket.pk]) == 1
            assert conclude_tickets([ticket.pk]) == 0
            assert sweep_deadlines() == 0

    @pytest.mark.parametrize("choice", ["approve", "reject", "request_changes"])
    def test_everybody_elses_vote_is_refused_while_it_is_settled(self, story, campaign, choice):
        ticket = settled(story)
        with refused(AlreadyDecided):
            story.vote(ticket, story.ben, choice, response={"feedback": "x"})

    def test_the_voter_too_must_first_take_the_vote_back(self, story, campaign):
        ticket = settled(story)
        assert story.vote(ticket, story.ann, "approve").replayed
        with refused(AlreadyDecided):
            story.vote(ticket, story.ann, "reject")

    def test_a_settled_ticket_is_offered_to_nobody(self, story, campaign):
        ticket = settled(story)
        with refused(AlreadyDecided):
            claim_ticket(ticket_id=ticket.pk, person=story.ben)
        assert claim_next(queue=story.queue, person=story.ben) is None

    def test_a_settled_ticket_never_times_out(self, story, campaign):
        ticket = story.open(checkpoint="campaign", timeout_seconds=600)
        with later(minutes=9):
            story.vote(ticket, story.ann, "approve")
        with later(minutes=30):
            sweep_deadlines()
            ticket.refresh_from_db()
            assert ticket.status == "pending"
        with later(hours=2):
            sweep_deadlines()
        ticket.refresh_from_db()
        assert (ticket.status, ticket.decision.by) == ("approved", "votes")

    def test_no_reminder_disturbs_a_settled_ticket(self, story):
        ladder = [{"after": "PT10M", "role": "lead"}]
        checkpoint("campaign", question(hold="PT1H", due="PT20M", escalate=ladder))
        ticket = settled(story)
        with later(minutes=40):
            sweep_deadlines()

        assert types_told(ticket) == ["opened", "vote_cast", "settled"]


class TestTakeBack:
    def test_taking_the_vote_back_reopens_the_question(self, story, campaign):
        ticket = settled(story)
        with later(minutes=30):
            withdraw_vote(ticket_id=ticket.pk, voter=story.ann)
        ticket.refresh_from_db()
        decision = ticket.decision
        decision.refresh_from_db()

        assert (ticket.status, decision.outcome, decision.by) == ("pending", "", "")
        assert (decision.settled_at, decision.final_at, decision.revocable_until) == (None,) * 3
        with later(hours=2):
            sweep_deadlines()
            ticket.refresh_from_db()
            assert ticket.status == "pending"

    def test_the_same_person_may_then_vote_otherwise(self, story, campaign):
        ticket = settled(story)
        withdraw_vote(ticket_id=ticket.pk, voter=story.ann)
        story.vote(ticket, story.ann, "reject", reason="Second thoughts.")
        with later(hours=2):
            sweep_deadlines()
        ticket.refresh_from_db()

        assert (ticket.status, ticket.decision.reason) == ("rejected", "Second thoughts.")

    def test_somebody_else_may_then_vote(self, story, campaign):
        ticket = settled(story)
        withdraw_vote(ticket_id=ticket.pk, voter=story.ann)

        assert story.vote(ticket, story.ben, "reject").ticket.decision.outcome == "reject"

    def test_a_modification_taken_back_leaves_no_trace_in_the_outcome(self, story, campaign):
        ticket = story.open(checkpoint="campaign")
        story.vote(ticket, story.ann, "modify", amendments={"total": 1})
        withdraw_vote(ticket_id=ticket.pk, voter=story.ann)
        story.vote(ticket, story.ben, "approve")
        with later(hours=2):
            sweep_deadlines()
        decision = Ticket.objects.get(pk=ticket.pk).decision

        assert decision.executed_digest == decision.action_digest
        assert (decision.amendments, decision.approved_content) == (None, None)

    def test_only_who_voted_can_take_a_vote_back(self, story, campaign):
        ticket = settled(story)
        with refused(WrongState):
            withdraw_vote(ticket_id=ticket.pk, voter=story.ben)

    def test_after_the_hold_there_is_only_revocation(self, story, campaign):
        ticket = settled(story)
        with later(minutes=61), refused(AlreadyDecided):
            withdraw_vote(ticket_id=ticket.pk, voter=story.ann)

    def test_a_reopened_ticket_that_is_past_its_end_expires(self, story, campaign):
        ticket = story.open(checkpoint="campaign", timeout_seconds=600)
        story.vote(ticket, story.ann, "approve")
        with later(minutes=30):
            withdraw_vote(ticket_id=ticket.pk, voter=story.ann)
            sweep_deadlines()
        ticket.refresh_from_db()

        assert (ticket.status, ticket.decision.by) == ("expired", "timeout")

    def test_a_dissenter_who_withdraws_does_not_undo_what_the_others_settled(self, story):
        checkpoint("board", question("vote", hold="PT1H"))
        ticket = story.open(checkpoint="board")
        story.vote(ticket, story.ann, "reject")
        story.vote(ticket, story.ben, "approve")
        story.vote(ticket, story.cleo, "approve")

        withdraw_vote(ticket_id=ticket.pk, voter=story.ann)
        with later(hours=2):
            sweep_deadlines()
        ticket.refresh_from_db()
        assert (ticket.status, ticket.decision.outcome) == ("approved", "approve")


class TestRequesterDuringHold:
    def test_the_requester_can_still_cancel(self, story, campaign):
        ticket = settled(story)
        cancel_ticket(ticket_id=ticket.pk, by=story.machine, reason="Not needed.")
        with later(hours=2):
            sweep_deadlines()
        ticket.refresh_from_db()

        assert (ticket.status, ticket_allowed(ticket, ticket.decision)) == ("cancelled", False)
        assert ticket.decision.outcome == ""

    def test_the_requester_can_still_resubmit_and_is_asked_about_anew(self, story, campaign):
        ticket = settled(story)
        resubmit_ticket(ticket_id=ticket.pk, requester=story.machine, proposal={"total": 5})
        with later(hours=2):
            sweep_deadlines()
        ticket.refresh_from_db()

        assert (ticket.status, ticket.round, ticket.version) == ("pending", 2, 2)
        assert ticket.decision.settled_at is None
        with refused(TicketChanged):
            story.vote(ticket, story.ben, "approve", version=1)

    def test_after_the_hold_it_is_too_late_for_both(self, story, campaign):
        ticket = settled(story)
        with later(minutes=61):
            with refused(AlreadyDecided):
                cancel_ticket(ticket_id=ticket.pk, by=story.machine, reason="")
            with refused(AlreadyDecided):
                resubmit_ticket(ticket_id=ticket.pk, requester=story.machine, proposal={"a": 1})


class TestRevocation:
    def test_who_decided_can_revoke_inside_the_window(self, story):
        ticket = story.vote(story.open(), story.ann, "approve").ticket
        with later(minutes=4):
            revoke_ticket(ticket_id=ticket.pk, by=story.ann, reason="Wrong account.")
        ticket.refresh_from_db()

        assert (ticket.status, ticket_allowed(ticket, ticket.decision)) == ("revoked", False)
        assert ticket.decision.revoked_by == story.ann
        assert last_told(ticket).type == "ticket.revoked"
        with refused(WrongState):
            receipt_of(ticket)

    @pytest.mark.parametrize("choice", ["approve", "reject"])
    def test_revocation_ends_with_the_window(self, story, choice):
        ticket = story.vote(story.open(), story.ann, choice).ticket
        with later(minutes=5, seconds=1), refused(WrongState):
            revoke_ticket(ticket_id=ticket.pk, by=story.ann, reason="Late.")

    def test_the_last_instant_belongs_to_what_follows(self, story):
        ticket = story.vote(story.open(), story.ann, "approve").ticket
        Ticket.objects.get(pk=ticket.pk)  # the window is [final_at, revocable_until)
        from approvals.services import decisions

        at = ticket.decision.revocable_until
        with refused(WrongState):
            decisions.revoke(decision=ticket.decision, by=story.ann, now=at)
        inside = at - timedelta(microseconds=1)
        decisions.revoke(decision=ticket.decision, by=story.ann, now=inside)

    def test_a_role_that_may_override_can_revoke_anothers_decision(self, story):
        ticket = story.vote(story.open(on_behalf_of="otto"), story.ann, "approve").ticket

        assert revoke_ticket(ticket_id=ticket.pk, by=story.max, reason="No.").status == "revoked"

    @pytest.mark.parametrize("who", ["ben", "lena", "otto", "ada"])
    def test_nobody_else_can_revoke(self, story, who):
        ticket = story.vote(story.open(), story.ann, "approve").ticket
        with refused(NotAllowed):
            revoke_ticket(ticket_id=ticket.pk, by=getattr(story, who), reason="Hm.")

    def test_a_superuser_without_a_role_cannot_revoke(self, story):
        ticket = story.vote(story.open(), story.ann, "approve").ticket
        with refused(NotAllowed):
            revoke_ticket(
                ticket_id=ticket.pk, by=make_person("root", is_superuser=True), reason="Hm."
            )

    def test_whose_vote_did_not_count_cannot_revoke(self, story):
        checkpoint("board", question("vote"))
        ticket = story.open(checkpoint="board")
        story.vote(ticket, story.ann, "reject")
        story.vote(ticket, story.ben, "approve")
        story.vote(ticket, story.cleo, "approve")

        with refused(NotAllowed):
            revoke_ticket(ticket_id=ticket.pk, by=story.ann, reason="I was against it.")
        assert revoke_ticket(ticket_id=ticket.pk, by=story.ben, reason="Oh.").status == "revoked"

    def test_who_left_cannot_revoke(self, story):
        ticket = story.vote(story.open(), story.ann, "approve").ticket
        story.ann.is_active = False
        story.ann.save()
        with refused(NotAllowed):
            revoke_ticket(ticket_id=ticket.pk, by=story.ann, reason="Bye.")

    def test_what_was_consumed_cannot_be_revoked(self, story):
        ticket = story.vote(story.open(), story.ann, "approve").ticket
        consume_receipt(
            ticket_id=ticket.pk, key=story.key, nonce="n", digest=ticket.decision.action_digest
        )
        with refused(AlreadyConsumed):
            revoke_ticket(ticket_id=ticket.pk, by=story.ann, reason="Stop!")

    def test_what_was_revoked_cannot_be_consumed(self, story):
        ticket = story.vote(story.open(), story.ann, "approve").ticket
        revoke_ticket(ticket_id=ticket.pk, by=story.ann, reason="Stop!")
        with refused(WrongState):
            consume_receipt(
                ticket_id=ticket.pk, key=story.key, nonce="n", digest=ticket.decision.action_digest
            )
        assert not Receipt.objects.exists()

    @pytest.mark.parametrize("status", ["pending", "cancelled", "expired", "needs_changes"])
    def test_what_was_never_decided_cannot_be_revoked(self, story, status):
        ticket = story.open()
        if status == "cancelled":
            cancel_ticket(ticket_id=ticket.pk, by=story.machine, reason="")
        if status == "needs_changes":
            story.vote(ticket, story.ann, "request_changes", response={"feedback": "x"})
        with later(hours=49 if status == "expired" else 0), refused(WrongState):
            revoke_ticket(ticket_id=ticket.pk, by=story.ann, reason="?")

    def test_what_a_rule_let_pass_can_be_revoked_by_who_may_override(self, story):
        schema = {"type": "object", "properties": {"n": {"type": "number"}}, "required": ["n"]}
        rule = {"when": "n < 5", "then": "allow"}
        checkpoint("auto", rules=[rule], proposal_schema=schema)
        ticket = story.open(checkpoint="auto", proposal={"n": 1})

        with refused(NotAllowed):
            revoke_ticket(ticket_id=ticket.pk, by=story.ann, reason="?")
        assert revoke_ticket(ticket_id=ticket.pk, by=story.max, reason="No.").status == "revoked"


class TestCancelling:
    def test_cancelling_twice_changes_nothing(self, story):
        ticket = story.open()
        for _ in range(2):
            cancel_ticket(ticket_id=ticket.pk, by=story.machine, reason="Done elsewhere.")

        assert types_told(ticket) == ["opened", "cancelled"]

    def test_a_returned_ticket_can_be_cancelled(self, story):
        ticket = story.open()
        story.vote(ticket, story.ann, "request_changes", response={"feedback": "x"})

        cancelled = cancel_ticket(ticket_id=ticket.pk, by=story.machine, reason="")
        assert cancelled.status == "cancelled"

    def test_a_final_ticket_cannot_be_cancelled(self, story):
        ticket = story.vote(story.open(), story.ann, "reject").ticket
        with refused(AlreadyDecided):
            cancel_ticket(ticket_id=ticket.pk, by=story.machine, reason="")


class TestAskAfter:
    @pytest.fixture
    def acted(self, story):
        checkpoint("acted", question("post-approval"), safeguards={"silence_may_allow": True})
        return story.open(checkpoint="acted")

    def test_what_is_asked_after_the_act_is_allowed_while_people_look(self, story, acted):
        assert (acted.status, ticket_allowed(acted, acted.decision)) == ("pending", True)
        members = decision_members(acted, acted.decision)
        assert members is not None
        assert (members["by"], members["outcome"]) == ("rule", None)

    def test_silence_keeps_it(self, story, acted):
        with later(hours=25):
            sweep_deadlines()
        acted.refresh_from_db()

        assert (acted.status, acted.decision.outcome, acted.decision.by) == (
            "approved", "keep", "timeout",
        )  # fmt: skip

    def test_an_override_needs_a_new_decision_and_says_so_to_the_caller(self, story, acted):
        answer = story.vote(acted, story.ann, "override", response={"new_decision": "Deny it."})

        assert answer.ticket.status == "rejected"
        assert ticket_allowed(answer.ticket, answer.ticket.decision) is False
        assert "overridden" in types_told(acted)
        assert answer.ticket.decision.response == {"new_decision": "Deny it."}

    def test_keeping_or_overriding_happens_once(self, story, acted):
        story.vote(acted, story.ann, "keep")
        with refused(AlreadyDecided):
            story.vote(acted, story.ben, "override", response={"new_decision": "x"})
        with later(hours=25):
            sweep_deadlines()
        assert types_told(acted).count("decided") == 1


def test_every_vote_of_a_story_stands_in_the_events(story):
    checkpoint("dire", question("review", needs=[people("reviewer", 2)], hold="PT1H"))
    ticket = story.open(checkpoint="dire")
    story.vote(ticket, story.ann, "approve")
    withdraw_vote(ticket_id=ticket.pk, voter=story.ann)
    story.vote(ticket, story.ann, "modify", amendments={"total": 2})
    story.vote(ticket, story.ben, "modify", amendments={"total": 2})
    withdraw_vote(ticket_id=ticket.pk, voter=story.ben)
    story.vote(ticket, story.cleo, "modify", amendments={"total": 2})

    assert Vote.objects.filter(withdrawn_at__isnull=False).count() == 2
    assert db_now() >= ticket.created_at


class TestWhoseTicketItIs:
    """The rule stands in the service, so that no door can forget it."""

    def test_only_who_opened_it_or_answers_for_the_key_changes_it(self, story):
        ticket = story.open()
        for stranger in (story.ann, story.lena, story.otto):
            with refused(NotAllowed):
                resubmit_ticket(ticket_id=ticket.pk, requester=stranger, proposal={"a": 1})
        assert (
            resubmit_ticket(ticket_id=ticket.pk, requester=story.max, proposal={"a": 1}).round == 2
        )

    def test_only_they_or_whom_it_is_for_stop_it(self, story):
        ticket = story.open(on_behalf_of="otto")
        for stranger in (story.ann, story.lena):
            with refused(NotAllowed):
                cancel_ticket(ticket_id=ticket.pk, by=stranger, reason="")
        assert cancel_ticket(ticket_id=ticket.pk, by=story.otto, reason="").status == "cancelled"

    def test_only_they_say_that_they_know_of_a_revocation(self, story):
        ticket = story.vote(story.open(), story.ann, "approve").ticket
        revoke_ticket(ticket_id=ticket.pk, by=story.ann, reason="Wrong one.")
        with refused(NotAllowed):
            see_revocation(ticket_id=ticket.pk, by=story.ben)
        assert see_revocation(ticket_id=ticket.pk, by=story.machine).revoked_seen_at is not None
