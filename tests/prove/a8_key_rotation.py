"""A8: the signing key is rotated three times under load: what any key signed verifies always."""

import json
from collections import Counter
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from uuid import UUID

from django.conf import settings
from hitl_client.errors import ReceiptInvalid
from hitl_client.receipts import KeyRing, verified_claims

from approvals.receipts import RECEIPT_TYPE
from audit import keys
from audit.clock import db_now
from audit.sealing import seal_chains
from audit.signing import SigningKey, TokenRefused, verify_jwt
from audit.verification import verify
from reviews.models import Ticket
from reviews.services.receipts import signed_receipt
from reviews.services.votes import cast_vote
from tests.prove.cast import cast
from tests.prove.crew import Hand
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene

HANDS, ROTATIONS = 4, 3


def sign_and_verify(hand: Hand) -> None:
    """Sign and verify without a pause; hand 0 rotates, and every second process follows later."""
    given = hand.parcel
    signed = Path(given["folder"]) / f"signed-{hand.number}"
    current = settings.HITL_SIGNING_KEY
    for rotation in range(ROTATIONS + 1):
        if rotation:
            hand.meet()
            if hand.number == 0:
                new = SigningKey.generate()
                (Path(given["folder"]) / "next.pem").write_bytes(new.to_pem())
                keys.rotate(to=new)
                seal_chains()
            hand.meet()
            current = (Path(given["folder"]) / "next.pem").read_text()
            # The even hands sign with the new key at once; the odd ones have not been restarted.
            if hand.number % 2 == 0:
                settings.HITL_SIGNING_KEY = current
        _busy(hand, signed, rounds=given["rounds"])
        hand.meet()
        settings.HITL_SIGNING_KEY = current
        _busy(hand, signed, rounds=given["rounds"])


def _busy(hand: Hand, signed: Path, *, rounds: int) -> None:
    """Sign a receipt, then verify one that somebody signed at any time before, and count."""
    tickets: list[UUID] = hand.parcel["tickets"]
    told: Counter[str] = Counter()
    for number in range(rounds):
        ticket = Ticket.objects.select_related("decision", "checkpoint").get(
            pk=tickets[(number * HANDS + hand.number) % len(tickets)]
        )
        with signed.open("a") as out:
            out.write(signed_receipt(ticket) + "\n")
        for path in sorted(signed.parent.glob("signed-*")):
            tokens = path.read_text().split()
            if not tokens:
                continue  # somebody is writing the first one right now
            token = tokens[(number * 7) % len(tokens)]
            told["verified"] += 1
            told["refused by the service"] += not _by_service(token)
            told["refused by the client"] += not _by_client(token)
    hand.note(**told)


def _by_service(token: str) -> bool:
    try:
        verify_jwt(token, keys.published_keys(), now=db_now(), typ=RECEIPT_TYPE)
    except TokenRefused:
        return False
    return True


def _by_client(token: str) -> bool:
    """Verify as the client does, with the keys this process publishes at this moment."""
    ring = KeyRing()
    # Over the wire they are JSON.
    ring.replace(json.loads(json.dumps({"keys": keys.published_keys()})), clock=0.0)
    try:
        verified_claims(
            token, ring, issuer=settings.BASE_URL, now=db_now().timestamp(), clock_skew=0
        )
    except ReceiptInvalid:
        return False
    return True


def rotated(scene: Scene, *, rounds: int) -> Figure:
    people = cast(voters=1)
    tickets = people.open_many(8)
    for ticket in tickets:
        cast_vote(ticket_id=ticket, voter=people.voters[0], choice="approve", version=1)
    seal_chains()
    folder = Path(mkdtemp(dir=scene.folder))
    before = settings.HITL_SIGNING_KEY
    parcel = {"folder": str(folder), "tickets": tickets, "rounds": rounds}
    ledger = scene.crew(sign_and_verify, hands=HANDS, parcel=parcel)
    told: Counter[str] = sum((Counter(_numbers(line)) for line in ledger), Counter())
    settings.HITL_SIGNING_KEY = (folder / "next.pem").read_text()
    people.open()
    seal_chains()
    trail = verify(jwks=keys.published_keys())
    published = len(keys.published_keys())
    settings.HITL_SIGNING_KEY = before
    return figure(
        f"{told['verified']} verifications by service and client over {ROTATIONS} rotations",
        details={"keys": published, "findings": [f.sentence for f in trail.findings[:3]]},
        refused_by_the_service=told["refused by the service"],
        refused_by_the_client=told["refused by the client"],
        seals_that_do_not_hold=len(trail.findings),
    )


def _numbers(line: dict[str, Any]) -> dict[str, int]:
    return {name: count for name, count in line.items() if name != "hand"}


def run(scene: Scene) -> Figure:
    return rotated(scene, rounds=scene.size(60, least=4))


def control(scene: Scene) -> Figure:
    """Publish the present key only, as a key set without a history does."""
    scene.switch_off("key-history")
    return rotated(scene, rounds=10)


ROW = Row("A8", "What an earlier key signed still verifies", run, control)
