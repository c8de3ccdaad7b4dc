"""Lending the right to vote: what no loan can be, and what one is worth when votes are counted."""

from datetime import timedelta

import pytest

from approvals.errors import AlreadyVoted, Invalid, NotAllowed, NotEligible, OwnWork
from approvals.models import Delegation, Exclusion, Vote
from approvals.services.delegations import end_delegation, possible_delegates, start_delegation
from approvals.services.polls import read_poll
from audit.clock import db_now
from audit.models import AuditEvent
from reviews.services.tickets import resubmit_ticket
from reviews.services.votes import withdraw_vote
from tests.builders import make_person
from tests.stories import (
    checkpoint,
    everything_told_is_true,
    last_told,
    later,
    people,
    question,
    refused,
)

pytestmark = pytest.mark.db


def lend(lender, delegate, *, days=7.0, by=None, **more):
    """Lend from now on."""
    end = {"ends_at": db_now() + timedelta(days=days), **more}
    return start_delegation(lender=lender, delegate=delegate, by=by or lender, **end)


class TestStarting:
    def test_a_loan_is_told_in_a_story_of_its_own(self, story):
        loan = lend(story.ann, story.otto, roles=[story.roles["reviewer"]], reason=" On  leave ")
        event = AuditEvent.objects.get(stream=f"delegation:{loan.pk}")
        assert (event.type, event.actor_id) == ("delegation.started", str(story.ann.pk))
        assert event.reason == loan.reason == "On leave"
        assert event.data["roles"] == ["reviewer"]
        assert (event.data["lender"], event.data["delegate"]) == (story.ann.pk, story.otto.pk)

    def test_nobody_lends_to_themselves_whichever_account_they_use(self, story):
        second = make_person("ann-2", email="Ann+two@example.org")
        for person in (story.ann, second):
            with refused(Invalid, at="/delegate"):
                lend(story.ann, person)

    def test_a_machine_neither_lends_nor_votes_for_anybody(self, story):
        with refused(Invalid, at="/delegate"):
            lend(story.ann, story.machine)
        with refused(Invalid, at="/lender"):
            lend(story.machine, story.ann)

    def test_nobody_who_is_switched_off_takes_part(self, story):
        story.otto.is_active = False
        story.otto.save()
        with refused(Invalid, at="/delegate"):
            lend(story.ann, story.otto)

    def test_a_loan_ends_in_the_future_and_within_ninety_days(self, story):
        lend(story.ann, story.ben, days=90)
        for days in (-1, 0, 90.1):
            with refused(Invalid, at="/ends_at"):
                lend(story.lena, story.cleo, days=days)
        with refused(Invalid, at="/ends_at"):
            lend(story.lena, story.cleo, starts_at=db_now() + timedelta(days=8))
        with refused(Invalid, at="/starts_at"):
            lend(story.lena, story.cleo, starts_at=db_now() + timedelta(days=366), days=370)

    def test_a_loan_never_begins_in_the_past(self, story):
        before = db_now()
        assert lend(story.ann, story.ben, starts_at=before - timedelta(days=3)).starts_at >= before

    def test_only_roles_one_holds_are_lent(self, story):
        with refused(Invalid, at="/roles"):
            lend(story.ann, story.ben, roles=[story.roles["lead"]])

    def test_what_is_lent_is_not_lent_on(self, story):
        lend(story.ann, story.ben)
        with refused(Invalid, at="/lender"):
            lend(story.ben, story.cleo)
        with refused(Invalid, at="/delegate"):
            lend(story.cleo, story.ann)

    def test_two_people_do_not_lend_to_each_other(self, story):
        lend(story.ann, story.ben)
        with refused(Invalid, at="/delegate"):
            lend(story.ben, story.ann)

    def test_a_second_account_makes_no_chain_either(self, story):
        second = make_person("ben-2", email="ben@example.org")
        lend(story.ann, second)
        with refused(Invalid, at="/lender"):
            lend(story.ben, story.cleo)

    def test_the_same_loan_is_made_once_at_a_time(self, story):
        lend(story.ann, story.ben)
        with refused(Invalid, at="/delegate"):
            lend(story.ann, story.ben, roles=[story.roles["reviewer"]], days=2)

    def test_one_after_the_other_is_no_chain(self, story):
        loan = lend(story.ann, story.ben, days=7)
        lend(story.ben, story.cleo, starts_at=loan.ends_at, days=14)
        with later(days=15):
            lend(story.cleo, story.ann)

    def test_what_was_ended_early_stands_in_nobodys_way(self, story):
        end_delegation(delegation_id=lend(story.ann, story.ben).pk, by=story.ann)
        lend(story.ben, story.ann)

    def test_somebody_may_stand_in_for_two(self, story):
        lend(story.ann, story.cleo)
        lend(story.ben, story.cleo)
        assert Delegation.objects.in_force(db_now()).count() == 2

    def test_a_manager_arranges_it_for_somebody_else_and_says_why(self, story):
        with refused(Invalid, at="/reason"):
            lend(story.ann, story.ben, by=story.max)
        assert lend(story.ann, story.ben, by=story.max, reason="Ill.").made_by == story.max
        with refused(NotAllowed):
            lend(story.cleo, story.lena, by=story.ben, reason="I say so.")

    def test_nobody_gives_somebody_elses_vote_to_themselves(self, story):
        with refused(NotAllowed):
            lend(story.ann, story.max, by=story.max, reason="I need it.")

    def test_those_who_share_a_role_are_proposed(self, story):
        make_person("ann-2", email="ann@example.org", roles=[story.roles["reviewer"]])
        assert list(possible_delegates(story.ann)) == [story.ben, story.cleo]


