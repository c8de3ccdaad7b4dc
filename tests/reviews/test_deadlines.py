"""What time makes of a ticket nobody decides: a reminder, a breach, a wider circle, an end."""

from datetime import timedelta

import pytest

from approvals.errors import AlreadyDecided, NotEligible
from reviews.models import Delivery, Ticket
from reviews.representation import decision_members, resumed_state, ticket_allowed
from reviews.services.sweeps import conclude_tickets, sweep_deadlines
from reviews.services.tickets import resubmit_ticket
from tests.builders import make_person
from tests.stories import checkpoint, last_told, later, people, question, refused, types_told

pytestmark = pytest.mark.db

LADDER = [{"after": "PT2H", "role": "lead"}, {"after": "PT12H", "role": "manager"}]


def fresh(ticket: Ticket) -> Ticket:
    return Ticket.objects.select_related("decision").get(pk=ticket.pk)


class TestSilence:
    def test_silence_on_a_denial_ends_expired_with_the_safe_default(self, story):
        ticket = story.open(timeout_seconds=60)
        with later(seconds=59):
            assert sweep_deadlines() == 1  # reminded, not ended
            assert fresh(ticket).status == "pending"
        with later(seconds=61):
            assert sweep_deadlines() == 1
        ticket = fresh(ticket)

        assert (ticket.status, ticket.decision.outcome, ticket.decision.by) == (
            "expired", "reject", "timeout",
        )  # fmt: skip
        assert ticket_allowed(ticket, ticket.decision) is False
        assert last_told(ticket).type == "ticket.expired"
        assert last_told(ticket).actor_kind == "system"

    def test_silence_without_an_option_expires_without_an_outcome(self, story):
        ticket = story.open(preset="input", timeout_seconds=60)
        with later(seconds=61):
            sweep_deadlines()
        ticket = fresh(ticket)

        assert (ticket.status, ticket.decision.outcome) == ("expired", "")
        assert ticket_allowed(ticket, ticket.decision) is False

    def test_silence_on_another_option_ends_in_that_options_status_and_says_so(self, story):
        boxed = question("time-boxed", silence="proceed")
        checkpoint("boxed", boxed, safeguards={"silence_may_allow": True})
        left = {"name": "p", "step": "s", "state": {"page": 1}}
        ticket = story.open(checkpoint="boxed", pipeline=left)
        with later(minutes=6):
            sweep_deadlines()
        ticket = fresh(ticket)
        members = decision_members(ticket, ticket.decision)

        assert (ticket.status, ticket.decision.outcome) == ("answered", "proceed")
        assert members is not None
        assert (members["by"], members["timeout_applied"]) == ("timeout", True)
        assert resumed_state(ticket, ticket.decision) == {"page": 1, "timeout_applied": True}

    def test_no_preset_but_post_approval_approves_by_silence(self, story):
        from approvals.presets import PRESETS

        checkpoint("any", presets=list(PRESETS), safeguards={"silence_may_allow": True})
        offers = {"options": [{"key": "a"}]}
        tickets = {
            name: story.open(checkpoint="any", preset=name, ai=offers if name == "options" else {})
            for name in PRESETS
        }
        with later(days=30):
            sweep_deadlines()

        ended = {name: fresh(ticket).status for name, ticket in tickets.items()}
        assert ended.pop("post-approval") == "approved"
        assert set(ended.values()) == {"expired"}

    def test_a_vote_after_the_end_is_refused_even_before_any_sweep(self, story):
        ticket = story.open(timeout_seconds=60)
        with later(seconds=61), refused(AlreadyDecided):
            story.vote(ticket, story.ann, "approve")

    def test_a_timer_never_overwrites_a_person(self, story):
        ticket = story.open(timeout_seconds=60)
        with later(seconds=59):
            story.vote(ticket, story.ann, "approve")
        with later(days=30):
            assert sweep_deadlines() == 0
            assert conclude_tickets([ticket.pk]) == 0

        assert fresh(ticket).decision.by == "votes"

    def test_a_returned_ticket_nobody_resubmits_expires(self, story):
        ticket = story.open(timeout_seconds=600)
        story.vote(ticket, story.ann, "request_changes", response={"feedback": "x"})
        with later(seconds=599):
            assert sweep_deadlines() == 0
        with later(seconds=601):
            assert sweep_deadlines() == 1
            with refused(AlreadyDecided):
                resubmit_ticket(ticket_id=ticket.pk, requester=story.machine, proposal={})
        ticket = fresh(ticket)

        assert (ticket.status, ticket_allowed(ticket, ticket.decision)) == ("expired", False)

    def test_a_half_made_quorum_does_not_survive_the_end(self, story):
        ticket = story.open(priority="critical", timeout_seconds=60)
        story.vote(ticket, story.ann, "approve")
        with later(seconds=61):
            sweep_deadlines()

        assert fresh(ticket).status == "expired"

    def test_the_caller_hears_of_the_end(self, story):
        story.open(timeout_seconds=60, callback_url="https://caller.example.org/hook")
        with later(seconds=61):
            sweep_deadlines()

        delivery = Delivery.objects.get()
        assert (delivery.type, delivery.body["data"]["allowed"]) == ("ticket.expired", False)


