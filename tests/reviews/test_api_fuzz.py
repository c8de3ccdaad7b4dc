"""Whatever a client sends, the answer is never our failure."""

import json
import os
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reviews.api.requests import TicketCreateRequest, TicketResubmitRequest, VoteCreateRequest

pytestmark = pytest.mark.db

# More by hand: FUZZ=2000 pytest …
CASES = int(os.environ.get("FUZZ", "60"))
ROUGH = st.text(max_size=8) | st.text(alphabet="\u0000\ud800\u202e'\"\\%/<>{}", max_size=4)
NUMBERS = st.integers() | st.floats() | st.sampled_from([0, -1, 2**31, 2**53, 2**63, 2**64, 1e308])
LEAVES = st.none() | st.booleans() | NUMBERS | ROUGH
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ROUGH, inner, max_size=3),
    max_leaves=6,
)
LIKELY = st.sampled_from(
    [
        *("general", "input", "options", "vote", "refinement", "time-boxed", "fallback"),
        *("high", "approve", "reject", "modify", "T-1001", "2030-01-01T00:00:00Z", "PT1S"),
        {"options": ["approve", "reject"]},
        {"timing": {"expires": "PT1H"}},
        {"stages": [{"needs": [{"people": ["ann"]}]}]},
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
        {"type": "input", "fields": [{"name": "a", "type": "number", "min": 0}]},
        {"options": [{"key": "a"}, {"key": "b", "confidence": 0.5}]},
        {"voting_options": ["a", "Approve"], "stakeholders": ["ann", "9" * 20]},
        {"voting_options": ["a", "a"], "approvers": ["ann"], "decision_type": "majority"},
        {"a": 1},
        {},
        [],
        1,
        0.5,
        True,
    ]
)


def bodies(serializer):
    names = st.sampled_from([*serializer().fields]) | ROUGH
    return st.dictionaries(names, VALUES | LIKELY, max_size=5) | VALUES


BODIES = {
    "/api/v1/tickets": bodies(TicketCreateRequest),
    "/api/v1/tickets?dry_run=true": bodies(TicketCreateRequest),
    "/hitl/tickets": bodies(TicketCreateRequest),
    "/api/v1/tickets/bulk": st.lists(bodies(TicketCreateRequest), max_size=3),
    "/api/v1/tickets/{id}/votes": bodies(VoteCreateRequest),
    "/api/v1/tickets/{id}/resubmit": bodies(TicketResubmitRequest),
    "/api/v1/tickets/{id}/receipt": VALUES
    | st.fixed_dictionaries({"nonce": VALUES, "digest": VALUES})
    | st.fixed_dictionaries({"consumption_id": VALUES, "result": VALUES}),
    "/api/v1/tickets/{id}/comments": st.fixed_dictionaries({"text": VALUES}),
    "/api/v1/tickets/{id}/cancel": st.fixed_dictionaries({}, optional={"reason": VALUES}),
    "/hitl/respond": st.fixed_dictionaries(
        {
            "interaction_id": st.just("fuzzed") | VALUES,
            "user_input": VALUES
            | st.fixed_dictionaries(
                {},
                optional={
                    "decision": VALUES | st.sampled_from(["reject", "request_changes", "modify"]),
                    "feedback": VALUES,
                    "amendments": VALUES | LIKELY | st.just('{"total": 1e999}'),
                    "continue_refining": VALUES,
                },
            ),
        },
        optional={"user_id": VALUES, "version": VALUES},
    ),
    "/hms-api/v1/hitl/override": st.fixed_dictionaries(
        {
            "id": st.just("fuzzed") | VALUES,
            "decision": st.sampled_from(["approve", "veto", "adjust"]) | VALUES,
        },
        optional={"comments": VALUES, "adjustments": VALUES | LIKELY, "version": VALUES},
    ),
}
QUERIES = st.dictionaries(
    st.sampled_from(
        [
            "status",
            "checkpoint",
            "region",
            "priority",
            "assignee",
            "created_after",
            "q",
            "cursor",
            "limit",
            "expand",
            "x",
        ]
    ),
    st.text(max_size=12) | st.sampled_from(["pending", "general", "me", "MTIz", "9" * 20, "eu"]),
    max_size=3,
)
gently = settings(
    max_examples=CASES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.parametrize("address", BODIES)
def test_no_body_is_our_failure(cast, address):
    ticket = cast.open(reference="fuzzed")
    person = address.endswith(("votes", "comments", "respond", "override"))
    client = cast.as_person(cast.ann) if person else cast.as_key()
    client.raise_request_exception = False
    here = address.format(id=ticket.pk)

    @gently
    @given(BODIES[address])
    def send(body):
        raw = json.dumps(body)
        answer = client.post(here, raw, content_type="application/json", HTTP_IF_MATCH='"1"')
        assert answer.status_code < 500, (raw, answer.content)
        if answer.status_code >= 400 and answer.status_code != 429:
            problem = answer.json()
            assert problem["code"]
            assert answer.status_code != 422 or problem["errors"], (raw, problem)

    send()


@pytest.mark.parametrize(
    "address",
    [
        *("/api/v1/tickets", "/api/v1/tickets/{id}", "/api/v1/tickets/{id}/events"),
        *("/api/v1/tickets/{id}/comments", "/api/v1/me/pending", "/api/v1/me/requests"),
        *("/api/v1/checkpoints", "/api/v1/policies", "/api/v1/keys", "/api/v1/delegations"),
    ],
)
def test_no_query_is_our_failure(cast, address):
    client = cast.as_person(cast.max)
    client.raise_request_exception = False
    here = address.format(id=cast.open().pk)

    @gently
    @given(QUERIES)
    def ask(query):
        answer = client.get(here, query)
        assert answer.status_code < 500, (query, answer.content)

    ask()


@gently
@given(name=ROUGH)
def test_no_name_of_a_ticket_is_our_failure(cast, name):
    client = cast.as_key()
    client.raise_request_exception = False
    answer = client.get(f"/api/v1/tickets/{quote(name.encode('utf-8', 'surrogatepass'), safe='')}x")

    assert answer.status_code in {200, 404}
