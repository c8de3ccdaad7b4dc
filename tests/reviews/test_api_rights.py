"""Who may call what: keys, scopes, sessions, and members nobody may set."""

from datetime import datetime
from decimal import Decimal
from itertools import chain
from uuid import UUID, uuid4

import pytest
from django.apps import apps
from django.core.cache import cache
from django.db import connection
from django.forms.models import model_to_dict
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.crypto import get_random_string

from approvals.api import throttles
from approvals.counters import Counter
from approvals.models import AccessKey, Decision, User, Vote
from approvals.services import key_use
from approvals.services.keys import revoke_key
from audit.clock import db_now
from reviews.models import Ticket
from tests.builders import PASSWORD, bearer, make_service_key, personal_token

pytestmark = pytest.mark.db

TICKETS = "/api/v1/tickets"
VOTING = ["votes", "claim", "release", "revoke", "comments"]


@pytest.mark.parametrize("route", [*VOTING, "votes/mine", "next"])
@pytest.mark.parametrize("scope", [None, *AccessKey.Scope.values])
def test_a_machine_never_votes_whatever_its_key_carries(cast, route, scope):
    ticket = cast.open()
    AccessKey.objects.filter(pk=cast.key.pk).update(scopes=[scope] if scope else [])
    here = "/api/v1/queues/general/next" if route == "next" else f"{TICKETS}/{ticket.pk}/{route}"
    method = "delete" if route == "votes/mine" else "post"

    answer = getattr(cast.as_key(), method)(here, {"choice": "approve", "version": 1})

    assert (answer.status_code, answer.json()["code"]) == (403, "machine-cannot-vote")
    assert not Vote.objects.exists()


def test_a_key_sees_only_what_it_opened(cast):
    ticket = cast.open(reference="mine")
    _, token = make_service_key(cast.max, name="another")
    other = bearer(token)
    here = f"{TICKETS}/{ticket.pk}"

    assert other.get(TICKETS).json()["data"] == []
    for name in (ticket.pk, ticket.label, "mine"):
        assert other.get(f"{TICKETS}/{name}").status_code == 404
    for method, part in [
        ("get", "events"),
        ("get", "comments"),
        ("get", "receipt"),
        ("post", "receipt"),
        ("post", "cancel"),
        ("post", "acknowledge"),
        ("post", "resubmit"),
    ]:
        body = {"proposal": {"a": 1}} if part == "resubmit" else {"nonce": "n", "digest": "a" * 64}
        body = {} if part in {"cancel", "acknowledge"} else body
        given = {"data": body} if method == "post" else {}
        assert getattr(other, method)(f"{here}/{part}", **given).status_code == 404, part
    ticket.refresh_from_db()
    assert (ticket.status, ticket.version) == ("pending", 1)


def test_who_has_no_part_in_it_sees_nothing(cast):
    ticket = cast.open()
    otto = cast.as_person(cast.otto)

    assert otto.get(TICKETS).json()["data"] == []
    assert otto.get(f"{TICKETS}/{ticket.label}").status_code == 404
    assert cast.as_person(cast.ada).get(f"{TICKETS}/{ticket.label}").status_code == 200


@pytest.mark.parametrize(
    "method, part, scope",
    [
        ("get", "", "tickets:read"),
        ("get", "/{id}", "tickets:read"),
        ("get", "/{id}/events", "tickets:read"),
        ("get", "/{id}/receipt", "tickets:read"),
        ("post", "", "tickets:write"),
        ("post", "/bulk", "tickets:write"),
        ("post", "/{id}/resubmit", "tickets:write"),
        ("post", "/{id}/cancel", "tickets:write"),
        ("post", "/{id}/acknowledge", "tickets:write"),
        ("post", "/{id}/receipt", "receipts:write"),
    ],
)
def test_a_key_does_what_its_scopes_say(cast, method, part, scope):
    ticket = cast.open()
    others = [str(s) for s in AccessKey.Scope.values if s != scope]
    AccessKey.objects.filter(pk=cast.key.pk).update(scopes=others)

    answer = getattr(cast.as_key(), method)(TICKETS + part.format(id=ticket.pk))

    assert (answer.status_code, answer.json()["code"]) == (403, "scope-missing")
    assert answer.json()["scope"] == scope


@pytest.mark.parametrize("part", ["votes", "claim", "release", "comments", "revoke"])
def test_a_token_without_the_scope_does_not_vote(cast, part):
    ticket = cast.open()

    answer = cast.as_person(cast.ann, ["tickets:read"]).post(f"{TICKETS}/{ticket.pk}/{part}")

    assert (answer.status_code, answer.json()["code"]) == (403, "scope-missing")


