"""The published vectors of Standard Webhooks, both ways to sign."""

from datetime import UTC, datetime

import pytest

from reviews.signatures import new_secret, public_key_of, signature, signing_of

MESSAGE = {
    "message_id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "at": datetime.fromtimestamp(1614265330, UTC),
    "text": '{"test": 2432232314}',
}


PAIRED = (
    "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
)


@pytest.mark.parametrize(
    "secret, public, signed",
    [
        (
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "",
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ),
        (
            "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbc=",
            "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=",
            PAIRED,
        ),
    ],
)
def test_the_published_vectors_are_met(secret, public, signed):
    assert signature(secret, **MESSAGE) == signed
    assert public_key_of(secret) == public


@pytest.mark.parametrize("signing", ["v1", "v1a"])
def test_a_fresh_secret_says_how_it_signs_and_is_like_no_other(signing):
    one, other = new_secret(signing), new_secret(signing)
    assert one != other
    assert signing_of(one) == signing
    assert len(one) <= 80  # the column's width
    assert signature(one, **MESSAGE).startswith(f"{signing},")
    assert signature(one, **MESSAGE) != signature(other, **MESSAGE)
