"""Receipts: everything but the genuine one is refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
import string
import time
from typing import Any

import jwt
import pytest
from countersign_peer import Peer, Time
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hitl_client import HitlClient, ReceiptInvalid, action_digest
from hitl_client.receipts import KeyRing, same_issuer, verified_claims

ACTION = {"title": "Expand", "years": 7, "rate": 4.50, "öäü": ["\u20ac", None, True]}
URL64 = string.ascii_letters + string.digits + "-_"


def ticket_of(peer: Peer, client: HitlClient, action: dict[str, Any] = ACTION) -> dict[str, Any]:
    ticket = client.submit_for_review(action)
    return client.get_decision(ticket["id"])


def token_of(peer: Peer, client: HitlClient, **changed: Any) -> str:
    return peer.sign(peer.claims(ticket_of(peer, client), **changed))


def test_the_digest_of_an_action_is_over_its_canonical_form() -> None:
    assert action_digest({"b": 1.0, "a": "é"}) == action_digest({"a": "é", "b": 1})
    assert action_digest({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def test_a_genuine_receipt_gives_its_claims(peer: Peer, client: HitlClient) -> None:
    ticket = ticket_of(peer, client)
    claims = client.verify_receipt(client.receipt(ticket["id"])["receipt"], action=ACTION)
    assert (claims["sub"], claims["allowed"]) == (ticket["id"], True)
    assert claims["action_digest"] == action_digest(ACTION)


def test_another_action_is_refused(peer: Peer, client: HitlClient) -> None:
    token = token_of(peer, client)
    others: list[Any] = [{**ACTION, "years": 8}, {**ACTION, "extra": None}, {}, [], "x", False, 0]
    for other in others:
        with pytest.raises(ReceiptInvalid):
            client.verify_receipt(token, action=other)


def test_mutated_receipts_are_refused(peer: Peer, client: HitlClient) -> None:
    """Ten mutations at every position of the token, whatever part it belongs to."""
    token = token_of(peer, client)
    ring = KeyRing()
    ring.replace(peer.jwks(), clock=0)
    checks = {"issuer": peer.url, "now": time.time(), "clock_skew": 30.0}
    assert verified_claims(token, ring, **checks)  # type: ignore[arg-type]
    chance = random.Random(20260101)
    accepted, tried = [], 0
    for at in range(len(token)):
        for kind in range(10):
            char = chance.choice(URL64 if kind < 5 else string.printable + "é\u0130=")
            mutant = (
                token[:at] + char + token[at + 1 :],
                token[:at] + char + token[at:],
                token[:at] + token[at + 1 + chance.randrange(3) :],
            )[kind % 3]
            if mutant == token:
                continue
            tried += 1
            try:
                verified_claims(mutant, ring, **checks)  # type: ignore[arg-type]
            except ReceiptInvalid:
                continue
            accepted.append(mutant)
    assert tried > 8000
    assert accepted == []


def test_another_spelling_of_the_same_signature_is_refused(peer: Peer, client: HitlClient) -> None:
    """Four bits of the last character carry nothing: a lax reader takes 16 spellings of it."""
    token = token_of(peer, client)
    for char in URL64.replace(token[-1], ""):
        with pytest.raises(ReceiptInvalid):
            client.verify_receipt(token[:-1] + char)


def test_no_algorithm_and_hmac_with_the_public_key_are_refused(
    peer: Peer, client: HitlClient
) -> None:
    claims = peer.claims(ticket_of(peer, client))
    header = {"kid": peer.kid, "typ": "countersign-receipt+jwt"}
    public = peer.key.public_key()
    raw = public.public_bytes_raw()
    x = peer.jwks()["keys"][0]["x"].encode()
    forged = [jwt.encode(claims, "", algorithm="none", headers=header)]
    forged += [
        jwt.encode(claims, key, algorithm="HS256", headers=header) for key in (raw, x, b"k" * 32)
    ]
    genuine = peer.sign(claims).split(".")
    forged += [".".join([forged[0].split(".")[0], *genuine[1:]]), ".".join([*genuine[:2], ""])]
    signed_by_pem = _hmac_by_hand(
        claims, header, public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    for token in [*forged, signed_by_pem]:
        with pytest.raises(ReceiptInvalid):
            client.verify_receipt(token)


def _hmac_by_hand(claims: dict[str, Any], header: dict[str, Any], key: bytes) -> str:
    def part(value: Any) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    text = part({**header, "alg": "HS256"}) + b"." + part(claims)
    mac = hmac.new(key, text, hashlib.sha256).digest()
    return (text + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()


def test_another_key_under_the_same_id_is_refused(peer: Peer, client: HitlClient) -> None:
    claims = peer.claims(ticket_of(peer, client))
    header = {"kid": peer.kid, "typ": "countersign-receipt+jwt"}
    token = jwt.encode(claims, Ed25519PrivateKey.generate(), algorithm="EdDSA", headers=header)
    with pytest.raises(ReceiptInvalid):
        client.verify_receipt(token)


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "JWT"},
        {"typ": "Countersign-Receipt+JWT"},
        {"typ": None},
        {"kid": "unknown"},
        {"kid": None},
        {"kid": ""},
        {"crit": ["exp"]},
    ],
)
def test_a_token_of_another_kind_is_refused(
    peer: Peer, client: HitlClient, header: dict[str, Any]
) -> None:
    claims = peer.claims(ticket_of(peer, client))

    def part(value: Any) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    full = {"alg": "EdDSA", "typ": "countersign-receipt+jwt", "kid": peer.kid, **header}
    text = part({k: v for k, v in full.items() if v is not None}) + b"." + part(claims)
    signature = base64.urlsafe_b64encode(peer.key.sign(text)).rstrip(b"=")
    with pytest.raises(ReceiptInvalid):
        client.verify_receipt((text + b"." + signature).decode())


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://elsewhere.example"},
        {"iss": ""},
        {"iss": None},
        {"exp": int(time.time()) - 1},
        {"exp": None},
        {"exp": True},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"nbf": int(time.time()) + 600},
        {"iat": int(time.time()) + 600},
        {"sub": None},
        {"nonce": ""},
        {"action_digest": "00"},
        {"action_digest": None},
        {"jti": None},
    ],
)
def test_a_signed_receipt_with_a_wrong_claim_is_refused(
    peer: Peer, client: HitlClient, changed: dict[str, Any]
) -> None:
    claims = {**peer.claims(ticket_of(peer, client)), **changed}
    text = b".".join(
        base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")
        for value in ({"alg": "EdDSA", "typ": "countersign-receipt+jwt", "kid": peer.kid}, claims)
    )
    signature = base64.urlsafe_b64encode(peer.key.sign(text)).rstrip(b"=")
    with pytest.raises(ReceiptInvalid):
        client.verify_receipt((text + b"." + signature).decode())


@pytest.mark.parametrize(
    "token", ["", ".", "..", "a.b", "a.b.c.d", "a" * 300_000, None, b"a.b.c", 7]
)
def test_what_is_no_token_is_refused(client: HitlClient, token: Any) -> None:
    with pytest.raises(ReceiptInvalid):
        client.verify_receipt(token)


def test_a_clock_that_is_behind_is_forgiven(peer: Peer, client: HitlClient) -> None:
    soon = int(time.time()) + 20
    assert client.verify_receipt(token_of(peer, client, iat=soon, nbf=soon))


@pytest.mark.parametrize(
    ("claims", "told"),
    [
        ({"nbf": 600}, r"not in force yet, for \d{3} s by the clock here"),
        ({"exp": -600}, r"expired, \d{3} s ago by the clock here"),
    ],
)
def test_who_has_a_wrong_clock_is_told_to_look_at_it(
    peer: Peer, client: HitlClient, claims: dict[str, int], told: str
) -> None:
    shifted = {name: int(time.time()) + seconds for name, seconds in claims.items()}
    with pytest.raises(ReceiptInvalid, match=told):
        client.verify_receipt(token_of(peer, client, **shifted))


def test_keys_are_read_once_and_again_for_a_new_id(
    peer: Peer, client: HitlClient, clock: Time
) -> None:
    old = token_of(peer, client)
    for _ in range(5):
        client.verify_receipt(old)
    assert len(peer.requests("GET", "/.well-known/jwks.json")) == 1
    peer.key, peer.kid = Ed25519PrivateKey.generate(), "second"
    clock.at += 60
    client.verify_receipt(token_of(peer, client))
    assert len(peer.requests("GET", "/.well-known/jwks.json")) == 2
    with pytest.raises(ReceiptInvalid):
        client.verify_receipt(old)  # its key is no longer published


def test_made_up_key_ids_do_not_become_traffic(peer: Peer, client: HitlClient) -> None:
    for number in range(20):
        with pytest.raises(ReceiptInvalid):
            client.verify_receipt(peer.sign(peer.claims(ticket_of(peer, client)), kid=f"x{number}"))
    assert len(peer.requests("GET", "/.well-known/jwks.json")) == 1


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("http://localhost:8000", "http://127.0.0.1:8000/", True),
        ("https://a.example", "https://A.example:443", True),
        ("https://a.example", "http://a.example", False),
        ("https://a.example", "https://a.example.evil", False),
        ("http://localhost:8000", "http://localhost:8001", False),
        ("https://a.example/one", "https://a.example/two", False),
        ("https://a.example", "https://a.example:x", False),
    ],
)
def test_issuers_compare_as_addresses(one: str, other: str, same: bool) -> None:
    assert same_issuer(one, other) is same