class TestEnding:
    def test_either_of_the_two_ends_it_and_so_does_a_manager(self, story):
        for person in (story.ann, story.ben, story.max):
            loan = lend(story.ann, story.ben)
            assert end_delegation(delegation_id=loan.pk, by=person).ended_at is not None
        events = AuditEvent.objects.filter(stream__startswith="delegation:", type__endswith="ended")
        assert events.count() == 3

    def test_nobody_else_ends_it(self, story):
        loan = lend(story.ann, story.ben)
        with refused(NotAllowed):
            end_delegation(delegation_id=loan.pk, by=story.cleo)

    def test_ending_twice_changes_nothing(self, story):
        loan = lend(story.ann, story.ben)
        first = end_delegation(delegation_id=loan.pk, by=story.ann).ended_at
        assert end_delegation(delegation_id=loan.pk, by=story.ben).ended_at == first


class TestVoting:
    def test_a_delegate_without_a_role_casts_the_lenders_vote(self, story):
        lend(story.ann, story.otto)
        ticket = story.open()
        answer = story.vote(ticket, story.otto, "approve")
        assert (answer.vote.voter, answer.vote.principal) == (story.otto, story.ann)
        assert answer.ticket.status == "approved"
        told = AuditEvent.objects.get(stream=ticket.stream, type="ticket.vote_cast")
        assert told.data["principal"] == str(story.ann.pk)
        assert (told.actor_label, told.personal["principal_label"]) == ("Otto", "Ann")
        everything_told_is_true()

    def test_without_a_loan_in_force_there_is_no_vote(self, story):
        checkpoint("slow", question(expires="P30D"))
        ticket = story.open(checkpoint="slow")
        lend(story.ann, story.otto, starts_at=db_now() + timedelta(days=1), days=2)
        for days in (0, 3):
            with later(days=days), refused(NotEligible):
                story.vote(ticket, story.otto, "approve")
        with later(days=1, seconds=1):
            assert story.vote(ticket, story.otto, "approve").ticket.status == "approved"

    def test_whoever_has_a_right_of_their_own_uses_it_unless_they_say_otherwise(self, story):
        lend(story.ann, story.ben)
        assert story.vote(story.open(), story.ben, "approve").vote.principal == story.ben
        for named in ("ann", str(story.ann.pk)):
            cast = story.vote(story.open(), story.ben, "approve", on_behalf_of=named)
            assert cast.vote.principal == story.ann

    def test_whoever_acts_for_several_says_for_whom(self, story):
        lend(story.ann, story.otto), lend(story.ben, story.otto)
        ticket = story.open()
        with refused(Invalid, at="/on_behalf_of"):
            story.vote(ticket, story.otto, "approve")
        cast = story.vote(ticket, story.otto, "approve", on_behalf_of="ben")
        assert cast.vote.principal == story.ben

    def test_only_the_lender_whose_seat_fits_is_meant(self, story):
        lend(story.ann, story.otto), lend(story.lena, story.otto)
        checkpoint("led", question(needs=[people("lead")]))
        cast = story.vote(story.open(checkpoint="led"), story.otto, "approve")
        assert cast.vote.principal == story.lena

    def test_nobody_votes_for_somebody_who_lends_them_nothing(self, story):
        ticket = story.open()
        for named in ("ann", "nobody", "99999"):
            with refused(NotEligible):
                story.vote(ticket, story.ben, "approve", on_behalf_of=named)

    def test_only_the_roles_named_are_lent(self, story):
        story.ann.groups.add(story.roles["lead"])
        lend(story.ann, story.otto, roles=[story.roles["lead"]])
        with refused(NotEligible):
            story.vote(story.open(), story.otto, "approve")

    def test_a_limited_loan_does_not_grow_when_its_role_is_deleted(self, story):
        story.ann.groups.add(story.roles["lead"])
        loan = lend(story.ann, story.otto, roles=[story.roles["lead"]])
        story.queue.roles.remove(story.roles["lead"])
        story.roles["lead"].delete()
        assert loan.roles.count() == 0
        with refused(NotEligible):
            story.vote(story.open(), story.otto, "approve")

    def test_only_the_lenders_own_seats_are_lent(self, story):
        # Rows no service makes: Ann lends to Ben, who lends to Otto.
        now = db_now()
        for lender, delegate in ((story.lena, story.ben), (story.ben, story.otto)):
            Delegation.objects.create(
                lender=lender, delegate=delegate, made_by=lender, made_at=now,
                starts_at=now, ends_at=now + timedelta(days=1),
            )  # fmt: skip
        checkpoint("led", question(needs=[people("lead")]))
        with refused(NotEligible):
            story.vote(story.open(checkpoint="led"), story.otto, "approve")

    def test_both_are_one_voice(self, story):
        lend(story.ann, story.otto)
        ticket = story.open(priority="critical")
        story.vote(ticket, story.otto, "approve")
        with refused(AlreadyVoted):
            story.vote(ticket, story.ann, "approve")
        with refused(AlreadyVoted):
            story.vote(ticket, story.otto, "reject")
        assert story.vote(ticket, story.ben, "approve").ticket.status == "approved"

    def test_who_voted_has_no_vote_left_to_lend(self, story):
        lend(story.ann, story.otto)
        ticket = story.open(priority="critical")
        story.vote(ticket, story.ann, "approve")
        with refused(AlreadyVoted):
            story.vote(ticket, story.otto, "approve")

    def test_a_delegate_has_one_vote_for_themselves_or_for_another(self, story):
        lend(story.ann, story.ben)
        ticket = story.open(priority="critical")
        story.vote(ticket, story.ben, "approve")
        with refused(AlreadyVoted):
            story.vote(ticket, story.ben, "approve", on_behalf_of="ann")
        assert story.vote(ticket, story.ann, "approve").ticket.status == "approved"

    def test_the_same_lent_vote_again_is_answered_as_the_first_time(self, story):
        lend(story.ann, story.otto)
        ticket = story.open()
        first = story.vote(ticket, story.otto, "approve")
        again = story.vote(ticket, story.otto, "approve", on_behalf_of="ann")
        assert (again.replayed, again.vote.pk) == (True, first.vote.pk)

    def test_a_vote_of_a_loan_that_is_over_counts_no_more(self, story):
        loan = lend(story.ann, story.otto)
        ticket = story.open(priority="critical")
        story.vote(ticket, story.otto, "approve")
        end_delegation(delegation_id=loan.pk, by=story.ann)
        assert story.vote(ticket, story.ben, "approve").ticket.status == "pending"
        assert story.vote(ticket, story.cleo, "approve").ticket.status == "approved"

    def test_a_vote_of_a_loan_that_ran_out_counts_no_more(self, story):
        lend(story.ann, story.otto, days=1)
        checkpoint("slow", question(expires="P30D"), critical=True)
        ticket = story.open(checkpoint="slow")
        story.vote(ticket, story.otto, "approve")
        with later(days=2):
            assert story.vote(ticket, story.ben, "approve").ticket.status == "pending"

    def test_whose_vote_it_is_takes_it_back_and_votes_anew(self, story):
        loan = lend(story.ann, story.otto)
        ticket = story.open(priority="critical")
        story.vote(ticket, story.otto, "approve")
        end_delegation(delegation_id=loan.pk, by=story.ann)
        with refused(AlreadyVoted):
            story.vote(ticket, story.ann, "approve")
        withdraw_vote(ticket_id=ticket.pk, voter=story.ann)
        assert story.vote(ticket, story.ann, "approve").vote.principal == story.ann
        assert last_told(ticket).actor_id == str(story.ann.pk)

    def test_who_cast_a_lent_vote_takes_it_back(self, story):
        lend(story.ann, story.otto)
        ticket = story.open(priority="critical")
        story.vote(ticket, story.otto, "approve")
        withdraw_vote(ticket_id=ticket.pk, voter=story.otto)
        assert not Vote.objects.filter(withdrawn_at__isnull=True).exists()

    def test_a_lender_who_is_switched_off_lends_nothing(self, story):
        lend(story.ann, story.otto)
        story.ann.is_active = False
        story.ann.save()
        with refused(NotEligible):
            story.vote(story.open(), story.otto, "approve")

    def test_whoever_cannot_vote_any_more_is_not_counted_as_left(self, story):
        lend(story.ann, story.ben)
        ticket = story.open(priority="critical")
        story.vote(ticket, story.ben, "approve", on_behalf_of="ann")
        ticket.refresh_from_db()
        poll = read_poll(decision=ticket.decision)
        assert poll.tally(with_remaining=True).eligible_left == 1  # Cleo


