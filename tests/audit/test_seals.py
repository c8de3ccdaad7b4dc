from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.seals import (
    head_leaf,
    merkle_root,
    seal_statement,
    sign_statement,
    verify_statement,
)
from audit.signing import SigningKey, b64url, from_b64url

KEY = SigningKey.generate()
# The inputs and roots of the reference implementation of RFC 6962.
LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]


def statement(**changes):
    said = {
        "number": 3,
        "at": "2026-01-02T03:04:05.000006Z",
        "root": merkle_root([b"a"]),
        "heads": 1,
        "previous": "0" * 64,
    }
    return seal_statement(**{**said, **changes})


def by_definition(leaves):
    """RFC 6962 section 2.1, word by word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return sha256(b"\x01" + by_definition(leaves[:half]) + by_definition(leaves[half:])).digest()


@pytest.mark.parametrize(
    "count, root",
    [
        (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
        (2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
        (3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
        (8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
    ],
)
def test_the_root_is_that_of_rfc_6962(count, root):
    assert merkle_root(LEAVES[:count]) == root


@given(st.lists(st.binary(max_size=4), max_size=40))
def test_the_root_follows_the_definition_for_any_number_of_leaves(leaves):
    assert merkle_root(leaves) == by_definition(leaves).hex()


@given(st.lists(st.binary(max_size=2), min_size=1, max_size=12), st.data())
def test_any_change_of_the_leaves_changes_the_root(leaves, data):
    at = data.draw(st.integers(0, len(leaves) - 1))
    root = merkle_root(leaves)
    assert merkle_root([*leaves[:at], leaves[at] + b"x", *leaves[at + 1 :]]) != root
    assert merkle_root(leaves[:at] + leaves[at + 1 :]) != root
    assert merkle_root([*leaves, leaves[-1]]) != root


def test_a_node_cannot_pass_for_a_leaf():
    left, right = (sha256(b"\x00" + leaf).digest() for leaf in (b"a", b"b"))
    assert merkle_root([left + right]) != merkle_root([b"a", b"b"])


def test_many_heads_make_one_root_without_recursion():
    heads = [head_leaf(stream=f"ticket:{n}", seq=n, head_hash="0" * 64) for n in range(5000)]
    assert len(merkle_root(heads)) == 64


def test_a_leaf_cannot_be_read_as_another_head():
    one = head_leaf(stream='a",1', seq=2, head_hash="ff")
    other = head_leaf(stream="a", seq=12, head_hash="ff")
    assert one != other
    assert head_leaf(stream="a", seq=1, head_hash="2f") == b'["a",1,"2f"]'


def test_a_signed_statement_verifies_with_the_published_key():
    signature = sign_statement(statement(), KEY)
    assert verify_statement(statement(), signature, KEY.public_jwk())
    assert verify_statement(dict(reversed(statement().items())), signature, KEY.public_jwk())


def test_another_key_does_not_verify():
    signature = sign_statement(statement(), KEY)
    assert not verify_statement(statement(), signature, SigningKey.generate().public_jwk())


@pytest.mark.parametrize(
    "change",
    [
        {"number": 4},
        {"at": "2026-01-02T03:04:05.000007Z"},
        {"root": "0" * 64},
        {"heads": 2},
        {"previous": "1" * 64},
    ],
)
def test_a_changed_statement_does_not_verify(change):
    signature = sign_statement(statement(), KEY)
    assert not verify_statement(statement(**change), signature, KEY.public_jwk())


def test_a_statement_of_another_kind_does_not_verify():
    signature = sign_statement(statement(), KEY)
    assert not verify_statement({**statement(), "type": "x"}, signature, KEY.public_jwk())
    assert not verify_statement({**statement(), "more": 1}, signature, KEY.public_jwk())


def test_every_changed_bit_of_the_signature_is_refused():
    signature = from_b64url(sign_statement(statement(), KEY))
    for bit in range(len(signature) * 8):
        changed = bytearray(signature)
        changed[bit // 8] ^= 1 << bit % 8
        assert not verify_statement(statement(), b64url(bytes(changed)), KEY.public_jwk())


@pytest.mark.parametrize("signature", ["", "nonsense", "ü", "A" * 85 + "B", "A" * 1000])
def test_a_broken_signature_is_false_and_no_exception(signature):
    assert verify_statement(statement(), signature, KEY.public_jwk()) is False
    assert verify_statement({"x": float("nan")}, signature, {}) is False
