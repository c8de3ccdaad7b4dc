"""Holding a ticket: a lease of ten minutes that never stands in the way of a vote."""

from datetime import timedelta

import pytest

from approvals.errors import AlreadyDecided, Claimed, MachineCannotVote, WrongState
from audit.clock import db_now
from reviews.models import Assignment, Ticket
from reviews.services.assignments import claim_next, claim_ticket, release_ticket
from reviews.services.requests import TicketRequest
from reviews.services.tickets import cancel_ticket, open_ticket
from tests.builders import make_person, make_region
from tests.stories import checkpoint, later, people, question, refused, types_told

pytestmark = pytest.mark.db


def claim(ticket, person) -> Assignment:
    return claim_ticket(ticket_id=ticket.pk, person=person)


class TestClaim:
    def test_a_claim_is_a_lease_of_ten_minutes(self, story):
        ticket = story.open()
        held = claim(ticket, story.ann)

        assert held.until - held.created_at == timedelta(minutes=10)
        assert (held.person, held.by) == (story.ann, story.ann)
        assert types_told(ticket) == ["opened", "claimed"]

    def test_what_somebody_holds_is_refused_with_who_and_until_when(self, story):
        ticket = story.open()
        until = claim(ticket, story.ann).until

        with refused(Claimed, by="ann", until=until.isoformat().replace("+00:00", "Z")):
            claim(ticket, story.ben)

    def test_claiming_again_extends_the_lease(self, story):
        ticket = story.open()
        first = claim(ticket, story.ann)
        with later(minutes=9):
            again = claim(ticket, story.ann)
        with later(minutes=15), refused(Claimed):
            claim(ticket, story.ben)

        assert (again.pk, again.until > first.until) == (first.pk, True)
        assert types_told(ticket).count("claimed") == 1

    def test_an_expired_claim_can_be_taken_over(self, story):
        ticket = story.open()
        old = claim(ticket, story.ann)
        with later(minutes=11):
            assert claim(ticket, story.ben).person == story.ben
        old.refresh_from_db()

        assert old.released_at is not None

    def test_a_released_ticket_is_free(self, story):
        ticket = story.open()
        claim(ticket, story.ann)
        release_ticket(ticket_id=ticket.pk, person=story.ann)

        assert claim(ticket, story.ben).person == story.ben
        assert types_told(ticket) == ["opened", "claimed", "released", "claimed"]

    def test_releasing_what_nobody_holds_changes_nothing(self, story):
        ticket = story.open()
        release_ticket(ticket_id=ticket.pk, person=story.ann)

        assert types_told(ticket) == ["opened"]

    def test_only_the_holder_releases(self, story):
        ticket = story.open()
        claim(ticket, story.ann)
        with refused(WrongState):
            release_ticket(ticket_id=ticket.pk, person=story.ben)

    def test_a_claim_never_blocks_anothers_vote_and_ends_with_the_decision(self, story):
        ticket = story.open()
        claim(ticket, story.ann)

        assert story.vote(ticket, story.ben, "approve").ticket.status == "approved"
        assert not Assignment.objects.filter(released_at__isnull=True).exists()

    def test_a_claim_survives_a_vote_that_does_not_decide(self, story):
        ticket = story.open(priority="critical")
        claim(ticket, story.ann)
        story.vote(ticket, story.ben, "approve")

        assert Assignment.objects.get(ticket=ticket).released_at is None

    @pytest.mark.parametrize("ending", ["decided", "cancelled", "expired"])
    def test_nobody_claims_what_is_over(self, story, ending):
        ticket = story.open()
        if ending == "decided":
            story.vote(ticket, story.ann, "approve")
        if ending == "cancelled":
            cancel_ticket(ticket_id=ticket.pk, by=story.machine, reason="")
        with later(hours=49 if ending == "expired" else 0), refused(AlreadyDecided):
            claim(ticket, story.ben)

    def test_a_machine_claims_nothing(self, story):
        ticket = story.open()
        with refused(MachineCannotVote):
            claim(ticket, story.machine)
        with refused(MachineCannotVote):
            claim_next(queue=story.queue, person=story.machine)


