from datetime import timedelta

import pytest

from approvals.models import Vote
from approvals.presets import PRESETS
from approvals.receipts import RECEIPT_TYPE
from audit.clock import db_now, shifted
from audit.keys import signing_key
from audit.signing import verify_jwt
from reviews.models import Assignment, Ticket
from tests.builders import make_checkpoint, make_policy, make_region

pytestmark = pytest.mark.db

TICKETS = "/api/v1/tickets"
STAMP = {"nonce": "n-1"}


def votes_of(ticket):
    return f"{TICKETS}/{ticket.pk}/votes"


def two_people(**timing):
    question = {**PRESETS["review"], "timing": {**PRESETS["review"]["timing"], **timing}}
    stage = question["stages"][0]
    question["stages"] = [{**stage, "needs": [{**stage["needs"][0], "count": 2}]}]
    return question


def test_a_vote_is_answered_with_the_tally_and_the_ticket(cast):
    ticket = cast.open()

    answer = cast.as_person(cast.ann).post(
        votes_of(ticket), {"choice": "approve", "reason": "Fine."}, HTTP_IF_MATCH='"1"'
    )

    assert answer.status_code == 201
    body = answer.json()
    assert (body["vote"]["name"], body["vote"]["choice"]) == ("ann", "approve")
    assert (body["vote"]["channel"], body["vote"]["version"]) == ("api", 1)
    assert (body["tally"]["approvals"], body["tally"]["needed"]) == (1, 1)
    assert body["ticket"]["status"] == "approved"
    assert body["ticket"]["allowed"] is True
    assert body["ticket"]["comments"] == "Fine."
    assert body["ticket"]["decision"]["by"] == "votes"
    assert body["ticket"]["approved"] == ticket.proposal
    assert answer.headers["ETag"] == '"1"'
    person = body["tally"]["people"][0]
    assert (person["name"], person["label"], person["comment"]) == ("ann", "Ann", "Fine.")


@pytest.mark.parametrize("header", ['"1"', 'W/"1"', "1"])
def test_the_version_seen_is_a_header_or_a_member(cast, header):
    by_header, by_body = cast.open(), cast.open()
    ann = cast.as_person(cast.ann)

    first = ann.post(votes_of(by_header), {"choice": "approve"}, HTTP_IF_MATCH=header)
    second = ann.post(votes_of(by_body), {"choice": "approve", "version": 1})

    assert (first.status_code, second.status_code) == (201, 201)


@pytest.mark.parametrize(
    "headers, version, status, code",
    [
        ({}, None, 428, "version-required"),
        ({}, 2, 412, "ticket-changed"),
        ({"HTTP_IF_MATCH": '"2"'}, None, 412, "ticket-changed"),
        ({"HTTP_IF_MATCH": '"abc"'}, None, 412, "ticket-changed"),
        ({"HTTP_IF_MATCH": "*"}, None, 412, "ticket-changed"),
        ({"HTTP_IF_MATCH": '"1"'}, 2, 422, "invalid"),
    ],
)
def test_a_vote_on_something_else_than_was_seen_is_refused(cast, headers, version, status, code):
    ticket = cast.open()
    body = {"choice": "approve"} | ({} if version is None else {"version": version})

    answer = cast.as_person(cast.ann).post(votes_of(ticket), body, **headers)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not Vote.objects.exists()


def test_the_same_vote_again_is_the_first_answer_again(cast):
    ticket, ann = cast.open(), cast.as_person(cast.ann)
    body = {"choice": "approve", "version": 1}

    first = ann.post(votes_of(ticket), body)
    again = ann.post(votes_of(ticket), body)

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["vote"] == first.json()["vote"]
    assert Vote.objects.count() == 1


def test_who_comes_too_late_hears_what_was_decided(cast):
    ticket = cast.open()
    cast.vote(ticket, cast.ann, "reject", reason="Too expensive.")

    answer = cast.as_person(cast.ben).post(votes_of(ticket), {"choice": "approve", "version": 1})

    assert answer.status_code == 409
    problem = answer.json()
    assert problem["code"] == "already-decided"
    assert problem["status"] == 409
    assert problem["ticket_status"] == "rejected"
    assert problem["decision"]["outcome"] == "reject"
    assert problem["decision"]["comments"] == "Too expensive."


def test_who_votes_after_the_end_hears_that_it_ended(cast):
    ticket = cast.open()
    with shifted(timedelta(days=3)):
        answer = cast.as_person(cast.ben).post(
            votes_of(ticket), {"choice": "approve", "version": 1}
        )

    assert (answer.status_code, answer.json()["code"]) == (409, "already-decided")
    assert answer.json()["ticket_status"] == "expired"
    assert answer.json()["decision"]["by"] == "timeout"
    assert Ticket.objects.get().status == "expired"


