"""What a client may send and gets back: a problem that names the place, and nothing stored."""

import json

import pytest
from django.db import OperationalError
from django.test import override_settings

from approvals.models import Decision
from audit.models import AuditEvent
from hitl_project.api import problem_handler
from reviews.models import Ticket

pytestmark = pytest.mark.db

TICKETS = "/api/v1/tickets"
JSON = "application/json"


def nested(levels, inner=1):
    for _ in range(levels):
        inner = {"a": inner}
    return inner


def refused(answer, status, code):
    assert answer.status_code == status, answer.content
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert (body["status"], body["code"]) == (status, code)
    assert body["request_id"] == answer.headers["X-Request-ID"]
    assert {"type", "title", "detail", "errors"} <= body.keys()
    assert not Ticket.objects.exists()
    assert not Decision.objects.exists()
    assert not AuditEvent.objects.filter(type="ticket.opened").exists()
    return body


@pytest.mark.parametrize(
    "body, pointer",
    [
        ({}, "/title"),
        ({"proposal": {}}, "/title"),
        ({"title": ""}, "/title"),
        ({"title": "  "}, "/title"),
        ({"title": None}, "/title"),
        ({"title": 7}, "/title"),
        ({"title": ["x"]}, "/title"),
        ({"title": "x" * 201}, "/title"),
        ({"title": "x" * 1_000_000}, "/title"),
        ({"title": "bell\u0007"}, "/title"),
        ({"title": "x", "summary": "x" * 501}, "/summary"),
        ({"title": "x", "proposal": []}, "/proposal"),
        ({"title": "x", "proposal": "text"}, "/proposal"),
        ({"title": "x", "proposal": None}, "/proposal"),
        ({"title": "x", "proposal": {"a": "x" * 300_000}}, "/proposal"),
        ({"title": "x", "proposal": nested(33)}, "/proposal" + "/a" * 32),
        ({"title": "x", "proposal": {"deep": [{"n": 2**53}]}}, "/proposal/deep/0/n"),
        ({"title": "x", "proposal": {"n": 1e300}}, "/proposal/n"),
        ({"title": "x", "proposal": {"t": "a\u0000b"}}, "/proposal/t"),
        ({"title": "x", "proposal": {"t": "\ud800"}}, "/proposal/t"),
        ({"title": "\ud800"}, "/title"),
        ({"title": "x", "proposal": {"a\u0000": 1}}, "/proposal/a\ufffd"),
        ({"title": "x", "checkpoint": "no where"}, "/checkpoint"),
        ({"title": "x", "checkpoint": "nowhere"}, "/checkpoint"),
        ({"title": "x", "checkpoint": 5}, "/checkpoint"),
        ({"title": "x", "priority": "urgent"}, "/priority"),
        ({"title": "x", "priority": ["high"]}, "/priority"),
        ({"title": "x", "amount": "lots"}, "/amount"),
        ({"title": "x", "amount": True}, "/amount"),
        ({"title": "x", "amount": 1e15}, "/amount"),
        ({"title": "x", "amount": "NaN"}, "/amount"),
        ({"title": "x", "amount": 0.001}, "/amount"),
        ({"title": "x", "financial_impact": 1.1}, "/financial_impact"),
        ({"title": "x", "financial_impact": "0.5"}, "/financial_impact"),
        ({"title": "x", "compliance": "yes"}, "/compliance"),
        ({"title": "x", "compliance": 1}, "/compliance"),
        ({"title": "x", "labels": "a,b"}, "/labels"),
        ({"title": "x", "labels": [1]}, "/labels/0"),
        ({"title": "x", "labels": ["x"] * 21}, "/labels"),
        ({"title": "x", "preset": "bogus"}, "/preset"),
        ({"title": "x", "preset": "post-approval"}, "/preset"),
        ({"title": "x", "question": []}, "/question"),
        ({"title": "x", "question": {"colour": 1}}, "/question/colour"),
        ({"title": "x", "question": {"options": ["approve"]}}, "/question/options"),
        ({"title": "x", "response_schema": {"type": "object"}}, "/response_schema"),
        (
            {"title": "x", "preset": "input", "response_schema": {"type": "nonsense"}},
            "/response_schema/type",
        ),
        ({"title": "x", "preset": "options"}, "/ai/options"),
        ({"title": "x", "ui_schema": {"type": "bogus"}}, "/ui_schema/type"),
        ({"title": "x", "ui_schema": {"fields": [{"name": ""}]}}, "/ui_schema/fields/0/name"),
        ({"title": "x", "ui_schema": {}, "response_schema": {}}, "/ui_schema"),
        ({"title": "x", "ai": {"confidence": 2}}, "/ai/confidence"),
        ({"title": "x", "ai": {"confidence": "high"}}, "/ai/confidence"),
        ({"title": "x", "ai": {"mood": 1}}, "/ai/mood"),
        ({"title": "x", "ai": []}, "/ai"),
        ({"title": "x", "ai": {"features": [{"value": 1}]}}, "/ai/features/0/name"),
        ({"title": "x", "ai": {"options": [{"key": "a", "x": 1}]}}, "/ai/options/0/x"),
        ({"title": "x", "ai": {"prediction": {"a": 1}}}, "/ai/prediction"),
        ({"title": "x", "interaction": {"bogus": 1}}, "/interaction/bogus"),
        ({"title": "x", "interaction": {"ui_schema": {}}}, "/interaction/ui_schema"),
        ({"title": "x", "interaction": {"iteration": "1"}}, "/interaction/iteration"),
        ({"title": "x", "interaction": {"approval_type": "most"}}, "/interaction/approval_type"),
        ({"title": "x", "pipeline": {"state": 1}}, "/pipeline/state"),
        ({"title": "x", "pipeline": {"resume": {}}}, "/pipeline/resume"),
        ({"title": "x", "expires_at": "2001-01-01T00:00:00Z"}, "/expires_at"),
        ({"title": "x", "expires_at": "2999-01-01T00:00:00Z"}, "/expires_at"),
        ({"title": "x", "expires_at": "2030-01-01T00:00:00"}, "/expires_at"),
        ({"title": "x", "expires_at": "soon"}, "/expires_at"),
        ({"title": "x", "expires_at": 5}, "/expires_at"),
        ({"title": "x", "timeout_seconds": 0}, "/timeout_seconds"),
        ({"title": "x", "timeout_seconds": 1.5}, "/timeout_seconds"),
        ({"title": "x", "timeout_seconds": 10**9}, "/timeout_seconds"),
        ({"title": "x", "timeout_seconds": 9_000_000}, "/timeout_seconds"),
        (
            {"title": "x", "timeout_seconds": 60, "expires_at": "2030-01-01T00:00:00Z"},
            "/timeout_seconds",
        ),
        ({"title": "x", "callback_url": "ftp://x.example"}, "/callback_url"),
        ({"title": "x", "callback_url": "javascript:alert(1)"}, "/callback_url"),
        ({"title": "x", "callback_url": "http://"}, "/callback_url"),
        ({"title": "x", "callback_url": "http://buyer.example/hook"}, "/callback_url"),
        ({"title": "x", "callback_url": "https://127.0.0.1/hook"}, "/callback_url"),
        ({"title": "x", "callback_url": "http://x.example/" + "a" * 500}, "/callback_url"),
        ({"title": "x", "reference": "a/b"}, "/reference"),
        ({"title": "x", "reference": ".."}, "/reference"),
        ({"title": "x", "reference": "T-1042"}, "/reference"),
        ({"title": "x", "reference": "x" * 201}, "/reference"),
        ({"title": "x", "region": "atlantis"}, "/region"),
        ({"title": "x", "previous": "T-1"}, "/previous"),
        ({"title": "x", "on_behalf_of": ["ann"]}, "/on_behalf_of"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_named_and_nothing_is_stored(cast, body, pointer):
    answer = cast.as_key().post(TICKETS, json.dumps(body), content_type=JSON)

    assert answer.status_code == 422, answer.content
    problem = answer.json()
    assert pointer in [error["pointer"] for error in problem["errors"]], problem["errors"]
    assert not Ticket.objects.exists()


def test_a_callback_that_could_never_be_made_is_refused_with_the_way_out(cast):
    body = {"title": "x", "callback_url": "http://10.0.0.5:9000/hook"}
    (error,) = refused(cast.as_key().post(TICKETS, body), 422, "invalid")["errors"]

    assert "HITL_OUTBOUND_ALLOWED" in error["message"]


def test_a_stranger_among_the_members_is_sent_inside(cast):
    body = refused(cast.as_key().post(TICKETS, {"title": "x", "detail": "y"}), 422, "invalid")

    assert body["errors"][0]["pointer"] == "/detail"
    assert "put `detail` inside `proposal`" in body["errors"][0]["message"]


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"not json",
        b'{"title": "x", "title": "y"}',
        b'{"title": "x", "proposal": {"a": 1, "a": 2}}',
        b'{"title": "\xff"}',
        b"\xef\xbb\xbf{}",
        b'{"title": "x"} trailing',
        b'{"proposal": ' + b"[" * 100_000,
        b'{"proposal": ' + b"[" * 3000 + b"]" * 3000 + b"}",
    ],
    ids=lambda raw: raw[:24].decode("ascii", "replace"),
)
def test_what_is_not_json_is_malformed(cast, raw):
    answer = cast.as_key().post(TICKETS, raw, content_type=JSON)

    assert answer.status_code in {400, 422}
    if answer.status_code == 422:  # a parser without recursion reads it, and then it is too deep
        assert raw.endswith(b"]}")
        refused(answer, 422, "invalid")
    else:
        refused(answer, 400, "malformed")


@pytest.mark.parametrize("raw", [b"[]", b"5", b'"x"', b"null", b"true"])
def test_a_body_that_is_no_object_is_invalid(cast, raw):
    body = refused(cast.as_key().post(TICKETS, raw, content_type=JSON), 422, "invalid")

    assert body["errors"][0]["pointer"] in {"", "/title"}


def test_a_body_that_is_too_large_is_not_read(cast):
    raw = json.dumps({"title": "x", "proposal": {"a": "x" * 3_000_000}})

    refused(cast.as_key().post(TICKETS, raw, content_type=JSON), 413, "too-large")


@pytest.mark.parametrize("type", ["text/plain", "application/x-www-form-urlencoded", "text/xml"])
def test_only_json_is_taken(cast, type):
    answer = cast.as_key().post(TICKETS, "title=x", content_type=type)

    refused(answer, 415, "unsupported-media-type")


@pytest.mark.parametrize(
    "method, address, status, code",
    [
        ("put", TICKETS, 405, "method-not-allowed"),
        ("options", TICKETS, 405, "method-not-allowed"),
        ("delete", f"{TICKETS}/x", 405, "method-not-allowed"),
        ("get", f"{TICKETS}/T-1", 404, "not-found"),
        ("get", f"{TICKETS}/%00", 404, "not-found"),
        ("get", f"{TICKETS}/T-{'9' * 30}", 404, "not-found"),
        ("get", f"{TICKETS}/{'x' * 4000}", 404, "not-found"),
        ("get", f"{TICKETS}/%ED%A0%80", 404, "not-found"),
        ("get", "/api/v1/nothing", 404, "not-found"),
        ("get", "/api/v1/tickets/", 404, "not-found"),
        ("get", "/api", 404, "not-found"),
        ("post", "/hitl/nothing", 404, "not-found"),
        ("get", "/hms-api/v2", 404, "not-found"),
        ("get", "/api/v1/keys/not-a-uuid", 404, "not-found"),
    ],
)
def test_addresses_that_are_not_there_answer_as_problems(cast, method, address, status, code):
    refused(getattr(cast.as_key(), method)(address), status, code)


@pytest.mark.parametrize("debug", [True, False])
def test_a_refusal_reads_the_same_while_developing(cast, debug):
    with override_settings(DEBUG=debug):
        refused(cast.as_key().get("/api/v1/nothing"), 404, "not-found")


def test_another_representation_is_not_to_be_had(cast):
    answer = cast.as_key().get(TICKETS, HTTP_ACCEPT="text/html")

    refused(answer, 406, "not-acceptable")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer x",
        "Bearer hitl_00000000_" + "x" * 51,
        "Bearer hitl_\x00",
        "Basic YTpi",
        "Bearer " + "x" * 5000,
    ],
)
def test_who_is_unknown_is_told_how_to_be_known(client, db, header):
    given = {"HTTP_AUTHORIZATION": header} if header else {}
    answer = client.get(TICKETS, **given)

    refused(answer, 401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_reference_is_unique_per_key(cast):
    key = cast.as_key()

    assert key.post(TICKETS, {"title": "x", "reference": "r"}).status_code == 201
    again = key.post(TICKETS, {"title": "y", "reference": "r"})

    assert (again.status_code, again.json()["code"]) == (409, "reference-taken")
    assert Ticket.objects.count() == 1


def test_answers_are_kept_by_nobody(cast):
    answer = cast.as_key().get(TICKETS)

    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["RateLimit-Policy"] == '"key";q=1200;w=60'
    assert '"key";r=1199;t=' in answer.headers["RateLimit"]


@pytest.mark.parametrize("state", ["55P03", "40P01", "57014", ""])
def test_a_row_somebody_else_holds_is_busy_for_a_moment(state):
    failure = OperationalError("canceling statement" if state else "database is locked")
    failure.__cause__ = Exception()
    failure.__cause__.sqlstate = state

    answer = problem_handler(failure, {"request": None})

    assert (answer.status_code, answer.data["code"]) == (409, "busy")
    assert answer.headers["Retry-After"] == "1"


def test_a_failure_of_ours_stays_one():
    assert problem_handler(OperationalError("the disk is full"), {"request": None}) is None
    assert problem_handler(KeyError("x"), {"request": None}) is None
