"""What the database itself refuses about questions, votes, rights and receipts."""

from datetime import timedelta

import pytest
from django.db import connection

from approvals.models import Decision, Delegation, Exclusion, Receipt, Vote
from approvals.triggers import _CAST, _FROZEN
from audit.clock import db_now
from reviews.services.receipts import consume_receipt, record_result
from reviews.services.votes import withdraw_vote
from tests.builders import make_person
from tests.stories import checkpoint, question, run_sql, stopped_by_the_database, stored

pytestmark = pytest.mark.db

OTHER = {
    "uuid": "'00000000000070008000000000000000'",
    "json": """'{"other": 1}'""",
    "bytes": "NULL",
    "text": "'other'",
    "number": "version + 1",
    "instant": "'2001-01-01 00:00:00+00:00'",
}
KINDS = {
    "subject": "uuid", "policy_id": "uuid", "decision_id": "uuid", "question": "json",
    "rule": "json", "system": "json", "response": "json", "amendments": "json",
    "round": "number", "version": "number", "opened_at": "instant", "cast_at": "instant",
    "voter_id": "person", "principal_id": "person",
}  # fmt: skip


def other_value(column: str, story) -> str:
    """Return SQL for a value the column does not hold."""
    if column == "content":
        return "'\\x00'" if connection.vendor == "postgresql" else "X'00'"
    if KINDS.get(column) == "person":
        return str(story.otto.pk)
    return OTHER[KINDS.get(column, "text")]


class TestDecision:
    @pytest.mark.parametrize("column", _FROZEN)
    def test_the_question_is_frozen(self, cast, column):
        cast.open()
        with stopped_by_the_database("the question is frozen"):
            run_sql(f"UPDATE approvals_decision SET {column} = {other_value(column, cast)}")

    @pytest.mark.parametrize(
        "change",
        [
            "outcome = 'reject'",
            "\"by\" = 'rule'",
            "effect = 'deny'",
            "settled_at = opened_at",
            "final_at = revocable_until",
            "closed_at = opened_at",
            "revoked_at = opened_at",
            "revocable_until = '2999-01-01 00:00:00+00:00'",
            "approved_action_digest = 'x'",
            "outcome_digest = 'x'",
            "reason = 'other'",
            "response = '{}'",
            "amendments = '{}'",
            "escalated = '[\"lead\"]'",
        ],
    )
    def test_an_outcome_changes_only_together_with_its_event(self, cast, change):
        ticket = cast.open()
        cast.vote(ticket, cast.ann, "approve", reason="Fine.")
        with stopped_by_the_database("only together with its audit event"):
            run_sql(f"UPDATE approvals_decision SET {change}")

    def test_a_decision_is_never_deleted(self, cast):
        cast.open()
        with stopped_by_the_database("never deleted"):
            run_sql("DELETE FROM approvals_decision")

    def test_a_subject_has_one_decision_per_round(self, cast):
        ticket = cast.open()
        copied = {
            field.name: getattr(ticket.decision, field.name)
            for field in Decision._meta.concrete_fields
            if field.name != "id"
        }
        with stopped_by_the_database("(?i)unique"):
            Decision.objects.create(**copied)

    def test_nothing_is_half_settled(self, cast):
        cast.open()
        with stopped_by_the_database("decision_settled_whole|audit event"):
            run_sql("UPDATE approvals_decision SET outcome = 'approve', last_event_id = NULL")


def vote_of(decision, voter, **more) -> Vote:
    given = {
        "decision": decision, "voter": voter, "principal": voter, "voter_kind": "human",
        "choice": "approve", "version": decision.version, "digest": decision.digest,
        "channel": "api", "cast_at": db_now(),
    }  # fmt: skip
    return Vote(**{**given, **more})


def lent(voter, principal, **more):
    """Store a loan under which the one may vote for the other for a day."""
    now = db_now()
    given = {"starts_at": now, "ends_at": now + timedelta(days=1), "made_at": now, **more}
    return Delegation.objects.create(
        lender=principal, delegate=voter, made_by=principal, reason="Leave", **given
    )


