import hashlib
import json
import struct

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from audit.canonical import Unrepresentable, canonical_bytes, check_json, digest_of, sha256_hex

SAFE = 2**53 - 1
# RFC 8785 knows any text but lone surrogates; we also refuse NUL.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
numbers = st.integers(-SAFE, SAFE) | st.floats(-SAFE, SAFE, allow_nan=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


def shuffled(value, random):
    if isinstance(value, list):
        return [shuffled(item, random) for item in value]
    if isinstance(value, dict):
        items = [(key, shuffled(item, random)) for key, item in value.items()]
        random.shuffle(items)
        return dict(items)
    return value


def test_the_example_of_rfc_8785_section_3_2_3_sorts_keys_as_utf_16():
    keys = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    order = list(json.loads(canonical_bytes(dict.fromkeys(keys))))
    assert order == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


def test_the_example_of_rfc_8785_section_3_2_2_has_its_bytes():
    value = {
        "numbers": [333333333.33333329, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/",
        "literals": [None, True, False],
    }
    assert (
        canonical_bytes(value)
        == (
            '{"literals":[null,true,false],"numbers":[333333333.3333333,4.5,0.002,1e-27],'
            '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
        ).encode()
    )


# RFC 8785 appendix B, those within ±(2⁵³−1), by their IEEE 754 bits.
@pytest.mark.parametrize(
    "bits, text",
    [
        ("0000000000000000", "0"),
        ("8000000000000000", "0"),
        ("0000000000000001", "5e-324"),
        ("8000000000000001", "-5e-324"),
        ("41b3de4355555553", "333333333.3333332"),
        ("41b3de4355555554", "333333333.33333325"),
        ("41b3de4355555555", "333333333.3333333"),
        ("41b3de4355555556", "333333333.3333334"),
        ("41b3de4355555557", "333333333.33333343"),
        ("becbf647612f3696", "-0.0000033333333333333333"),
        ("3e7ad7f29abcaf48", "1e-7"),
        ("3eb0c6f7a0b5ed8d", "0.000001"),
    ],
)
def test_numbers_are_written_as_appendix_b_says(bits, text):
    number = struct.unpack(">d", bytes.fromhex(bits))[0]
    assert canonical_bytes(number) == text.encode()


@pytest.mark.parametrize("number", [1, 1.0, -1.0, 0.0, 1e15, 9007199254740991.0])
def test_an_integral_float_has_the_bytes_of_the_integer(number):
    assert canonical_bytes(number) == canonical_bytes(int(number))


@given(json_values)
def test_canonical_bytes_parse_back_to_the_value_and_stay_the_same(value):
    written = canonical_bytes(value)
    back = json.loads(written)
    assert back == value
    assert canonical_bytes(back) == written
    assert written == rfc8785.dumps(value)


@given(json_values, st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_matter(value, random):
    assert digest_of(shuffled(value, random)) == digest_of(value)


def test_a_digest_is_the_sha_256_of_the_canonical_text():
    assert digest_of({"b": [1, 2.5, None], "a": "ä"}) == (
        hashlib.sha256('{"a":"ä","b":[1,2.5,null]}'.encode()).hexdigest()
    )
    assert digest_of({}) == sha256_hex(b"{}")


@pytest.mark.parametrize(
    "value, pointer",
    [
        ("a\x00b", ""),
        ({"a": [{"b": "\ud800"}]}, "/a/0/b"),
        ({"a": ["x", "\udfff\ud800"]}, "/a/1"),
        ({"a/b~c": float("nan")}, "/a~1b~0c"),
        ([float("inf")], "/0"),
        ([-float("inf")], "/0"),
        ({"n": 2**53}, "/n"),
        ({"n": -(2**53)}, "/n"),
        ({"n": 10**5000}, "/n"),
        ({"n": 1e20}, "/n"),
        ({"n": -1e30}, "/n"),
        ({"x": b"bytes"}, "/x"),
        ({"x": {1, 2}}, "/x"),
        ({"x": {1: 2}}, "/x"),
        ({"": object()}, "/"),
    ],
)
def test_what_json_cannot_carry_is_refused_with_its_place(value, pointer):
    with pytest.raises(Unrepresentable) as caught:
        canonical_bytes(value)
    assert caught.value.pointer == pointer
    assert str(caught.value).endswith((".", "text."))


@pytest.mark.parametrize("key", ["a\x00", "\ud800", "a" * 100_000 + "\x00"])
def test_a_bad_key_is_refused_with_a_pointer_that_can_be_printed(key):
    with pytest.raises(Unrepresentable) as caught:
        check_json({"outer": {key: 1}})
    pointer = caught.value.pointer
    assert pointer.startswith("/outer/a") or pointer == "/outer/\ufffd"
    assert len(pointer) < 100
    assert b"\x00" not in pointer.encode()


def nested(depth):
    value = []
    for _ in range(depth - 1):
        value = [value]
    return value


def test_nesting_is_bounded():
    check_json(nested(32))
    check_json(nested(3), max_depth=3)
    with pytest.raises(Unrepresentable, match="32 levels"):
        check_json(nested(33))
    with pytest.raises(Unrepresentable) as caught:
        check_json({"a": {"b": {}}}, max_depth=2)
    assert caught.value.pointer == "/a/b"


def test_a_very_deep_or_endless_value_is_refused_without_recursion():
    endless: list = []
    endless.append(endless)
    for value in (nested(50_000), endless, {"a": endless}):
        with pytest.raises(Unrepresentable):
            canonical_bytes(value)


@given(st.recursive(st.text() | st.floats() | st.integers(), st.lists, max_leaves=8))
def test_anything_is_either_written_or_refused(value):
    try:
        written = canonical_bytes(value)
    except Unrepresentable as refused:
        refused.pointer.encode()
    else:
        assert json.loads(written) == value


@pytest.mark.parametrize("plain", [None, True, False])
def test_what_is_always_plain_hides_nothing_beside_it(plain):
    for bad in ("\x00", float("nan"), 2**53):
        for value in ([bad, plain], [plain, bad], {"a": bad, "b": plain}, {"a": plain, "b": bad}):
            with pytest.raises(Unrepresentable):
                check_json(value)
    check_json([plain, {"a": plain}])


@pytest.mark.parametrize("edge", [2**53 - 1, 1 - 2**53, float(2**53 - 1), float(1 - 2**53)])
def test_the_largest_numbers_are_taken_and_the_next_are_not(edge):
    check_json([edge])
    with pytest.raises(Unrepresentable):
        check_json([edge + (1 if edge > 0 else -1)])


@pytest.mark.parametrize(
    "value, sentence",
    [
        ({1: 2}, "An object's keys must be text."),
        ({"\x00": 2}, "In a key: Text may not contain the NUL character."),
        ({"\ud800": 2}, "In a key: Text may not contain half of a surrogate pair."),
        ("\x00", "Text may not contain the NUL character."),
        ("\udfff", "Text may not contain half of a surrogate pair."),
        (float("inf"), "A number must be finite."),
        (2**53, "Numbers beyond ±(2⁵³−1) are not exact everywhere; send it as text."),
        ({1, 2}, "JSON has no set."),
        (b"", "JSON has no bytes."),
        ([[[]]], "Nested more than 2 levels deep."),
    ],
)
def test_a_refusal_is_a_sentence(value, sentence):
    with pytest.raises(Unrepresentable) as refused:
        check_json(value, max_depth=2)
    assert str(refused.value) == sentence


def test_a_pointer_shows_a_key_of_64_characters_whole_and_a_longer_one_cut():
    for key, shown in (("k" * 64, "k" * 64), ("k" * 65, "k" * 64 + "…"), ("a\x00", "a\ufffd")):
        with pytest.raises(Unrepresentable) as refused:
            check_json({key: {1: 2}} if "\x00" not in key else {key: 1})
        assert refused.value.pointer == f"/{shown}"
    assert Unrepresentable("No.").pointer == ""
