"""One byte form for every JSON value (RFC 8785), and the digests made from it.

Whatever is hashed, signed or compared anywhere in this project goes through here, so a value
either has exactly one byte form in every language and both databases, or it is refused.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any

import rfc8785

# RFC 7493 (I-JSON) 2.2: beyond this a double no longer holds every integer. It binds floats too:
# 1e20 is written as an integer by RFC 8785 and 1e30 becomes one in a jsonb column, so neither
# would come back with the digest it left with.
LARGEST_NUMBER = 2**53 - 1
# A key may be megabytes long; the pointer is shown to people.
_LONGEST_TOKEN = 64

# The way from a value to the root: (way of the parent, key or index). It becomes text only when
# something is wrong, because this walk runs over every value of every request.
_Way = tuple[Any, "str | int"] | None


class Unrepresentable(ValueError):
    """Say which value has no canonical JSON form, and why.

    ``pointer`` is the JSON pointer (RFC 6901) to it, ``""`` for the whole. Characters that cannot
    be sent stand as U+FFFD in it and long keys are cut, so it can always go into an answer.
    """

    def __init__(self, message: str, pointer: str = "") -> None:
        super().__init__(message)
        self.pointer = pointer


def check_json(value: object, *, max_depth: int = 32) -> None:
    """Refuse a value that is not JSON or would not survive a journey unchanged.

    Lists and tuples are arrays, dicts with string keys are objects. ``max_depth`` counts nested
    arrays and objects, the outermost being the first.

    :raises Unrepresentable: for NUL and lone surrogates in text or keys, numbers that are not
        finite or lie beyond ±(2⁵³−1), types JSON does not have, and too deep nesting.
    """
    waiting: list[tuple[object, _Way, int]] = [(value, None, 1)]
    while waiting:
        item, way, depth = waiting.pop()
        if item is None or item is True or item is False:
            continue
        if isinstance(item, str):
            problem = _text_problem(item)
        elif isinstance(item, (int, float)):
            problem = _number_problem(item)
        elif isinstance(item, (dict, list, tuple)):
            problem = f"Nested more than {max_depth} levels deep." if depth > max_depth else None
            if problem is None and isinstance(item, dict):
                for key, child in item.items():
                    if not isinstance(key, str):
                        raise Unrepresentable("An object's keys must be text.", _pointer(way))
                    key_problem = _text_problem(key)
                    if key_problem is not None:
                        raise Unrepresentable(f"In a key: {key_problem}", _pointer((way, key)))
                    waiting.append((child, (way, key), depth + 1))
            elif problem is None:
                waiting.extend((child, (way, at), depth + 1) for at, child in enumerate(item))
        else:
            problem = f"JSON has no {type(item).__name__}."
        if problem is not None:
            raise Unrepresentable(problem, _pointer(way))


def canonical_bytes(value: object) -> bytes:
    """Return the value's one RFC 8785 byte form.

    :raises Unrepresentable: when it has none, see :func:`check_json`.
    """
    check_json(value)
    return rfc8785.dumps(value)  # type: ignore[arg-type]  # check_json has just proved it


def digest_of(value: object) -> str:
    """Return the SHA-256 of the value's canonical bytes, 64 lower-case hex digits.

    :raises Unrepresentable: when it has no canonical form.
    """
    return sha256_hex(canonical_bytes(value))


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 of the bytes, 64 lower-case hex digits."""
    return hashlib.sha256(data).hexdigest()


def _text_problem(text: str) -> str | None:
    if "\x00" in text:
        return "Text may not contain the NUL character."
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            return "Text may not contain half of a surrogate pair."
    return None


def _number_problem(number: int | float) -> str | None:
    if isinstance(number, float) and not math.isfinite(number):
        return "A number must be finite."
    if not -LARGEST_NUMBER <= number <= LARGEST_NUMBER:
        return "Numbers beyond ±(2⁵³−1) are not exact everywhere; send it as text."
    return None


def _pointer(way: _Way) -> str:
    tokens: list[str] = []
    while way is not None:
        way, token = way
        text = str(token)
        if len(text) > _LONGEST_TOKEN:
            text = text[:_LONGEST_TOKEN] + "…"
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        text = text.replace("\x00", "\ufffd")
        tokens.append(text.replace("~", "~0").replace("/", "~1"))
    return "".join(f"/{token}" for token in reversed(tokens))
