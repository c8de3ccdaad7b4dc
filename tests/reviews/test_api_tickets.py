import itertools
from datetime import timedelta

import pytest

from audit.clock import db_now, shifted
from audit.models import AuditEvent
from reviews.models import IdempotentCall, Queue, Region, Ticket
from tests.builders import make_checkpoint, make_policy, make_region, make_service_key

pytestmark = pytest.mark.db

TICKETS = "/api/v1/tickets"


def test_a_title_is_enough(cast):
    answer = cast.as_key().post(TICKETS, {"title": "Publish the note?"})

    assert answer.status_code == 201
    ticket = answer.json()
    assert ticket["status"] == "pending"
    assert ticket["allowed"] is None
    assert ticket["checkpoint"] == "general"
    assert ticket["title"] == ticket["summary"] == "Publish the note?"
    assert ticket["version"] == ticket["round"] == 1
    assert ticket["tally"]["needed"] == 1
    assert ticket["tally"]["eligible_left"] == 3
    assert ticket["comments"] is None
    assert ticket["decision"] is None
    assert [option["key"] for option in ticket["policy"]["options"]] == [
        "approve",
        "reject",
        "request_changes",
        "modify",
    ]
    assert answer.headers["ETag"] == '"1"'
    assert answer.headers["Location"].endswith(f"{TICKETS}/{ticket['id']}")


def test_a_proposal_is_enough_and_titles_the_ticket(cast):
    answer = cast.as_key().post(TICKETS, {"proposal": {"title": "  Longer\nloans ", "years": 7}})

    assert answer.json()["title"] == "Longer loans"
    assert answer.json()["proposal"] == {"title": "  Longer\nloans ", "years": 7}


def test_a_proposal_without_a_title_is_called_like_its_checkpoint(cast):
    assert cast.as_key().post(TICKETS, {"proposal": {"years": 7}}).json()["title"] == (
        "General review"
    )


def test_every_member_comes_back_as_it_was_sent(cast):
    region = make_region("eu", cast.ann)
    sent = {
        "title": "Buy records",
        "summary": "Buys 1200 business records.",
        "proposal": {"count": 1200, "nested": {"list": [1, 2.5, None, True, "ä"]}},
        "reference": "order 17",
        "ai": {
            "prediction": "buy",
            "confidence": 0.71,
            "model": "m-1",
            "reasoning": "Cheap.\nGood.",
            "features": [{"name": "price", "value": 0.15, "importance": 0.8}],
            "options": [{"key": "a", "label": "A", "confidence": 0.7, "pros": ["x"], "cons": []}],
        },
        "priority": "high",
        "domain": "sales",
        "impact": "A new market.",
        "amount": 180.25,
        "financial_impact": 0.4,
        "compliance": True,
        "novel_pattern": True,
        "labels": ["eu", "records"],
        "interaction": {"stakeholders": ["ann"], "iteration": 1, "approval_type": "all"},
        "pipeline": {"name": "p", "step": "s", "state": {"page": 3}},
        "callback_url": "https://buyer.example/callback?x=1",
        "on_behalf_of": "otto",
        "region": "eu",
    }

    answer = cast.as_key().post(TICKETS, sent)

    assert answer.status_code == 201, answer.json()
    ticket = answer.json()
    expected = {**sent, "amount": "180.25", "region": region.slug}
    expected["pipeline"] = {**sent["pipeline"], "resume": None}
    assert {name: ticket[name] for name in sent} == expected


@pytest.mark.parametrize("how", ["pk", "label", "reference", "lower"])
def test_a_ticket_is_found_by_id_by_ref_and_by_reference(cast, how):
    ticket = cast.open(reference="run-7")
    name = {
        "pk": ticket.pk,
        "label": ticket.label,
        "reference": "run-7",
        "lower": ticket.label.lower(),
    }[how]

    answer = cast.as_key().get(f"{TICKETS}/{name}")

    assert answer.status_code == 200
    assert answer.json()["id"] == str(ticket.pk)
    assert answer.headers["ETag"] == '"1"'


