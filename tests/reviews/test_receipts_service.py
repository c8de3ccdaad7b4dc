"""A final decision is a signed statement; the stamp on it makes it usable once."""

from datetime import timedelta
from uuid import uuid4

import pytest

from approvals.errors import AlreadyConsumed, NotVisible, SchemaMismatch, WrongState
from approvals.models import Receipt
from approvals.receipts import RECEIPT_TYPE
from audit.clock import db_now
from audit.keys import signing_key
from audit.signing import SigningKey, TokenRefused, verify_jwt
from reviews.models import Ticket
from reviews.services.receipts import consume_receipt, receipt_of, record_result, signed_receipt
from reviews.services.tickets import cancel_ticket, resubmit_ticket
from tests.stories import checkpoint, later, people, question, refused, types_told

pytestmark = pytest.mark.db


def approved(story, **given) -> Ticket:
    return story.vote(story.open(**given), story.ann, "approve").ticket


def consume(story, ticket: Ticket, *, nonce: str = "n-1", digest: str | None = None) -> Receipt:
    wanted = ticket.decision.executed_digest if digest is None else digest
    return consume_receipt(ticket_id=ticket.pk, key=story.key, nonce=nonce, digest=wanted)


class TestStatement:
    def test_it_says_what_was_decided_by_whom_over_which_bytes(self, story):
        ticket = approved(story)
        claims = receipt_of(ticket)
        decision = ticket.decision

        assert claims["sub"] == str(ticket.pk)
        assert claims["jti"] == str(decision.pk)
        assert (claims["outcome"], claims["status"], claims["allowed"]) == (
            "approve", "approved", True,
        )  # fmt: skip
        assert claims["action_digest"] == decision.action_digest
        assert claims["digest"] == decision.digest
        assert [(v["name"], v["choice"]) for v in claims["voters"]] == [("ann", "approve")]
        assert claims["by"] == "votes"
        assert claims["exp"] - claims["nbf"] == 7 * 24 * 3600

    def test_it_is_signed_and_the_same_whenever_it_is_read(self, story):
        ticket = approved(story)
        token = signed_receipt(ticket)

        assert signed_receipt(Ticket.objects.get(pk=ticket.pk)) == token
        keys = [signing_key().public_jwk()]
        assert verify_jwt(token, keys, now=db_now(), typ=RECEIPT_TYPE) == receipt_of(ticket)

    def test_no_other_key_verifies_it(self, story):
        token = signed_receipt(approved(story))
        keys = [SigningKey.generate().public_jwk()]
        with pytest.raises(TokenRefused):
            verify_jwt(token, keys, now=db_now(), typ=RECEIPT_TYPE)

    def test_a_rejection_has_a_receipt_that_does_not_allow(self, story):
        ticket = story.vote(story.open(), story.ann, "reject").ticket

        assert receipt_of(ticket)["allowed"] is False

    def test_a_modification_is_receipted_over_the_modified_bytes(self, story):
        ticket = story.vote(story.open(), story.ann, "modify", amendments={"total": 1}).ticket

        assert receipt_of(ticket)["action_digest"] == ticket.decision.approved_action_digest

    def test_votes_taken_back_are_not_in_it(self, story):
        from reviews.services.votes import withdraw_vote

        checkpoint("dire", question(needs=[people("reviewer", 2)]))
        ticket = story.open(checkpoint="dire")
        story.vote(ticket, story.cleo, "approve")
        withdraw_vote(ticket_id=ticket.pk, voter=story.cleo)
        story.vote(ticket, story.ann, "approve")
        ticket = story.vote(ticket, story.ben, "approve").ticket

        assert [v["name"] for v in receipt_of(ticket)["voters"]] == ["ann", "ben"]

    @pytest.mark.parametrize("status", ["pending", "needs_changes", "cancelled"])
    def test_what_was_not_decided_has_none(self, story, status):
        ticket = story.open()
        if status == "needs_changes":
            story.vote(ticket, story.ann, "request_changes", response={"feedback": "x"})
        if status == "cancelled":
            cancel_ticket(ticket_id=ticket.pk, by=story.machine, reason="")
        ticket = Ticket.objects.select_related("decision").get()
        assert ticket.status == status
        with refused(WrongState):
            receipt_of(ticket)


