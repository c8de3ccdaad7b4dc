"""One person's turn at one ticket: lock, re-read, conclude what is due, act, tell."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import OperationalError, connection, transaction
from django.db.models import Exists, OuterRef

from approvals.errors import Busy, NotVisible
from approvals.models import Decision, User
from approvals.services import decisions
from audit.batches import update_rows
from audit.clock import db_now
from audit.context import acting
from audit.prepared import PreparedRead
from reviews.events import Story, tell_all
from reviews.models import Assignment, Ticket
from reviews.services.conclusions import conclude
from reviews.services.pauses import add_pauses, waits

_locked = PreparedRead(lambda key: Ticket.objects.locked().filter(pk=key))
_HELD = Exists(Assignment.objects.filter(ticket__decision=OuterRef("pk"), released_at__isnull=True))
# A statement of its own, begun after the lock was granted: nobody can change either row now.
_decision_of = PreparedRead(lambda key: Decision.objects.filter(pk=key).annotate(held=_HELD))

# PostgreSQL: lock not available, deadlock detected.
_BUSY = {"55P03", "40P01"}


@dataclass
class Turn:
    """A locked ticket with its decision, the present instant and the story so far.

    `held` tells whether an assignment stood on the ticket when the turn began. Of many turns that
    end `together`, what each `freed` is written with the others. `waited` tells whether nobody had
    answered it before.
    """

    ticket: Ticket
    decision: Decision
    now: datetime
    story: Story
    held: bool = False
    together: bool = False
    freed: bool = False
    touched: set[str] = field(default_factory=set)
    decision_touched: bool = False
    waited: bool = field(init=False)

    def __post_init__(self) -> None:
        self.waited = waits(self.ticket, self.decision)

    def change(self, **values: object) -> None:
        """Set columns of the ticket; they are saved, once, when the turn ends."""
        for name, value in values.items():
            setattr(self.ticket, name, value)
        self.touched |= values.keys()

    def end(self) -> None:
        """Save what changed and write the story; the last act of the transaction."""
        if self.story.drafts:
            last = self.story.drafts[-1]
            if self.decision_touched:
                decisions.keep(decision=self.decision, told_by=last)
            if self.touched:
                self.ticket.last_event_id = last.id
                self.touched.add("last_event")
        if self.touched:
            self.ticket.save(update_fields=self.touched)
        add_pauses([self])
        self.story.tell(self.ticket)


# SQLite has one writer. Threads that wait for it sleep and look again; those that wait here are
# woken when it is their turn.
_writer = threading.Lock()
_PATIENCE = 30.0


@contextmanager
def _in_line() -> Iterator[None]:
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        yield
        return
    mine = _writer.acquire(timeout=_PATIENCE)
    try:
        yield
    finally:
        if mine:
            _writer.release()


@contextmanager
def writing() -> Iterator[None]:
    """Run one transaction; a lock that is not granted in time becomes `Busy`.

    Inside another it joins that one; a refusal then undoes its own part.

    :raises Busy: when somebody else holds the row too long.
    """
    try:
        with _in_line(), transaction.atomic():
            yield
    except OperationalError as problem:
        state = getattr(problem.__cause__, "sqlstate", None)
        if state in _BUSY or "database is locked" in str(problem):
            raise Busy from problem
        raise


def take_turn(*, ticket: Ticket, now: datetime, actor: User | None) -> Turn:
    """Return a turn at a ticket that is already locked; its decision is read anew."""
    (decision,) = _decision_of(ticket.decision_id)
    ticket.decision = decision
    story = Story(now=now, actor=actor)
    return Turn(ticket, decision, now, story, held=decision.held)  # type: ignore[attr-defined]


def take_turns(*, tickets: Sequence[Ticket], now: datetime) -> list[Turn]:
    """Return the service's own turns at tickets that are locked; end them with `end_turns`."""
    found = Decision.objects.annotate(held=_HELD).in_bulk([each.decision_id for each in tickets])
    turns = []
    for ticket in tickets:
        decision = ticket.decision = found[ticket.decision_id]
        story = Story(now=now, actor=None)
        held = decision.held
        turns.append(Turn(ticket, decision, now, story, held=held, together=True))
    return turns


def end_turns(turns: Sequence[Turn]) -> None:
    """Save what changed in all of them and write their stories, in a few statements."""
    deciding = []
    for turn in turns:
        if not turn.story.drafts:
            continue
        last = turn.story.drafts[-1]
        if turn.decision_touched:
            deciding.append((turn.decision, last))
        if turn.touched:
            turn.ticket.last_event_id = last.id
            turn.touched.add("last_event")
    decisions.keep_all(deciding)
    freed = {turn.ticket.pk: turn.now for turn in turns if turn.freed}
    standing = list(Assignment.objects.filter(ticket__in=freed, released_at__isnull=True))
    for assignment in standing:
        assignment.released_at = freed[assignment.ticket_id]
    update_rows(standing, ["released_at"])
    touched = {name for turn in turns for name in turn.touched}
    update_rows([turn.ticket for turn in turns if turn.touched], touched)
    add_pauses(turns)
    tell_all([(turn.ticket, turn.story) for turn in turns])


@contextmanager
def turn_at(*, ticket_id: UUID, actor: User | None) -> Iterator[Turn]:
    """Lock a ticket, conclude whatever is due on it, and let the caller act.

    Everything the caller does is one transaction with what was due, and is told at its end.

    :raises Refusal: NotVisible, Busy.
    """
    with writing():
        found = _locked(ticket_id)
        if not found:
            raise NotVisible
        turn = take_turn(ticket=found[0], now=db_now(), actor=actor)
        with acting(actor):
            conclude(turn)
            yield turn
            turn.end()