def test_a_dry_run_says_what_the_rules_would_do_and_stores_nothing(cast):
    checkpoint = make_checkpoint(
        "purchase",
        question=make_policy("purchase"),
        otherwise="allow",
        proposal_schema={
            "type": "object",
            "properties": {"cost": {"type": "number"}},
            "required": ["cost"],
        },
    )
    checkpoint.rules.create(position=1, name="Expensive", when="cost > 100", then="ask")
    key = cast.as_key()

    asked = key.post(
        f"{TICKETS}?dry_run=true", {"checkpoint": "purchase", "proposal": {"cost": 900}}
    )
    passed = key.post(
        f"{TICKETS}?dry_run=true", {"checkpoint": "purchase", "proposal": {"cost": 9}}
    )
    refused = key.post(f"{TICKETS}?dry_run=true", {"checkpoint": "purchase", "proposal": {}})

    assert asked.status_code == 200
    assert (asked.json()["then"], asked.json()["rule"]["name"]) == ("ask", "Expensive")
    assert (asked.json()["needed"], asked.json()["eligible"]) == (1, 3)
    assert (passed.json()["then"], passed.json()["allowed"]) == ("allow", True)
    assert refused.status_code == 422
    assert not Ticket.objects.exists()
    assert not AuditEvent.objects.filter(type="ticket.opened").exists()


def test_expansions_bring_votes_story_and_similar_cases(cast):
    before = cast.open(title="Pay ACME last month")
    cast.vote(before, cast.ann, "approve")
    ticket = cast.open()
    cast.vote(ticket, cast.ben, "reject", reason="No.")

    answer = cast.as_key().get(f"{TICKETS}/{ticket.pk}?expand=votes,events,similar").json()

    assert [(vote["name"], vote["choice"]) for vote in answer["votes"]] == [("ben", "reject")]
    assert [event["type"] for event in answer["events"]] == [
        "ticket.opened",
        "ticket.vote_cast",
        "ticket.decided",
    ]
    assert [(case["ref"], case["outcome"]) for case in answer["similar"]] == [
        (before.label, "approve")
    ]


def test_the_story_is_paged_and_chained(cast):
    ticket = cast.open()
    cast.vote(ticket, cast.ann, "approve")
    key = cast.as_key()

    first = key.get(f"{TICKETS}/{ticket.pk}/events?limit=2").json()
    rest = key.get(f"{TICKETS}/{ticket.pk}/events?limit=2&cursor={first['next_cursor']}").json()

    events = first["data"] + rest["data"]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert rest["next_cursor"] is None
    for earlier, later in itertools.pairwise(events):
        assert later["previous_hash"] == earlier["hash"]
    assert events[0]["actor"]["kind"] == "machine"
    assert events[1]["actor"]["label"] == "Ann"


# --- Lists --------------------------------------------------------------------------------------
def test_a_list_is_walked_by_its_cursor_newest_first(cast):
    tickets = [cast.open(title=f"Number {n}") for n in range(5)]
    key, seen, cursor = cast.as_key(), [], ""
    while cursor is not None:
        page = key.get(f"{TICKETS}?limit=2" + (f"&cursor={cursor}" if cursor else "")).json()
        seen += [ticket["id"] for ticket in page["data"]]
        cursor = page["next_cursor"]

    assert seen == [str(ticket.pk) for ticket in reversed(tickets)]


@pytest.mark.parametrize(
    "query, found",
    [
        ("status=pending", ["b", "c"]),
        ("status=approved", ["a"]),
        ("status=approved,pending", ["a", "b", "c"]),
        ("checkpoint=other", ["c"]),
        ("priority=high", ["b"]),
        ("region=eu", ["b"]),
        ("q=Beta", ["b"]),
        ("q=ref-c", ["c"]),
        ("q=nothing", []),
        ("status=pending&priority=high&checkpoint=general", ["b"]),
    ],
)
def test_filters_narrow_the_list(cast, query, found):
    make_region("eu", cast.ann)
    make_checkpoint("other", question=cast.general.question)
    first = cast.open(title="Alpha", reference="ref-a")
    cast.vote(first, cast.ann, "approve")
    cast.open(title="Beta", reference="ref-b", priority="high", region="eu")
    cast.open(title="Gamma", reference="ref-c", checkpoint="other")

    answer = cast.as_key().get(f"{TICKETS}?{query}").json()

    assert sorted(t["reference"].removeprefix("ref-") for t in answer["data"]) == found


def test_a_list_can_begin_after_an_instant(cast):
    with shifted(timedelta(hours=-2)):
        cast.open(title="Old")
    cast.open(title="New")
    since = (db_now() - timedelta(hours=1)).isoformat().replace("+00:00", "Z")

    answer = cast.as_key().get(f"{TICKETS}?created_after={since}").json()

    assert [ticket["title"] for ticket in answer["data"]] == ["New"]