class TestReminders:
    def test_each_reminder_is_told_once(self, story):
        ticket = story.open()  # due in 24 h, ends in 48 h
        for hours in (17, 19, 20, 23.9, 24.1, 30, 47.9):
            with later(hours=hours):
                sweep_deadlines()
                sweep_deadlines()

        assert types_told(ticket) == ["opened", "due_soon", "breached"]

    def test_a_sweep_that_comes_late_does_not_announce_what_is_past(self, story):
        ticket = story.open()
        with later(hours=30):
            sweep_deadlines()

        assert types_told(ticket) == ["opened", "breached"]
        assert fresh(ticket).breached_at is not None

    def test_a_decided_ticket_is_reminded_of_nothing(self, story):
        ticket = story.open()
        story.vote(ticket, story.ann, "approve")
        with later(hours=30):
            assert sweep_deadlines() == 0

    def test_a_returned_ticket_reminds_nobody(self, story):
        ticket = story.open()
        story.vote(ticket, story.ann, "request_changes", response={"feedback": "x"})
        with later(hours=30):
            assert sweep_deadlines() == 0

    def test_a_new_round_is_reminded_anew(self, story):
        ticket = story.open()
        with later(hours=25):
            sweep_deadlines()
            resubmit_ticket(ticket_id=ticket.pk, requester=story.machine, proposal={"a": 1})
            assert fresh(ticket).breached_at is None
        with later(hours=50):
            sweep_deadlines()

        assert types_told(ticket) == ["opened", "breached", "resubmitted", "breached"]


class TestEscalation:
    def test_an_escalation_widens_who_is_asked_and_decides_nothing(self, story):
        checkpoint("slow", question(escalate=LADDER))
        ticket = story.open(checkpoint="slow")
        with later(hours=1), refused(NotEligible):
            story.vote(ticket, story.lena, "approve")
        with later(hours=3):
            sweep_deadlines()
            ticket = fresh(ticket)
            assert (ticket.status, ticket.decision.escalated) == ("pending", ["lead"])
            assert story.vote(ticket, story.lena, "approve").ticket.status == "approved"

    def test_those_asked_first_may_still_vote(self, story):
        checkpoint("slow", question(escalate=LADDER))
        ticket = story.open(checkpoint="slow")
        with later(hours=3):
            sweep_deadlines()
            assert story.vote(ticket, story.ann, "approve").ticket.status == "approved"

    def test_each_step_of_the_ladder_is_climbed_once(self, story):
        checkpoint("slow", question(escalate=LADDER, expires="PT24H"))
        ticket = story.open(checkpoint="slow")
        for hours in (3, 4, 13, 14):
            with later(hours=hours):
                sweep_deadlines()

        assert types_told(ticket).count("escalated") == 2
        assert fresh(ticket).decision.escalated == ["lead", "manager"]
        assert fresh(ticket).escalation_steps == []

    def test_a_late_sweep_climbs_all_steps_at_once(self, story):
        checkpoint("slow", question(escalate=LADDER, expires="PT24H"))
        ticket = story.open(checkpoint="slow")
        with later(hours=13):
            sweep_deadlines()

        assert fresh(ticket).decision.escalated == ["lead", "manager"]

    def test_an_escalation_frees_nobody_from_the_quorum(self, story):
        checkpoint("slow", question(escalate=LADDER, needs=[people("reviewer", 2)]))
        ticket = story.open(checkpoint="slow")
        with later(hours=3):
            assert story.vote(ticket, story.lena, "approve").ticket.status == "pending"
            assert story.vote(ticket, story.ann, "approve").ticket.status == "approved"

    def test_escalation_does_not_let_authors_decide_their_own_work(self, story):
        from approvals.errors import OwnWork

        checkpoint("slow", question(escalate=LADDER))
        ticket = story.open(checkpoint="slow", on_behalf_of="lena")
        with later(hours=3), refused(OwnWork):
            story.vote(ticket, story.lena, "approve")

    def test_a_new_round_begins_at_the_foot_of_the_ladder(self, story):
        checkpoint("slow", question(escalate=LADDER))
        ticket = story.open(checkpoint="slow")
        with later(hours=3):
            resubmit_ticket(ticket_id=ticket.pk, requester=story.machine, proposal={"a": 1})
            with refused(NotEligible):
                story.vote(ticket, story.lena, "approve")


