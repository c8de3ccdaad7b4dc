"""Webhooks over the interface: made, changed, tried, rotated, read, sent again."""

import pytest
from django.contrib.auth.models import Permission
from hitl_client import WebhookInvalid, verify_webhook
from standardwebhooks.webhooks import Webhook

from approvals.models import AccessKey
from audit.models import AuditEvent
from reviews.models import Delivery, WebhookEndpoint
from reviews.services.deliveries import dispatch_due
from tests.reviews.test_deliveries import Receiver, receiver  # noqa: F401

pytestmark = pytest.mark.db

HERE = "/api/v1/webhooks"


@pytest.fixture
def max_(cast):
    rights = Permission.objects.filter(
        content_type__app_label="reviews",
        codename__in=["view_webhookendpoint", "add_webhookendpoint", "change_webhookendpoint"],
    )
    cast.roles["manager"].permissions.add(*rights)
    return cast.as_person(cast.max, list(AccessKey.Scope.values))


@pytest.fixture
def made(max_, receiver):  # noqa: F811
    answer = max_.post(HERE, {"name": "Ledger", "url": receiver.url, "types": ["ticket.opened"]})
    assert answer.status_code == 201
    return answer.json()


def test_a_secret_is_shown_once_and_signs_what_leaves(cast, max_, made, receiver):  # noqa: F811
    one = f"{HERE}/{made['id']}"
    assert made["secret"].startswith("whsec_")
    assert "secret" not in max_.get(one).json()
    assert "whsec_" not in max_.get(HERE).content.decode()
    assert max_.get(one).json()["state"] == "unused"
    cast.open()
    dispatch_due()
    headers, body = receiver.messages[0]
    assert Webhook(made["secret"]).verify(body, headers)["type"] == "ticket.opened"
    stands = max_.get(one).json()
    assert (stands["state"], stands["parked"], stands["last_error"]) == ("works", 0, None)
    (row,) = max_.get(f"{one}/deliveries").json()["data"]
    assert (row["state"], row["attempts"], row["last_status"], row["failures"]) == (
        *("sent", 1, 204),
        [],
    )


def test_a_ping_a_rotation_and_a_replay(max_, made, receiver):  # noqa: F811
    one = f"{HERE}/{made['id']}"
    receiver.status = 500
    ping = max_.post(f"{one}/test", {})
    assert (ping.status_code, ping.json()["type"]) == (202, "ping")
    assert max_.post(f"{one}/deliveries/{ping.json()['id']}/replay", {}).status_code == 409
    dispatch_due()
    (row,) = max_.get(f"{one}/deliveries").json()["data"]
    assert (row["state"], row["failures"][0]["status"]) == ("waiting", 500)
    assert max_.get(one).json()["state"] == "failing"
    Delivery.objects.update(state="parked", next_attempt_at=None)
    assert max_.get(one).json()["parked"] == 1
    receiver.status = 204
    rotated = max_.post(f"{one}/rotate-secret", {}).json()
    assert rotated["secret"] != made["secret"]
    assert rotated["previous_secret_until"]
    for _ in range(2):  # a parked one, and one that arrived
        again = max_.post(f"{one}/deliveries/{row['id']}/replay", {})
        assert (again.status_code, again.json()["state"]) == (202, "waiting")
        dispatch_due()
        headers, body = receiver.messages[-1]
        for secret in (made["secret"], rotated["secret"]):
            Webhook(secret).verify(body, headers)
    assert set(receiver.ids) == {row["id"]}


def test_a_key_pair_signs_and_only_its_public_half_is_shown(cast, max_, receiver):  # noqa: F811
    sent = {"name": "Partner", "url": receiver.url, "types": ["ticket.opened"], "signing": "v1a"}
    made = max_.post(HERE, sent).json()
    assert (made["signing"], made["secret"]) == ("v1a", None)
    one = f"{HERE}/{made['id']}"
    assert max_.get(one).json()["public_key"] == made["public_key"]
    cast.open()
    dispatch_due()
    headers, body = receiver.messages[-1]
    assert verify_webhook(headers, body, made["public_key"])["type"] == "ticket.opened"
    with pytest.raises(WebhookInvalid):
        verify_webhook(headers, body.replace(b"opened", b"closed"), made["public_key"])
    rotated = max_.post(f"{one}/rotate-secret", {}).json()
    assert (rotated["signing"], rotated["secret"]) == ("v1a", None)
    assert rotated["public_key"] != made["public_key"]
    cast.open()
    dispatch_due()
    headers, body = receiver.messages[-1]
    for key in (made["public_key"], rotated["public_key"]):
        verify_webhook(headers, body, key)
    private = WebhookEndpoint.objects.get().secret
    shown = f"{made}{rotated}{max_.get(HERE).json()}{list(AuditEvent.objects.values('data'))}"
    assert private.removeprefix("whsk_") not in shown


