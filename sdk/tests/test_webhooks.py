"""Messages: the published vector of Standard Webhooks, and everything close to it."""

from __future__ import annotations

import json
import random
import time
from datetime import UTC, datetime

import pytest
import time_machine
from standardwebhooks import Webhook

from hitl_client import WebhookInvalid, verify_webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'
HEADERS = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
# The published vector of the asymmetric scheme, over the same message.
PUBLIC = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
PRIVATE = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbc="
PAIRED = {
    **HEADERS,
    "webhook-signature": "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXw"
    "VLPo3mNl8EM+m7TBAg==",
}
THEN = datetime.fromtimestamp(1614265330, UTC)


@time_machine.travel(THEN, tick=False)
def test_the_published_vector_is_genuine() -> None:
    assert verify_webhook(HEADERS, BODY, SECRET) == {"test": 2432232314}
    assert verify_webhook({k.title(): v for k, v in HEADERS.items()}, BODY.decode(), SECRET)


@time_machine.travel(THEN, tick=False)
def test_the_published_vector_of_a_key_pair_is_genuine() -> None:
    assert verify_webhook(PAIRED, BODY, PUBLIC) == {"test": 2432232314}
    assert verify_webhook({k.title(): v for k, v in PAIRED.items()}, BODY.decode(), PUBLIC)
    several = f"v1,{'A' * 43}= v1a,%% v1a,{'A' * 86}== {PAIRED['webhook-signature']}"
    assert verify_webhook({**PAIRED, "webhook-signature": several}, BODY, PUBLIC)


@time_machine.travel(THEN, tick=False)
def test_a_public_key_is_no_shared_secret() -> None:
    """Whoever knows the public key could otherwise forge with it."""
    for known in (PUBLIC, PUBLIC.removeprefix("whpk_")):
        forged = Webhook(known).sign("msg_p5jXN8AQM9LWM0D4loKWxJek", THEN, BODY.decode())
        for signature in (forged, forged.replace("v1,", "v1a,")):
            with pytest.raises(WebhookInvalid):
                verify_webhook({**HEADERS, "webhook-signature": signature}, BODY, PUBLIC)
    with pytest.raises(WebhookInvalid):
        verify_webhook(PAIRED, BODY, SECRET)
    with pytest.raises(WebhookInvalid):
        verify_webhook(HEADERS, BODY, PUBLIC)


@time_machine.travel(THEN, tick=False)
def test_a_message_of_a_key_pair_is_refused_once_changed() -> None:
    chance = random.Random(8)
    for at in range(len(BODY)):
        changed = bytearray(BODY)
        changed[at] ^= 1 << chance.randrange(8)
        with pytest.raises(WebhookInvalid):
            verify_webhook(PAIRED, bytes(changed), PUBLIC)
    for name, value in [
        ("webhook-id", "msg_other"),
        ("webhook-timestamp", "1614265331"),
        ("webhook-timestamp", "1614265330 "),
        ("webhook-timestamp", "soon"),
        ("webhook-timestamp", "9" * 5000),
        ("webhook-signature", "v1a"),
        ("webhook-signature", "v1a,é"),
        ("webhook-signature", PAIRED["webhook-signature"].replace("v1a,", "v1,")),
        ("webhook-signature", PAIRED["webhook-signature"].replace("v1a,", "v1b,")),
    ]:
        with pytest.raises(WebhookInvalid):
            verify_webhook({**PAIRED, name: value}, BODY, PUBLIC)
    for name in PAIRED:
        with pytest.raises(WebhookInvalid):
            verify_webhook({k: v for k, v in PAIRED.items() if k != name}, BODY, PUBLIC)


@pytest.mark.parametrize(("seconds", "reason"), [(301, "too old"), (-301, "too new")])
def test_a_message_of_a_key_pair_ages(seconds: int, reason: str) -> None:
    with time_machine.travel(THEN.timestamp() + seconds), pytest.raises(WebhookInvalid) as told:
        verify_webhook(PAIRED, BODY, PUBLIC)
    assert reason in str(told.value)


@time_machine.travel(THEN, tick=False)
def test_one_fitting_signature_of_several_is_enough() -> None:
    several = f"v1a,bm9uZQ== v1,{'A' * 43}= {HEADERS['webhook-signature']}"
    assert verify_webhook({**HEADERS, "webhook-signature": several}, BODY, SECRET)


@time_machine.travel(THEN, tick=False)
def test_a_changed_message_is_refused() -> None:
    chance = random.Random(7)
    for at in range(len(BODY)):
        changed = bytearray(BODY)
        changed[at] ^= 1 << chance.randrange(8)
        with pytest.raises(WebhookInvalid):
            verify_webhook(HEADERS, bytes(changed), SECRET)


@time_machine.travel(THEN, tick=False)
@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-id": "msg_other"},
        {"webhook-timestamp": "1614265331"},
        {"webhook-timestamp": "soon"},
        {"webhook-timestamp": "nan"},
        {"webhook-signature": ""},
        {"webhook-signature": "v1"},
        {"webhook-signature": "v1,%%%"},
        {"webhook-signature": "v1,é"},
        {"webhook-signature": "v1,a,b"},
        {"webhook-signature": HEADERS["webhook-signature"].replace("v1,", "v2,")},
        {"webhook-id": ""},
    ],
)
def test_a_changed_header_is_refused(changed: dict[str, str]) -> None:
    with pytest.raises(WebhookInvalid):
        verify_webhook({**HEADERS, **changed}, BODY, SECRET)


@time_machine.travel(THEN, tick=False)
def test_missing_headers_and_other_secrets_are_refused() -> None:
    for name in HEADERS:
        with pytest.raises(WebhookInvalid):
            verify_webhook({k: v for k, v in HEADERS.items() if k != name}, BODY, SECRET)
    with pytest.raises(WebhookInvalid):
        verify_webhook(HEADERS, BODY, "whsec_" + "A" * 32)


def test_an_old_message_is_refused() -> None:
    with pytest.raises(WebhookInvalid, match="too old"):
        verify_webhook(HEADERS, BODY, SECRET)


def test_an_event_of_the_service_comes_back_whole() -> None:
    event = {"specversion": "1.0", "id": "e-1", "type": "ticket.decided", "data": {"id": "1"}}
    assert _signed(json.dumps(event).encode()) == event


@pytest.mark.parametrize("body", [b"[]", b"null", b"no json", b"[" * 99_999])
def test_a_signed_message_that_is_no_event_is_refused(body: bytes) -> None:
    with pytest.raises(WebhookInvalid):
        _signed(body)


def test_a_body_that_is_no_text_is_refused() -> None:
    with pytest.raises(WebhookInvalid):
        verify_webhook(HEADERS, b"\xff\xfe", SECRET)


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_é", "whpk_", "whpk_AAAA", "whpk_%", PRIVATE]
)
def test_what_is_no_secret_is_a_mistake_of_the_caller(secret: str) -> None:
    with pytest.raises(ValueError, match="secret"):
        verify_webhook(HEADERS, BODY, secret)


def _signed(body: bytes) -> dict[str, object]:
    now = datetime.fromtimestamp(time.time(), UTC)
    signature = Webhook(SECRET).sign("msg_1", now, body.decode())
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }
    return verify_webhook(headers, body, SECRET)