class TestUndecidable:
    def test_what_nobody_can_decide_any_more_escalates_at_once(self, story):
        checkpoint("pair", question(needs=[people("reviewer", 3)], escalate=LADDER))
        ticket = story.open(checkpoint="pair")
        story.vote(ticket, story.ann, "approve")
        story.vote(ticket, story.ben, "modify", amendments={"total": 1})
        ticket = fresh(ticket)

        assert (ticket.status, ticket.decision.escalated) == ("pending", [])
        answer = story.vote(ticket, story.cleo, "modify", amendments={"total": 2})
        ticket = fresh(ticket)
        assert answer.tally.can_settle is False
        assert (ticket.status, ticket.decision.escalated) == ("pending", ["lead"])
        assert last_told(ticket).type == "ticket.escalated"

    def test_the_deadline_ends_what_escalation_did_not(self, story):
        checkpoint("all", question("vote", needs=[people("reviewer", 2)], expires="PT24H"))
        ticket = story.open(checkpoint="all")
        story.vote(ticket, story.ann, "approve")
        story.vote(ticket, story.ben, "abstain")
        story.vote(ticket, story.cleo, "abstain")
        assert last_told(ticket).type == "ticket.escalated"
        with later(hours=25):
            sweep_deadlines()
        ticket = fresh(ticket)

        assert (ticket.status, ticket.decision.outcome) == ("expired", "reject")

    def test_an_escalated_role_can_then_decide_it(self, story):
        two = question("vote", needs=[people("reviewer", 2)], escalate=LADDER)
        two["stages"][0]["rejections"] = 2
        checkpoint("pair", two)
        ticket = story.open(checkpoint="pair")
        story.vote(ticket, story.ann, "approve")
        story.vote(ticket, story.ben, "reject")
        story.vote(ticket, story.cleo, "abstain")

        assert fresh(ticket).decision.escalated == ["lead"]
        assert story.vote(ticket, story.lena, "approve").ticket.status == "approved"

    def test_a_vote_taken_back_makes_it_decidable_again(self, story):
        from reviews.services.votes import withdraw_vote

        checkpoint("pair", question("vote", needs=[people("reviewer", 2)]))
        ticket = story.open(checkpoint="pair")
        story.vote(ticket, story.ann, "approve")
        story.vote(ticket, story.ben, "abstain")
        story.vote(ticket, story.cleo, "abstain")
        withdraw_vote(ticket_id=ticket.pk, voter=story.cleo)

        assert story.vote(ticket, story.cleo, "approve").ticket.status == "approved"


class TestSweeps:
    def test_the_longest_overdue_come_first_and_batches_are_bounded(self, story):
        tickets = [story.open(timeout_seconds=60 * n) for n in (3, 1, 2)]
        with later(minutes=10):
            assert sweep_deadlines(batch=1, at_most=2) == 2

        assert [fresh(ticket).status for ticket in tickets] == ["pending", "expired", "expired"]

    def test_many_batches_leave_nothing_behind(self, story):
        for _ in range(5):
            story.open(timeout_seconds=60)
        with later(minutes=10):
            assert sweep_deadlines(batch=2) == 5
            assert sweep_deadlines(batch=2) == 0

        assert set(Ticket.objects.values_list("status", flat=True)) == {"expired"}

    def test_what_a_sweep_would_do_a_persons_turn_does_first(self, story):
        checkpoint("slow", question(escalate=LADDER))
        ticket = story.open(checkpoint="slow")
        make_person("dan", roles=[story.roles["lead"]])
        with later(hours=3):
            story.vote(ticket, story.ann, "approve")

        assert types_told(ticket) == ["opened", "escalated", "vote_cast", "decided"]

    def test_nothing_waits_without_a_next_deadline(self, story):
        story.open()
        story.vote(story.open(), story.ann, "request_changes", response={"feedback": "x"})
        story.vote(story.open(), story.ann, "approve")

        waiting = Ticket.objects.filter(status__in=["pending", "needs_changes"])
        assert waiting.filter(next_deadline_at__isnull=True).count() == 0
        assert Ticket.objects.exclude(pk__in=waiting).get().next_deadline_at is None

    def test_a_dead_beat_costs_lateness_not_correctness(self, story):
        ticket = story.open()
        with later(days=10):
            sweep_deadlines()
        ticket = fresh(ticket)

        assert ticket.status == "expired"
        assert ticket.closed_at - ticket.expires_at > timedelta(days=7)
