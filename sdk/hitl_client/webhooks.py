"""Messages the service sends: believed only when signed (Standard Webhooks)."""

from __future__ import annotations

import json
import time
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook, WebhookVerificationError

from hitl_client.errors import WebhookInvalid

_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
_PUBLIC, _PRIVATE = "whpk_", "whsk_"
_TOLERANCE = 300  # seconds, as in the library for shared secrets


def verify_webhook(headers: Mapping[str, str], body: bytes | str, secret: str) -> dict[str, Any]:
    """Return the event (CloudEvents 1.0 JSON) of a genuine message.

    `headers` are the request's, in any case; `body` is the request's body untouched: parsing and
    writing it again changes the bytes that were signed. `secret` is the endpoint's `whsec_…`, or
    its public key `whpk_…` where it signs with a key pair.
    Deliveries are at least once: keep `webhook-id` and ignore one you have seen.

    :raises WebhookInvalid: when the signature does not fit, a header is missing, or the message
        is more than 5 minutes away from this machine's clock.
    :raises ValueError: when `secret` is neither a webhook secret nor a public key.
    """
    verifier = _verifier(secret)
    named = {str(name).lower(): value for name, value in headers.items()}
    signed = {name: value for name in _HEADERS if isinstance(value := named.get(name), str)}
    try:
        verifier.verify(body, signed, json_parse=False)
        event = json.loads(body)
    # The library lets ValueErrors of malformed signatures and bodies through.
    except (WebhookVerificationError, ValueError, RecursionError, OverflowError) as problem:
        reason = str(problem) if isinstance(problem, WebhookVerificationError) else "malformed"
        raise WebhookInvalid(f"not a genuine message: {reason}") from None
    if not isinstance(event, dict):
        raise WebhookInvalid("the message is signed, and not an event")
    return event


def _verifier(secret: str) -> Webhook | _KeyPair:
    """Return what verifies. The key alone says how: a public key never serves as a shared secret.

    :raises ValueError: `from None`, as the libraries' messages may repeat a part of the secret.
    """
    if secret.startswith(_PRIVATE):
        raise ValueError("secret is a private key; give the public one (whpk_ and base64)")
    if secret.startswith(_PUBLIC):
        try:
            raw = b64decode(secret.removeprefix(_PUBLIC), validate=True)
            return _KeyPair(Ed25519PublicKey.from_public_bytes(raw))
        except ValueError:
            raise ValueError("secret is not a public key (whpk_ and base64)") from None
    try:
        return Webhook(secret)
    except (EmptyWebhookSecretError, ValueError):
        raise ValueError("secret is not a webhook secret (whsec_ and base64)") from None


class _KeyPair:
    """Verifies `v1a`: Ed25519 over `{id}.{timestamp}.{body}`."""

    def __init__(self, public: Ed25519PublicKey) -> None:
        self._public = public

    def verify(
        self, data: bytes | str, headers: Mapping[str, str], *, json_parse: bool = False
    ) -> None:
        """Return where one of the signatures fits.

        :raises WebhookVerificationError: where none does, or the message is from another time.
        :raises ValueError: for headers that are none.
        """
        del json_parse
        if len(headers) < len(_HEADERS):
            raise WebhookVerificationError("Missing required headers")
        message_id, timestamp, signatures = (headers[name] for name in _HEADERS)
        age = time.time() - int(timestamp)
        if abs(age) > _TOLERANCE:
            raise WebhookVerificationError(f"Message timestamp too {'old' if age > 0 else 'new'}")
        raw = data.encode() if isinstance(data, str) else data
        signed = f"{message_id}.{timestamp}.".encode() + raw
        for one in signatures.split():
            version, _, signature = one.partition(",")
            if version != "v1a":
                continue
            try:
                self._public.verify(b64decode(signature, validate=True), signed)
            except (InvalidSignature, ValueError):
                continue
            return
        raise WebhookVerificationError("No matching signature found")
