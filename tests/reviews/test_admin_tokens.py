"""The page of one's own tokens: made with the password, shown once, revoked by their owner."""

import re

import pytest
from django.test import Client

from approvals.models import AccessKey
from tests.builders import PASSWORD, bearer, personal_token

pytestmark = pytest.mark.db
TOKENS = "/admin/reviews/ticket/tokens/"


def at_desk(person) -> Client:
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return client


def make(person, **more):
    given = {"act": "make", "name": "laptop", "days": "30", "password": PASSWORD}
    return at_desk(person).post(TOKENS, given | more)


def shown(answer) -> str:
    found = re.search(r"data-secret>(hitl_[^<]+)<", answer.content.decode())
    assert found
    return found[1]


def test_a_token_is_shown_once_and_acts_as_its_person(cast):
    token = shown(make(cast.ann))

    me = bearer(token).get("/api/v1/me")
    again = at_desk(cast.ann).get(TOKENS).content.decode()

    assert me.json()["username"] == "ann"
    assert "laptop" in again
    assert token not in again


def test_without_the_password_none_is_made(cast):
    answer = make(cast.ann, password="guess")

    assert answer.status_code == 403
    assert "not your password" in answer.content.decode()
    assert not AccessKey.objects.filter(owner=cast.ann).exists()


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ({"name": " "}, "Say what uses it"),
        ({"name": "x" * 81}, "Say what uses it"),
        ({"days": "0"}, "good for 1 to 365 days"),
        ({"days": "4000000000000"}, "good for 1 to 365 days"),
        ({"days": "²"}, "good for 1 to 365 days"),
    ],
)
def test_what_cannot_be_is_said_and_what_was_typed_stays(cast, sent, sentence):
    answer = make(cast.ann, **sent)

    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert f'value="{sent.get("name", "laptop")}"' in answer.content.decode()


def test_a_revoked_one_is_refused_from_then_on(cast):
    token = shown(make(cast.ann))
    key = AccessKey.objects.get(owner=cast.ann)

    answer = at_desk(cast.ann).post(TOKENS, {"act": "revoke", "token": str(key.pk)})

    assert answer.status_code == 303
    assert bearer(token).get("/api/v1/me").status_code == 401


def test_nobody_sees_or_revokes_anothers(cast):
    token = personal_token(cast.ben)
    key = AccessKey.objects.get(owner=cast.ben)

    page = at_desk(cast.ann).get(TOKENS).content.decode()
    at_desk(cast.ann).post(TOKENS, {"act": "revoke", "token": str(key.pk)})

    assert key.prefix not in page
    assert bearer(token).get("/api/v1/me").status_code == 200


def test_nobody_has_tokens_without_signing_in(db):
    assert Client().get(TOKENS).status_code == 302
