"""Sign statements with Ed25519 and verify them with nothing but the published keys."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import jwt
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from audit.canonical import canonical_bytes, sha256_hex

ALGORITHM = "EdDSA"
_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_LONGEST_TOKEN = 64 * 1024


class TokenRefused(ValueError):
    """Say why a token proves nothing.

    ``code`` is one of ``malformed``, ``wrong-algorithm``, ``wrong-type``, ``unknown-key``,
    ``wrong-signature``, ``expired``, ``not-yet-valid``, ``wrong-audience``.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class SigningKey:
    """Hold a private Ed25519 key and the name it is published under."""

    private: Ed25519PrivateKey

    @classmethod
    def generate(cls) -> SigningKey:
        """Return a new random key."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_pem(cls, pem: bytes) -> SigningKey:
        """Return the key in an unencrypted PKCS #8 PEM.

        :raises ValueError: when it is no PEM or another kind of key; the sentence holds no part
            of it.
        """
        try:
            private = serialization.load_pem_private_key(pem, password=None)
        except Exception:
            # The library has many reasons and may quote the key in them.
            raise ValueError("This is not an unencrypted private key in PEM form.") from None
        if not isinstance(private, Ed25519PrivateKey):
            # Wrong content of a setting, not a wrong call.
            raise ValueError("The signing key must be an Ed25519 key.")  # noqa: TRY004
        return cls(private)

    def to_pem(self) -> bytes:
        """Return the private key as unencrypted PKCS #8 PEM."""
        return self.private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def __repr__(self) -> str:
        return f"SigningKey(kid={self.kid!r})"

    @cached_property
    def _x(self) -> str:
        return b64url(
            self.private.public_key().public_bytes(
                serialization.Encoding.Raw, serialization.PublicFormat.Raw
            )
        )

    @cached_property
    def kid(self) -> str:
        """Return the key's name: its RFC 7638 thumbprint."""
        # RFC 7638 asks for the required members in order, which is what RFC 8785 writes.
        members = {"crv": "Ed25519", "kty": "OKP", "x": self._x}
        return b64url(bytes.fromhex(sha256_hex(canonical_bytes(members))))

    def public_jwk(self) -> dict[str, str]:
        """Return the public half as a JWK (RFC 8037): kty, crv, x, kid, use, alg."""
        return {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": self._x,
            "kid": self.kid,
            "use": "sig",
            "alg": ALGORITHM,
        }

    def sign(self, data: bytes) -> bytes:
        """Return the 64-byte Ed25519 signature over the bytes."""
        return self.private.sign(data)

    def jwt(self, claims: Mapping[str, Any], typ: str) -> str:
        """Return the claims as a signed JWT; the same claims give the same token.

        :raises Unrepresentable: when the claims have no canonical form.
        """
        ordered = json.loads(canonical_bytes(dict(claims)))
        return jwt.encode(
            ordered,
            self.private,
            algorithm=ALGORITHM,
            headers={"kid": self.kid, "typ": typ},
            sort_headers=True,
        )


def public_key_of(jwk: Mapping[str, Any]) -> Ed25519PublicKey:
    """Return the public key in a JWK.

    :raises ValueError: when it is not an Ed25519 key.
    """
    if jwk.get("kty") != "OKP" or jwk.get("crv") != "Ed25519" or not isinstance(jwk.get("x"), str):
        raise ValueError("The JWK is not an Ed25519 key.")
    return Ed25519PublicKey.from_public_bytes(from_b64url(jwk["x"]))


def signature_holds(jwk: Mapping[str, Any], signature: bytes, data: bytes) -> bool:
    """Return whether the key in the JWK made this signature over the bytes."""
    try:
        public_key_of(jwk).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def verify_jwt(
    token: object,
    jwks: Sequence[Mapping[str, Any]],
    *,
    now: datetime,
    typ: str,
    audience: str | None = None,
) -> dict[str, Any]:
    """Return the claims of a token that one of the keys signed and that is valid at ``now``.

    The header must name EdDSA, a known key and ``typ``, and nothing else. ``exp`` is required and
    exclusive, ``nbf`` inclusive. A token made out to an audience needs that ``audience``.

    :raises TokenRefused: otherwise, with a stable ``code``.
    """
    if not isinstance(token, str) or len(token) > _LONGEST_TOKEN or not _TOKEN.fullmatch(token):
        raise TokenRefused("malformed", "This is not a signed token.")
    try:
        # base64 lets the last character differ without changing the bytes; one token, one text.
        from_b64url(token.rpartition(".")[2])
        header = jwt.get_unverified_header(token)
    except (ValueError, RecursionError, jwt.PyJWTError):
        raise TokenRefused("malformed", "This is not a signed token.") from None
    # The algorithm is ours to say, never the token's: "none" and HMAC end here.
    if header.get("alg") != ALGORITHM:
        raise TokenRefused("wrong-algorithm", "The token is not signed with Ed25519.")
    if header.get("typ") != typ:
        raise TokenRefused("wrong-type", "The token was made for another use.")
    if set(header) != {"alg", "kid", "typ"}:
        raise TokenRefused("malformed", "The token's header says more than it may.")
    jwk = next((jwk for jwk in jwks if jwk.get("kid") == header["kid"]), None)
    if jwk is None:
        raise TokenRefused("unknown-key", "The token names a key that is not published.")
    try:
        claims = jwt.decode(
            token,
            public_key_of(jwk),
            algorithms=[ALGORITHM],
            # The library reads the clock by itself; every time is checked below, against `now`.
            options={
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
                "verify_aud": False,
            },
        )
    except jwt.InvalidSignatureError:
        raise TokenRefused("wrong-signature", "The token was changed or forged.") from None
    except (ValueError, RecursionError, jwt.PyJWTError):
        raise TokenRefused("malformed", "This is not a signed token.") from None
    _check_times(claims, now)
    if claims.get("aud") is not None or audience is not None:
        named = claims.get("aud")
        named = named if isinstance(named, list) else [named]
        if audience is None or audience not in named:
            raise TokenRefused("wrong-audience", "The token was made for somebody else.")
    return claims


def _check_times(claims: Mapping[str, Any], now: datetime) -> None:
    epoch = now.timestamp()
    for name in ("exp", "nbf"):
        value = claims.get(name)
        if value is None and name == "nbf":
            continue
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise TokenRefused("malformed", f"The token's {name} is not an instant.")
        if name == "exp" and epoch >= value:
            raise TokenRefused("expired", "The token is no longer valid.")
        if name == "nbf" and epoch < value:
            raise TokenRefused("not-yet-valid", "The token is not valid yet.")


def b64url(data: bytes) -> str:
    """Return the bytes as unpadded base64url text."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def from_b64url(text: str) -> bytes:
    """Return the bytes of unpadded base64url text.

    :raises ValueError: unless it is exactly the text :func:`b64url` writes for those bytes.
    """
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise ValueError("This is not base64url.") from None
    if b64url(data) != text:
        raise ValueError("This is not canonical base64url.")
    return data