@pytest.mark.parametrize(
    "who, code", [("lena", "not-eligible"), ("max", "own-work"), ("ada", "not-eligible")]
)
def test_who_may_not_vote_hears_why(cast, who, code):
    ticket = cast.open()
    person = cast.as_person(getattr(cast, who))

    viewer = person.get(f"{TICKETS}/{ticket.pk}").json()["viewer"]
    answer = person.post(votes_of(ticket), {"choice": "approve", "version": 1})

    assert (answer.status_code, answer.json()["code"]) == (403, code)
    assert viewer["why_not"] == code
    assert viewer["why_not_detail"].endswith(".")
    assert "vote" not in viewer["can"]
    assert not Vote.objects.exists()


def test_a_second_opinion_of_the_same_person_is_refused(cast):
    make_checkpoint("two", question=make_policy("two", two_people()))
    ticket, ann = cast.open(checkpoint="two"), cast.as_person(cast.ann)
    ann.post(votes_of(ticket), {"choice": "approve", "version": 1})

    answer = ann.post(votes_of(ticket), {"choice": "reject", "reason": "No.", "version": 1})

    assert (answer.status_code, answer.json()["code"]) == (409, "already-voted")
    assert ann.get(f"{TICKETS}/{ticket.pk}").json()["viewer"]["why_not"] == "already-voted"


@pytest.mark.parametrize(
    "body, pointer, code",
    [
        ({"choice": "maybe"}, "/choice", "invalid"),
        ({"choice": "reject"}, "/reason", "reason-required"),
        ({"choice": "modify", "reason": "x"}, "/amendments", "schema"),
        ({"choice": "approve", "amendments": {"total": 1}}, "/amendments", "invalid"),
        ({"choice": "approve", "color": 1}, "/color", "invalid"),
        ({"choice": 1}, "/choice", "invalid"),
        ({}, "/choice", "invalid"),
    ],
)
def test_a_vote_that_cannot_be_read_names_the_member(cast, body, pointer, code):
    ticket = cast.open()

    answer = cast.as_person(cast.ann).post(votes_of(ticket), {**body, "version": 1})

    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert not Vote.objects.exists()


def test_a_modification_is_what_was_approved(cast):
    ticket = cast.open(proposal={"total": 900, "payee": "ACME"})

    answer = cast.as_person(cast.ann).post(
        votes_of(ticket),
        {"choice": "modify", "reason": "Less.", "amendments": {"total": 450}, "version": 1},
    )

    body = answer.json()["ticket"]
    assert body["approved"] == {"total": 450, "payee": "ACME"}
    assert body["proposal"] == {"total": 900, "payee": "ACME"}
    assert body["decision"]["amendments"] == {"total": 450}


def test_an_answer_is_merged_over_the_state_a_pipeline_left(cast):
    form = {"type": "object", "properties": {"page": {"type": "integer"}}, "required": ["page"]}
    ticket = cast.as_key().post(
        TICKETS,
        {
            "title": "Which page?",
            "preset": "input",
            "response_schema": form,
            "pipeline": {"name": "p", "step": "s", "state": {"page": 1, "kept": True}},
        },
    )
    here = f"{TICKETS}/{ticket.json()['id']}"

    cast.as_person(cast.ann).post(
        f"{here}/votes", {"choice": "submit", "response": {"page": 7}, "version": 1}
    )

    assert cast.as_key().get(here).json()["pipeline"]["resume"] == {"page": 7, "kept": True}


def test_a_pipeline_goes_on_with_the_answer_that_won(cast):
    asked = {"stakeholders": ["ann", "ben"], "voting_options": ["red", "blue"]}
    left = {"name": "p", "step": "s", "state": {"kept": True}}
    body = {"title": "Which?", "preset": "vote", "interaction": asked, "pipeline": left}
    here = f"{TICKETS}/{cast.as_key().post(TICKETS, body).json()['id']}"

    for person in (cast.ann, cast.ben):
        cast.as_person(person).post(f"{here}/votes", {"choice": "blue", "version": 1})

    resumed = cast.as_key().get(here).json()["pipeline"]["resume"]
    assert resumed == {"kept": True, "decision": "blue"}


