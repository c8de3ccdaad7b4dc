"""The ways out. A channel makes a message of a delivery row; sending it touches no database."""

from collections.abc import Callable
from datetime import datetime

from reviews.channels.announcement import prepare_announcement
from reviews.channels.email import prepare_email, prepare_notice
from reviews.channels.outcome import Outcome, Send, Unbuildable
from reviews.channels.stream import prepare_stream
from reviews.channels.weakened import prepare_weakened
from reviews.channels.webhook import prepare_callback, prepare_webhook
from reviews.channels.withheld import prepare_withheld
from reviews.models import Delivery

__all__ = ["CHANNELS", "MAILS", "Outcome", "Send", "Unbuildable", "prepare"]

Prepare = Callable[[Delivery, datetime], Send]

CHANNELS: dict[str, Prepare] = {
    "webhook": prepare_webhook,
    "callback": prepare_callback,
    "notice": prepare_notice,
    "email": prepare_email,
    "withheld": prepare_withheld,
    "announcement": prepare_announcement,
    "weakened": prepare_weakened,
    "stream": prepare_stream,
}
# Of these the target is a person, by the user's id.
MAILS = frozenset({"email", "withheld", "announcement", "weakened"})


def prepare(delivery: Delivery, now: datetime) -> Send:
    """Return the message of a delivery, ready to leave.

    The row comes with its endpoint, ticket and the ticket's key. Mails read more: who is asked
    now, and what of; they also make the link they carry, whose token is stored nowhere else.

    :raises Unbuildable: when no message can be made of it.
    """
    channel = CHANNELS.get(delivery.channel)
    if channel is None:
        raise Unbuildable(f"There is no channel called {delivery.channel}.")
    return channel(delivery, now)
