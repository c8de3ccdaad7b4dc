"""The queue: what waits, ranked; one query per page whatever its length."""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import OuterRef, Q, Subquery
from django.http import HttpRequest

from approvals.models import User
from audit.clock import shown_now
from reviews import flags, ordering
from reviews.admin.first_steps import first_steps
from reviews.admin.narrowing import Narrowing
from reviews.admin.rows import Row, for_rows, row_of
from reviews.display import inert
from reviews.models import Assignment, Checkpoint, Lane, Queue, Ticket
from reviews.querysets import CountUpTo, TicketQuerySet
from reviews.services.preferences import density_of, views_of

PAGE = 50
# So many tickets of a lane are counted and no more; the page says 99+ from here on.
MANY = 100
MOST_QUEUES = 12
SHOWN = {"mine": "Mine", "waiting": "Waiting", "decided": "Decided", "all": "All"}
MOST_NEW = 99


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

    def in_queue(self, tickets: TicketQuerySet) -> TicketQuerySet:
        """Return those that wait in the chosen queue; all of them where none is chosen."""
        return tickets if self.queue is None else tickets.filter(queue=self.queue)

    def page(self) -> tuple[list[Row], str]:
        """Return one screen, and the link to what follows it, which is not counted."""
        if self.show in ("mine", "waiting"):
            ranked = self._ranked()
            found, after = ranked.tickets, str(ranked.after or "")
        else:
            found, after = self._latest()
        return [row_of(ticket, now=self.now) for ticket in found], self.link(after=after)

    def _wanted(self, tickets: TicketQuerySet) -> TicketQuerySet:
        if self.narrowing:
            tickets = self.narrowing.apply(tickets, now=self.now)
        return for_rows(find(tickets, self.words))

    def _ranked(self) -> ordering.Page:
        try:
            after = ordering.Cursor.read(self.asked["after"])
        except ValueError:
            after = None  # the first page
        if self.show == "mine":
            rows = self._wanted(self.in_queue(self.held()))
            return ordering.scored_page(rows, now=self.now, after=after, size=PAGE)
        return ordering.waiting_page(
            self.user,
            now=self.now,
            after=after,
            size=PAGE,
            queues=None if self.queue is None else [self.queue.pk],
            lanes=[
                lane
                for lane in self.lanes
                if lane.waiting and (self.queue is None or lane.queue_id == self.queue.pk)
            ],
            rows=self._wanted(Ticket.objects.all()),
        )

    def _latest(self) -> tuple[list[Ticket], str]:
        tickets = self.seen
        if self.show == "decided":
            tickets = tickets.exclude(status__in=["pending", "needs_changes"])
        try:
            tickets = tickets.filter(pk__lt=UUID(self.asked["after"]))
        except ValueError:
            pass  # the first page
        found = list(self._wanted(self.in_queue(tickets)).order_by("-pk")[: PAGE + 1])
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
        rows, more = self.page()
        return {
            "title": "Queue",
            "now": self.now,
            "rows": rows,
            "more": more,
            "show": self.show,
            "words": self.words,
            "queue": self.queue,
            "summary": self.summary(),
            "switched_off": _switched_off(),
            "filters": [
                (title, self.link(show="" if key == "waiting" else key), key == self.show)
                for key, title in SHOWN.items()
            ],
            **frame(self, rows),
        }


def frame(page: QueuePage, rows: list[Row]) -> dict[str, Any]:
    """Return what the queue's page shows beside its rows."""
    narrowing = page.narrowing
    here = page.link()
    return {
        "density": density_of(page.user),
        "query": here.lstrip("?"),
        "picks": [
            (pick, [(word, page.link(**{pick.key: "" if on else value}), on)
                    for word, value, on in pick.choices])
            for pick in narrowing.picks([row.ticket for row in rows])
        ],
        "toggles": [
            ("Overdue", page.link(overdue="" if narrowing.overdue else "1"), narrowing.overdue),
            ("Escalated", page.link(escalated="" if narrowing.escalated else "1"),
             narrowing.escalated),
        ],
        "kept": [
            (view["name"], f"?{view['query']}", f"?{view['query']}" == here)
            for view in views_of(page.user)
        ],
        "narrowing": narrowing.query().items(),
        "narrowed": bool(narrowing or page.words or page.queue),
        "clear": "?" if page.show == "waiting" else f"?show={page.show}",
        "since": edge(page.now).hex,
        "selecting": any(row.selectable for row in rows),
        "queues": _queues(page) if len(page.queues) > 1 else [],
        **({} if rows else _nothing(page)),
    }  # fmt: skip


def _queues(page: QueuePage) -> list[tuple[str, int, str, bool]]:
    return [
        (queue.name, page.waiting_in(queue), page.link(queue="" if here else queue.slug), here)
        for queue in page.queues
        for here in [queue == page.queue]
    ]


def _nothing(page: QueuePage) -> dict[str, Any]:
    """Return what an empty list says of the rest: held by others, escalated, decided last."""
    held = Assignment.objects.in_force(page.now).exclude(person=page.user)
    waiting = page.seen.waiting().order_by()
    return {
        "others_hold": waiting.filter(pk__in=held.values("ticket")).count(),
        "escalated": waiting.exclude(decision__escalated=[]).count(),
        "last": page.seen.filter(closed_at__isnull=False).order_by("-closed_at").first(),
        "first_steps": first_steps(page.user) if page.show in ("waiting", "all") else [],
    }


def edge(at: datetime) -> UUID:
    """Return the id after which a ticket made from this instant on sorts (UUID version 7)."""
    return UUID(int=int(at.timestamp() * 1000) << 80)


def arrivals(request: HttpRequest, page: QueuePage) -> dict[str, Any]:
    """Return how many tickets came since a list was made, and where to see them.

    Ids sort by the time they were made, so this reads only what is new.
    """
    try:
        since = UUID(hex=str(request.GET.get("since", "")))
    except ValueError:
        since = edge(page.now)
    if page.show not in ("waiting", "all"):
        return {"new": 0, "link": page.link()}
    found = page.in_queue(page.seen.waiting().filter(pk__gt=since))
    found = page.narrowing.apply(found, now=page.now).order_by()
    return {"new": len(found.values_list("pk")[:MOST_NEW]), "link": page.link()}


def _switched_off() -> list[dict[str, str]]:
    """Return the active checkpoints at which everything passes; no query while nothing is off."""
    if not flags.any_off():
        return []
    standing = Checkpoint.objects.filter(active=True).values_list("title", "slug")
    found = [(title, flags.switched_off_by(slug)) for title, slug in standing]
    if any(variable == flags.EVERYWHERE for _, variable in found):
        found = [("All checkpoints", flags.EVERYWHERE)]
    return [
        {"title": title, "sentence": flags.sentence(variable)}
        for title, variable in found
        if variable
    ]
