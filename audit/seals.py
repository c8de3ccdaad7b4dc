"""Seal all streams at once: one signed Merkle root over every head.

Whoever keeps one seal outside can tell later whether anything before it was changed or cut off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from audit.canonical import canonical_bytes
from audit.signing import SigningKey, b64url, from_b64url, signature_holds

STATEMENT_TYPE = "countersign-seal/1"


def head_leaf(*, stream: str, seq: int, head_hash: str) -> bytes:
    """Return the leaf that stands for a stream's head: canonical ``[stream, seq, hash]``."""
    return canonical_bytes([stream, seq, head_hash])


def merkle_root(leaves: Sequence[bytes]) -> str:
    """Return the root over the leaves in their order, 64 hex digits (RFC 6962 section 2.1).

    Leaves and nodes are hashed with different prefixes, so a node cannot be passed off as a leaf;
    the root of nothing is the hash of nothing.
    """
    if not leaves:
        return sha256(b"").hexdigest()
    level = [sha256(b"\x00" + leaf).digest() for leaf in leaves]
    while len(level) > 1:
        # The odd one out moves up unhashed: level by level this is RFC 6962's split at the
        # largest power of two, without recursion over a hundred thousand leaves.
        paired = [
            sha256(b"\x01" + level[at] + level[at + 1]).digest()
            for at in range(0, len(level) - 1, 2)
        ]
        level = paired + level[len(level) - len(level) % 2 :]
    return level[0].hex()


def seal_statement(*, number: int, at: str, root: str, heads: int, previous: str) -> dict[str, Any]:
    """Return what a seal says: its number, instant, root, count of heads, previous seal's hash."""
    return {
        "type": STATEMENT_TYPE,
        "number": number,
        "at": at,
        "root": root,
        "heads": heads,
        "previous": previous,
    }


def sign_statement(statement: Mapping[str, Any], private_key: SigningKey) -> str:
    """Return the Ed25519 signature over the statement's canonical bytes, as base64url.

    :raises Unrepresentable: when the statement has no canonical form.
    """
    return b64url(private_key.sign(canonical_bytes(dict(statement))))


def verify_statement(
    statement: Mapping[str, Any], signature: str, public_key: Mapping[str, Any]
) -> bool:
    """Return whether the key (a JWK) signed exactly this statement; never raises for bad input."""
    try:
        return signature_holds(public_key, from_b64url(signature), canonical_bytes(dict(statement)))
    except ValueError:
        return False
