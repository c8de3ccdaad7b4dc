from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.receipts import RECEIPT_TYPE, receipt_claims
from audit.signing import SigningKey, TokenRefused, verify_jwt

FINAL = datetime(2026, 3, 1, 12, 0, 0, 900_000, tzinfo=UTC)
KEY = SigningKey.generate()
VOTERS = [
    {"name": "Ada", "choice": "approve", "at": FINAL - timedelta(minutes=2)},
    {"name": "Bo", "choice": "approve", "at": FINAL - timedelta(minutes=1)},
]


def claims(**changes):
    facts = {
        "issuer": "https://approvals.example.org",
        "ticket_id": UUID(int=1),
        "ref": "T-1042",
        "checkpoint": "data-purchase",
        "decision_id": UUID(int=2),
        "round": 1,
        "outcome": "approve",
        "status": "approved",
        "allowed": True,
        "action_digest": "a" * 64,
        "digest": "d" * 64,
        "voters": VOTERS,
        "by": "votes",
        "nonce": "n-1",
        "settled_at": FINAL - timedelta(seconds=10),
        "final_at": FINAL,
        "expires_at": FINAL + timedelta(hours=1),
    }
    return receipt_claims(**{**facts, **changes})


def test_a_receipt_says_what_was_decided_over_which_bytes():
    assert claims() == {
        "iss": "https://approvals.example.org",
        "sub": str(UUID(int=1)),
        "jti": str(UUID(int=2)),
        "iat": 1772366400,
        "nbf": 1772366400,
        "exp": 1772370000,
        "ref": "T-1042",
        "checkpoint": "data-purchase",
        "round": 1,
        "outcome": "approve",
        "status": "approved",
        "allowed": True,
        "action_digest": "a" * 64,
        "digest": "d" * 64,
        "voters": [
            {"name": "Ada", "choice": "approve", "at": "2026-03-01T11:58:00.900000Z"},
            {"name": "Bo", "choice": "approve", "at": "2026-03-01T11:59:00.900000Z"},
        ],
        "by": "votes",
        "nonce": "n-1",
        "settled_at": "2026-03-01T11:59:50.900000Z",
        "final_at": "2026-03-01T12:00:00.900000Z",
        "expires_at": "2026-03-01T13:00:00.900000Z",
    }


@given(st.permutations(VOTERS))
def test_the_same_decision_gives_the_same_receipt(voters):
    key = KEY.jwt(claims(), RECEIPT_TYPE)
    assert KEY.jwt(claims(voters=voters), RECEIPT_TYPE) == key


def test_a_voter_shows_nothing_but_name_choice_and_time():
    voter = {**VOTERS[0], "mail": "ada@example.org"}
    assert set(claims(voters=[voter])["voters"][0]) == {"name", "choice", "at"}


def test_a_receipt_is_valid_from_final_until_it_expires():
    token = KEY.jwt(claims(), RECEIPT_TYPE)
    jwks = [KEY.public_jwk()]

    def verified(now):
        return verify_jwt(token, jwks, now=now, typ=RECEIPT_TYPE)

    assert verified(FINAL) == claims()
    for now in (FINAL - timedelta(seconds=1), FINAL + timedelta(hours=1)):
        with pytest.raises(TokenRefused):
            verified(now)


@pytest.mark.parametrize("fact", ["ticket_id", "round", "outcome", "allowed", "nonce", "digest"])
def test_another_fact_makes_another_receipt(fact):
    assert claims(**{fact: "other"}) != claims()


@pytest.mark.parametrize("late", [timedelta(0), timedelta(seconds=-1)])
def test_a_receipt_that_would_never_be_valid_is_refused(late):
    with pytest.raises(ValueError, match=r"^A receipt must end after it begins\.$"):
        claims(expires_at=FINAL + late)


def test_an_instant_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        claims(settled_at=datetime(2026, 3, 1))  # noqa: DTZ001
