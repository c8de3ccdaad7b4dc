"""What stands around the queue's rows: filters, kept views, queues with counts, the empty page."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest

from reviews.admin.first_steps import first_steps
from reviews.admin.queue import QueuePage, Row
from reviews.models import Assignment
from reviews.services.preferences import density_of, views_of

MOST_NEW = 99


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
        **({"queues": _queues(page)} if len(page.queues) > 1 else {}),
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
    found = page.seen.waiting().filter(pk__gt=since)
    if page.queue is not None:
        found = found.filter(queue=page.queue)
    found = page.narrowing.apply(found, now=page.now).order_by()
    return {"new": len(found.values_list("pk")[:MOST_NEW]), "link": page.link()}
