"""CloudEvents 1.0 bodies under Standard Webhooks signatures, to endpoints and callbacks."""

from collections.abc import Sequence
from datetime import datetime

from django.conf import settings

from audit.canonical import canonical_bytes
from reviews.channels.outcome import Fate, Outcome, Send, Unbuildable
from reviews.models import Delivery
from reviews.outbound import Client, Unreachable
from reviews.signatures import signature

GONE = 410  # the answer of a receiver that wants no more
CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"


def prepare_webhook(delivery: Delivery, now: datetime) -> Send:
    """Return the message to an endpoint, signed with both secrets while one takes over.

    :raises Unbuildable: when the endpoint is disabled.
    """
    endpoint = delivery.endpoint
    if endpoint is None or endpoint.disabled_at is not None:
        raise Unbuildable("The endpoint is disabled.")
    secrets = [endpoint.secret]
    rotating = endpoint.previous_secret_until is not None and now < endpoint.previous_secret_until
    if endpoint.previous_secret and rotating:
        secrets.append(endpoint.previous_secret)
    return _message(delivery, url=endpoint.url, secrets=secrets, now=now)


def prepare_callback(delivery: Delivery, now: datetime) -> Send:
    """Return the message to the ticket's own address, signed with the secret of its key.

    :raises Unbuildable: when no key opened the ticket, so that nothing could sign; when its address
        answered 410 before.
    """
    key = delivery.ticket.access_key if delivery.ticket else None
    if key is None or not key.callback_secret:
        raise Unbuildable("The ticket was opened without a key that could sign its callback.")
    parked = Delivery.objects.filter(ticket=delivery.ticket, state=Delivery.State.PARKED)
    if parked.filter(channel="callback", last_status=GONE).exclude(pk=delivery.pk).exists():
        raise Unbuildable("The receiver answered 410 before: it wants no more about this ticket.")
    return _message(delivery, url=delivery.target, secrets=[key.callback_secret], now=now)


def _message(delivery: Delivery, *, url: str, secrets: Sequence[str], now: datetime) -> Send:
    body = canonical_bytes(delivery.body)
    headers = signed_headers(body, message_id=str(delivery.pk), at=now, secrets=secrets)

    def send(client: Client) -> Outcome:
        try:
            status = client.post(url, body=body, headers=headers)
        except Unreachable as problem:
            fate: Fate = "park" if problem.forbidden else "retry"
            return Outcome(fate, error=problem.sentence, slow=problem.slow)
        return outcome_of(status)

    return send


def signed_headers(
    body: bytes, *, message_id: str, at: datetime, secrets: Sequence[str]
) -> dict[str, str]:
    """Return the headers of a message; its id stays the same however often it is sent."""
    text = body.decode()
    signatures = [signature(one, message_id=message_id, at=at, text=text) for one in secrets]
    return {
        "Content-Type": CONTENT_TYPE,
        "User-Agent": f"Countersign/{settings.HITL_RELEASE}",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def outcome_of(status: int) -> Outcome:
    """Return what an answer's status means; a redirect is a failure like any other."""
    if 200 <= status < 300:
        return Outcome("sent", status)
    if status == GONE:
        return Outcome("gone", status, "The receiver answered 410: it wants no more.")
    return Outcome("retry", status, f"The receiver answered {status}.")
