"""One value, one sequence of bytes (RFC 8785), so that both sides hash the same thing."""

from __future__ import annotations

import hashlib
from typing import Any

import rfc8785

from hitl_client.errors import Invalid


def canonical_bytes(value: Any) -> bytes:
    """Return the RFC 8785 bytes of a JSON value.

    :raises Invalid: for anything JSON cannot say without loss: other types, NaN, infinities,
        integers beyond ±(2**53-1), keys that are not strings, lone surrogates, cycles.
    """
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as problem:
        raise Invalid(f"not representable as JSON without loss: {problem}") from None
    except RecursionError:
        raise Invalid("nested too deeply, or contains itself") from None


def action_digest(action: Any) -> str:
    """Return the SHA-256 of an action in 64 hex digits: what a receipt calls `action_digest`.

    :raises Invalid: as `canonical_bytes` does.
    """
    return hashlib.sha256(canonical_bytes(action)).hexdigest()
