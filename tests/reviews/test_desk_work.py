"""Skip, assign, escalate, one answer to many, and test mails: what they do and whom they refuse."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core import mail

from approvals.errors import (
    AlreadyDecided,
    Claimed,
    Invalid,
    MachineCannotVote,
    NotAllowed,
    NotEligible,
    OwnWork,
    ReasonRequired,
    TooMany,
    WrongState,
)
from approvals.models import Vote
from audit.clock import db_now
from reviews.models import Assignment, Delivery, Skip
from reviews.services import notices
from reviews.services.assignments import assign_ticket, claim_next, claim_ticket
from reviews.services.bulk_votes import Item, cast_bulk_votes
from reviews.services.deliveries import dispatch_due
from reviews.services.escalations import escalate_ticket
from reviews.services.skips import skip_ticket
from reviews.services.test_mails import send_test_mail
from reviews.services.tickets import resubmit_ticket
from tests.builders import make_checkpoint, make_policy, make_region
from tests.stories import checkpoint, later, people, question, refused, types_told

pytestmark = pytest.mark.db
TICKETS = "/api/v1/tickets"
MAILS = [{"subject": f"Offer {n}", "body": "Hello\nsee http://evil.example"} for n in range(1, 6)]


@pytest.fixture
def office(story):
    """The cast with the rights of a lead and a manager over others' work."""
    rights = {r.codename: r for r in Permission.objects.filter(codename__contains="assignment")}
    story.roles["lead"].permissions.add(rights["add_assignment"])
    story.roles["manager"].permissions.add(rights["add_assignment"], rights["change_assignment"])
    return story


def skip(ticket, person):
    return skip_ticket(ticket_id=ticket.pk, person=person)


def assign(ticket, person, by, **more: Any):
    return assign_ticket(ticket_id=ticket.pk, person=person.username, by=by, **more)


def bulk(voter, *tickets, choice="approve", reason="", versions=None):
    versions = versions or [ticket.version for ticket in tickets]
    items = [Item(str(t.pk), v) for t, v in zip(tickets, versions, strict=True)]
    results = cast_bulk_votes(voter=voter, choice=choice, reason=reason, items=items)
    return [result.fate for result in results]


class TestSkip:
    def test_a_skipped_ticket_comes_last_for_who_skipped_it_and_for_nobody_else(self, story):
        first, second = story.open(amount=9000), story.open(amount=10)
        skip(first, story.ann)

        assert claim_next(queue=story.queue, person=story.ann) == second
        assert claim_next(queue=story.queue, person=story.ben) == first
        assert types_told(first)[1] == "skipped"

    def test_with_nothing_else_left_it_is_offered_again(self, story):
        ticket = story.open()
        skip(ticket, story.ann)

        assert claim_next(queue=story.queue, person=story.ann) == ticket

    def test_skipping_gives_up_ones_own_claim_and_leaves_anothers_alone(self, story):
        mine, theirs = story.open(), story.open()
        claim_ticket(ticket_id=mine.pk, person=story.ann)
        claim_ticket(ticket_id=theirs.pk, person=story.ben)
        skip(mine, story.ann)
        skip(theirs, story.ann)

        assert [a.ticket for a in Assignment.objects.filter(released_at=None)] == [theirs]

    def test_skipping_twice_keeps_one_row_with_the_later_time(self, story):
        ticket = story.open()
        skip(ticket, story.ann)
        with later(minutes=1):
            skip(ticket, story.ann)

        assert Skip.objects.get().at > db_now()

    def test_only_who_is_asked_skips(self, story):
        ticket = story.open()
        with refused(NotEligible):
            skip(ticket, story.otto)
        with refused(MachineCannotVote):
            skip(ticket, story.machine)
        story.vote(ticket, story.ann, "approve")
        with refused(AlreadyDecided):
            skip(ticket, story.ben)


