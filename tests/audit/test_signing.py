import base64
import hashlib
import hmac
import json
import string
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from audit.signing import SigningKey, TokenRefused, b64url, from_b64url, verify_jwt

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
EPOCH = int(NOW.timestamp())
TYP = "countersign-test+jwt"
KEY = SigningKey.generate()
OTHER = SigningKey.generate()
CLAIMS = {"sub": "T-1", "nbf": EPOCH, "exp": EPOCH + 60, "allowed": True}


def verify(token, *, keys=(KEY,), now=NOW, typ=TYP, audience=None):
    return verify_jwt(
        token, [key.public_jwk() for key in keys], now=now, typ=typ, audience=audience
    )


def refusal(token, **kw):
    with pytest.raises(TokenRefused) as caught:
        verify(token, **kw)
    return caught.value.code


def encoded(part):
    return b64url(json.dumps(part).encode())


def signed(header, claims, key=KEY):
    text = f"{encoded(header)}.{encoded(claims)}"
    return f"{text}.{b64url(key.sign(text.encode()))}"


def test_the_key_name_is_the_thumbprint_of_rfc_8037_appendix_a():
    x = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
    key = SigningKey(Ed25519PrivateKey.from_private_bytes(from_b64url(x)))
    assert key.public_jwk()["x"] == "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    assert key.kid == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_a_key_survives_the_journey_through_pem():
    again = SigningKey.from_pem(KEY.to_pem())
    assert again.public_jwk() == KEY.public_jwk()
    assert set(KEY.public_jwk()) == {"kty", "crv", "x", "kid", "use", "alg"}


BROKEN = [b"", b"nonsense", KEY.to_pem()[:60], KEY.to_pem()[10:]]


@pytest.mark.parametrize("pem", BROKEN, ids=["empty", "nonsense", "cut off", "beheaded"])
def test_a_broken_pem_is_refused_without_quoting_it(pem):
    with pytest.raises(ValueError, match="PEM") as caught:
        SigningKey.from_pem(pem)
    assert caught.value.__suppress_context__


def test_another_kind_of_key_is_refused():
    pem = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with pytest.raises(ValueError, match="Ed25519"):
        SigningKey.from_pem(pem)


def test_a_key_never_prints_its_secret():
    secret = b64url(KEY.private.private_bytes_raw())
    assert secret not in repr(KEY)
    assert KEY.kid in repr(KEY)


def test_a_signed_token_gives_its_claims_back():
    assert verify(KEY.jwt(CLAIMS, TYP)) == CLAIMS


def test_the_same_claims_give_the_same_token():
    assert KEY.jwt(CLAIMS, TYP) == KEY.jwt(dict(reversed(CLAIMS.items())), TYP)


def test_an_old_key_still_verifies_while_it_is_published():
    token = OTHER.jwt(CLAIMS, TYP)
    assert verify(token, keys=(KEY, OTHER)) == CLAIMS
    assert refusal(token, keys=(KEY,)) == "unknown-key"
    assert refusal(token, keys=()) == "unknown-key"


def test_every_other_character_at_every_place_is_refused():
    token = KEY.jwt({"exp": EPOCH + 60}, TYP)
    jwks = [KEY.public_jwk()]
    alphabet = string.ascii_letters + string.digits + "-_"
    accepted = []
    for at, character in enumerate(token):
        # The signature's last characters hide spare bits, so there every character is tried.
        neighbours = (
            alphabet + ".=+/ \n"
            if at > len(token) - 4
            else (alphabet[(alphabet.find(character) + 1) % 64] + chr(ord(character) ^ 1) + ".=\n")
        )
        for other in neighbours:
            changed = token[:at] + other + token[at + 1 :]
            if changed == token:
                continue
            try:
                verify_jwt(changed, jwks, now=NOW, typ=TYP)
            except TokenRefused:
                continue
            accepted.append(changed)
    assert accepted == []


@given(st.data())
def test_dropped_added_and_doubled_characters_are_refused(data):
    token = KEY.jwt(CLAIMS, TYP)
    at = data.draw(st.integers(0, len(token) - 1))
    added = data.draw(st.characters())
    for changed in (
        token[:at] + token[at + 1 :],
        token[:at] + added + token[at:],
        token[:at],
        token + added,
    ):
        with pytest.raises(TokenRefused):
            verify(changed)


def test_the_algorithm_none_is_refused():
    unsigned = jwt.encode(CLAIMS, "", algorithm="none", headers={"kid": KEY.kid, "typ": TYP})
    assert refusal(unsigned) == "malformed"
    assert refusal(unsigned + "AAAA") == "wrong-algorithm"
    header = {"alg": "none", "kid": KEY.kid, "typ": TYP}
    assert refusal(signed(header, CLAIMS)) == "wrong-algorithm"


@pytest.mark.parametrize("algorithm", ["HS256", "RS256", "ES256", "Ed25519", "eddsa", None, []])
def test_another_algorithm_is_refused_even_over_a_good_signature(algorithm):
    header = {"alg": algorithm, "kid": KEY.kid, "typ": TYP}
    assert refusal(signed(header, CLAIMS)) == "wrong-algorithm"