class TestStamp:
    def test_it_is_consumed_once(self, story):
        ticket = approved(story)
        first = consume(story, ticket)
        for nonce in ("n-2", "n-3"):
            with refused(AlreadyConsumed):
                consume(story, ticket, nonce=nonce)

        assert Receipt.objects.get() == first
        assert types_told(ticket)[-1] == "consumed"

    def test_the_same_nonce_again_is_no_way_around(self, story):
        ticket = approved(story)
        consume(story, ticket, nonce="mine")
        with refused(AlreadyConsumed):
            consume(story, ticket, nonce="mine")

    @pytest.mark.parametrize("place", [0, 31, 63])
    def test_another_action_is_refused(self, story, place):
        ticket = approved(story)
        digest = ticket.decision.action_digest
        flipped = "0" if digest[place] != "0" else "1"
        with refused(SchemaMismatch, at="/digest"):
            consume(story, ticket, digest=digest[:place] + flipped + digest[place + 1 :])
        assert not Receipt.objects.exists()

    @pytest.mark.parametrize("digest", ["", "x", "0" * 64])
    def test_no_digest_is_no_action(self, story, digest):
        ticket = approved(story)
        with refused(SchemaMismatch):
            consume(story, ticket, digest=digest)

    def test_after_a_modification_the_proposal_as_sent_is_refused(self, story):
        ticket = story.vote(story.open(), story.ann, "modify", amendments={"total": 1}).ticket
        with refused(SchemaMismatch):
            consume(story, ticket, digest=ticket.decision.action_digest)
        assert consume(story, ticket).digest == ticket.decision.approved_action_digest

    @pytest.mark.parametrize("ending", ["reject", "request_changes", "expired", "cancelled", ""])
    def test_what_does_not_allow_cannot_be_consumed(self, story, ending):
        ticket = story.open()
        if ending in {"reject", "request_changes"}:
            story.vote(ticket, story.ann, ending, response={"feedback": "x"})
        if ending == "cancelled":
            cancel_ticket(ticket_id=ticket.pk, by=story.machine, reason="")
        ticket = Ticket.objects.select_related("decision").get()
        with later(hours=49 if ending == "expired" else 0), refused(WrongState):
            consume(story, ticket)

    def test_what_is_still_held_cannot_be_consumed_and_then_it_can(self, story):
        checkpoint("campaign", question(hold="PT1H"))
        ticket = approved(story, checkpoint="campaign")
        with refused(WrongState):
            consume(story, ticket)
        with later(hours=1, seconds=1):
            assert consume(story, ticket)

    def test_an_approval_does_not_last_for_ever(self, story):
        ticket = approved(story)
        with later(days=7, seconds=1), refused(WrongState):
            consume(story, ticket)

    def test_an_answer_may_be_acted_on_as_well(self, story):
        ticket = story.open(preset="input")
        ticket = story.vote(ticket, story.ann, "submit", response={"n": 1}).ticket

        assert consume(story, ticket)

    def test_the_receipt_of_an_earlier_round_is_worth_nothing(self, story):
        ticket = story.open()
        story.vote(ticket, story.ann, "request_changes", response={"feedback": "x"})
        old = Ticket.objects.select_related("decision").get().decision.action_digest
        resubmit_ticket(ticket_id=ticket.pk, requester=story.machine, proposal={"total": 1})
        ticket = story.vote(ticket, story.ann, "approve").ticket

        with refused(SchemaMismatch):
            consume(story, ticket, digest=old)


class TestResult:
    def test_the_result_is_recorded_once(self, story):
        ticket = approved(story)
        stamp = consume(story, ticket)
        given = {"ticket_id": ticket.pk, "key": story.key, "consumption_id": str(stamp.pk)}

        record_result(**given, result="applied", detail={"rows": 3})
        again = record_result(**given, result="applied", detail={"rows": 9})
        with refused(WrongState):
            record_result(**given, result="failed", detail=None)

        assert again.result_detail == {"rows": 3}
        assert types_told(ticket).count("result_recorded") == 1

    @pytest.mark.parametrize("other", [True, False])
    def test_only_the_consumption_itself_is_recorded_on(self, story, other):
        ticket = approved(story)
        if other:
            consume(story, ticket)
        with refused(NotVisible):
            record_result(
                ticket_id=ticket.pk,
                key=story.key,
                consumption_id=str(uuid4()),
                result="applied",
                detail=None,
            )

    def test_consuming_closes_the_window_to_revoke(self, story):
        ticket = approved(story)
        with later(minutes=4):
            stamp = consume(story, ticket)
        assert stamp.consumed_at - ticket.decision.final_at > timedelta(minutes=3)


class TestSteps:
    def test_a_rollout_opens_its_next_step_when_the_last_is_reported_applied(self, story):
        ticket = approved(story, preset="stepwise")
        stamp = consume(story, ticket)
        given = {"ticket_id": ticket.pk, "key": story.key, "consumption_id": str(stamp.pk)}
        record_result(**given, result="applied", detail=None)
        record_result(**given, result="applied", detail=None)

        following = Ticket.objects.get(previous=ticket)
        assert (following.status, following.requester) == ("pending", story.machine)
        assert following.decision.question["repeat"]["steps"] == [50, 100]
        assert following.decision.exclusions.filter(user=story.max).exists()

    def test_a_failed_step_opens_nothing(self, story):
        ticket = approved(story, preset="stepwise")
        stamp = consume(story, ticket)
        record_result(
            ticket_id=ticket.pk,
            key=story.key,
            consumption_id=str(stamp.pk),
            result="failed",
            detail=None,
        )
        assert Ticket.objects.count() == 1

    def test_the_last_step_opens_nothing(self, story):
        ticket = approved(story, preset="stepwise")
        for _ in range(3):
            stamp = consume(story, ticket)
            record_result(
                ticket_id=ticket.pk,
                key=story.key,
                consumption_id=str(stamp.pk),
                result="applied",
                detail=None,
            )
            following = Ticket.objects.filter(previous=ticket).first()
            if following is None:
                break
            ticket = story.vote(following, story.ann, "approve").ticket

        assert Ticket.objects.count() == 3