def test_a_vote_is_taken_back_while_undecided(cast):
    make_checkpoint("two", question=make_policy("two", two_people()))
    ticket, ann = cast.open(checkpoint="two"), cast.as_person(cast.ann)
    ann.post(votes_of(ticket), {"choice": "approve", "version": 1})
    assert "withdraw" in ann.get(f"{TICKETS}/{ticket.pk}").json()["viewer"]["can"]

    answer = ann.delete(f"{votes_of(ticket)}/mine")
    again = ann.delete(f"{votes_of(ticket)}/mine")

    assert (answer.status_code, answer.json()["tally"]["approvals"]) == (200, 0)
    assert "vote" in answer.json()["viewer"]["can"]
    assert (again.status_code, again.json()["code"]) == (409, "wrong-state")


def test_during_the_hold_the_ticket_is_pending_and_the_outcome_announced(cast):
    held = {**PRESETS["review"], "timing": {**PRESETS["review"]["timing"], "hold": "PT1H"}}
    make_checkpoint("held", question=make_policy("held", held))
    ticket, ann = cast.open(checkpoint="held"), cast.as_person(cast.ann)

    settled = ann.post(votes_of(ticket), {"choice": "approve", "version": 1}).json()["ticket"]
    late = cast.as_person(cast.ben).post(votes_of(ticket), {"choice": "approve", "version": 1})
    back = ann.delete(f"{votes_of(ticket)}/mine").json()

    assert (settled["status"], settled["allowed"], settled["comments"]) == ("pending", None, None)
    assert settled["decision"]["outcome"] == "approve"
    assert "withdraw" in settled["viewer"]["can"]
    assert late.status_code == 409
    assert late.json()["decision"]["final_at"] == settled["decision"]["final_at"]
    assert (back["decision"], back["tally"]["approvals"]) == (None, 0)


# --- Holding a ticket ---------------------------------------------------------------------------
def test_a_claim_lasts_ten_minutes_and_is_given_back(cast):
    ticket = cast.open()
    ann, ben = cast.as_person(cast.ann), cast.as_person(cast.ben)
    here = f"{TICKETS}/{ticket.pk}"

    first = ann.post(f"{here}/claim")
    taken = ben.post(f"{here}/claim")
    release = ben.post(f"{here}/release")
    back = ann.post(f"{here}/release")
    then = ben.post(f"{here}/claim")

    assert (first.status_code, first.json()["by"]) == (200, "ann")
    assert "release" in first.json()["ticket"]["viewer"]["can"]
    assert (taken.status_code, taken.json()["code"], taken.json()["by"]) == (409, "claimed", "ann")
    assert taken.json()["until"] == first.json()["until"]
    assert (release.status_code, back.status_code, then.status_code) == (409, 200, 200)


def test_next_gives_each_person_another_ticket_until_none_is_left(cast):
    urgent = cast.open(title="Urgent", financial_impact=1.0)
    usual = cast.open(title="Usual", financial_impact=0.1)
    own = cast.open(title="Ben's own", on_behalf_of="ben", financial_impact=0.9)
    here = "/api/v1/queues/general/next"
    ann, ben, cleo = (cast.as_person(p) for p in (cast.ann, cast.ben, cast.cleo))
    ann.post(f"{TICKETS}/{own.pk}/claim")

    first, second = ben.post(here), cleo.post(here)
    third = ben.post(here)

    assert first.json()["ticket"]["id"] == str(urgent.pk)
    assert second.json()["ticket"]["id"] == str(usual.pk)
    assert first.headers["ETag"] == '"1"'
    assert (third.status_code, third.content) == (204, b"")
    assert Assignment.objects.filter(released_at=None).count() == 3


def test_a_queue_one_does_not_see_is_not_there(cast):
    cast.open()

    for who, slug in ((cast.otto, "general"), (cast.ann, "nowhere")):
        answer = cast.as_person(who).post(f"/api/v1/queues/{slug}/next")
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


def test_remarks_are_read_by_all_and_written_by_people(cast):
    ticket = cast.open()
    here = f"{TICKETS}/{ticket.pk}/comments"

    answer = cast.as_person(cast.ann).post(here, {"text": "Asked the supplier.\nWaiting."})
    machine = cast.as_key().post(here, {"text": "Beep."})

    assert (answer.status_code, answer.json()["name"]) == (201, "ann")
    assert (machine.status_code, machine.json()["code"]) == (403, "machine-cannot-vote")
    listed = cast.as_key().get(here).json()["data"]
    assert [remark["text"] for remark in listed] == ["Asked the supplier.\nWaiting."]