def test_a_list_can_be_what_i_hold(cast):
    mine, _ = cast.open(title="Mine"), cast.open(title="Nobody's")
    ann = cast.as_person(cast.ann)
    assert ann.post(f"{TICKETS}/{mine.pk}/claim").status_code == 200

    assert [t["title"] for t in ann.get(f"{TICKETS}?assignee=me").json()["data"]] == ["Mine"]
    with shifted(timedelta(minutes=11)):
        assert ann.get(f"{TICKETS}?assignee=me").json()["data"] == []


@pytest.mark.parametrize(
    "query, parameter",
    [
        ("stauts=pending", "stauts"),
        ("status=open", "status"),
        ("assignee=ann", "assignee"),
        ("created_after=yesterday", "created_after"),
        ("created_after=2030-01-01T00:00:00", "created_after"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("cursor=abc", "cursor"),
        ("cursor=%00", "cursor"),
        ("q=%00", "q"),
        ("checkpoint=a/b", "checkpoint"),
        ("region=%00", "region"),
        ("region=atlantis", "region"),
        ("status=pending&status=approved", "status"),
    ],
)
def test_a_wrong_parameter_is_named(cast, query, parameter):
    answer = cast.as_key().get(f"{TICKETS}?{query}")

    assert answer.status_code == 422
    assert [error["parameter"] for error in answer.json()["errors"]] == [parameter]


@pytest.mark.parametrize("address", [TICKETS, "/api/v1/me/pending", "/api/v1/me/requests"])
def test_a_long_list_takes_as_many_queries_as_a_short_one(
    cast, address, django_assert_num_queries, django_assert_max_num_queries
):
    region = make_region("eu", cast.ann, cast.ben)
    for n in range(5):
        cast.open(title=f"Number {n}", on_behalf_of="ben", region=region.slug if n % 2 else "")
    person = cast.as_person(cast.ben if "requests" in address else cast.ann)
    with django_assert_max_num_queries(12) as few:
        assert len(person.get(f"{address}?limit=200").json()["data"]) == 5
    for n in range(45):
        cast.open(title=f"More {n}", on_behalf_of="ben", region=region.slug if n % 2 else "")

    with django_assert_num_queries(len(few)):
        assert len(person.get(f"{address}?limit=200").json()["data"]) == 50


# --- Rounds, ends -------------------------------------------------------------------------------
def test_changed_content_is_a_new_round(cast):
    ticket = cast.open(proposal={"total": 900, "title": "Pay 900"}, title="")
    cast.vote(ticket, cast.ann, "request_changes", response={"feedback": "Cheaper."})
    key = cast.as_key()
    assert key.get(f"{TICKETS}/{ticket.pk}").json()["status"] == "needs_changes"

    answer = key.post(
        f"{TICKETS}/{ticket.pk}/resubmit",
        {"proposal": {"total": 450, "title": "Pay 450"}, "labels": ["second"]},
    )

    assert answer.status_code == 200
    body = answer.json()
    assert (body["status"], body["round"], body["version"]) == ("pending", 2, 2)
    assert (body["title"], body["labels"]) == ("Pay 450", ["second"])
    assert body["tally"]["people"] == []
    assert answer.headers["ETag"] == '"2"'


def test_a_resubmission_of_another_version_is_refused(cast):
    ticket = cast.open()

    stale = cast.as_key().post(
        f"{TICKETS}/{ticket.pk}/resubmit", {"proposal": {"a": 1}}, HTTP_IF_MATCH='"2"'
    )

    assert (stale.status_code, stale.json()["code"]) == (412, "ticket-changed")
    assert stale.json()["version"] == 1


def test_only_who_opened_a_ticket_resubmits_cancels_and_consumes_it(cast):
    ticket = cast.open()
    ann = cast.as_person(
        cast.ann, ["tickets:read", "tickets:write", "votes:write", "receipts:write"]
    )
    here = f"{TICKETS}/{ticket.pk}"

    answers = [
        ann.post(f"{here}/resubmit", {"proposal": {"a": 1}}),
        ann.post(f"{here}/cancel", {}),
        ann.post(f"{here}/acknowledge", {}),
        ann.post(f"{here}/receipt", {"nonce": "n", "digest": "a" * 64}),
    ]

    assert [(a.status_code, a.json()["code"]) for a in answers] == [(403, "not-allowed")] * 4
    ticket.refresh_from_db()
    assert (ticket.status, ticket.round) == ("pending", 1)


def test_a_requester_acknowledges_a_revocation_once(cast):
    ticket = cast.open()
    cast.vote(ticket, cast.ann, "approve")
    key, here = cast.as_key(), f"{TICKETS}/{ticket.pk}"
    early = key.post(f"{here}/acknowledge", {})
    cast.as_person(cast.ann).post(f"{here}/revoke", {"reason": "The price changed."})
    unseen = key.get(here).json()["decision"]["revoked_seen_at"]

    first = key.post(f"{here}/acknowledge", {})
    again = key.post(f"{here}/acknowledge", {})

    assert (early.status_code, early.json()["code"]) == (409, "wrong-state")
    assert unseen is None
    assert (first.status_code, first.json()["status"]) == (200, "revoked")
    assert first.json()["decision"]["revoked_seen_at"] is not None
    assert again.json()["decision"] == first.json()["decision"]
    told = [event["type"] for event in key.get(f"{here}/events").json()["data"]]
    assert told.count("ticket.revocation_seen") == 1


def test_a_cancelled_ticket_stays_cancelled(cast):
    ticket = cast.open()
    key, here = cast.as_key(), f"{TICKETS}/{ticket.pk}"

    first = key.post(f"{here}/cancel", {"reason": "Bought elsewhere."})
    again = key.post(f"{here}/cancel")
    late = key.post(f"{here}/resubmit", {"proposal": {"a": 1}})

    assert (first.status_code, first.json()["status"], first.json()["allowed"]) == (
        200,
        "cancelled",
        False,
    )
    assert again.status_code == 200
    assert (late.status_code, late.json()["code"]) == (409, "already-decided")


def test_a_voter_takes_a_final_decision_back_and_others_do_not(cast):
    ticket = cast.open()
    cast.vote(ticket, cast.ann, "approve")
    here = f"{TICKETS}/{ticket.pk}"
    assert "revoke" in cast.as_person(cast.ann).get(here).json()["viewer"]["can"]

    stranger = cast.as_person(cast.ben).post(f"{here}/revoke", {"reason": "No."})
    revoked = cast.as_person(cast.ann).post(f"{here}/revoke", {"reason": "Wrong supplier."})

    assert (stranger.status_code, stranger.json()["code"]) == (403, "not-allowed")
    assert (revoked.status_code, revoked.json()["status"]) == (200, "revoked")
    assert revoked.json()["allowed"] is False


def test_a_manager_who_may_override_takes_a_decision_back(cast):
    ticket = cast.open()
    cast.vote(ticket, cast.ann, "approve")

    answer = cast.as_person(cast.max).post(f"{TICKETS}/{ticket.pk}/revoke", {})

    assert answer.json()["status"] == "revoked"


# --- Repeated calls -----------------------------------------------------------------------------
def test_the_same_call_under_one_key_is_done_once(cast):
    key, body = cast.as_key(), {"title": "Once", "proposal": {"a": 1}}

    first = key.post(TICKETS, body, HTTP_IDEMPOTENCY_KEY="k1")
    again = key.post(TICKETS, body, HTTP_IDEMPOTENCY_KEY="k1")
    other = key.post(TICKETS, {**body, "title": "Twice"}, HTTP_IDEMPOTENCY_KEY="k1")

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers["Location"] == first.headers["Location"]
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    assert Ticket.objects.count() == 1


def test_a_key_belongs_to_its_caller(cast):
    _, token = make_service_key(cast.max, name="another")
    from tests.builders import bearer

    body = {"title": "Once"}
    first = cast.as_key().post(TICKETS, body, HTTP_IDEMPOTENCY_KEY="k1")
    other = bearer(token).post(TICKETS, body, HTTP_IDEMPOTENCY_KEY="k1")

    assert other.status_code == 201
    assert other.json()["id"] != first.json()["id"]


def test_a_refused_call_leaves_its_key_free(cast):
    key = cast.as_key()

    refused = key.post(TICKETS, {"checkpoint": "nowhere", "title": "x"}, HTTP_IDEMPOTENCY_KEY="k")
    taken = key.post(TICKETS, {"title": "x"}, HTTP_IDEMPOTENCY_KEY="k")

    assert refused.status_code == 422
    assert taken.status_code == 201
    assert IdempotentCall.objects.count() == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "sch\u00f6n", "tab\there"])
