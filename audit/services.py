"""The only writer of the audit trail."""

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from audit.batches import listed
from audit.chain import GENESIS, commit_field, event_hash, instant
from audit.context import origin
from audit.ids import new_id

SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it: a person, a machine, or the service itself."""

    id: str = ""
    kind: str = "system"
    label: str = ""


THE_SERVICE = Actor()


@dataclass(frozen=True, slots=True)
class Draft:
    """One fact about to be written. Its id is known before it is stored, so rows can name it."""

    type: str
    at: datetime
    actor: Actor = THE_SERVICE
    reason: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    personal: Mapping[str, Any] = field(default_factory=dict)
    id: UUID = field(default_factory=new_id)


_COLUMNS = (
    "id, stream, seq, type, actor_id, actor_kind, actor_label, at, channel, reason, data, "
    "personal, salts, field_commitments, previous_hash, hash"
)

_TYPES = (
    *("uuid", "text", "bigint", "text", "text", "text", "text", "timestamptz", "text", "text"),
    *("text", "text", "text", "text", "text", "text"),
)
_JSON = frozenset({11, 12, 13, 14})  # places of the columns that hold JSON, given as text


def record(stream: str, drafts: Sequence[Draft]) -> None:
    """Append facts to one stream, in order, in the caller's transaction.

    The head row is locked last of all locks, which keeps the chain linear.

    :raises RuntimeError: outside a transaction; a fact and its cause must commit together.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("An audit event is written in the transaction of what it tells.")
    if not drafts:
        return
    channel = origin().channel
    with connection.cursor() as cursor:
        seq, previous = _locked_head(cursor, stream)
        rows: list[Any] = []
        for draft in drafts:
            seq += 1
            values, previous = _row(stream, seq, previous, channel, draft)
            rows += values
        one = "(" + ", ".join(["%s"] * 16) + ")"
        many = ", ".join([one] * len(drafts))
        cursor.execute(f"INSERT INTO audit_auditevent ({_COLUMNS}) VALUES {many}", rows)  # noqa: S608
        cursor.execute(
            "UPDATE audit_chainhead SET seq = %s, hash = %s WHERE stream = %s",
            [seq, previous, stream],
        )


def record_all(stories: Mapping[str, Sequence[Draft]]) -> None:
    """Append facts to many streams at once, in the caller's transaction.

    The head rows are locked last of all locks, and in order, like those of one stream.

    :param stories: the facts of each stream, in order.
    :raises RuntimeError: outside a transaction.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("An audit event is written in the transaction of what it tells.")
    streams = sorted(stream for stream, drafts in stories.items() if drafts)
    if not streams:
        return
    channel = origin().channel
    rows: list[Any] = []
    heads: list[Any] = []
    with connection.cursor() as cursor:
        found = _locked_heads(cursor, streams)
        for stream in streams:
            seq, previous = found[stream]
            for draft in stories[stream]:
                seq += 1
                values, previous = _row(stream, seq, previous, channel, draft)
                rows.append(values)
            heads.append([stream, seq, previous])
        table, given = listed(_TYPES, rows)
        json_ = "::jsonb" if connection.vendor == "postgresql" else ""
        read = ", ".join(
            f"v.column{place}{json_ if place in _JSON else ''}" for place in range(1, 17)
        )
        cursor.execute(
            f"INSERT INTO audit_auditevent ({_COLUMNS}) SELECT {read} FROM {table}",  # noqa: S608
            given,
        )
        table, given = listed(["text", "bigint", "text"], heads)
        cursor.execute(
            "UPDATE audit_chainhead SET seq = v.column2, hash = v.column3 "  # noqa: S608
            f"FROM {table} WHERE audit_chainhead.stream = v.column1",
            given,
        )


def record_alone(stream: str, draft: Draft) -> None:
    """Append one fact in a transaction of its own."""
    with transaction.atomic():
        record(stream, [draft])


def _locked_head(cursor: Any, stream: str) -> tuple[int, str]:
    lock = " FOR UPDATE" if connection.vendor == "postgresql" else ""
    query = f"SELECT seq, hash FROM audit_chainhead WHERE stream = %s{lock}"  # noqa: S608
    cursor.execute(query, [stream])
    head = cursor.fetchone()
    if head is None:
        cursor.execute(
            "INSERT INTO audit_chainhead (stream, seq, hash, sealed_seq) VALUES (%s, 0, %s, 0) "
            "ON CONFLICT (stream) DO NOTHING RETURNING seq, hash",
            [stream, GENESIS],
        )
        head = cursor.fetchone()
    if head is None:  # somebody began this stream at the same moment; wait for them
        cursor.execute(query, [stream])
        head = cursor.fetchone()
    return head[0], head[1]


def _locked_heads(cursor: Any, streams: Sequence[str]) -> dict[str, tuple[int, str]]:
    lock = " FOR UPDATE" if connection.vendor == "postgresql" else ""
    places = ", ".join(["%s"] * len(streams))
    query = f"SELECT stream, seq, hash FROM audit_chainhead WHERE stream IN ({places}) "  # noqa: S608
    cursor.execute(query + f"ORDER BY stream{lock}", streams)
    found = {stream: (seq, last) for stream, seq, last in cursor.fetchall()}
    # A stream that only begins here is rare: whatever is swept has been opened before.
    return found | {new: _locked_head(cursor, new) for new in streams if new not in found}


def _row(stream: str, seq: int, previous: str, channel: str, draft: Draft) -> tuple[list[Any], str]:
    personal = dict(draft.personal)
    sealed = {"actor_label": draft.actor.label, "reason": draft.reason, **personal}
    told = [name for name, value in sealed.items() if value not in ("", None)]
    salts = {name: secrets.token_hex(16) for name in told}
    commitments = {name: commit_field(salt, sealed[name]) for name, salt in salts.items()}
    hashed = {
        "id": str(draft.id),
        "stream": stream,
        "seq": seq,
        "type": draft.type,
        "actor_id": draft.actor.id,
        "actor_kind": draft.actor.kind,
        "at": instant(draft.at),
        "channel": channel,
        "data": dict(draft.data),
        "field_commitments": commitments,
        "previous_hash": previous,
    }
    own_hash = event_hash(hashed)
    ops = connection.ops
    values = [
        draft.id if connection.features.has_native_uuid_field else draft.id.hex,
        stream,
        seq,
        draft.type,
        draft.actor.id,
        draft.actor.kind,
        draft.actor.label,
        ops.adapt_datetimefield_value(draft.at),
        channel,
        draft.reason,
        json.dumps(hashed["data"]),
        json.dumps(personal),
        json.dumps(salts),
        json.dumps(commitments),
        previous,
        own_hash,
    ]
    return values, own_hash


def stored_fields(events: Iterable[Any]) -> Iterable[dict[str, Any]]:
    """Yield stored events in the form `audit.chain.verify_stream` reads."""
    for event in events:
        yield {
            "id": str(event.id),
            "stream": event.stream,
            "seq": event.seq,
            "type": event.type,
            "actor_id": event.actor_id,
            "actor_kind": event.actor_kind,
            "at": instant(event.at),
            "channel": event.channel,
            "data": event.data,
            "field_commitments": event.field_commitments,
            "previous_hash": event.previous_hash,
            "hash": event.hash,
            "salts": event.salts,
            "personal": {
                "actor_label": event.actor_label,
                "reason": event.reason,
                **event.personal,
            },
        }
