"""History keeps what each row looked like, and whose act made it so."""

import pytest
from django.db import transaction

from approvals.models import ApprovalPolicy, Vote
from audit.models import AuditEvent
from reviews.models import Assignment, Checkpoint, Ticket
from reviews.services.assignments import claim_next, claim_ticket, release_ticket
from reviews.services.sweeps import sweep_deadlines
from reviews.services.tickets import cancel_ticket, resubmit_ticket, revoke_ticket
from reviews.services.votes import withdraw_vote
from tests.stories import later

pytestmark = pytest.mark.db


def kept(model, row) -> list[tuple[str, str | None]]:
    """Return what history holds of a row, oldest first: (kind of change, who)."""
    rows = model.history.filter(id=row.pk).order_by("history_id")
    return [(r.history_type, r.history_user and r.history_user.username) for r in rows]


def test_a_ticket_remembers_every_status_and_who_brought_it_there(story):
    ticket = story.open()
    story.vote(ticket, story.ann, "request_changes", response={"feedback": "x"})
    resubmit_ticket(ticket_id=ticket.pk, requester=story.machine, proposal={"total": 1})
    story.vote(ticket, story.ben, "approve")
    revoke_ticket(ticket_id=ticket.pk, by=story.max, reason="No.")

    machine = story.machine.username
    assert kept(Ticket, ticket) == [
        ("+", machine), ("~", "ann"), ("~", machine), ("~", "ben"), ("~", "max"),
    ]  # fmt: skip
    looks = Ticket.history.filter(id=ticket.pk).order_by("history_id")
    assert [(row.status, row.version) for row in looks] == [
        ("pending", 1), ("needs_changes", 1), ("pending", 2), ("approved", 2), ("revoked", 2),
    ]  # fmt: skip
    assert looks.first().proposal == {"payee": "ACME", "total": 900}


def test_what_time_does_nobody_did(story):
    ticket = story.open(timeout_seconds=60)
    with later(seconds=61):
        sweep_deadlines()

    assert kept(Ticket, ticket)[-1] == ("~", None)


def test_a_vote_remembers_that_it_was_taken_back(story):
    ticket = story.open(priority="critical")
    vote = story.vote(ticket, story.ann, "approve").vote
    withdraw_vote(ticket_id=ticket.pk, voter=story.ann)

    assert kept(Vote, vote) == [("+", "ann"), ("~", "ann")]
    first, last = Vote.history.filter(id=vote.pk).order_by("history_id")
    assert (first.withdrawn_at, last.withdrawn_at is not None) == (None, True)


def test_an_assignment_remembers_who_held_it_and_who_ended_it(story):
    ticket = story.open()
    held = claim_ticket(ticket_id=ticket.pk, person=story.ann)
    story.vote(ticket, story.ben, "approve")
    other = claim_ticket(ticket_id=story.open().pk, person=story.cleo)
    release_ticket(ticket_id=other.ticket_id, person=story.cleo)

    assert kept(Assignment, held) == [("+", "ann"), ("~", "ben")]
    assert kept(Assignment, other) == [("+", "cleo"), ("~", "cleo")]


def test_a_claim_from_the_queue_is_its_persons_act(story):
    story.open()
    claim_next(queue=story.queue, person=story.ann)

    assert kept(Assignment, Assignment.objects.get()) == [("+", "ann")]


def test_a_refused_act_leaves_neither_history_nor_event(story):
    from approvals.errors import NotEligible
    from tests.stories import refused

    ticket = story.open()
    before = (Ticket.history.count(), Vote.history.count(), AuditEvent.objects.count())
    with refused(NotEligible):
        story.vote(ticket, story.otto, "approve")

    after = (Ticket.history.count(), Vote.history.count(), AuditEvent.objects.count())
    assert after == before


def test_nobodys_name_sticks_to_the_next_act(story):
    ticket, other = story.open(), story.open(timeout_seconds=60)
    story.vote(ticket, story.ann, "approve")
    with later(seconds=61):
        sweep_deadlines()

    assert kept(Ticket, other)[-1] == ("~", None)


def test_policies_and_checkpoints_are_remembered_too(story):
    story.general.title = "Review of everything"
    story.general.save()

    assert [kind for kind, _ in kept(Checkpoint, story.general)] == ["+", "~"]
    assert [kind for kind, _ in kept(ApprovalPolicy, story.general.question)] == ["+"]


def test_an_act_undone_as_a_whole_leaves_no_history(story):
    ticket = story.open()

    @transaction.atomic
    def begin_and_fail() -> None:
        cancel_ticket(ticket_id=ticket.pk, by=story.machine, reason="")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        begin_and_fail()
    assert kept(Ticket, ticket) == [("+", story.machine.username)]
