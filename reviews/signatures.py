"""How messages are signed: Standard Webhooks, with a shared secret (v1) or a key pair (v1a).

A secret says by its prefix which of the two it is for: `whsec_` is shared with the receiver,
`whsk_` is the private half of an Ed25519 key pair, whose public half is written `whpk_`.
"""

import secrets
from base64 import b64decode, b64encode
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from standardwebhooks.webhooks import Webhook

SHARED, PAIR = "v1", "v1a"
# Each way to sign, and how people choose it.
SIGNINGS = {SHARED: "A shared secret (v1)", PAIR: "A key pair (v1a)"}

_SECRET, _PRIVATE, _PUBLIC = "whsec_", "whsk_", "whpk_"


def new_secret(signing: str = SHARED) -> str:
    """Return a fresh secret, random bytes in the form Standard Webhooks gives them."""
    prefix = _PRIVATE if signing == PAIR else _SECRET
    return prefix + b64encode(secrets.token_bytes(32)).decode()


def signing_of(secret: str) -> str:
    """Return which way a secret signs: `v1` or `v1a`."""
    return PAIR if secret.startswith(_PRIVATE) else SHARED


def public_key_of(secret: str) -> str:
    """Return what a receiver verifies with and may show to everybody; a shared secret has none."""
    if signing_of(secret) == SHARED:
        return ""
    return _PUBLIC + b64encode(_private(secret).public_key().public_bytes_raw()).decode()


def signature(secret: str, *, message_id: str, at: datetime, text: str) -> str:
    """Return one entry of `webhook-signature` over `{id}.{timestamp}.{body}`."""
    if signing_of(secret) == SHARED:
        return str(Webhook(secret).sign(message_id, at, text))
    signed = _private(secret).sign(f"{message_id}.{int(at.timestamp())}.{text}".encode())
    return f"{PAIR},{b64encode(signed).decode()}"


def _private(secret: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(b64decode(secret.removeprefix(_PRIVATE)))
