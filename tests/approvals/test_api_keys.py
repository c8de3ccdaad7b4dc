import pytest
from django.test import Client

from approvals.models import AccessKey
from tests.builders import bearer, make_service_key, personal_token

pytestmark = pytest.mark.db

KEYS = "/api/v1/keys"


def browser(person) -> Client:
    client = Client()
    client.force_login(person)
    return client


def make(person, **body):
    return browser(person).post(KEYS, {"name": "nightly", **body}, content_type="application/json")


def test_a_person_makes_a_token_and_sees_it_once(cast):
    answer = make(cast.ann, scopes=["tickets:read", "votes:write"])

    assert answer.status_code == 201
    body = answer.json()
    assert body["token"].startswith(f"hitl_{body['prefix']}_")
    assert body["kind"] == "personal"
    assert body["expires_at"] is not None
    assert bearer(body["token"]).get("/api/v1/me").json()["username"] == "ann"
    listed = browser(cast.ann).get(KEYS).json()["data"]
    assert [key["name"] for key in listed] == ["nightly"]
    secrets = {"token", "hash", "callback_secret", "user", "owner"}
    assert not secrets & listed[0].keys()
    assert body["token"] not in str(listed)


def test_keys_do_not_make_keys(cast):
    everything = personal_token(cast.max, list(AccessKey.Scope.values))
    before = AccessKey.objects.count()

    for client in (bearer(everything), cast.as_key()):
        answer = client.post(KEYS, {"name": "more"})
        assert (answer.status_code, answer.json()["code"]) == (403, "scope-missing")
    assert AccessKey.objects.count() == before


def test_a_service_key_is_made_by_who_may_and_acts_as_a_machine(cast):
    refused = make(cast.ann, kind="service")
    made = make(cast.max, kind="service", expires_at=None)

    assert (refused.status_code, refused.json()["code"]) == (403, "not-allowed")
    assert made.status_code == 201
    assert made.json()["expires_at"] is None
    assert made.json()["callback_secret"].startswith("whsec_")
    assert bearer(made.json()["token"]).get("/api/v1/me").json()["kind"] == "machine"


@pytest.mark.parametrize(
    "body, pointer",
    [
        ({"name": ""}, "/name"),
        ({"name": "x" * 81}, "/name"),
        ({"kind": "admin"}, "/kind"),
        ({"scopes": ["everything"]}, "/scopes/0"),
        ({"scopes": "tickets:read"}, "/scopes"),
        ({"kind": "service", "scopes": ["votes:write"]}, "/scopes"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, "/expires_at"),
        ({"expires_at": "2999-01-01T00:00:00Z"}, "/expires_at"),
        ({"user": 1}, "/user"),
        ({"owner": 1}, "/owner"),
        ({"hash": "x"}, "/hash"),
        ({"prefix": "00000000"}, "/prefix"),
        ({"is_superuser": True}, "/is_superuser"),
    ],
)
def test_a_key_that_cannot_be_made_names_the_member(cast, body, pointer):
    before = AccessKey.objects.count()
    answer = make(cast.max, **body)

    assert answer.status_code == 422
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert AccessKey.objects.count() == before


def test_a_key_is_revoked_by_its_owner_and_nobody_else(cast):
    made = make(cast.ann).json()
    here = f"{KEYS}/{made['id']}"

    assert browser(cast.ben).get(here).status_code == 404
    assert browser(cast.ben).delete(here).status_code == 404
    assert browser(cast.ann).get(here).json()["revoked_at"] is None
    assert browser(cast.ann).delete(here).status_code == 204
    assert browser(cast.ann).delete(here).status_code == 204
    assert bearer(made["token"]).get("/api/v1/me").status_code == 401
    assert browser(cast.ann).get(here).json()["revoked_at"] is not None


def test_a_token_revokes_keys_only_with_the_scope_to_manage(cast):
    target, _ = make_service_key(cast.max, name="leaked")
    here = f"{KEYS}/{target.pk}"

    without = cast.as_person(cast.max).delete(here)
    with_it = bearer(personal_token(cast.max, ["manage:write"])).delete(here)

    assert (without.status_code, without.json()["code"]) == (403, "scope-missing")
    assert with_it.status_code == 204


def test_a_long_list_of_keys_is_walked(cast):
    made = [make(cast.ann, name=f"Key {n}").json()["id"] for n in range(3)]
    first = browser(cast.ann).get(f"{KEYS}?limit=2").json()
    rest = browser(cast.ann).get(f"{KEYS}?limit=2&cursor={first['next_cursor']}").json()

    assert [key["id"] for key in first["data"] + rest["data"]] == made[::-1]
