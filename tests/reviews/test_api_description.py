"""What the interface says of itself."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.urls import get_resolver

pytestmark = pytest.mark.db


@pytest.fixture
def description(client):
    answer = client.get("/api/v1/openapi.json")
    assert answer.status_code == 200
    return answer.json()


def operations(description):
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def test_it_is_whole_and_without_a_warning(settings):
    settings.SPECTACULAR_SETTINGS = {**settings.SPECTACULAR_SETTINGS}
    call_command("spectacular", "--fail-on-warn", "--validate", stdout=StringIO())


def test_it_is_openapi_3_1_and_knows_both_ways_in(description):
    assert description["openapi"].startswith("3.1")
    schemes = description["components"]["securitySchemes"]
    assert (schemes["bearer"]["scheme"], schemes["session"]["in"]) == ("bearer", "cookie")


def test_every_operation_is_told_in_a_line_and_says_how_it_refuses(description):
    seen = list(operations(description))
    assert len(seen) >= 30
    for name, operation in seen:
        assert operation["summary"], name
        assert operation["tags"], name
        assert {"401", "403", "429"} <= operation["responses"].keys(), name
        if "requestBody" in operation:
            assert {"400", "413", "415", "422"} <= operation["responses"].keys(), name
        if "{" in name:
            assert "404" in operation["responses"], name
        for status, answer in operation["responses"].items():
            if status[0] == "4":
                assert answer["$ref"].startswith("#/components/responses/")


def test_every_body_a_caller_sends_has_an_example_or_is_empty(description):
    for name, operation in operations(description):
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        reference = content.get("schema", {}).get("$ref", "")
        if content and not reference.endswith("/NothingRequest"):
            assert content.get("examples"), name


def test_what_callers_send_has_no_unnamed_members(description):
    schemas = description["components"]["schemas"]
    requests = [name for name in schemas if name.endswith("Request") and name != "ReceiptRequest"]
    assert len(requests) > 10
    assert all(schemas[name]["additionalProperties"] is False for name in requests)


def test_every_address_of_the_interface_is_described(description):
    def addresses(patterns, before=""):
        for pattern in patterns:
            route = before + str(pattern.pattern)
            if hasattr(pattern, "url_patterns"):
                yield from addresses(pattern.url_patterns, route)
            elif route.startswith(("api/v1/", "hitl/", "hms-api/", "interface/")):
                yield route

    found = set(addresses(get_resolver().url_patterns))
    assert len(found) - 2 == len(description["paths"])  # itself and its page are not in it


def test_the_page_of_the_description_runs_under_the_policy_with_our_own_files(client):
    page = client.get("/api/v1/docs")
    text = page.content.decode()

    assert page.status_code == 200
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert (
        "unsafe-inline"
        not in page.headers["Content-Security-Policy"].partition("script-src")[2].partition(";")[0]
    )
    assert "http://" not in text
    assert "https://" not in text
    for script in text.split("<script")[1:]:
        assert script.lstrip().startswith("src="), script[:80]
    script = client.get("/api/v1/docs?script=")
    assert script.headers["Content-Type"].startswith("application/javascript")
    assert "/api/v1/openapi.json" in script.content.decode()


def test_a_bare_proposal_is_taken_at_the_old_address(cast):
    body = {"title": "Longer loans", "detail": "5 to 7 years", "priority": "high", "years": 7}
    opened = cast.as_key().post("/hitl/tickets", body)
    read = cast.as_key().get(f"/hitl/tickets/{opened.json()['id']}")

    assert opened.status_code == 201
    assert opened.json()["proposal"] == {"detail": "5 to 7 years", "years": 7}
    assert (read.json()["title"], read.json()["priority"]) == ("Longer loans", "high")
    assert (read.json()["status"], read.json()["comments"]) == ("pending", None)


@pytest.mark.parametrize(
    "body, pointer",
    [
        ({"detail": "x", "proposal": {"detail": "y"}}, "/detail"),
        ({"detail": "x", "proposal": 5}, "/proposal"),
        ({"title": 5, "detail": "x"}, "/title"),
        ([], ""),
    ],
)
def test_a_bare_proposal_that_cannot_be_read_names_the_member(cast, body, pointer):
    answer = cast.as_key().post("/hitl/tickets", body)

    assert answer.status_code == 422
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]


@pytest.mark.parametrize(
    ("response", "codes"),
    [
        ("ForbiddenProblem", ["channel-not-allowed", "confirm-identity", "not-eligible",
                              "not-on-call", "own-work", "machine-cannot-vote"]),
        ("TooManyRequestsProblem", ["too-many-requests", "too-many-tries", "too-many-votes"]),
        ("ConflictProblem", ["already-decided", "already-voted", "claimed", "busy"]),
        ("InvalidProblem", ["invalid", "reason-required", "schema"]),
    ],
)  # fmt: skip
def test_every_code_a_refusal_may_carry_is_named(description, response, codes):
    told = description["components"]["responses"][response]["description"]
    named = told.split("`code`: ")[1].rstrip(".").split(", ")
    assert set(codes) <= set(named)