def test_a_key_that_cannot_be_one_is_refused(cast, key):
    answer = cast.as_key().post(TICKETS, {"title": "x"}, HTTP_IDEMPOTENCY_KEY=key)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["header"] == "Idempotency-Key"
    assert not Ticket.objects.exists()


# --- Many at once -------------------------------------------------------------------------------
def test_many_tickets_are_answered_one_by_one(cast):
    answer = cast.as_key().post(
        f"{TICKETS}/bulk",
        {
            "tickets": [
                {"title": "One"},
                {"title": "Two", "color": "red"},
                {"title": "Three", "checkpoint": "nowhere"},
                {"title": "Four", "reference": "four"},
                {"title": "Five", "reference": "four"},
                "six",
            ]
        },
    )

    assert answer.status_code == 200
    body = answer.json()
    assert (body["opened"], body["refused"]) == (2, 4)
    assert [result["status"] for result in body["results"]] == [201, 422, 422, 201, 409, 422]
    assert body["results"][0]["ticket"]["title"] == "One"
    wrong = body["results"][1]["problem"]
    assert (wrong["code"], wrong["errors"][0]["pointer"]) == ("invalid", "/color")
    assert body["results"][4]["problem"]["code"] == "reference-taken"
    assert sorted(Ticket.objects.values_list("title", flat=True)) == ["Four", "One"]


