"""D6: what is executed is what was approved: altered receipts and actions, and one stamp only."""

import base64
import hmac
import json
import random
import string
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import jwt
from hitl_client import receipts as client
from hitl_client.canonical import action_digest
from hitl_client.errors import HitlError

from approvals.errors import Busy, Refusal
from approvals.models import AccessKey, Receipt
from approvals.receipts import RECEIPT_TYPE
from audit.canonical import canonical_bytes
from audit.clock import db_now
from audit.keys import signing_key
from audit.signing import SigningKey, TokenRefused, verify_jwt
from reviews.models import Ticket
from reviews.services.receipts import consume_receipt, signed_receipt
from reviews.services.votes import cast_vote
from tests.prove import switches
from tests.prove.cast import Cast, cast
from tests.prove.crew import Hand
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene

Json = dict[str, Any]
PROPOSAL: Json = {
    "payee": {"name": "ACME", "iban": "DE02120300000000202051"},
    "total": 900,
    "items": [{"what": "paper", "pieces": 3}, {"what": "ink", "pieces": 1}],
    "urgent": False,
    "note": None,
}
LETTERS = string.ascii_letters + string.digits + "-_.=+/ "


def approved(people: Cast, **request: Any) -> Ticket:
    """Return a ticket that was approved and is final."""
    ticket = people.open(**request)
    cast_vote(ticket_id=ticket.pk, voter=people.voters[0], choice="approve", version=1)
    return Ticket.objects.select_related("decision", "checkpoint").get(pk=ticket.pk)


# Altered tokens.


