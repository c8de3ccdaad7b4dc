"""Link the events of a stream so that nobody can change, drop or reorder one unseen.

Each event's hash covers the one before it. Personal values stay outside the hash: it covers a
salted commitment to each, so a value can be erased later and the chain still holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from audit.canonical import canonical_bytes, digest_of, sha256_hex

GENESIS = "0" * 64
FIRST_SEQ = 1
# What stands where a personal value was erased, or never was one.
ERASED = ("", None)

HASHED_FIELDS = (
    "id",
    "stream",
    "seq",
    "type",
    "actor_id",
    "actor_kind",
    "at",
    "channel",
    "data",
    "field_commitments",
    "previous_hash",
)

ProblemKind = Literal["gap", "fork", "hash", "previous", "commitment"]


@dataclass(frozen=True)
class Problem:
    """Name one place where a stream does not hold, in a sentence for a person."""

    stream: str
    seq: int
    kind: ProblemKind
    sentence: str


def instant(at: datetime) -> str:
    """Return the instant as ISO-8601 in UTC with microseconds, ``2026-01-02T03:04:05.000006Z``.

    :raises ValueError: when it has no time zone.
    """
    if at.tzinfo is None or at.utcoffset() is None:
        raise ValueError("An instant needs a time zone.")
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def commit_field(salt_hex: str, value: object) -> str:
    """Return the commitment to a personal value: SHA-256 hex over salt and canonical bytes.

    :raises ValueError: when the salt is not hex or the value has no canonical form.
    """
    return sha256_hex(bytes.fromhex(salt_hex) + canonical_bytes(value))


def event_hash(fields: Mapping[str, Any]) -> str:
    """Return the event's hash: SHA-256 hex over RFC 8785 of exactly ``HASHED_FIELDS``.

    Other keys are ignored; ``at`` may be a datetime or what :func:`instant` made of it.

    :raises KeyError: when one of the fields is missing.
    :raises Unrepresentable: when one of them has no canonical form.
    """
    covered = {name: fields[name] for name in HASHED_FIELDS}
    if isinstance(covered["at"], datetime):
        covered["at"] = instant(covered["at"])
    return digest_of(covered)


def verify_stream(
    events: Iterable[Mapping[str, Any]],
    *,
    heads: Mapping[str, tuple[int, str]] | None = None,
) -> list[Problem]:
    """Return what is wrong with the events; an empty list when nothing is.

    An event maps ``HASHED_FIELDS`` and ``hash``, and may map ``personal`` (name to value) and
    ``salts`` (name to hex). A personal value that is missing, empty or None was erased, which is
    no problem. Events come in order of ``seq``; several streams may be mixed. ``heads`` names
    the last (seq, hash) each stream must reach, which is how a cut-off end is found.
    """
    problems: list[Problem] = []
    reached: dict[str, tuple[int, str]] = {}
    for event in events:
        stream, seq = str(event.get("stream")), event.get("seq")
        if not isinstance(seq, int):
            problems.append(Problem(stream, 0, "gap", f"An event of {stream} has no number."))
            continue
        last_seq, last_hash = reached.get(stream, (FIRST_SEQ - 1, GENESIS))
        problems.extend(_place_problems(stream, seq, event, last_seq, last_hash))
        problems.extend(_content_problems(stream, seq, event))
        if seq > last_seq:
            reached[stream] = (seq, str(event.get("hash")))
    for stream, (seq, hash_) in (heads or {}).items():
        last_seq, last_hash = reached.get(stream, (FIRST_SEQ - 1, GENESIS))
        if last_seq < seq:
            sentence = f"{stream} should reach event {seq} but ends at {last_seq}."
            problems.append(Problem(stream, seq, "gap", sentence))
        elif last_seq > seq:
            sentence = f"{stream} has event {last_seq}, but its head stands at {seq}."
            problems.append(Problem(stream, last_seq, "fork", sentence))
        elif last_hash != hash_:
            sentence = f"The last event of {stream} ({seq}) is not the one its head names."
            problems.append(Problem(stream, seq, "hash", sentence))
    return problems


def _place_problems(
    stream: str, seq: int, event: Mapping[str, Any], last_seq: int, last_hash: str
) -> Iterable[Problem]:
    if seq <= last_seq:
        sentence = f"Event {seq} of {stream} stands twice or out of order."
        yield Problem(stream, seq, "fork", sentence)
    elif seq > last_seq + 1:
        missing = f"{last_seq + 1}" if seq == last_seq + 2 else f"{last_seq + 1} to {seq - 1}"
        yield Problem(stream, seq, "gap", f"{stream} lacks event {missing}.")
    elif event.get("previous_hash") != last_hash:
        sentence = f"Event {seq} of {stream} does not follow from the one before it."
        yield Problem(stream, seq, "previous", sentence)


def _content_problems(stream: str, seq: int, event: Mapping[str, Any]) -> Iterable[Problem]:
    try:
        holds = event_hash(event) == event.get("hash")
    except (KeyError, ValueError):
        holds = False
    if not holds:
        sentence = f"Event {seq} of {stream} was changed: its content does not match its hash."
        yield Problem(stream, seq, "hash", sentence)
    personal, salts, commitments = (
        value if isinstance(value, Mapping) else {}
        for value in (event.get(name) for name in ("personal", "salts", "field_commitments"))
    )
    for name, value in personal.items():
        if value in ERASED or _keeps(commitments.get(name), salts.get(name), value):
            continue
        sentence = f"{name} in event {seq} of {stream} is not the value committed to."
        yield Problem(stream, seq, "commitment", sentence)
    for name in salts.keys() - commitments.keys():
        sentence = f"Event {seq} of {stream} never committed to {name}."
        yield Problem(stream, seq, "commitment", sentence)


def _keeps(commitment: object, salt: object, value: object) -> bool:
    try:
        return isinstance(salt, str) and commitment == commit_field(salt, value)
    except ValueError:
        return False
