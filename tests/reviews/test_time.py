"""Clocks that run in a queue's opening hours, stand still, and go on; reminders once a day."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from approvals.errors import AlreadyDecided
from audit.clock import db_now, shifted
from reviews.admin.rows import chip_of
from reviews.models import Calendar, Delivery, Queue, Ticket
from reviews.services.sweeps import sweep_deadlines
from reviews.services.tickets import resubmit_ticket
from tests.stories import checkpoint, last_told, later, question, refused, types_told

pytestmark = pytest.mark.db

BERLIN = ZoneInfo("Europe/Berlin")
LADDER = [{"after": "PT1H", "role": "lead"}, {"after": "PT8H", "role": "manager"}]


def at(*parts: int) -> "shifted":  # type: ignore[valid-type]
    """Tell what follows as if it were this local time in Berlin."""
    return shifted(datetime(*parts, tzinfo=BERLIN) - db_now())  # type: ignore[arg-type,misc]


def in_office_hours() -> Calendar:
    office = Calendar.objects.create(name="Office", time_zone="Europe/Berlin", country="DE")
    Queue.objects.filter(slug="general").update(calendar=office)
    return office


def fresh(ticket):
    return Ticket.objects.select_related("decision", "queue__calendar").get(pk=ticket.pk)


def near(instant, *parts):
    wanted = datetime(*parts, tzinfo=BERLIN).astimezone(UTC)
    return abs(instant - wanted) < timedelta(seconds=5)


class TestOpeningHours:
    def test_what_is_asked_on_friday_evening_escalates_on_monday_morning(self, story):
        in_office_hours()
        checkpoint("slow", question(escalate=LADDER))
        with at(2027, 5, 7, 17, 50):
            ticket = story.open(checkpoint="slow")
        with at(2027, 5, 9, 12, 0):
            assert sweep_deadlines() == 0
        with at(2027, 5, 10, 9, 49, 30):
            sweep_deadlines()
            assert types_told(ticket) == ["opened", "reminded"]
        with at(2027, 5, 10, 9, 50, 30):
            assert sweep_deadlines() == 1

        told = last_told(ticket)
        assert (told.type, told.data["role"]) == ("ticket.escalated", "lead")
        assert told.data["asked"] == ["reviewer", "lead"]

    def test_all_that_a_ticket_waits_for_is_counted_in_opening_hours(self, story):
        in_office_hours()
        checkpoint("slow", question(due="PT4H", expires="PT18H"))
        with at(2027, 5, 7, 17, 0):  # a Friday
            ticket = story.open(checkpoint="slow")

        assert near(ticket.due_soon_at, 2027, 5, 10, 11, 0)
        assert near(ticket.due_at, 2027, 5, 10, 12, 0)
        assert near(ticket.expires_at, 2027, 5, 11, 17, 0)
        assert near(ticket.remind_at, 2027, 5, 10, 9, 0)

    def test_a_requester_still_names_the_end_by_the_clock(self, story):
        in_office_hours()
        with at(2027, 5, 7, 17, 0):
            ticket = story.open(timeout_seconds=3600 * 24)

        assert near(ticket.expires_at, 2027, 5, 8, 17, 0)

    def test_deadlines_stay_as_they_were_fixed_when_the_calendar_changes(self, story):
        office = in_office_hours()
        with at(2027, 5, 7, 17, 0):
            ticket = story.open()
        office.week = [[[0, 1440]]] * 7
        office.save()

        assert fresh(ticket).due_at == ticket.due_at

    def test_the_story_names_the_calendar_and_the_data_it_was_computed_with(self, story):
        in_office_hours()
        told = last_told(story.open()).data["calendar"]

        assert told["name"] == "Office"
        assert set(told) == {"name", "tzdata", "holidays"}


class TestPause:
    def returned(self, story, **given):
        ticket = story.open(**given)
        with later(hours=2):
            story.vote(ticket, story.ann, "request_changes", response={"feedback": "x"})
        return fresh(ticket)

    def again(self, story, ticket, hours):
        with later(hours=hours):
            resubmit_ticket(ticket_id=ticket.pk, requester=story.machine, proposal={"n": hours})
        return fresh(ticket)

    def test_the_clock_goes_on_from_where_it_stood(self, story):
        checkpoint("slow", question(due="PT4H", expires="P2D", escalate=LADDER[1:]))
        ticket = self.returned(story, checkpoint="slow")
        assert abs(ticket.time_used - timedelta(hours=2)) < timedelta(seconds=5)
        again = self.again(story, ticket, 20)

        def after_opening(instant):
            return round((instant - ticket.created_at) / timedelta(hours=1), 2)

        assert again.paused_at is None
        assert after_opening(again.due_soon_at) == 21
        assert after_opening(again.due_at) == 22
        assert after_opening(datetime.fromisoformat(again.escalation_steps[0][0])) == 26
        assert after_opening(again.expires_at) == 66

    def test_two_pauses_add_up(self, story):
        checkpoint("slow", question(due="PT10H", expires="P3D"))
        ticket = self.again(story, self.returned(story, checkpoint="slow"), 20)
        with later(hours=23):
            story.vote(ticket, story.ann, "request_changes", response={"feedback": "y"})
        ticket = self.again(story, ticket, 40)

        left = ticket.due_at - (ticket.created_at + timedelta(hours=40))
        assert abs(left - timedelta(hours=5)) < timedelta(seconds=5)

    def test_only_opening_hours_are_used_up(self, story):
        in_office_hours()
        checkpoint("slow", question(due="PT4H", expires="PT90H"))
        with at(2027, 5, 7, 17, 0):
            ticket = story.open(checkpoint="slow")
        with at(2027, 5, 8, 12, 0):  # a Saturday
            story.vote(ticket, story.ann, "request_changes", response={"feedback": "x"})
        with at(2027, 5, 12, 9, 0):
            resubmit_ticket(ticket_id=ticket.pk, requester=story.machine, proposal={"n": 1})

        assert near(fresh(ticket).due_at, 2027, 5, 12, 12, 0)

    def test_what_was_overdue_stays_so_and_is_not_told_again(self, story):
        checkpoint("slow", question(due="PT1H", expires="P2D"))
        ticket = story.open(checkpoint="slow")
        with later(hours=2):
            sweep_deadlines()
            story.vote(ticket, story.ann, "request_changes", response={"feedback": "x"})
        again = self.again(story, ticket, 20)
        with later(hours=21):
            sweep_deadlines()

        assert again.breached_at is not None
        assert types_told(ticket).count("breached") == 1

    def test_roles_that_were_asked_already_are_asked_about_the_new_content_at_once(self, story):
        checkpoint("slow", question(escalate=LADDER, expires="P2D"))
        ticket = self.again(story, self.returned(story, checkpoint="slow"), 20)
        with later(hours=20, seconds=1):
            sweep_deadlines()

        assert fresh(ticket).decision.escalated == ["lead"]

    def test_a_shorter_end_the_requester_named_goes_on_too(self, story):
        ticket = self.returned(story, timeout_seconds=3 * 3600)
        again = self.again(story, ticket, 2.5)

        left = again.expires_at - (ticket.created_at + timedelta(hours=2.5))
        assert abs(left - timedelta(hours=1)) < timedelta(seconds=5)

    def test_the_end_comes_all_the_same(self, story):
        ticket = self.returned(story)
        with later(hours=49):
            assert sweep_deadlines() == 1
            with refused(AlreadyDecided):
                resubmit_ticket(ticket_id=ticket.pk, requester=story.machine, proposal={})

        assert fresh(ticket).status == "expired"


class TestReminders:
    def test_who_still_has_to_vote_is_reminded_once_a_day(self, story):
        ticket = story.open(priority="low")  # due in 3 days, over in 6
        for hour in range(0, 144, 2):
            with later(hours=hour + 1):
                sweep_deadlines()
                sweep_deadlines()

        assert types_told(ticket) == [
            "opened", "reminded", "reminded", "due_soon", "breached", "reminded", "reminded",
        ]  # fmt: skip

    def test_a_reminder_is_a_notice_and_a_settled_ticket_sends_none(self, story, settings):
        settings.MAIL_NOTICES = True
        ticket = story.open(priority="low")
        other = story.open(priority="low")
        story.vote(other, story.ann, "approve")
        with later(hours=25):
            sweep_deadlines()

        notice = Delivery.objects.get(type="ticket.reminded", channel="notice")
        assert notice.ticket_id == ticket.pk


class TestDesk:
    def test_a_returned_ticket_shows_that_its_clock_stands_still(self, story):
        ticket = story.open()
        story.vote(ticket, story.ann, "request_changes", response={"feedback": "x"})

        chip = chip_of(fresh(ticket), now=db_now())
        assert (chip.icon, chip.word) == ("pause", "Needs changes, clock paused")

    def test_what_is_due_on_monday_is_not_due_soon_on_saturday(self, story):
        in_office_hours()
        checkpoint("slow", question(due="PT4H", expires="PT18H"))
        with at(2027, 5, 7, 17, 0):
            ticket = story.open(checkpoint="slow")
        with at(2027, 5, 9, 23, 0):
            assert chip_of(fresh(ticket), now=db_now()).word.startswith("On track")
        with at(2027, 5, 10, 11, 5):
            assert chip_of(fresh(ticket), now=db_now()).word.startswith("Due soon")