class TestAssign:
    def test_a_lead_gives_a_ticket_to_somebody_who_is_told_by_mail(self, office, settings):
        settings.MAIL_NOTICES = True
        ticket = office.open()
        held = assign(ticket, office.ben, office.lena, note="You know them.")
        dispatch_due()

        assert (held.person, held.by, held.until) == (office.ben, office.lena, None)
        told = [m for m in mail.outbox if m.subject.startswith("[Given to you")]
        assert [m.to for m in told] == [["ben@example.org"]]
        assert "Lena gave this ticket to you." in told[0].body
        assert "You know them." in told[0].body
        assert types_told(ticket) == ["opened", "assigned"]

    def test_one_takes_a_ticket_on_oneself_for_as_long_as_a_claim(self, story):
        held = assign(story.open(), story.ann, story.ann)

        assert held.until - held.created_at == timedelta(minutes=10)

    def test_opening_an_assigned_ticket_does_not_shorten_the_assignment(self, office):
        ticket = office.open()
        assign(ticket, office.ann, office.lena)

        assert claim_ticket(ticket_id=ticket.pk, person=office.ann).until is None

    def test_a_reviewer_gives_nothing_to_others(self, office):
        with refused(NotAllowed):
            assign(office.open(), office.ben, office.ann)

    def test_whoever_cannot_decide_it_does_not_get_it(self, office):
        north = make_region("north", office.ann)
        ticket = office.open(region=north.slug, on_behalf_of="ann@example.org")
        for person in (office.otto, office.ben, office.ann):
            with refused(Invalid, at="/person"):
                assign(ticket, person, office.max)
        with refused(Invalid, at="/person"):
            assign_ticket(ticket_id=ticket.pk, person="nobody", by=office.max)
        with refused(OwnWork):
            assign(ticket, office.ann, office.ann)

    def test_what_another_holds_only_a_manager_or_who_gave_it_takes_away(self, office):
        ticket = office.open()
        claim_ticket(ticket_id=ticket.pk, person=office.ann)
        with refused(Claimed, by="ann"):
            assign(ticket, office.ben, office.lena)
        assert assign(ticket, office.ben, office.max).person == office.ben
        with refused(Claimed, by="ben"):
            assign(ticket, office.cleo, office.lena)
        other = office.open()
        assign(other, office.ann, office.lena)
        assert assign(other, office.ben, office.lena).person == office.ben

    def test_an_assignment_ends_where_it_says_and_not_in_the_past(self, office):
        ticket = office.open()
        with refused(Invalid, at="/until"):
            assign(ticket, office.ben, office.lena, until=db_now())
        assign(ticket, office.ben, office.lena, until=db_now() + timedelta(hours=1))
        with later(hours=2):
            assert claim_ticket(ticket_id=ticket.pk, person=office.ann).person == office.ann

    def test_a_decided_ticket_is_nobodys_work(self, office):
        ticket = office.open()
        office.vote(ticket, office.ann, "approve")
        with refused(AlreadyDecided):
            assign(ticket, office.ben, office.lena)


class TestEscalate:
    def widening(self, story):
        asked = question(needs=[people("reviewer")], escalate=[{"after": "PT2H", "role": "lead"}])
        checkpoint("wide", asked)
        return story.open(checkpoint="wide")

    def test_it_asks_the_next_role_and_decides_nothing(self, story):
        ticket = self.widening(story)
        with refused(NotEligible):
            story.vote(ticket, story.lena, "approve")
        done = escalate_ticket(ticket_id=ticket.pk, by=story.ann, reason="Beyond me.")

        assert (done.status, done.version, done.escalation_steps) == ("pending", ticket.version, [])
        assert story.vote(ticket, story.lena, "approve").ticket.status == "approved"
        assert types_told(ticket)[:2] == ["opened", "escalated"]

    def test_with_nobody_left_to_ask_it_is_refused(self, story):
        ticket = self.widening(story)
        escalate_ticket(ticket_id=ticket.pk, by=story.ann, reason="Beyond me.")
        with refused(WrongState):
            escalate_ticket(ticket_id=ticket.pk, by=story.ben, reason="Still.")

    def test_it_takes_a_reason_and_somebody_concerned(self, story):
        ticket = self.widening(story)
        with refused(ReasonRequired, at="/reason"):
            escalate_ticket(ticket_id=ticket.pk, by=story.ann, reason=" ")
        with refused(NotAllowed):
            escalate_ticket(ticket_id=ticket.pk, by=story.otto, reason="Me too.")
        with refused(MachineCannotVote):
            escalate_ticket(ticket_id=ticket.pk, by=story.machine, reason="Faster.")


