"""Hand over from one signing key to the next, so that what the old one signed still verifies.

A handover is one statement that names both keys and is signed by both. Whoever trusts either key
trusts the other through it: the keys of the past need no other proof than the present one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from audit.canonical import Unrepresentable, canonical_bytes
from audit.signing import SigningKey, b64url, from_b64url, signature_holds

HANDOVER_TYPE = "countersign-key-handover/1"


def hand_over(*, old: SigningKey, new: SigningKey, at: str) -> dict[str, Any]:
    """Return the handover from one key to another: ``{"statement", "by_old", "by_new"}``."""
    statement = {
        "type": HANDOVER_TYPE,
        "old": old.public_jwk(),
        "new": new.public_jwk(),
        "at": at,
    }
    data = canonical_bytes(statement)
    return {
        "statement": statement,
        "by_old": b64url(old.sign(data)),
        "by_new": b64url(new.sign(data)),
    }


def trusted_keys(
    current: Mapping[str, Any], handovers: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return the current public key and every one a chain of handovers leads to, as JWKs.

    A key that was handed over also says until when it signed (``until``), one that took over
    since when (``from``). What is not signed by a key already trusted adds nothing.
    """
    trusted: dict[str, dict[str, Any]] = {str(current["kid"]): dict(current)}
    left = [one for one in handovers if _is_whole(one)]
    while True:
        holding = [one for one in left if _endorsed(one, trusted)]
        if not holding:
            return list(trusted.values())
        left = [one for one in left if one not in holding]
        for one in holding:
            said = one["statement"]
            for name, moment in (("old", "until"), ("new", "from")):
                jwk = trusted.setdefault(said[name]["kid"], dict(said[name]))
                jwk[moment] = said["at"]


def _endorsed(handover: Mapping[str, Any], trusted: Mapping[str, Mapping[str, Any]]) -> bool:
    said = handover["statement"]
    try:
        data = canonical_bytes(said)
    except Unrepresentable:
        return False
    return any(
        # By the key as it is trusted, not as the statement spells it.
        said[name]["kid"] in trusted
        and signature_holds(trusted[said[name]["kid"]], _bytes(handover[signature]), data)
        for name, signature in (("old", "by_old"), ("new", "by_new"))
    )


def _bytes(text: str) -> bytes:
    try:
        return from_b64url(text)
    except ValueError:
        return b""


def _is_whole(handover: Mapping[str, Any]) -> bool:
    """Tell whether it has the form of a handover; anybody may have written into the database."""
    said = handover.get("statement")
    if not isinstance(said, dict) or said.get("type") != HANDOVER_TYPE:
        return False
    keys: Sequence[Any] = (said.get("old"), said.get("new"))
    texts = (handover.get("by_old"), handover.get("by_new"), said.get("at"))
    return all(isinstance(key, dict) and isinstance(key.get("kid"), str) for key in keys) and all(
        isinstance(text, str) for text in texts
    )
