"""The only door out: what happened becomes audit events and delivery rows, in one transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Q

from approvals.models import User
from approvals.trail import actor_for
from audit.prepared import PreparedRead
from audit.services import THE_SERVICE, Draft, record, record_all
from reviews import outbox
from reviews.models import Delivery, Ticket, WebhookEndpoint
from reviews.representation import cloud_event
from reviews.services.notices import notice_of

# What the caller's own callback hears: the moments in which `allowed` or the ball changes hands.
CALLBACK_TYPES = frozenset(
    {
        "ticket.decided",
        "ticket.returned",
        "ticket.expired",
        "ticket.cancelled",
        "ticket.revoked",
        "ticket.overridden",
    }
)
# What the Redis stream of this name hears: what was decided, and what undoes it.
DECISIONS = "HITLDecision"
DECISION_TYPES = frozenset(
    {"ticket.decided", "ticket.expired", "ticket.overridden", "ticket.revoked"}
)


class Story:
    """Collect what happens to one locked ticket; `tell` writes it, once, as the last act."""

    def __init__(self, *, now: datetime, actor: User | None) -> None:
        self.now = now
        self.actor = actor_for(actor)
        self.drafts: list[Draft] = []

    def add(
        self,
        type: str,
        *,
        reason: str = "",
        data: Mapping[str, Any] | None = None,
        personal: Mapping[str, Any] | None = None,
        by_service: bool = False,
    ) -> Draft:
        """Note one fact and return it; its id may be stored on rows before it is told."""
        draft = Draft(
            type,
            self.now,
            THE_SERVICE if by_service else self.actor,
            reason=reason,
            data=data or {},
            personal=personal or {},
        )
        self.drafts.append(draft)
        return draft

    def tell(self, ticket: Ticket) -> None:
        """Write the facts and the deliveries they cause, and nudge the workers after commit."""
        if not self.drafts:
            return
        record(ticket.stream, self.drafts)
        endpoints = _listeners_at(ticket.checkpoint_id)
        rows = [row for draft in self.drafts for row in _deliveries(ticket, draft, endpoints)]
        outbox.store(rows, about=ticket.pk, happened=self.drafts)


def tell_all(told: Sequence[tuple[Ticket, Story]]) -> None:
    """Write what happened to many locked tickets, like `Story.tell`, but in few statements."""
    told = [(ticket, story) for ticket, story in told if story.drafts]
    record_all({ticket.stream: story.drafts for ticket, story in told})
    checkpoints = {ticket.checkpoint_id for ticket, _ in told}
    listeners = {one: _listeners_at(one) for one in checkpoints}
    outbox.store_all(
        [
            (
                [
                    row
                    for draft in story.drafts
                    for row in _deliveries(ticket, draft, listeners[ticket.checkpoint_id])
                ],
                ticket.pk,
                story.drafts,
            )
            for ticket, story in told
        ]
    )


def _deliveries(
    ticket: Ticket, draft: Draft, endpoints: Sequence[WebhookEndpoint]
) -> list[Delivery]:
    targets: list[tuple[str, str, WebhookEndpoint | None]] = [
        ("webhook", str(endpoint.pk), endpoint)
        for endpoint in endpoints
        if not endpoint.types or draft.type in endpoint.types
    ]
    if ticket.callback_url and draft.type in CALLBACK_TYPES:
        targets.append(("callback", ticket.callback_url, None))
    notice = notice_of(ticket, draft)
    rows = [] if notice is None else [notice]
    on_stream = settings.REDIS_URL is not None and draft.type in DECISION_TYPES
    if not targets and not on_stream:
        return rows
    body = cloud_event(ticket=ticket, draft=draft)
    rows += [
        outbox.delivery(draft, channel, target, body=body, ticket=ticket, endpoint=endpoint)
        for channel, target, endpoint in targets
    ]
    if on_stream:
        decision = draft.data.get("outcome") or draft.data["status"]
        told = {"decision": decision, "event": body}
        rows.append(outbox.delivery(draft, "stream", DECISIONS, body=told, ticket=ticket))
    return rows


_listeners_at = PreparedRead(
    lambda key: WebhookEndpoint.objects.filter(
        Q(checkpoint__isnull=True) | Q(checkpoint=key), disabled_at__isnull=True
    )
)