def test_a_region_that_is_not_mine_is_not_there(cast):
    make_region("eu", cast.ann)
    ticket = cast.open(region="eu")
    ben = cast.as_person(cast.ben)

    assert ben.get(f"{TICKETS}/{ticket.label}").status_code == 404
    assert ben.post(votes_of(ticket), {"choice": "approve", "version": 1}).status_code == 404
    assert ben.get(TICKETS).json()["data"] == []
    named = ben.get(f"{TICKETS}?region=eu")
    unknown = ben.get(f"{TICKETS}?region=atlantis")
    assert [(a.status_code, a.json()["code"]) for a in (named, unknown)] == (
        [(403, "region-not-yours")] * 2
    )


# --- What waits for me --------------------------------------------------------------------------
def test_what_waits_for_me_is_ordered_and_leaves_out_what_is_done(cast):
    low = cast.open(title="Low", financial_impact=0.1)
    top = cast.open(title="Top", financial_impact=1.0)
    middle = cast.open(title="Middle", financial_impact=0.5)
    cast.open(title="My own", on_behalf_of="ann")
    cast.vote(cast.open(title="Done"), cast.ben, "approve")
    ann = cast.as_person(cast.ann)

    first = ann.get("/api/v1/me/pending?limit=2").json()
    rest = ann.get(f"/api/v1/me/pending?limit=2&cursor={first['next_cursor']}").json()

    found = [ticket["id"] for ticket in first["data"] + rest["data"]]
    assert found == [str(ticket.pk) for ticket in (top, middle, low)]
    assert rest["next_cursor"] is None
    assert cast.as_person(cast.lena).get("/api/v1/me/pending").json()["data"] == []


@pytest.mark.parametrize("cursor", ["", "abc", "bm93", "MSAyIDMgNA"])
def test_a_cursor_that_was_never_given_out_is_refused(cast, cursor):
    answer = cast.as_person(cast.ann).get(f"/api/v1/me/pending?cursor={cursor}")

    assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (422, "cursor")


def test_my_requests_are_mine_and_those_in_my_name(cast):
    mine = cast.open(title="For Otto", on_behalf_of="otto@example.org")
    cast.open(title="Not for Otto")

    answer = cast.as_person(cast.otto).get("/api/v1/me/requests").json()

    assert [ticket["id"] for ticket in answer["data"]] == [str(mine.pk)]


# --- Receipts -----------------------------------------------------------------------------------
def test_a_receipt_proves_an_approval_and_is_used_once(cast):
    ticket = cast.open()
    here, key = f"{TICKETS}/{ticket.pk}/receipt", cast.as_key()
    early = key.get(here)
    cast.vote(ticket, cast.ann, "approve")

    token = key.get(here).json()["receipt"]
    claims = verify_jwt(token, [signing_key().public_jwk()], now=db_now(), typ=RECEIPT_TYPE)
    used = key.post(here, {**STAMP, "digest": claims["action_digest"]})
    twice = key.post(here, {"nonce": "n-2", "digest": claims["action_digest"]})
    record = {"consumption_id": used.json()["consumption_id"], "result": "applied"}
    noted = key.post(here, record)
    revoked = cast.as_person(cast.ann).post(f"{TICKETS}/{ticket.pk}/revoke", {})

    assert (early.status_code, early.json()["code"]) == (409, "wrong-state")
    assert claims["sub"] == str(ticket.pk)
    assert claims["allowed"] is True
    assert used.status_code == 201
    assert (twice.status_code, twice.json()["code"]) == (409, "already-consumed")
    assert (noted.status_code, noted.json()["result"]) == (200, "applied")
    assert (revoked.status_code, revoked.json()["code"]) == (409, "already-consumed")


@pytest.mark.parametrize(
    "body, pointer",
    [
        ({"nonce": "n"}, "/digest"),
        ({"nonce": "n", "digest": "XY"}, "/digest"),
        ({"digest": "a" * 64}, "/nonce"),
        ({"nonce": "n", "digest": "a" * 64, "result": "applied"}, "/result"),
        ({"consumption_id": "x", "result": "applied"}, "/consumption_id"),
        ({"consumption_id": "0198c2a0-1111-7000-8000-000000000000"}, "/result"),
        ({"nonce": "n", "digest": "a" * 64}, "/digest"),
    ],
)
def test_a_stamp_that_cannot_be_read_names_the_member(cast, body, pointer):
    ticket = cast.open()
    cast.vote(ticket, cast.ann, "approve")

    answer = cast.as_key().post(f"{TICKETS}/{ticket.pk}/receipt", body)

    assert answer.status_code == 422
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]


def test_a_session_has_no_key_to_stamp_with(cast, client):
    ticket = cast.open()
    client.force_login(cast.ann)

    answer = client.get(f"{TICKETS}/{ticket.pk}/receipt")

    assert answer.status_code == 409
