"""Receipts: what is checked before anything is believed. Pure; keys and the time come in."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from hitl_client.errors import ReceiptInvalid

RECEIPT_TYPE = "countersign-receipt+jwt"
ALGORITHM = "EdDSA"
KEYS_LIVE = 3600.0
"""Seconds after which the public keys are read again, so that a withdrawn key stops counting."""
KEYS_REST = 10.0
"""Seconds between two reads for an unknown key id: made-up ids must not become traffic."""

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_LONGEST_TOKEN = 200_000
_KEY_BYTES = 32
_TEXTS = ("iss", "sub", "jti", "status", "action_digest", "digest", "nonce")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_PORTS = {"http": 80, "https": 443}


@dataclass
class KeyRing:
    """The service's public keys by id, as last read. `read_at` is on a monotonic clock."""

    keys: dict[str, Ed25519PublicKey] = field(default_factory=dict)
    read_at: float | None = None

    def needs_reading(self, kid: str, *, clock: float) -> bool:
        """Return whether the keys must be read (again) before `kid` can be judged."""
        if self.read_at is None:
            return True
        age = clock - self.read_at
        return age >= KEYS_LIVE or (kid not in self.keys and age >= KEYS_REST)

    def replace(self, jwks: Mapping[str, Any], *, clock: float) -> None:
        """Keep exactly the Ed25519 keys of a JWK set; others are not ours to use."""
        found = jwks.get("keys")
        entries = found if isinstance(found, list) else []
        read = (_public_key(entry) for entry in entries if isinstance(entry, dict))
        self.keys = dict(pair for pair in read if pair is not None)
        self.read_at = clock


def key_id(token: str) -> str:
    """Return the id of the key a token says it was signed with, after checking its form.

    :raises ReceiptInvalid: when the token is no compact JWS, or not of our algorithm and type.
    """
    if not isinstance(token, str) or len(token) > _LONGEST_TOKEN or not _COMPACT.fullmatch(token):
        raise ReceiptInvalid("not a signed receipt")
    parts = [_decoded(part) for part in token.split(".")]
    try:
        header = json.loads(parts[0])
    except (ValueError, RecursionError):
        raise ReceiptInvalid("the receipt's header is not readable") from None
    if not isinstance(header, dict):
        raise ReceiptInvalid("the receipt's header is not readable")
    # The algorithm is ours, never the token's choice: `none` and HMAC with a public key end here.
    if header.get("alg") != ALGORITHM or header.get("typ") != RECEIPT_TYPE or "crit" in header:
        raise ReceiptInvalid("not a receipt of this service's kind")
    kid = header.get("kid")
    if not isinstance(kid, str) or not kid:
        raise ReceiptInvalid("the receipt names no key")
    return kid


def verified_claims(
    token: str, ring: KeyRing, *, issuer: str, now: float, clock_skew: float
) -> dict[str, Any]:
    """Return the claims of a receipt that is genuine and in force.

    `now` is in seconds since 1970; `clock_skew` seconds forgive a clock that is behind, and never
    prolong a receipt.

    :raises ReceiptInvalid: otherwise.
    """
    key = ring.keys.get(key_id(token))
    if key is None:
        raise ReceiptInvalid("signed with a key this service does not publish")
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            # Times and issuer are checked below, with the time that was handed in.
            options={
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
                "verify_aud": False,
                "verify_iss": False,
            },
        )
    except jwt.PyJWTError:
        raise ReceiptInvalid("the receipt's signature does not fit") from None
    if not all(isinstance(claims.get(name), str) and claims[name] for name in _TEXTS):
        raise ReceiptInvalid("the receipt is incomplete")
    if not _DIGEST.fullmatch(claims["action_digest"]):
        raise ReceiptInvalid("the receipt is incomplete")
    if not same_issuer(claims["iss"], issuer):
        raise ReceiptInvalid(
            f"issued by {claims['iss']}, expected {issuer}; name the expected one as issuer="
        )
    early = max(_instant(claims, "nbf"), _instant(claims, "iat")) - now
    if early > clock_skew:
        raise ReceiptInvalid(
            f"the receipt is not in force yet, for {early:.0f} s by the clock here; is it right?"
        )
    late = now - _instant(claims, "exp")
    if late >= 0:
        raise ReceiptInvalid(
            f"the receipt has expired, {late:.0f} s ago by the clock here; read it anew"
        )
    return claims


def check_action(claims: Mapping[str, Any], digest: str) -> None:
    """Refuse unless the receipt is about exactly the action with this digest.

    :raises ReceiptInvalid: otherwise.
    """
    if not hmac.compare_digest(str(claims["action_digest"]).encode(), digest.encode()):
        raise ReceiptInvalid("another action was approved than the one at hand")


def same_issuer(one: str, other: str) -> bool:
    """Return whether two base URLs name the same service.

    The names of this machine are one name: what differs between them is spelling.
    """
    return _origin(one) == _origin(other)


def _origin(url: str) -> tuple[str, str, int | None, str]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ("", url, None, "")
    host = (parts.hostname or "").lower()
    host = "localhost" if host in _LOOPBACK else host
    return (parts.scheme, host, port or _PORTS.get(parts.scheme), parts.path.rstrip("/"))


def _decoded(part: str) -> bytes:
    try:
        raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (binascii.Error, ValueError):
        raise ReceiptInvalid("not a signed receipt") from None
    # base64 has several spellings of some bytes; accepting one only leaves no room to vary.
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != part:
        raise ReceiptInvalid("not a signed receipt")
    return raw


def _public_key(entry: Mapping[str, Any]) -> tuple[str, Ed25519PublicKey] | None:
    kid, x = entry.get("kid"), entry.get("x")
    if entry.get("kty") != "OKP" or entry.get("crv") != "Ed25519":
        return None
    if not isinstance(kid, str) or not isinstance(x, str):
        return None
    try:
        raw = _decoded(x)
    except ReceiptInvalid:
        return None
    return (kid, Ed25519PublicKey.from_public_bytes(raw)) if len(raw) == _KEY_BYTES else None


def _instant(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ReceiptInvalid("the receipt is incomplete")
    return float(value)