# --- Keys that are no longer good ---------------------------------------------------------------
def test_a_revoked_key_is_dead_at_once(cast):
    revoke_key(key=cast.key, by=cast.max, now=db_now())

    assert cast.as_key().get(TICKETS).status_code == 401


def test_an_expired_token_is_dead(cast):
    token = personal_token(cast.ann, expires_at=db_now())

    assert bearer(token).get(TICKETS).status_code == 401


@pytest.mark.parametrize("whose", ["ann", "max"])
def test_a_key_dies_with_its_person(cast, whose):
    client = cast.as_key() if whose == "max" else cast.as_person(cast.ann)
    User.objects.filter(username=whose).update(is_active=False)

    assert client.get(TICKETS).status_code == 401


@pytest.mark.parametrize("place", range(0, 70, 7))
def test_a_token_with_one_other_letter_is_unknown(cast, place):
    place = min(place, len(cast.token) - 1)
    other = "x" if cast.token[place] != "x" else "y"
    token = cast.token[:place] + other + cast.token[place + 1 :]

    assert bearer(token).get(TICKETS).status_code == 401


def test_the_use_of_a_key_is_written_later_and_by_no_reader(cast):
    with CaptureQueriesContext(
        connection,
    ) as queries:
        cast.as_key().get(TICKETS)
    assert not [q for q in queries if not q["sql"].lstrip().upper().startswith("SELECT")]
    assert AccessKey.objects.get(pk=cast.key.pk).last_used_at is None

    assert key_use.flush_key_use() == 1
    used = AccessKey.objects.get(pk=cast.key.pk).last_used_at

    assert abs((db_now() - used).total_seconds()) < 60
    assert key_use.flush_key_use() == 0


# --- Sessions -----------------------------------------------------------------------------------
def test_a_session_reads_and_writes_with_a_csrf_token(cast):
    ticket = cast.open()
    browser = Client(enforce_csrf_checks=True)
    assert browser.login(username="ann", password=PASSWORD)
    here = f"{TICKETS}/{ticket.pk}/votes"
    body = {"choice": "approve", "version": 1}

    without = browser.post(here, body, content_type="application/json")
    browser.cookies["countersign_csrf"] = token = get_random_string(32)
    with_it = browser.post(
        here, body, content_type="application/json", headers={"X-CSRFToken": token}
    )

    assert browser.get(TICKETS).status_code == 200
    assert (without.status_code, without.json()["code"]) == (403, "csrf-failed")
    assert with_it.status_code == 201


def test_me_is_who_calls(cast):
    person = cast.as_person(cast.ann).get("/api/v1/me").json()
    machine = cast.as_key().get("/api/v1/me").json()

    assert (person["username"], person["kind"], person["roles"]) == ("ann", "human", ["reviewer"])
    assert (person["queues"], "votes:write" in person["scopes"]) == (["general"], True)
    assert (machine["kind"], machine["roles"]) == ("machine", [])


def test_rules_are_shown_to_people_and_not_to_machines(cast):
    cast.general.rules.create(position=1, name="Any", when="true", then="ask")

    machine = cast.as_key().get("/api/v1/checkpoints").json()["data"]
    manager = cast.as_person(cast.max).get("/api/v1/checkpoints/general").json()

    assert [row["slug"] for row in machine] == ["general"]
    assert "rules" not in machine[0]
    assert [rule["when"] for rule in manager["rules"]] == ["true"]
    assert cast.as_key().get("/api/v1/checkpoints/nowhere").status_code == 404


def test_policies_are_for_those_who_may_look_at_them(cast):
    manager = cast.as_person(cast.max).get("/api/v1/policies").json()["data"]
    one = cast.as_person(cast.max).get(f"/api/v1/policies/{manager[0]['id']}").json()

    assert [(policy["slug"], policy["latest"]) for policy in manager] == [("general", True)]
    assert one["question"]["stages"][0]["needs"][0]["role"] == "reviewer"
    for caller in (cast.as_key(), cast.as_person(cast.otto)):
        refused = caller.get("/api/v1/policies")
        assert (refused.status_code, refused.json()["code"]) == (403, "not-allowed")


# --- How often ----------------------------------------------------------------------------------
def test_who_asks_too_often_is_told_when_to_come_again(cast):
    key = cast.as_key()
    assert key.get("/api/v1/me").status_code == 200
    names = [name for name in cache._cache if "rate:key:" in name]
    for name in names:
        cache.set(name.partition(":1:")[2], 1200, 60)

    # What other processes counted is heard of every few calls.
    answer = [key.get("/api/v1/me") for _ in range(throttles.MINUTE.every)][-1]

    assert (answer.status_code, answer.json()["code"]) == (429, "too-many-requests")
    assert 0 < int(answer.headers["Retry-After"]) <= 61
    assert answer.headers["RateLimit"].startswith('"key";r=0;t=')


