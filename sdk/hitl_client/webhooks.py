"""Messages the service sends: believed only when signed (Standard Webhooks)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook, WebhookVerificationError

from hitl_client.errors import WebhookInvalid

_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")


def verify_webhook(headers: Mapping[str, str], body: bytes | str, secret: str) -> dict[str, Any]:
    """Return the event (CloudEvents 1.0 JSON) of a genuine message.

    `headers` are the request's, in any case; `body` is the request's body untouched: parsing and
    writing it again changes the bytes that were signed. `secret` is the endpoint's `whsec_…`.
    Deliveries are at least once: keep `webhook-id` and ignore one you have seen.

    :raises WebhookInvalid: when the signature does not fit, a header is missing, or the message
        is more than 5 minutes away from this machine's clock.
    :raises ValueError: when `secret` is not a webhook secret.
    """
    try:
        webhook = Webhook(secret)
    except (EmptyWebhookSecretError, ValueError):
        # `from None`: the library's message may repeat a part of the secret.
        raise ValueError("secret is not a webhook secret (whsec_ and base64)") from None
    named = {str(name).lower(): value for name, value in headers.items()}
    signed = {name: value for name in _HEADERS if isinstance(value := named.get(name), str)}
    try:
        webhook.verify(body, signed, json_parse=False)
        event = json.loads(body)
    # The library lets ValueErrors of malformed signatures and bodies through.
    except (WebhookVerificationError, ValueError, RecursionError, OverflowError) as problem:
        reason = str(problem) if isinstance(problem, WebhookVerificationError) else "malformed"
        raise WebhookInvalid(f"not a genuine message: {reason}") from None
    if not isinstance(event, dict):
        raise WebhookInvalid("the message is signed, and not an event")
    return event
