"""Tokens of the links in mails: random, stored only as a hash, good for a day and for one vote."""

import secrets
from datetime import timedelta
from hashlib import sha256

LIFETIME = timedelta(hours=24)


def new_token() -> str:
    """Return a fresh token of 256 random bits, 43 letters fit for an address."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """Return what is stored of a token; whatever somebody sends in its place has a hash as well."""
    # 256 random bits cannot be guessed from their hash, so a plain one is as good as a slow one.
    return sha256(token.encode(errors="replace")).hexdigest()
