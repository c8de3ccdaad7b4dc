"""Make seals: once a minute, one signed statement over the head of every stream that grew."""

import json
import logging
import os
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F

from audit.canonical import digest_of
from audit.chain import GENESIS, instant
from audit.clock import db_now
from audit.keys import signing_key
from audit.models import ChainHead, Seal
from audit.seals import head_leaf, merkle_root, seal_statement, sign_statement

log = logging.getLogger(__name__)

# Heads in one seal; what is over goes into the next, made right after it.
MOST_HEADS = 5000
# Every seal is also a line of this file in the data folder: copied away, it is what shows a trail
# that was rewritten as a whole.
SEAL_FILE = "seals.jsonl"


def seal_hash(statement: dict[str, Any]) -> str:
    """Return what the next seal names as the one before it: the digest of its statement."""
    return digest_of(statement)


def seal_chains(*, most_heads: int = MOST_HEADS) -> int:
    """Seal every stream that grew since it was last sealed; return how many heads were sealed."""
    sealed = 0
    while True:
        seal = _seal_once(most_heads)
        if seal is None:
            return sealed
        _keep_outside(seal)
        sealed += len(seal.heads)
        if len(seal.heads) < most_heads:
            return sealed


def _seal_once(most_heads: int) -> Seal | None:
    try:
        with transaction.atomic():
            # A head that is being written to right now goes into the next seal: nobody waits here,
            # and no writer waits for a seal. Two sealers at once get different heads, or none.
            heads = list(
                ChainHead.objects.select_for_update(skip_locked=True)
                .filter(seq__gt=F("sealed_seq"))
                .order_by("stream")[:most_heads]
            )
            if not heads:
                return None
            heads.sort(key=lambda head: head.stream)
            last = Seal.objects.order_by("-number").first()
            now = db_now()
            statement = seal_statement(
                number=last.number + 1 if last else 1,
                at=instant(now),
                root=merkle_root([_leaf(head) for head in heads]),
                heads=len(heads),
                previous=seal_hash(last.statement) if last else GENESIS,
            )
            key = signing_key()
            seal = Seal.objects.create(
                number=statement["number"],
                at=now,
                root=statement["root"],
                heads=[[head.stream, head.seq, head.hash] for head in heads],
                previous=statement["previous"],
                statement=statement,
                key_id=key.kid,
                signature=sign_statement(statement, key),
            )
            for head in heads:
                head.sealed_seq = head.seq
            ChainHead.objects.bulk_update(heads, ["sealed_seq"], batch_size=500)
    except IntegrityError:
        # Another sealer took this number first; what is left is sealed the next time.
        return None
    return seal


def _leaf(head: ChainHead) -> bytes:
    return head_leaf(stream=head.stream, seq=head.seq, head_hash=head.hash)


def _keep_outside(seal: Seal) -> None:
    """Append a seal to the file; a folder that is full or gone does not stop the sealing."""
    line = json.dumps(
        {
            "statement": seal.statement,
            "signature": seal.signature,
            "key_id": seal.key_id,
            "heads": seal.heads,
        },
        separators=(",", ":"),
    )
    path = settings.HITL_DATA_DIR / SEAL_FILE
    try:
        with os.fdopen(os.open(path, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600), "a") as out:
            out.write(line + "\n")
    except OSError as problem:
        log.warning("seal %s was not written to %s: %s", seal.number, path, problem)