def test_within_one_process_the_limit_is_exact(cast, monkeypatch):
    monkeypatch.setattr(throttles, "_limit", lambda _policy: 12)
    key = cast.as_key()

    assert [key.get("/api/v1/me").status_code for _ in range(14)] == [200] * 12 + [429] * 2


def test_a_cache_that_is_away_leaves_the_count_to_the_process(settings, caplog):
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://127.0.0.1:1/0",
            "OPTIONS": {"socket_timeout": 0.1, "socket_connect_timeout": 0.1},
        }
    }
    minute, name = Counter(60), f"rate:test:{uuid4()}"
    assert [minute.count(name) for _ in range(3)] == [1, 2, 3]
    assert len([line for line in caplog.messages if "per process" in line]) == 1


# --- Members nobody may set ---------------------------------------------------------------------
EVIL = {
    "BooleanField": True,
    "CharField": "approved",
    "TextField": "evil",
    "JSONField": {"evil": True},
    "DateTimeField": "2001-01-01T00:00:00Z",
    "UUIDField": "00000000-0000-7000-8000-000000000000",
    "DecimalField": 1,
    "FloatField": 0.5,
}


def every_field():
    """Return every column of every model of ours, with a value it could take."""
    names = {}
    for model in chain(
        *(apps.get_app_config(app).get_models() for app in ("reviews", "approvals"))
    ):
        for field in model._meta.get_fields():
            value = EVIL.get(type(field).__name__, 1)
            names[field.name] = value
            if hasattr(field, "attname"):
                names[field.attname] = value
    return names


KNOWN = {"title", "summary", "proposal", "checkpoint", "reference", "region", "question"}


def plain(value):
    return str(value) if isinstance(value, datetime | Decimal | UUID) else value


def state(ticket):
    """Return everything a caller must not be able to set."""
    ticket = Ticket.objects.select_related("decision").get(pk=ticket.pk)
    row = {
        **model_to_dict(ticket),
        **model_to_dict(ticket.decision),
        "decision": ticket.decision_id,
    }
    return {name: plain(value) for name, value in row.items()}


def test_no_field_of_any_table_can_be_set_on_opening(cast):
    key, fields = cast.as_key(), every_field()
    usual = key.post(TICKETS, {"title": "x"}).json()
    settable = {
        *("title", "summary", "proposal", "ai", "priority", "domain", "impact", "amount"),
        *("financial_impact", "compliance", "novel_pattern", "labels", "preset", "question"),
        *("interaction", "pipeline", "reference", "region", "callback_url", "on_behalf_of"),
        *("previous", "checkpoint", "expires_at"),
    }
    assert len(fields) > 150

    for name, value in fields.items():
        answer = key.post(TICKETS, {"title": "x", name: value})
        if name not in settable:
            assert answer.status_code == 422, name
            assert answer.json()["errors"][0]["pointer"] == f"/{name}"
        elif answer.status_code == 201:
            for fixed in ("status", "allowed", "version", "round", "rule", "decision", "risk"):
                assert answer.json()[fixed] == usual[fixed], (name, fixed)
    assert set(Ticket.objects.values_list("status", flat=True)) == {"pending"}
    assert set(Ticket.objects.values_list("requester", flat=True)) == {cast.machine.pk}


@pytest.mark.parametrize(
    "part, body, known",
    [
        (
            "votes",
            {"choice": "abstain", "version": 1},
            {"choice", "reason", "response", "on_behalf_of", "password", "code"},
        ),
        ("claim", {}, set()),
        ("release", {}, set()),
        ("comments", {"text": "x"}, {"text"}),
        ("cancel", {}, {"reason"}),
        ("revoke", {}, {"reason"}),
        ("receipt", {"nonce": "n", "digest": "a" * 64}, {"nonce", "digest"}),
        ("resubmit", {"proposal": {"a": 1}}, set()),
    ],
)
def test_no_field_of_any_table_can_be_set_on_a_ticket(cast, part, body, known):
    ticket = cast.open()
    before, people = state(ticket), list(User.objects.values())
    client = (
        cast.as_key() if part in {"cancel", "receipt", "resubmit"} else cast.as_person(cast.ann)
    )
    allowed = known | {"version", "amendments", "consumption_id", "result", "detail"}
    if part == "resubmit":
        from reviews.api.requests import TicketResubmitRequest

        allowed = set(TicketResubmitRequest().fields)

    for name, value in every_field().items():
        if name in allowed:
            continue
        answer = client.post(f"{TICKETS}/{ticket.pk}/{part}", {**body, name: value})
        assert answer.status_code == 422, (name, answer.content)
        assert f"/{name}" in [error["pointer"] for error in answer.json()["errors"]]

    assert state(ticket) == before
    assert list(User.objects.values()) == people
    assert Decision.objects.count() == 1
