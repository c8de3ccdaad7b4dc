"""Rows of what leaves: one way to write them, whatever they tell of."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from audit.batches import insert_rows
from reviews import nudges
from reviews.models import Delivery, Ticket, WebhookEndpoint


class Fact(Protocol):
    """What is told: a draft of an audit event, or the event itself."""

    @property
    def id(self) -> UUID: ...

    @property
    def type(self) -> str: ...

    @property
    def at(self) -> datetime: ...


def delivery(
    fact: Fact,
    channel: str,
    target: str,
    *,
    body: dict[str, Any],
    ticket: Ticket | None = None,
    endpoint: WebhookEndpoint | None = None,
) -> Delivery:
    """Return the row, not stored yet, that tells one target of a fact."""
    return Delivery(
        event_id=fact.id,
        type=fact.type,
        ticket=ticket,
        round=ticket.round if ticket else 0,
        channel=channel,
        target=target,
        endpoint=endpoint,
        body=body,
        created_at=fact.at,
        next_attempt_at=fact.at,
    )


def store(rows: Sequence[Delivery], *, about: object, happened: Sequence[Fact] = ()) -> None:
    """Write rows in the transaction of what they tell of, and nudge the workers after it.

    :param about: the id of the ticket, or of whatever else it is about.
    :param happened: what happened to the ticket, for those who watch it.
    """
    store_all([(rows, about, happened)])


def store_all(many: Sequence[tuple[Sequence[Delivery], object, Sequence[Fact]]]) -> None:
    """Write the rows of many tickets; each is (rows, about, happened) as in `store`."""
    insert_rows([row for rows, _, _ in many for row in rows])
    for rows, about, happened in many:
        nudges.after_commit(
            about=about,
            deliveries=bool(rows),
            seq=str(happened[-1].id) if happened else "",
            types=[fact.type for fact in happened],
        )