def _encoded(part: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def _decoded(part: str) -> Json:
    found: Json = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def one_letter(dice: random.Random, token: str, _: str) -> str:
    at = dice.randrange(len(token))
    return token[:at] + dice.choice(LETTERS) + token[at + 1 :]


def a_letter_more_or_less(dice: random.Random, token: str, _: str) -> str:
    at = dice.randrange(len(token))
    return dice.choice(
        [token[:at] + token[at + 1 :], token[:at] + dice.choice(LETTERS) + token[at:], token[:at]]
    )


def another_claim(dice: random.Random, token: str, other: str) -> str:
    """Say something else under the old signature."""
    header, body, signature = token.split(".")
    claims, others = _decoded(body), _decoded(other.split(".")[1])
    name = dice.choice(sorted(claims))
    value = claims[name]
    changed: Any = others[name] if others[name] != value else f"{value}0"
    if isinstance(value, int) and not isinstance(value, bool):
        changed = value + dice.choice([-1, 1]) * dice.randint(1, 10**6)
    return f"{header}.{_encoded({**claims, name: changed})}.{signature}"


def another_header(dice: random.Random, token: str, _: str) -> str:
    """Name another algorithm, key or use; sign anew with what everybody knows."""
    header, body, signature = token.split(".")
    said = _decoded(header)
    said |= dice.choice(
        [
            *({"alg": alg} for alg in ("none", "None", "HS256", "RS256", "ES256", "")),
            *({"typ": typ} for typ in ("JWT", "countersign-seal/1", None)),
            *({"kid": kid} for kid in ("", "../key", SigningKey.generate().kid)),
            {"jwk": SigningKey.generate().public_jwk()},
            {"jku": "https://attacker.invalid/keys"},
            {"crit": ["exp"]},
        ]
    )
    if said["alg"] == "none":
        signature = ""
    if said["alg"] == "HS256":
        public = base64.urlsafe_b64decode(signing_key().public_jwk()["x"] + "=")
        forged = hmac.digest(public, f"{_encoded(said)}.{body}".encode(), "sha256")
        signature = base64.urlsafe_b64encode(forged).rstrip(b"=").decode()
    return f"{_encoded(said)}.{body}.{signature}"


def another_signer(dice: random.Random, token: str, _: str) -> str:
    """Sign the claims, or better ones, with a key of one's own under the service's key id."""
    claims = _decoded(token.split(".")[1]) | dice.choice([{}, {"exp": 2**40}, {"allowed": True}])
    headers = {"kid": signing_key().kid, "typ": RECEIPT_TYPE}
    return jwt.encode(claims, SigningKey.generate().private, algorithm="EdDSA", headers=headers)


def parts_of_two(dice: random.Random, token: str, other: str) -> str:
    mine, theirs = token.split("."), other.split(".")
    at = dice.choice([1, 2])
    return ".".join(theirs[n] if n == at else part for n, part in enumerate(mine))


TOKENS: tuple[Callable[[random.Random, str, str], str], ...] = (
    *(one_letter, a_letter_more_or_less, another_claim, another_header),
    *(another_signer, parts_of_two),
)


def altered_tokens(dice: random.Random, token: str, other: str, count: int) -> Iterator[str]:
    """Yield tokens that differ from the one that was issued."""
    while count:
        altered = dice.choice(TOKENS)(dice, token, other)
        if altered not in (token, other):
            count -= 1
            yield altered


# Altered actions.


def altered_action(dice: random.Random, action: Any) -> Any:
    """Return another action: one place of it changed, added, removed or moved."""
    if isinstance(action, dict) and action:
        name = dice.choice(sorted(action))
        rest = {key: value for key, value in action.items() if key != name}
        return dice.choice(
            [
                rest,
                {**action, name + dice.choice("x _"): action[name]},
                {**action, name: altered_action(dice, action[name])},
                {**action, name: altered_action(dice, action[name])},
            ]
        )
    if isinstance(action, list) and action:
        at = dice.randrange(len(action))
        changed = [*action[:at], altered_action(dice, action[at]), *action[at + 1 :]]
        return dice.choice([action[:at] + action[at + 1 :], [*action, action[at]], changed])
    if isinstance(action, str):
        return dice.choice(
            [action + " ", action.swapcase() + "\u200b", f"{action}\u0000"[:-1] + "0"]
        )
    return dice.choice([str(action), 901, 1.5, True, {"value": action}, [action], -1])


def altered_actions(dice: random.Random, count: int) -> Iterator[Any]:
    genuine = canonical_bytes(PROPOSAL)
    while count:
        action = altered_action(dice, PROPOSAL)
        if canonical_bytes(action) != genuine:
            count -= 1
            yield action


def _believed_by_service(token: str) -> bool:
    try:
        verify_jwt(token, [signing_key().public_jwk()], now=db_now(), typ=RECEIPT_TYPE)
    except TokenRefused:
        return False
    return True


def _believed_by_client(token: str, ring: client.KeyRing, issuer: str, digest: str) -> bool:
    try:
        claims = client.verified_claims(
            token, ring, issuer=issuer, now=db_now().timestamp(), clock_skew=0
        )
        client.check_action(claims, digest)
    except HitlError:
        return False
    return True


def alterations(scene: Scene, people: Cast, *, count: int) -> dict[str, int]:
    """Return how many altered tokens, actions and digests were believed."""
    ticket, another = approved(people, proposal=PROPOSAL), approved(people, proposal={"n": 1})
    token, other = signed_receipt(ticket), signed_receipt(another)
    digest = action_digest(PROPOSAL)
    ring = client.KeyRing()
    ring.replace({"keys": [signing_key().public_jwk()]}, clock=0.0)
    issuer = _decoded(token.split(".")[1])["iss"]
    # What was issued is believed, so whatever is refused below was refused for its alteration.
    assert _believed_by_service(token)
    assert _believed_by_client(token, ring, issuer, digest)
    found: Counter[str] = Counter(tokens_believed=0, actions_believed=0, digests_stamped=0)
    for altered in altered_tokens(scene.rng, token, other, count * 6 // 10):
        found["tokens_believed"] += _believed_by_service(altered) or _believed_by_client(
            altered, ring, issuer, digest
        )
    for action in altered_actions(scene.rng, count * 3 // 10):
        found["actions_believed"] += _believed_by_client(token, ring, issuer, action_digest(action))
    for action in altered_actions(scene.rng, count // 10):
        try:
            consume_receipt(
                ticket_id=ticket.pk, key=people.key, nonce="n", digest=action_digest(action)
            )
            found["digests_stamped"] += 1
        except Refusal:
            pass
    return dict(found)


def stamp_all(hand: Hand) -> None:
    """Stamp every receipt at the same instant as everybody else."""
    key = AccessKey.objects.select_related("user", "owner").get(pk=hand.parcel["key"])
    for ticket, digest in hand.parcel["receipts"]:
        hand.meet()
        try:
            consume_receipt(ticket_id=ticket, key=key, nonce=f"n-{hand.number}", digest=digest)
            code = "stamped"
        except Busy:
            code = "busy"
        except Refusal as refusal:
            code = refusal.code
        hand.note(ticket=ticket, code=code)


def stampings(scene: Scene, people: Cast, *, hands: int, receipts: int) -> dict[str, Any]:
    ready = [approved(people, proposal={"n": n}) for n in range(receipts)]
    parcel = [(ticket.pk, ticket.decision.executed_digest) for ticket in ready]
    ledger = scene.crew(stamp_all, hands=hands, parcel={"key": people.key.pk, "receipts": parcel})
    times = Counter(line["ticket"] for line in ledger if line["code"] == "stamped")
    rows: Counter[UUID] = Counter(
        Receipt.objects.filter(decision__subject__in=[t.pk for t in ready]).values_list(
            "decision__subject", flat=True
        )
    )
    answers = Counter(line["code"] for line in ledger)
    return {
        "answers": dict(answers),
        "stamped_more_than_once": sum(max(times[t.pk], rows[t.pk]) > 1 for t in ready),
        "never_stamped": sum(not times[t.pk] for t in ready),
    }


def attack(scene: Scene, *, count: int, hands: int, receipts: int) -> Figure:
    people = cast(voters=1)
    stamped = stampings(scene, people, hands=hands, receipts=receipts)
    answers = stamped.pop("answers")
    return figure(
        f"{count} alterations; {hands} stampings at once of each of {receipts} receipts",
        details={"answers": answers},
        **alterations(scene, people, count=count),
        **stamped,
    )


def run(scene: Scene) -> Figure:
    return attack(
        scene,
        count=scene.size(10_000, least=200),
        hands=scene.size(100, least=8),
        receipts=scene.size(10, least=2),
    )


def control(scene: Scene) -> Figure:
    """Read receipts as a program does that skips the check, and stamp without the lock."""
    scene.switch_off("ticket-lock", "receipt-check")
    switches.drop_constraints("approvals_receipt_decision_id_key")
    return attack(scene, count=200, hands=16, receipts=3)


ROW = Row("D6", "What is executed is what was approved, once", run, control)
