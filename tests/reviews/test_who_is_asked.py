"""Roles whose people are not simply their members: the requester's manager, and who is on call."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError

from approvals.errors import NotEligible, NotOnCall, OwnWork
from approvals.models import Appointment, Delegation, RoleProfile
from audit.clock import db_now
from reviews.models import Ticket
from reviews.services.sweeps import sweep_deadlines
from reviews.services.tickets import resubmit_ticket
from tests.builders import make_person
from tests.stories import (
    checkpoint,
    everything_told_is_true,
    last_told,
    later,
    people,
    question,
    refused,
    types_told,
)

pytestmark = pytest.mark.db
KIND = RoleProfile.Kind.REQUESTERS_MANAGER


def fresh(ticket: Ticket) -> Ticket:
    return Ticket.objects.select_related("decision").get(pk=ticket.pk)


def role(name: str, **profile) -> Group:
    made = Group.objects.create(name=name)
    RoleProfile.objects.create(role=made, **profile)
    return made


class TestTheRequestersManager:
    @pytest.fixture
    def asked(self, story):
        role("their manager", kind=KIND)
        story.otto.manager = story.ben
        story.otto.save()
        escalate = [{"after": "PT1H", "role": "lead"}]
        checkpoint("leave", question(needs=[people("their manager")], escalate=escalate))
        return story

    def open(self, story, **more):
        return story.open(checkpoint="leave", **{"on_behalf_of": "otto", **more})

    def test_is_found_when_the_question_is_opened(self, asked):
        ticket = self.open(asked)
        row = Appointment.objects.get(decision=ticket.decision)
        assert (row.user, row.role.name) == (asked.ben, "their manager")
        assert asked.vote(ticket, asked.ben, "approve").ticket.status == "approved"
        everything_told_is_true()

    def test_nobody_else_is_asked_not_even_members_of_the_role(self, asked):
        asked.cleo.groups.add(Group.objects.get(name="their manager"))
        ticket = self.open(asked)
        with refused(NotEligible):
            asked.vote(ticket, asked.ann, "approve")
        with refused(NotEligible):
            asked.vote(ticket, asked.cleo, "approve")

    def test_sees_the_ticket_though_no_role_shows_it(self, asked):
        boss = make_person("boss")
        asked.otto.manager = boss
        asked.otto.save()
        ticket = self.open(asked)
        assert list(Ticket.objects.visible_to(boss)) == [ticket]
        client = asked.as_person(boss)
        assert client.get(f"/api/v1/tickets/{ticket.pk}").json()["viewer"]["can"][:1] == ["vote"]
        pending = client.get("/api/v1/me/pending").json()["data"]
        assert [row["id"] for row in pending] == [str(ticket.pk)]

    def test_of_a_machines_own_request_is_the_manager_of_who_answers_for_its_key(self, asked):
        asked.max.manager = asked.lena
        asked.max.save()
        ticket = self.open(asked, on_behalf_of="")
        assert Appointment.objects.get(decision=ticket.decision).user == asked.lena

    def test_who_may_not_decide_it_themselves_is_passed_over_upwards(self, asked):
        # Max answers for the key, so what it asks is his own work.
        asked.otto.manager, asked.max.manager = asked.max, asked.lena
        asked.otto.save()
        asked.max.save()
        ticket = self.open(asked)
        assert Appointment.objects.get(decision=ticket.decision).user == asked.lena
        with refused(OwnWork):
            asked.vote(ticket, asked.max, "approve")

    def test_two_who_are_each_others_manager_are_nobody(self, asked):
        asked.otto.manager, asked.max.manager = asked.max, asked.otto
        asked.otto.save()
        asked.max.save()
        assert not Appointment.objects.filter(decision=self.open(asked).decision).exists()

    def test_where_there_is_none_the_next_role_is_asked_at_once_and_the_story_says_why(self, asked):
        asked.otto.manager = None
        asked.otto.save()
        ticket = self.open(asked)
        assert types_told(ticket) == ["opened", "escalated"]
        told = last_told(ticket).data
        assert told["role"] == "lead"
        assert told["why"] == "too few people can answer for their manager"
        assert asked.vote(ticket, asked.lena, "approve").ticket.status == "approved"
        everything_told_is_true()

    def test_a_new_round_finds_them_anew(self, asked):
        ticket = self.open(asked)
        asked.otto.manager = asked.cleo
        asked.otto.save()
        again = resubmit_ticket(ticket_id=ticket.pk, requester=asked.machine, proposal={"days": 3})
        assert Appointment.objects.get(decision=again.decision).user == asked.cleo
        with refused(NotEligible):
            asked.vote(fresh(again), asked.ben, "approve")

    def test_somebody_who_votes_for_them_sees_and_decides_it(self, asked):
        now = db_now()
        boss, stand_in = make_person("boss"), make_person("standin")
        asked.otto.manager = boss
        asked.otto.save()
        Delegation.objects.create(
            lender=boss, delegate=stand_in, reason="Away.", made_by=boss, made_at=now,
            starts_at=now - timedelta(hours=1), ends_at=now + timedelta(days=1),
        )  # fmt: skip
        ticket = self.open(asked)
        assert Ticket.objects.visible_to(stand_in).filter(pk=ticket.pk).exists()
        answer = asked.vote(ticket, stand_in, "approve")
        assert (answer.vote.principal_id, answer.ticket.status) == (boss.pk, "approved")


class TestOnCall:
    @pytest.fixture
    def watch(self, story):
        """Make a role that is on call the hour around now, with Ann and Ben in it."""
        now = db_now()
        begins, ends = now - timedelta(minutes=30), now + timedelta(minutes=30)
        hours = [{"days": list(range(7)), "from": f"{begins:%H:%M}", "to": f"{ends:%H:%M}"}]
        made = role("on call", hours=hours)
        made.user_set.set([story.ann, story.ben])
        checkpoint("incident", question(needs=[people("on call", 2)], expires="PT24H"))
        return story

    def test_votes_are_taken_in_the_hours(self, watch):
        ticket = watch.open(checkpoint="incident")
        assert watch.vote(ticket, watch.ann, "approve").ticket.status == "pending"
        assert watch.vote(ticket, watch.ben, "approve").ticket.status == "approved"

    def test_outside_of_them_the_refusal_says_so(self, watch):
        ticket = watch.open(checkpoint="incident")
        with later(hours=2):
            with refused(NotOnCall):
                watch.vote(ticket, watch.ann, "approve")
            with refused(NotEligible):
                watch.vote(ticket, watch.cleo, "approve")
            answer = watch.as_person(watch.ann).get(f"/api/v1/tickets/{ticket.pk}").json()
        assert answer["viewer"]["why_not"] == "not-on-call"

    def test_a_vote_cast_on_call_counts_after_the_shift(self, watch):
        ticket = watch.open(checkpoint="incident")
        watch.vote(ticket, watch.ann, "approve")
        with later(hours=23, minutes=50):
            assert watch.vote(ticket, watch.ben, "approve").ticket.status == "approved"
        everything_told_is_true()

    def test_who_is_off_duty_can_still_settle_it_later_so_nothing_escalates(self, watch):
        with later(hours=2):
            ticket = watch.open(checkpoint="incident")
            assert types_told(ticket) == ["opened"]
            sweep_deadlines()
            assert fresh(ticket).status == "pending"

    def test_hours_made_shorter_take_a_vote_cast_outside_of_them_away(self, watch):
        ticket = watch.open(checkpoint="incident")
        watch.vote(ticket, watch.ann, "approve")
        profile = RoleProfile.objects.get(role__name="on call")
        begins, ends = (db_now() + timedelta(hours=hours) for hours in (5, 6))
        profile.hours = [{**profile.hours[0], "from": f"{begins:%H:%M}", "to": f"{ends:%H:%M}"}]
        profile.save()
        with later(hours=5, minutes=30):
            assert watch.vote(ticket, watch.ben, "approve").ticket.status == "pending"

    def test_hours_are_checked_before_they_are_kept(self, watch):
        profile = RoleProfile.objects.get(role__name="on call")
        profile.hours = [{"days": [0], "from": "9", "to": "17"}]
        with pytest.raises(ValidationError):
            profile.full_clean()