class TestOwnWork:
    def test_who_votes_for_an_author_when_it_is_opened_is_excluded(self, story):
        lend(story.ann, story.ben)
        ticket = story.open(on_behalf_of="ann")
        rows = dict(Exclusion.objects.filter(decision=ticket.decision).values_list("user", "why"))
        assert rows == {story.max.pk: "key_owner", story.ann.pk: "on_behalf_of",
                        story.ben.pk: "delegate"}  # fmt: skip
        with refused(OwnWork):
            story.vote(ticket, story.ben, "approve")

    def test_so_is_another_account_of_theirs(self, story):
        second = make_person("ben-2", email="ben@example.org", roles=[story.roles["reviewer"]])
        lend(story.ann, story.ben)
        ticket = story.open(on_behalf_of="ann")
        assert Exclusion.objects.filter(decision=ticket.decision, user=second).exists()

    def test_who_votes_for_an_author_now_has_no_vote_of_their_own(self, story):
        ticket = story.open(on_behalf_of="ann")
        loan = lend(story.ann, story.ben)
        with refused(OwnWork):
            story.vote(ticket, story.ben, "approve")
        end_delegation(delegation_id=loan.pk, by=story.ann)
        assert story.vote(ticket, story.ben, "approve").ticket.status == "approved"

    def test_a_vote_counts_no_more_once_its_voter_acts_for_the_author(self, story):
        ticket = story.open(on_behalf_of="ann", priority="critical")
        story.vote(ticket, story.ben, "approve")
        lend(story.ann, story.ben)
        assert story.vote(ticket, story.cleo, "approve").ticket.status == "pending"

    def test_an_author_cannot_have_somebody_vote_for_them(self, story):
        lend(story.ann, story.otto)
        ticket = story.open(on_behalf_of="ann")
        with refused(OwnWork):
            story.vote(ticket, story.otto, "approve", on_behalf_of="ann")

    def test_an_author_casts_nobody_elses_vote(self, story):
        lend(story.ben, story.ann)
        with refused(OwnWork):
            story.vote(story.open(on_behalf_of="ann"), story.ann, "approve", on_behalf_of="ben")

    def test_an_editors_delegate_is_excluded_from_the_new_round(self, story):
        ticket = story.open()
        lend(story.max, story.ben)
        resubmit_ticket(ticket_id=ticket.pk, requester=story.max, proposal={"total": 1})
        ticket.refresh_from_db()
        rows = dict(Exclusion.objects.filter(decision=ticket.decision).values_list("user", "why"))
        assert rows[story.ben.pk] == "delegate"
        with refused(OwnWork):
            story.vote(ticket, story.ben, "approve")

    def test_who_acted_for_an_author_does_not_pass_that_on(self, story):
        loan = lend(story.ann, story.ben)
        ticket = story.open(on_behalf_of="ann")
        end_delegation(delegation_id=loan.pk, by=story.ann)
        lend(story.ben, story.cleo)
        assert story.vote(ticket, story.cleo, "approve").ticket.status == "approved"