class TestNext:
    def test_two_people_get_two_tickets(self, story):
        one, two = story.open(), story.open()
        got = [claim_next(queue=story.queue, person=p) for p in (story.ann, story.ben)]

        assert {ticket.pk for ticket in got if ticket} == {one.pk, two.pk}
        assert claim_next(queue=story.queue, person=story.cleo) is None

    def test_the_most_urgent_comes_first(self, story):
        story.open(financial_impact=0.1)
        urgent = story.open(financial_impact=0.9)

        assert claim_next(queue=story.queue, person=story.ann) == urgent

    def test_age_counts_until_it_saturates(self, story):
        with later(hours=-23):
            old = story.open(financial_impact=0.3)
        story.open(financial_impact=0.9)
        # 0.4·0.3 + 0.3·23/24 beats 0.4·0.9
        assert claim_next(queue=story.queue, person=story.ann) == old

    def test_one_is_not_offered_ones_own_work(self, story):
        story.open(on_behalf_of="ann")
        open_ticket(requester=story.ann, key=None, request=TicketRequest(title="Mine"))

        assert claim_next(queue=story.queue, person=story.ann) is None

    def test_one_is_not_offered_what_one_has_voted_on(self, story):
        ticket = story.open(priority="critical")
        story.vote(ticket, story.ann, "approve")

        assert claim_next(queue=story.queue, person=story.ann) is None
        assert claim_next(queue=story.queue, person=story.ben) == ticket

    def test_one_is_not_offered_what_others_are_asked(self, story):
        checkpoint("law", question(needs=[people("lead")]))
        ticket = story.open(checkpoint="law")

        assert claim_next(queue=story.queue, person=story.ann) is None
        assert claim_next(queue=story.queue, person=story.lena) == ticket

    def test_one_is_not_offered_another_region(self, story):
        make_region("north", story.ben)
        ticket = story.open(region="north")

        assert claim_next(queue=story.queue, person=story.ann) is None
        assert claim_next(queue=story.queue, person=story.ben) == ticket

    def test_one_is_not_offered_what_is_over_or_held_in_hold(self, story):
        checkpoint("campaign", question(hold="PT1H"))
        story.vote(story.open(checkpoint="campaign"), story.ann, "approve")
        story.vote(story.open(), story.ann, "approve")
        story.open(timeout_seconds=60)
        with later(seconds=61):
            assert claim_next(queue=story.queue, person=story.ben) is None

    def test_an_expired_claim_is_offered_again(self, story):
        ticket = story.open()
        claim(ticket, story.ann)
        assert claim_next(queue=story.queue, person=story.ben) is None
        with later(minutes=11):
            assert claim_next(queue=story.queue, person=story.ben) == ticket

    def test_what_was_assigned_for_good_is_passed_over(self, story):
        ticket = story.open(financial_impact=0.9)
        other = story.open()
        Assignment.objects.create(
            ticket=ticket, person=story.cleo, by=story.lena, created_at=db_now(), until=None
        )

        assert claim_next(queue=story.queue, person=story.ann) == other
        assert claim_next(queue=story.queue, person=story.ben) is None
        with refused(Claimed, by="cleo", until=None):
            claim(ticket, story.ben)

    def test_an_outsider_gets_nothing(self, story):
        story.open()
        assert claim_next(queue=story.queue, person=story.otto) is None
        assert claim_next(queue=story.queue, person=story.max) is None

    def test_a_new_reviewer_sees_the_queue_at_once(self, story):
        ticket = story.open()
        dan = make_person("dan", roles=[story.roles["reviewer"]])

        assert claim_next(queue=story.queue, person=dan) == ticket


def test_only_one_claim_stands_at_a_time(story):
    from tests.stories import stopped_by_the_database

    ticket = story.open()
    claim(ticket, story.ann)
    with stopped_by_the_database("(?i)unique"):
        Assignment.objects.create(
            ticket=ticket, person=story.ben, by=story.ben, created_at=db_now(), until=None
        )
    assert Ticket.objects.get().version == 1