@pytest.mark.parametrize("body", [{}, {"tickets": []}, {"tickets": [{}] * 501}, {"data": []}, []])
def test_many_are_between_one_and_500(cast, body):
    answer = cast.as_key().post(f"{TICKETS}/bulk", body)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/tickets"


def test_many_tickets_under_one_key_are_opened_once(cast):
    body = {"tickets": [{"title": "One"}, {"title": "Two"}]}
    key = cast.as_key()

    first = key.post(f"{TICKETS}/bulk", body, HTTP_IDEMPOTENCY_KEY="k")
    again = key.post(f"{TICKETS}/bulk", body, HTTP_IDEMPOTENCY_KEY="k")

    assert again.json() == first.json()
    assert Ticket.objects.count() == 2


# --- What a form asks for -----------------------------------------------------------------------
def test_a_ui_schema_names_the_preset_and_brings_the_form(cast):
    schema = {
        "type": "input",
        "fields": [
            {"name": "color", "type": "radio", "options": ["red", "blue"], "required": True},
            {"name": "size", "type": "number", "min": 1, "max": 9, "step": 0.5, "default": 3},
            {"name": "note", "type": "textarea", "label": "Remarks"},
        ],
    }
    ticket = cast.as_key().post(TICKETS, {"title": "Choose", "ui_schema": schema}).json()
    here = f"{TICKETS}/{ticket['id']}/votes"
    ann = cast.as_person(cast.ann)

    assert ticket["preset"] == "input"
    assert ticket["ui_schema"] == schema
    assert ticket["interaction"] == {}
    wrong = ann.post(here, {"choice": "submit", "response": {"color": "green"}, "version": 1})
    right = ann.post(here, {"choice": "submit", "response": {"color": "red"}, "version": 1})

    assert (wrong.status_code, wrong.json()["code"]) == (422, "schema")
    assert wrong.json()["errors"][0]["pointer"] == "/response/color"
    assert right.json()["ticket"]["status"] == "answered"
    assert right.json()["ticket"]["decision"]["response"] == {"color": "red", "size": 3}


@pytest.mark.parametrize(
    "type, preset",
    [
        ("review", "review"),
        ("approval", "approval"),
        ("manual_processing", "fallback"),
        ("iterative_refinement", "refinement"),
        ("urgent_decision", "time-boxed"),
    ],
)
def test_a_type_of_a_ui_schema_is_a_preset(cast, type, preset):
    fields = [{"name": "decision", "type": "radio", "options": ["approve", "reject"]}]
    answer = cast.as_key().post(
        TICKETS, {"title": "x", "ui_schema": {"type": type, "fields": fields}}
    )

    assert (answer.status_code, answer.json()["preset"]) == (201, preset)


def test_a_region_is_known_and_reaches_its_people(cast):
    Queue.objects.get(slug="general")
    make_region("eu", cast.ann)
    Region.objects.create(slug="us", name="US")

    opened = cast.as_key().post(TICKETS, {"title": "x", "region": "EU"}).json()
    unknown = cast.as_key().post(TICKETS, {"title": "x", "region": "atlantis"})

    assert opened["region"] == "eu"
    assert opened["tally"]["eligible_left"] == 1
    assert unknown.json()["errors"][0]["pointer"] == "/region"