def test_an_endpoint_changes_from_one_way_to_sign_to_the_other(cast, max_, made, receiver):  # noqa: F811
    one = f"{HERE}/{made['id']}"
    assert (made["signing"], made["public_key"]) == ("v1", None)
    assert max_.patch(one, {"signing": "v1a"}).status_code == 422
    assert max_.post(f"{one}/rotate-secret", {"signing": "v2"}).status_code == 422
    rotated = max_.post(f"{one}/rotate-secret", {"signing": "v1a"}).json()
    cast.open()
    dispatch_due()
    headers, body = receiver.messages[-1]
    for key in (made["secret"], rotated["public_key"]):
        assert verify_webhook(headers, body, key)["type"] == "ticket.opened"
    back = max_.post(f"{one}/rotate-secret", {"signing": "v1"}).json()
    assert back["secret"].startswith("whsec_")
    assert back["public_key"] is None


def test_it_is_changed_disabled_and_enabled(cast, max_, made):
    one = f"{HERE}/{made['id']}"
    changed = max_.patch(one, {"name": "Book", "types": [], "checkpoint": "general"}).json()
    assert (changed["name"], changed["types"], changed["checkpoint"]) == ("Book", [], "general")
    assert changed["url"] == made["url"]
    assert max_.patch(one, {"checkpoint": None}).json()["checkpoint"] is None
    off = max_.delete(one).json()
    assert (off["state"], off["disabled_why"]) == ("disabled", "Disabled by hand.")
    assert max_.post(f"{one}/test", {}).status_code == 409
    assert max_.post(f"{one}/enable", {}).json()["state"] == "unused"
    told = AuditEvent.objects.filter(type__startswith="webhook.").order_by("seq")
    assert [event.type.removeprefix("webhook.") for event in told] == [
        *("created", "changed", "changed", "disabled", "enabled"),
    ]
    assert made["url"] not in str([event.data for event in told])


@pytest.mark.parametrize(
    "more, pointer",
    [
        ({"url": "http://example.com/"}, "/url"),
        ({"url": "https://127.0.0.2/"}, "/url"),
        ({"types": ["ticket.exploded"]}, "/types"),
        ({"checkpoint": "nowhere"}, "/checkpoint"),
        ({"secret": "whsec_mine"}, "/secret"),
    ],
)
def test_what_could_not_work_is_refused_with_its_member(max_, made, more, pointer):
    for answer in (
        max_.post(HERE, {"name": "X", "url": "https://example.com/", **more}),
        max_.patch(f"{HERE}/{made['id']}", more),
    ):
        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_nobody_but_a_manager_touches_it(cast, max_, made):
    one, row = f"{HERE}/{made['id']}", "019b0000-0000-7000-8000-000000000000"
    AccessKey.objects.filter(pk=cast.key.pk).update(scopes=list(AccessKey.Scope.values))
    before = WebhookEndpoint.objects.values().get()
    for who in (cast.as_key(), cast.as_person(cast.ann, list(AccessKey.Scope.values))):
        for method, path in [
            ("get", HERE),
            ("post", HERE),
            ("get", one),
            ("patch", one),
            ("delete", one),
            ("get", f"{one}/deliveries"),
            *(("post", f"{one}/{part}") for part in ("test", "enable", "rotate-secret")),
            ("post", f"{one}/deliveries/{row}/replay"),
        ]:
            answer = getattr(who, method)(path)
            assert (answer.status_code, answer.json()["code"]) == (403, "not-allowed")
    assert WebhookEndpoint.objects.values().get() == before
    assert max_.get(f"{HERE}/{row}").status_code == 404
    assert max_.post(f"{one}/deliveries/{row}/replay", {}).status_code == 404
    assert cast.as_person(cast.max).get(HERE).json()["code"] == "scope-missing"
