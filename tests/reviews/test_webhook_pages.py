"""Webhooks at the desk: how each is doing, its messages, a ping, its secret, its end."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from reviews.admin import webhooks
from reviews.models import Delivery, WebhookEndpoint
from reviews.services.deliveries import dispatch_due
from reviews.services.endpoints import create_endpoint
from reviews.signatures import public_key_of, signing_of
from tests.builders import PASSWORD
from tests.reviews.test_deliveries import Receiver, receiver  # noqa: F401

pytestmark = pytest.mark.db


@pytest.fixture
def root(cast, django_user_model, monkeypatch):
    monkeypatch.setattr(webhooks, "PING_SECONDS", 0.0)
    person = django_user_model.objects.create_superuser("root", "root@example.org", PASSWORD)
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def endpoint(cast, receiver):  # noqa: F811
    return create_endpoint(name="Ledger <b>", url=receiver.url, by=cast.max)


def at(endpoint):
    return reverse("admin:reviews_webhookendpoint_change", args=[endpoint.pk])


def text(answer):
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_ping_tells_what_became_of_it(root, endpoint, receiver):  # noqa: F811
    asked = root.post(at(endpoint), {"act": "test"})
    assert asked.status_code == 303
    assert "on its way" in text(root.get(asked.url))
    dispatch_due()
    assert "The ping arrived: the receiver answered 204." in text(root.get(asked.url))
    receiver.status = 500
    asked = root.post(at(endpoint), {"act": "test"})
    dispatch_due()
    page = text(root.get(asked.url))
    assert "The ping did not arrive. <bdi>The receiver answered 500.</bdi>" in page
    assert "failing" in text(root.get(reverse("admin:reviews_webhookendpoint_changelist")))
    assert "<b>" not in page.partition("</h1>")[0].rpartition("<h1>")[2]


def test_what_is_parked_is_listed_and_sent_again(cast, root, endpoint, receiver):  # noqa: F811
    cast.open()
    receiver.status = 500
    dispatch_due()
    Delivery.objects.update(state="parked", next_attempt_at=None)
    row = Delivery.objects.get()
    listed = text(root.get(reverse("admin:reviews_webhookendpoint_changelist")))
    assert "1 parked" in listed
    one = reverse("admin:reviews_delivery_change", args=[row.pk])
    assert "Attempt 1" in text(root.get(one))
    receiver.status = 204
    assert root.post(at(endpoint), {"act": "replay", "delivery": str(row.pk)}).status_code == 303
    dispatch_due()
    assert root.post(one, {"act": "replay"}).status_code == 303  # once more, though it arrived
    dispatch_due()
    assert receiver.ids == [str(row.pk)] * 3
    assert root.post(at(endpoint), {"act": "replay", "delivery": "x"}).status_code == 404


def test_a_new_secret_is_shown_once_with_how_long_the_old_one_signs(root, endpoint):
    page = text(root.post(at(endpoint), {"act": "rotate"}))
    new = WebhookEndpoint.objects.get()
    assert new.secret != endpoint.secret
    assert new.secret in page
    assert "two signatures" in page
    assert new.secret not in text(root.get(at(endpoint)))
    assert "signs as well until" in text(root.get(at(endpoint)))


def test_a_key_pair_shows_its_public_half_and_never_the_other(cast, root, receiver):  # noqa: F811
    sent = {"name": "Partner", "url": receiver.url, "signing": "v1a"}
    page = text(root.post(reverse("admin:reviews_webhookendpoint_add"), sent))
    made = WebhookEndpoint.objects.get()
    public = public_key_of(made.secret)
    assert public.startswith("whpk_")
    assert public in page
    stands = text(root.get(at(made)))
    assert public in stands
    turned = text(root.post(at(made), {"act": "rotate", "signing": "v1"}))
    now = WebhookEndpoint.objects.get()
    assert signing_of(now.secret) == "v1"
    assert now.secret in turned
    assert made.secret not in page + stands + turned
    kept = text(root.get(f"{at(now)}?edit=1"))
    assert 'name="signing"' not in kept


def test_410_is_shown_with_why_and_a_person_enables_it_again(
    cast,
    root,
    endpoint,
    receiver,  # noqa: F811
):
    receiver.status = 410
    cast.open()
    dispatch_due()
    page = text(root.get(at(endpoint)))
    assert "The receiver answered 410: it wants no more." in page
    assert "Send a ping" not in page
    refused = text(root.post(at(endpoint), {"act": "test"}))
    assert "enable it first" in refused
    root.post(at(endpoint), {"act": "enable"})
    assert "Send a ping" in text(root.get(at(endpoint)))
    root.post(at(endpoint), {"act": "disable", "why": "Moving house."})
    assert "Moving house." in text(root.get(at(endpoint)))


def test_it_is_changed_on_a_form(root, endpoint, receiver):  # noqa: F811
    sent = {"name": "Book", "url": receiver.url, "types": ["ticket.decided"], "checkpoint": ""}
    assert "checked" in text(root.get(f"{at(endpoint)}?edit=1")) or endpoint.types == []
    assert root.post(f"{at(endpoint)}?edit=1", sent).status_code == 303
    changed = WebhookEndpoint.objects.get()
    assert (changed.name, changed.types) == ("Book", ["ticket.decided"])
    wrong = text(root.post(f"{at(endpoint)}?edit=1", {**sent, "url": "http://example.com/"}))
    assert "Plain http" in wrong


def test_who_only_looks_changes_nothing(cast, endpoint):
    client = Client()
    client.force_login(cast.ann, backend="django.contrib.auth.backends.ModelBackend")
    for answer in (client.get(at(endpoint)), client.post(at(endpoint), {"act": "disable"})):
        assert answer.status_code == 403
    cast.ada.user_permissions.add(
        *Permission.objects.filter(codename__in=["view_webhookendpoint", "view_delivery"])
    )
    client.force_login(cast.ada, backend="django.contrib.auth.backends.ModelBackend")
    assert "Disable" not in text(client.get(at(endpoint)))
    assert client.post(at(endpoint), {"act": "disable"}).status_code == 403
    assert client.get(f"{at(endpoint)}?edit=1").status_code == 403
    assert WebhookEndpoint.objects.get().disabled_at is None
