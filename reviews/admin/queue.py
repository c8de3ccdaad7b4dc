"""The queue: what waits, ranked; one query per page whatever its length."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import OuterRef, Prefetch, Q, Subquery
from django.http import HttpRequest

from approvals.models import User, Vote
from approvals.options import ALLOWING
from audit.clock import shown_now
from reviews import ordering
from reviews.admin.narrowing import Narrowing
from reviews.display import inert, moments
from reviews.display.fields import currency_of, money
from reviews.display.switches import switched_off
from reviews.models import Assignment, Lane, Queue, Ticket
from reviews.models.checkpoint import Risk
from reviews.querysets import CountUpTo, TicketQuerySet

PAGE = 50
# So many tickets of a lane are counted and no more; the page says 99+ from here on.
MANY = 100
MOST_QUEUES = 12
SHOWN = {"mine": "Mine", "waiting": "Waiting", "decided": "Decided", "all": "All"}
_WORDS = {
    Ticket.Status.APPROVED: ("done", "good", "Approved"),
    Ticket.Status.ANSWERED: ("done", "good", "Answered"),
    Ticket.Status.REJECTED: ("no", "", "Rejected"),
    Ticket.Status.NEEDS_CHANGES: ("return", "", "Needs changes"),
    Ticket.Status.EXPIRED: ("clock", "", "Expired"),
    Ticket.Status.CANCELLED: ("no", "", "Cancelled"),
    Ticket.Status.REVOKED: ("return", "", "Revoked"),
}


@dataclass(frozen=True, slots=True)
class Chip:
    """A word with its icon; the tone only repeats what the word says."""

    icon: str
    tone: str
    word: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Row:
    """One ticket in the list."""

    ticket: Ticket
    amount: str
    chip: Chip
    needed: int
    given: int
    holder: User | None

    @property
    def selectable(self) -> bool:
        """Tell whether it may be chosen together with others: it waits, and no risk is high."""
        return self.waits and self.ticket.risk != Risk.HIGH

    @property
    def waits(self) -> bool:
        """Tell whether people are asked about it now."""
        return self.ticket.status == Ticket.Status.PENDING and not self.ticket.decision.settled_at

    @property
    def together(self) -> bool:
        """Tell whether many like it may get one answer."""
        return self.ticket.risk == Risk.LOW

    @property
    def dots(self) -> list[bool]:
        """Return one mark per vote needed, true where it is given; none where one is enough."""
        return [place < self.given for place in range(self.needed)] if self.needed > 1 else []


def chip_of(ticket: Ticket, *, now: datetime) -> Chip:
    """Return where a ticket stands in time, or how it ended."""
    decision = ticket.decision
    if ticket.paused_at is not None and ticket.status == Ticket.Status.NEEDS_CHANGES:
        return Chip("pause", "", "Needs changes, clock paused", ticket.paused_at)
    if ticket.status != Ticket.Status.PENDING:
        icon, tone, word = _WORDS[Ticket.Status(ticket.status)]
        return Chip(icon, tone, word, ticket.closed_at or ticket.created_at)
    if decision.settled_at is not None and decision.final_at is not None:
        return Chip("pause", "", f"In effect {moments.clock(decision.final_at, now=now)}",
                    decision.final_at)  # fmt: skip
    left = ticket.due_at - now
    if left <= timedelta(0):
        return Chip("overdue", "bad", f"Overdue {moments.length(-left)}", ticket.due_at)
    # No moment is left in which it would be told: it was.
    if ticket.due_soon_at is None or ticket.due_soon_at <= now:
        return Chip("soon", "warn", f"Due soon, {moments.length(left)}", ticket.due_at)
    return Chip("clock", "", f"On track, {moments.length(left)}", ticket.due_at)


def progress(question: dict[str, Any], votes: list[Vote]) -> tuple[int, int]:
    """Return (votes needed through all stages, votes the leading answer has).

    For the list only: every vote counts here, the ticket's own page re-checks each voter's rights.
    """
    needed = sum(
        need["count"]
        for stage in question["stages"]
        for need in stage["needs"]
        if isinstance(need["count"], int)
    )
    effects = {option["key"]: option["effect"] for option in question["options"]}
    tally: dict[tuple[str, str], int] = {}
    for vote in votes:
        if effects.get(vote.choice) in ALLOWING:
            outcome = (vote.choice, vote.outcome_digest)
            tally[outcome] = tally.get(outcome, 0) + 1
    return needed, min(max(tally.values(), default=0), needed)


def row_of(ticket: Ticket, *, now: datetime) -> Row:
    """Return what the list shows of a ticket whose votes and assignments are prefetched."""
    needed, given = progress(ticket.decision.question, list(ticket.decision.votes.all()))
    held = [
        assignment
        for assignment in ticket.assignments.all()
        if assignment.until is None or assignment.until > now
    ]
    amount = "" if ticket.amount is None else money(ticket.amount, currency_of(ticket.proposal))
    return Row(
        ticket=ticket,
        amount=amount,
        chip=chip_of(ticket, now=now),
        needed=needed,
        given=given,
        holder=held[0].person if held else None,
    )


def for_rows(tickets: TicketQuerySet) -> TicketQuerySet:
    """Read with the tickets all that their rows show, in a fixed number of queries."""
    return (
        tickets.select_related("checkpoint", "requester", "decision", "queue", "region")
        .defer(
            *("ai", "asked", "interaction", "pipeline", "decision__content"),
            *("decision__approved_content", "checkpoint__proposal_schema", "checkpoint__view"),
        )
        .prefetch_related(
            Prefetch("decision__votes", Vote.objects.filter(withdrawn_at__isnull=True)),
            Prefetch(
                "assignments",
                Assignment.objects.filter(released_at__isnull=True).select_related("person"),
            ),
        )
    )


@dataclass(frozen=True, slots=True)
class Page:
    """One screen of the list and the link to what follows it."""

    rows: list[Row]
    more: str


def find(tickets: TicketQuerySet, words: str) -> TicketQuerySet:
    """Narrow to tickets whose ref, reference, title or requester matches what was typed."""
    words = words.replace("\x00", "").strip()[:200]
    if not words:
        return tickets
    digits = words[2:] if words[:2].casefold() == "t-" else words
    if digits.isascii() and digits.isdigit() and len(digits) <= 18:
        return tickets.filter(Q(ref=int(digits)) | Q(reference=words) | Q(title__icontains=words))
    return tickets.filter(
        Q(title__icontains=words)
        | Q(reference=words)
        | Q(requester__username__icontains=words)
        | Q(requester__first_name__icontains=words)
    )


class QueuePage:
    """The list as one person asked for it."""

    def __init__(self, request: HttpRequest, user: User) -> None:
        self.user = user
        self.now = shown_now()
        self.asked = {k: str(request.GET.get(k, "")) for k in ("show", "queue", "q", "after")}
        show = self.asked["show"]
        self.show = show if show in SHOWN else "waiting"
        # What shows nothing of itself cannot be shown in the field to type in either.
        self.words = "".join(c for c in self.asked["q"] if not inert.hidden(c))[:200]
        self.narrowing = Narrowing.read(request.GET)
        self.lanes = self._lanes()
        self.seen = Ticket.objects.visible_to(user, lanes=self.lanes)
        here = {lane.queue_id: lane.queue for lane in self.lanes}
        self.queues = sorted(here.values(), key=lambda queue: queue.name)[:MOST_QUEUES]
        self.queue = next((q for q in self.queues if q.slug == self.asked["queue"]), None)

    def _lanes(self) -> list[Any]:
        """Return the lanes this person sees, each with how many wait and run late, up to a point.

        Counted to the end, a long queue would take as long as it is.
        """
        here = Ticket.objects.waiting().filter(lane=OuterRef("pk")).order_by()
        late, early = here.filter(due_at__lte=self.now), here.filter(due_at__gt=self.now)
        return list(
            Lane.objects.open_to(self.user)
            .annotate(
                waiting=CountUpTo(here.values("pk")[:MANY]),
                late=CountUpTo(late.values("pk")[:MANY]),
                next_due=Subquery(early.order_by("due_at").values("due_at")[:1]),
            )
            .select_related("queue")
            .order_by("pk")
        )

    def waiting_in(self, queue: Queue) -> int:
        """Return how many wait in a queue, up to a point."""
        return sum(lane.waiting for lane in self.lanes if lane.queue_id == queue.pk)

    def held(self) -> TicketQuerySet:
        """Return the waiting tickets this person holds."""
        mine = Assignment.objects.in_force(self.now).filter(person=self.user)
        return self.seen.waiting().filter(pk__in=mine.values("ticket"))

    def page(self) -> Page:
        """Return one screen, without counting what follows."""
        if self.show in ("mine", "waiting"):
            ranked = self._ranked()
            found, after = ranked.tickets, str(ranked.after or "")
        else:
            found, after = self._latest()
        return Page([row_of(ticket, now=self.now) for ticket in found], self.link(after=after))

    def _wanted(self, tickets: TicketQuerySet) -> TicketQuerySet:
        if self.narrowing:
            tickets = self.narrowing.apply(tickets, now=self.now)
        return for_rows(find(tickets, self.words))

    def _chosen(self, lane: Lane) -> bool:
        return self.queue is None or lane.queue_id == self.queue.pk

    def _ranked(self) -> ordering.Page:
        try:
            after = ordering.Cursor.read(self.asked["after"])
        except ValueError:
            after = None  # the first page
        if self.show == "mine":
            held = self.held()
            if self.queue is not None:
                held = held.filter(queue=self.queue)
            rows = self._wanted(held)
            return ordering.scored_page(rows, now=self.now, after=after, size=PAGE)
        return ordering.waiting_page(
            self.user,
            now=self.now,
            after=after,
            size=PAGE,
            queues=None if self.queue is None else [self.queue.pk],
            lanes=[lane for lane in self.lanes if lane.waiting and self._chosen(lane)],
            rows=self._wanted(Ticket.objects.all()),
        )

    def _latest(self) -> tuple[list[Ticket], str]:
        tickets = self.seen
        if self.show == "decided":
            tickets = tickets.exclude(status__in=["pending", "needs_changes"])
        if self.queue is not None:
            tickets = tickets.filter(queue=self.queue)
        try:
            tickets = tickets.filter(pk__lt=UUID(self.asked["after"]))
        except ValueError:
            pass  # the first page
        found = list(self._wanted(tickets).order_by("-pk")[: PAGE + 1])
        return found[:PAGE], found[PAGE - 1].pk.hex if len(found) > PAGE else ""

    def link(self, **changed: str) -> str:
        """Return the address of this list with something changed; empty words fall away."""
        if "after" in changed and not changed["after"]:
            return ""
        kept = {
            "show": "" if self.show == "waiting" else self.show,
            "queue": self.queue.slug if self.queue else "",
            **self.narrowing.query(),
            "q": self.words,
            **changed,
        }
        query = urlencode({key: value for key, value in kept.items() if value})
        return f"?{query}" if query else "?"

    def summary(self) -> dict[str, Any]:
        """Return the line above the list: yours, next due, overdue and waiting."""
        dues = [lane.next_due for lane in self.lanes if lane.next_due]
        return {
            "waiting": sum(lane.waiting for lane in self.lanes),
            "yours": self.held().count(),
            "next_due": min(dues, default=None),
            "overdue": sum(lane.late for lane in self.lanes),
        }

    def context(self) -> dict[str, Any]:
        """Return everything the page shows."""
        page = self.page()
        return {
            "title": "Queue",
            "now": self.now,
            "rows": page.rows,
            "more": page.more,
            "show": self.show,
            "words": self.words,
            "queue": self.queue,
            "summary": self.summary(),
            "switched_off": switched_off(),
            "filters": [
                (title, self.link(show="" if key == "waiting" else key), key == self.show)
                for key, title in SHOWN.items()
            ],
            "queues": [
                (queue.name, self.link(queue="" if queue == self.queue else queue.slug),
                 queue == self.queue)
                for queue in self.queues
            ] if len(self.queues) > 1 else [],
            "narrowed": bool(self.words or self.queue or self.show == "mine"),
        }  # fmt: skip