class TestBulkVotes:
    def test_each_ticket_has_a_fate_of_its_own(self, story):
        checkpoint("risky", risk="medium")
        good, changed, decided = story.open(), story.open(), story.open()
        own = story.open(on_behalf_of="ann@example.org")
        risky = story.open(checkpoint="risky")
        resubmitted = resubmit_ticket(
            ticket_id=changed.pk, requester=story.machine, proposal={"total": 1}, changes={},
            version=None,
        )  # fmt: skip
        story.vote(decided, story.ben, "approve")

        assert bulk(story.ann, good, changed, decided, own, risky) == [
            *("done", "changed", "already-decided", "not-eligible", "needs-single-review"),
        ]
        assert resubmitted.version == 2
        assert Vote.objects.filter(voter=story.ann).count() == 1

    def test_the_same_ticket_twice_counts_once_and_what_is_not_seen_is_not_found(self, story):
        ticket = story.open()
        north = make_region("north", story.ben)
        hidden = story.open(region=north.slug)

        assert bulk(story.ann, ticket, ticket, hidden) == ["done", "not-found"]

    def test_an_answer_with_a_form_or_without_its_reason_is_not_given_to_many(self, story):
        one, two = story.open(), story.open()

        assert bulk(story.ann, one, choice="modify") == ["needs-single-review"]
        assert bulk(story.ann, one, choice="nonsense") == ["needs-single-review"]
        assert bulk(story.ann, one, choice="reject") == ["needs-single-review"]
        assert bulk(story.ann, one, two, choice="reject", reason="No.") == ["done", "done"]


class TestTestMail:
    @pytest.fixture
    def campaign(self, story, settings):
        settings.MAIL_NOTICES = True
        view = {"fields": [{"name": "letters", "kind": "samples"}]}
        make_checkpoint("mailing", question=make_policy("mailing"), view=view)
        ticket = story.open(checkpoint="mailing", proposal={"letters": MAILS})
        dispatch_due()
        mail.outbox.clear()
        return ticket

    def test_it_reaches_who_may_approve_marked_and_inert(self, story, campaign):
        sent = send_test_mail(ticket_id=campaign.pk, by=story.ann, sample=2, only_me=False)
        dispatch_due()

        assert (sent.subject, sent.people) == ("Offer 2", 3)
        assert sorted(m.to[0] for m in mail.outbox) == [
            f"{name}@example.org" for name in ("ann", "ben", "cleo")
        ]
        one = mail.outbox[0]
        html = str(one.alternatives[0][0])
        assert one.subject == f"[Test] Offer 2 ({campaign.label})"
        assert "http[:]//evil.example" in one.body
        assert "/a/" not in one.body
        assert "http://evil.example" not in one.body + html
        rows = Delivery.objects.filter(type=notices.TEST_MAIL, channel="email")
        assert {row.state for row in rows} == {"sent"}
        assert types_told(campaign) == ["opened", "test_mail_sent"]

    def test_it_may_go_only_to_who_asks(self, story, campaign):
        send_test_mail(ticket_id=campaign.pk, by=story.ben, sample=1, only_me=True)
        dispatch_due()

        assert [m.to for m in mail.outbox] == [["ben@example.org"]]

    def test_five_an_hour_and_ticket_are_enough(self, story, campaign):
        for _ in range(5):
            send_test_mail(ticket_id=campaign.pk, by=story.ann, sample=1, only_me=True)
        with refused(TooMany):
            send_test_mail(ticket_id=campaign.pk, by=story.ben, sample=1, only_me=True)
        with later(hours=1.1):
            send_test_mail(ticket_id=campaign.pk, by=story.ann, sample=1, only_me=True)

    def test_nobody_else_sends_one_and_only_samples_are_sent(self, story, campaign):
        for sample in (0, 6):
            with refused(Invalid, at="/sample"):
                send_test_mail(ticket_id=campaign.pk, by=story.ann, sample=sample, only_me=True)
        with refused(Invalid, at="/sample"):
            send_test_mail(ticket_id=story.open().pk, by=story.ann, sample=1, only_me=True)
        with refused(NotAllowed):
            send_test_mail(ticket_id=campaign.pk, by=story.otto, sample=1, only_me=True)
        with refused(MachineCannotVote):
            send_test_mail(ticket_id=campaign.pk, by=story.machine, sample=1, only_me=True)

    def test_a_service_without_mails_says_so(self, story, campaign, settings):
        settings.MAIL_NOTICES = False
        with refused(WrongState):
            send_test_mail(ticket_id=campaign.pk, by=story.ann, sample=1, only_me=True)


