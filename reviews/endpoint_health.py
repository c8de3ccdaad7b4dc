"""How an endpoint is doing, read from the last messages that left for it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from reviews.models import Delivery, WebhookEndpoint

# How many messages of an endpoint a page shows and its health is read from.
LAST = 50

Word = Literal["works", "failing", "unused", "disabled"]


@dataclass(frozen=True, slots=True)
class Health:
    """One word, and what stands behind it; `parked` counts among the last messages."""

    word: Word
    parked: int = 0
    last_sent: datetime | None = None
    last_error: str = ""


def last_deliveries(endpoint: WebhookEndpoint) -> list[Delivery]:
    """Return the last messages for an endpoint, newest first."""
    return list(
        Delivery.objects.filter(endpoint=endpoint)
        .order_by("-id")
        .select_related("ticket")
        .prefetch_related("failures")[:LAST]
    )


def health_of(endpoint: WebhookEndpoint, deliveries: list[Delivery] | None = None) -> Health:
    """Return how an endpoint is doing; its last messages are read unless given."""
    if deliveries is None:
        found = Delivery.objects.filter(endpoint=endpoint).order_by("-id")
        deliveries = list(found.defer("body")[:LAST])
    parked = sum(one.state == Delivery.State.PARKED for one in deliveries)
    sent = [one.sent_at for one in deliveries if one.sent_at]
    # The newest that anything is known of; one that waits for its first attempt tells nothing.
    known = next((one for one in deliveries if one.sent_at or one.last_error), None)
    word: Word = "unused"
    if endpoint.disabled_at is not None:
        word = "disabled"
    elif known is not None:
        word = "works" if known.state == Delivery.State.SENT else "failing"
    error = known.last_error if known is not None and word == "failing" else ""
    return Health(word, parked, max(sent, default=None), error)