@pytest.mark.parametrize("secret", ["x", "pem", "raw"])
def test_the_public_key_used_as_an_hmac_secret_is_refused(secret):
    public = KEY.private.public_key()
    material = {
        "x": KEY.public_jwk()["x"].encode(),
        "raw": public.public_bytes_raw(),
        "pem": public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ),
    }[secret]
    header = encoded({"alg": "HS256", "kid": KEY.kid, "typ": TYP})
    text = f"{header}.{encoded(CLAIMS)}"
    forged = f"{text}.{b64url(hmac.digest(material, text.encode(), hashlib.sha256))}"
    assert refusal(forged) == "wrong-algorithm"


def test_another_key_under_a_known_name_is_refused():
    header = {"alg": "EdDSA", "kid": KEY.kid, "typ": TYP}
    assert refusal(signed(header, CLAIMS, key=OTHER)) == "wrong-signature"


def test_a_key_brought_along_in_the_header_is_refused():
    header = {"alg": "EdDSA", "kid": KEY.kid, "typ": TYP, "jwk": OTHER.public_jwk()}
    assert refusal(signed(header, CLAIMS, key=OTHER)) == "malformed"
    assert refusal(signed({**header, "crit": ["b64"], "b64": False}, CLAIMS)) == "malformed"


def test_a_token_for_another_use_is_refused():
    assert refusal(KEY.jwt(CLAIMS, "other+jwt")) == "wrong-type"
    assert refusal(KEY.jwt(CLAIMS, TYP), typ="JWT") == "wrong-type"
    assert refusal(signed({"alg": "EdDSA", "kid": KEY.kid}, CLAIMS)) == "wrong-type"


def test_a_token_is_valid_from_nbf_until_just_before_exp():
    token = KEY.jwt(CLAIMS, TYP)
    second = timedelta(seconds=1)
    tick = timedelta(microseconds=1)
    assert refusal(token, now=NOW - tick) == "not-yet-valid"
    assert verify(token, now=NOW)
    assert verify(token, now=NOW + 60 * second - tick)
    assert refusal(token, now=NOW + 60 * second) == "expired"


def test_the_clock_of_the_machine_is_never_read():
    past = datetime(1999, 1, 1, tzinfo=UTC)
    epoch = int(past.timestamp())
    claims = {"exp": epoch + 60, "nbf": epoch, "iat": 2**40}
    assert verify(KEY.jwt(claims, TYP), now=past) == claims


@pytest.mark.parametrize("exp", [None, True, "9999999999", [], {}])
def test_a_token_without_an_end_is_refused(exp):
    assert refusal(KEY.jwt({"exp": exp, "sub": "x"}, TYP)) == "malformed"
    assert refusal(KEY.jwt({"sub": "x"}, TYP)) == "malformed"


@pytest.mark.parametrize("aud", ["agent", ["agent", "other"]])
def test_a_token_made_out_to_somebody_is_for_them_alone(aud):
    token = KEY.jwt({**CLAIMS, "aud": aud}, TYP)
    assert verify(token, audience="agent")["aud"] == aud
    assert refusal(token, audience="age") == "wrong-audience"
    assert refusal(token) == "wrong-audience"
    assert refusal(KEY.jwt(CLAIMS, TYP), audience="agent") == "wrong-audience"


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a.b.c",
        "a.b",
        "a.b.c.d",
        "é.b.c",
        "\x00",
        "a" * 10_000_000,
        None,
        5,
        b"a.b.c",
    ],
)
def test_nonsense_is_refused(token):
    assert refusal(token) == "malformed"


@pytest.mark.parametrize("part", [[], "text", 5, None])
def test_parts_that_are_no_objects_are_refused(part):
    header = {"alg": "EdDSA", "kid": KEY.kid, "typ": TYP}
    assert refusal(signed(header, part)) == "malformed"
    assert refusal(signed(part, CLAIMS)) == "malformed"
    assert refusal(signed({**header, "kid": part}, CLAIMS)) in {"unknown-key", "malformed"}


def test_a_header_nested_without_end_is_refused():
    deep = b64url(b"[" * 40_000)
    assert refusal(f"{deep}.{deep[:100]}.{b64url(b'0' * 64)}") == "malformed"


@pytest.mark.parametrize(
    "jwk", [{}, {"kty": "RSA"}, {"x": 5}, {"x": "short"}, {"x": "ü"}, {"crv": "X25519"}]
)
def test_a_broken_published_key_proves_nothing(jwk):
    broken = {**KEY.public_jwk(), **jwk} if jwk else {"kid": KEY.kid}
    with pytest.raises(TokenRefused):
        verify_jwt(KEY.jwt(CLAIMS, TYP), [{}, broken], now=NOW, typ=TYP)


@given(st.binary(max_size=40))
def test_base64url_has_one_text_per_value(data):
    text = b64url(data)
    assert text == base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    assert from_b64url(text) == data


@pytest.mark.parametrize("text", ["A", "AB", "AA==", "A A", "+/", "\n", "AAAAA"])
def test_other_spellings_of_base64url_are_refused(text):
    with pytest.raises(ValueError, match="base64url"):
        from_b64url(text)
