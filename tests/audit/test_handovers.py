"""A handover ties two signing keys together; nothing else brings a key in."""

from copy import deepcopy
from typing import Any

import pytest

from audit.handovers import hand_over, trusted_keys
from audit.signing import SigningKey

FIRST, SECOND, THIRD, STRANGER = (SigningKey.generate() for _ in range(4))
EARLY, LATE = "2026-03-01T12:00:00.000000Z", "2026-04-01T12:00:00.000000Z"
CHAIN = [
    hand_over(old=FIRST, new=SECOND, at=EARLY),
    hand_over(old=SECOND, new=THIRD, at=LATE),
]


def kids(current: SigningKey, handovers: list[Any]) -> list[str]:
    return [jwk["kid"] for jwk in trusted_keys(current.public_jwk(), handovers)]


def test_without_a_handover_only_the_present_key_counts() -> None:
    assert trusted_keys(FIRST.public_jwk(), []) == [FIRST.public_jwk()]


@pytest.mark.parametrize("current", [FIRST, SECOND, THIRD])
def test_from_any_key_of_a_chain_all_of_them_are_reached(current: SigningKey) -> None:
    for told in (CHAIN, CHAIN[::-1]):
        found = kids(current, told)
        assert found[0] == current.kid
        assert sorted(found) == sorted(key.kid for key in (FIRST, SECOND, THIRD))


def test_a_key_says_from_when_and_until_when_it_signed() -> None:
    by_kid = {jwk["kid"]: jwk for jwk in trusted_keys(THIRD.public_jwk(), CHAIN)}

    assert by_kid[FIRST.kid] == {**FIRST.public_jwk(), "until": EARLY}
    assert by_kid[SECOND.kid] == {**SECOND.public_jwk(), "from": EARLY, "until": LATE}
    assert by_kid[THIRD.kid] == {**THIRD.public_jwk(), "from": LATE}


def test_strangers_cannot_bring_themselves_in() -> None:
    theirs = hand_over(old=STRANGER, new=SigningKey.generate(), at=EARLY)
    forged = hand_over(old=STRANGER, new=FIRST, at=EARLY) | {"by_new": theirs["by_new"]}
    posing = hand_over(old=STRANGER, new=STRANGER, at=EARLY)
    posing["statement"]["new"]["kid"] = FIRST.kid

    assert kids(FIRST, [theirs, forged, posing]) == [FIRST.kid]


@pytest.mark.parametrize("name", ["old", "new", "at", "type"])
def test_a_changed_handover_adds_nothing(name: str) -> None:
    changed = deepcopy(CHAIN[0])
    changed["statement"][name] = {
        "old": STRANGER.public_jwk(),
        "new": STRANGER.public_jwk(),
        "at": LATE,
        "type": "countersign-key-handover/2",
    }[name]

    assert STRANGER.kid not in kids(FIRST, [changed])
    assert kids(SECOND, [changed]) == [SECOND.kid]
    assert kids(THIRD, [changed]) == [THIRD.kid]


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"statement": None},
        {**CHAIN[0], "by_old": None},
        {**CHAIN[0], "by_old": "!", "by_new": "!"},
        {**CHAIN[0], "statement": {**CHAIN[0]["statement"], "old": "x"}},
        {**CHAIN[0], "statement": {**CHAIN[0]["statement"], "new": {"kid": 7}}},
        {**CHAIN[0], "statement": {**CHAIN[0]["statement"], "at": 7}},
        {**CHAIN[0], "statement": {**CHAIN[0]["statement"], "more": float("nan")}},
    ],
)
def test_what_has_not_the_form_of_a_handover_is_passed_over(broken: dict[str, Any]) -> None:
    assert kids(FIRST, [broken]) == [FIRST.kid]
    assert kids(FIRST, [broken, *CHAIN]) == [FIRST.kid, SECOND.kid, THIRD.kid]