class TestVote:
    @pytest.mark.parametrize("column", _CAST)
    def test_a_cast_vote_never_changes(self, cast, column):
        ticket = cast.open(priority="critical")
        cast.vote(ticket, cast.ann, "approve")
        with stopped_by_the_database("a cast vote never changes"):
            run_sql(f"UPDATE approvals_vote SET {column} = {other_value(column, cast)}")

    def test_a_vote_is_never_deleted(self, cast):
        cast.vote(cast.open(), cast.ann, "approve")
        with stopped_by_the_database("never deleted"):
            run_sql("DELETE FROM approvals_vote")
        with stopped_by_the_database("never deleted"):
            Vote.objects.all().delete()

    def test_a_vote_taken_back_stays_taken_back(self, cast):
        ticket = cast.open(priority="critical")
        cast.vote(ticket, cast.ann, "approve")
        withdraw_vote(ticket_id=ticket.pk, voter=cast.ann)
        with stopped_by_the_database("stays withdrawn"):
            run_sql("UPDATE approvals_vote SET withdrawn_at = NULL")

    @pytest.mark.parametrize("claimed", ["human", "machine"])
    def test_a_machine_cannot_vote_whatever_it_claims_to_be(self, cast, claimed):
        ticket = cast.open()
        with stopped_by_the_database("a machine cannot vote"):
            vote_of(ticket.decision, cast.machine, voter_kind=claimed).save(force_insert=True)

    def test_a_machine_cannot_vote_through_a_person(self, cast):
        ticket = cast.open()
        for pair in ((cast.ann, cast.machine), (cast.machine, cast.ann)):
            lent(*pair)
            with stopped_by_the_database("a machine cannot vote"):
                vote = vote_of(ticket.decision, pair[0], principal=pair[1])
                vote.save(force_insert=True)

    def test_nobody_votes_on_their_own_work_nor_lets_others_vote_for_them(self, cast):
        ticket = cast.open(on_behalf_of="ann")
        lent(cast.ben, cast.ann), lent(cast.ann, cast.ben)
        for pair in ((cast.ann, cast.ann), (cast.ben, cast.ann), (cast.ann, cast.ben)):
            with stopped_by_the_database("own work"):
                vote = vote_of(ticket.decision, pair[0], principal=pair[1])
                vote.save(force_insert=True)

    def test_a_second_account_made_later_is_the_same_person(self, cast):
        ticket = cast.open(on_behalf_of="ann")
        second = make_person("ann-2", email="ann@example.org", roles=[cast.roles["reviewer"]])
        with stopped_by_the_database("own work"):
            vote_of(ticket.decision, second).save(force_insert=True)

    def test_a_settled_question_takes_no_vote(self, cast):
        checkpoint("held", question(hold="PT1H"))
        ticket = cast.vote(cast.open(checkpoint="held"), cast.ann, "approve").ticket
        with stopped_by_the_database("this decision is not open"):
            vote_of(ticket.decision, cast.ben).save(force_insert=True)

    def test_a_vote_names_the_digest_it_was_cast_on(self, cast):
        ticket = cast.open()
        with stopped_by_the_database("this decision is not open"):
            vote_of(ticket.decision, cast.ben, digest="0" * 64).save(force_insert=True)

    def test_a_person_has_one_vote_for_themselves_or_for_another(self, cast):
        ticket = cast.open(priority="critical")
        cast.vote(ticket, cast.ann, "approve")
        for voter, principal in ((cast.ann, cast.ben), (cast.ben, cast.ann)):
            lent(voter, principal)
            with stopped_by_the_database("(?i)unique"):
                vote_of(ticket.decision, voter, principal=principal).save(force_insert=True)

    @pytest.mark.parametrize(
        "more", [{}, {"starts_at": timedelta(hours=1)}, {"ends_at": timedelta(seconds=-1)},
                 {"ended_at": timedelta(seconds=-1)}]
    )  # fmt: skip
    def test_a_vote_for_another_takes_a_loan_in_force(self, cast, more):
        ticket, now = cast.open(), db_now()
        begun = {"starts_at": now - timedelta(hours=2)}
        if more:
            lent(cast.ben, cast.ann, **begun | {name: now + by for name, by in more.items()})
        lent(cast.ann, cast.ben), lent(cast.ben, cast.cleo)
        with stopped_by_the_database("without a loan"):
            vote_of(ticket.decision, cast.ben, principal=cast.ann).save(force_insert=True)

    def test_who_votes_for_an_author_at_that_moment_has_no_vote_of_their_own(self, cast):
        ticket = cast.open(on_behalf_of="ann")
        lent(cast.ben, cast.ann)
        second = make_person("ben-2", email="ben@example.org", roles=[cast.roles["reviewer"]])
        for person in (cast.ben, second):
            with stopped_by_the_database("own work"):
                vote_of(ticket.decision, person).save(force_insert=True)
        Delegation.objects.update(ended_at=db_now())
        vote_of(ticket.decision, cast.ben).save(force_insert=True)