class TestOverHttp:
    def test_the_actions_are_told_to_who_has_them(self, office):
        asked = question(needs=[people("reviewer")], escalate=[{"after": "PT2H", "role": "lead"}])
        checkpoint("wide", asked)
        ticket = office.open(checkpoint="wide")

        def can(who):
            return set(who.get(f"{TICKETS}/{ticket.pk}").json()["viewer"]["can"])

        work = {"skip", "assign", "escalate"}
        assert work <= can(office.as_person(office.ann))
        assert can(office.as_person(office.lena)) & work == {"assign", "escalate"}
        assert not can(office.as_person(office.ada)) & work
        assert not can(office.as_key()) & work

    def test_skip_assign_and_escalate_answer_with_the_ticket(self, office):
        ticket = office.open()
        here = f"{TICKETS}/{ticket.label}"
        ann = office.as_person(office.ann)

        assert ann.post(f"{here}/skip", {}).json()["id"] == str(ticket.pk)
        given = office.as_person(office.lena).post(f"{here}/assign", {"person": "ben"})
        assert (given.status_code, given.json()["by"], given.json()["until"]) == (200, "ben", None)
        held = ann.post(f"{here}/assign", {"person": "ann"})
        assert (held.status_code, held.json()["code"], held.json()["by"]) == (409, "claimed", "ben")
        stuck = ann.post(f"{here}/escalate", {"reason": "Help."})
        assert (stuck.status_code, stuck.json()["code"]) == (409, "wrong-state")

    @pytest.mark.parametrize("route", ["skip", "assign", "escalate", "test-mail"])
    def test_what_one_may_not_see_is_not_there(self, office, route):
        north = make_region("north", office.ben)
        ticket = office.open(region=north.slug)
        body = {"person": "ann"} if route == "assign" else {}
        answer = office.as_person(office.ann).post(f"{TICKETS}/{ticket.pk}/{route}", body)
        assert answer.status_code == 404

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"choice": "approve", "tickets": []},
            {"choice": "approve", "tickets": [{"id": "T-1"}]},
            {"choice": "approve", "tickets": [{"id": "T-1", "version": 1}] * 51},
            {"choice": "approve", "tickets": [{"id": "T-1", "version": 1}], "all": True},
        ],
    )
    def test_a_bulk_body_that_is_not_right_is_422(self, story, body):
        answer = story.as_person(story.ann).post(f"{TICKETS}/bulk-votes", body)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid")

    def test_bulk_votes_answer_per_item_and_are_limited(self, story):
        tickets = [story.open() for _ in range(3)]
        body = {
            "choice": "approve",
            "tickets": [{"id": t.label, "version": t.version} for t in tickets],
        }
        ann = story.as_person(story.ann)
        answer = ann.post(f"{TICKETS}/bulk-votes", body)
        assert answer.status_code == 200, answer.json()
        assert answer.json()["done"] == 3
        first = answer.json()["results"][0]
        assert (first["id"], first["result"], first["ticket"]["status"]) == (
            *(tickets[0].label, "done", "approved"),
        )
        for _ in range(5):
            ann.post(f"{TICKETS}/bulk-votes", body)
        many = ann.post(f"{TICKETS}/bulk-votes", body)
        assert many.status_code == 429
        assert 1 <= int(many.headers["Retry-After"]) <= 60

    def test_a_machine_votes_on_nothing(self, story):
        body = {"choice": "approve", "tickets": [{"id": story.open().label, "version": 1}]}
        answer = story.as_key().post(f"{TICKETS}/bulk-votes", body)
        assert (answer.status_code, answer.json()["code"]) == (403, "machine-cannot-vote")

    def test_a_test_mail_is_taken_into_the_outbox(self, story, settings):
        settings.MAIL_NOTICES = True
        view = {"fields": [{"name": "letters", "kind": "samples"}]}
        make_checkpoint("mailing", question=make_policy("mailing"), view=view)
        ticket = story.open(checkpoint="mailing", proposal={"letters": MAILS})
        ann = story.as_person(story.ann)
        assert "test-mail" in ann.get(f"{TICKETS}/{ticket.pk}").json()["viewer"]["can"]
        answer = ann.post(f"{TICKETS}/{ticket.pk}/test-mail", {"sample": 3, "to": "me"})
        assert (answer.status_code, answer.json()) == (202, {"subject": "Offer 3", "people": 1})