class TestLoan:
    def test_a_loan_never_changes_and_ends_once(self, cast):
        loan = lent(cast.ben, cast.ann)
        for column, value in (
            ("delegate_id", cast.cleo.pk),
            ("ends_at", loan.ends_at + timedelta(days=1)),
            ("limited", True),
        ):
            with stopped_by_the_database("a loan never changes"):
                Delegation.objects.update(**{column: value})
        Delegation.objects.update(ended_at=db_now())
        with stopped_by_the_database("stays ended"):
            Delegation.objects.update(ended_at=None)
        with stopped_by_the_database("never deleted"):
            run_sql("DELETE FROM approvals_delegation")


class TestExclusion:
    def test_exclusions_are_never_taken_back(self, cast):
        cast.open()
        assert Exclusion.objects.count() == 1
        for statement in (
            "DELETE FROM approvals_exclusion",
            "UPDATE approvals_exclusion SET why='x'",
        ):
            with stopped_by_the_database("never taken back"):
                run_sql(statement)


class TestPolicy:
    @pytest.mark.parametrize("table", ["approvals_approvalpolicy", "approvals_policystage"])
    def test_what_is_published_never_changes(self, cast, table):
        for statement in (f"UPDATE {table} SET name = 'softer'", f"DELETE FROM {table}"):
            with stopped_by_the_database("publish a new version"):
                run_sql(statement)

    def test_not_even_through_the_models(self, cast):
        policy = cast.general.question
        policy.options = []
        with stopped_by_the_database("publish a new version"):
            policy.save()


class TestReceipt:
    @pytest.fixture
    def stamped(self, cast) -> Receipt:
        ticket = cast.vote(cast.open(), cast.ann, "approve").ticket
        return consume_receipt(
            ticket_id=ticket.pk, key=cast.key, nonce="n", digest=ticket.decision.action_digest
        )

    @pytest.mark.parametrize("column", ["nonce", "digest", "consumed_at"])
    def test_a_receipt_is_stamped_once(self, cast, stamped, column):
        value = OTHER["instant"] if column == "consumed_at" else "'x'"
        with stopped_by_the_database("stamped once"):
            run_sql(f"UPDATE approvals_receipt SET {column} = {value}")

    def test_there_is_one_per_decision(self, cast, stamped):
        with stopped_by_the_database("(?i)unique"):
            Receipt.objects.create(
                decision=stamped.decision, nonce="m", digest="x", consumed_at=db_now(),
                consumed_with=cast.key,
            )  # fmt: skip

    def test_its_result_is_recorded_once(self, cast, stamped):
        record_result(
            ticket_id=stamped.decision.subject, key=cast.key, consumption_id=str(stamped.pk),
            result="failed", detail=None,
        )  # fmt: skip
        with stopped_by_the_database("recorded once"):
            run_sql("UPDATE approvals_receipt SET result = 'applied'")

    def test_it_is_never_deleted(self, cast, stamped):
        with stopped_by_the_database("never deleted"):
            run_sql("DELETE FROM approvals_receipt WHERE id = %s", stored(stamped.pk))
