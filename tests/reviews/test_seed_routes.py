"""Addresses of earlier designs: the same services, rights and audit behind other words."""

from datetime import timedelta

import pytest
from django.test import Client

from approvals.models import AccessKey
from approvals.presets import PRESETS
from audit.clock import shifted
from audit.models import AuditEvent
from reviews.services.sweeps import sweep_deadlines
from reviews.services.tickets import cancel_ticket, resubmit_ticket, revoke_ticket
from tests.builders import make_checkpoint, make_person, make_policy, make_region
from tests.stories import checkpoint, people, question

pytestmark = pytest.mark.db

RESPOND = "/hitl/respond"
PROPOSALS = ["/hms-api/v1/hitl/proposals", "/interface/hitl/proposals"]
OVERRIDES = ["/hms-api/v1/hitl/override", "/interface/hitl/override"]
OVERRIDE = OVERRIDES[0]


def respond(cast, person, ticket, user_input, **more):
    body = {"interaction_id": str(ticket.pk), "user_input": user_input, **more}
    return cast.as_person(person).post(RESPOND, body)


def override(cast, person, ticket, decision, **more):
    return cast.as_person(person).post(
        OVERRIDE, {"id": str(ticket.pk), "decision": decision, **more}
    )


def told(answer):
    """Return status, code and the places of a refusal."""
    body = answer.json()
    assert body["detail"]
    return answer.status_code, body["code"], [e.get("pointer") for e in body["errors"]]


def pending(cast, person, name=None):
    return cast.as_person(person).get(f"/hitl/pending/{name or person.pk}")


class TestPending:
    @pytest.mark.parametrize("called", ["pk", "username"])
    def test_what_waits_is_a_plain_list_with_the_oldest_first(self, cast, called):
        first = cast.open(title="First", amount=1)
        with shifted(timedelta(minutes=1)):
            second = cast.open(title="Second", amount=90_000)
        answer = pending(cast, cast.ann, str(getattr(cast.ann, called)))

        assert answer.status_code == 200
        assert [item["interaction_id"] for item in answer.json()] == [str(first.pk), str(second.pk)]
        item = answer.json()[0]
        assert set(item) == {
            *("interaction_id", "status", "ui_schema", "data", "created_at", "expires_at"),
            "version",
        }
        assert (item["status"], item["version"]) == ("pending", 1)
        assert item["data"] == {"payee": "ACME", "total": 900}

    def test_another_persons_list_is_refused(self, cast):
        for name in (cast.ben.pk, "ben", "nobody", "0"):
            assert told(pending(cast, cast.ann, name))[:2] == (403, "user-mismatch")

    def test_what_one_answered_or_asked_for_oneself_does_not_wait(self, cast):
        ticket = cast.open(preset="vote")
        cast.open(on_behalf_of="ann")
        assert respond(cast, cast.ann, ticket, {"decision": "approve"}).status_code == 200

        assert pending(cast, cast.ann).json() == []
        assert pending(cast, cast.ben).json()[0]["interaction_id"] == str(ticket.pk)

    def test_somebody_without_a_role_waits_for_nothing(self, cast):
        cast.open()
        assert pending(cast, cast.otto).json() == []

    def test_a_paused_pipeline_shows_its_state_where_there_is_no_proposal(self, cast):
        cast.open(title="Go on?", proposal={}, pipeline={"name": "p", "state": {"page": 3}})
        assert pending(cast, cast.ann).json()[0]["data"] == {"page": 3}

    def test_the_list_costs_the_same_whatever_its_length(self, cast, django_assert_max_num_queries):
        for number in range(12):
            cast.open(title=f"Ticket {number}")
        client = cast.as_person(cast.ann)
        with django_assert_max_num_queries(8):
            assert len(client.get("/hitl/pending/ann").json()) == 12


class TestForm:
    def form(self, cast, **request):
        cast.open(**request)
        return pending(cast, cast.ann).json()[0]["ui_schema"]

    def test_the_form_a_caller_sent_is_shown_as_it_was_sent(self, cast):
        form = {
            "type": "input",
            "fields": [{"name": "total", "type": "number", "min": 0, "label": "Total"}],
        }
        sent = cast.as_key().post("/hitl/tickets", {"title": "Read it", "ui_schema": form})
        assert sent.status_code == 201, sent.json()
        assert pending(cast, cast.ann).json()[0]["ui_schema"] == form

    def test_a_question_without_one_becomes_a_form_of_its_options(self, cast):
        form = self.form(cast)
        fields = {field["name"]: field for field in form["fields"]}

        assert form["type"] == "review"
        assert fields["decision"] == {
            "name": "decision",
            "type": "radio",
            "options": ["approve", "reject", "request_changes", "modify"],
            "required": True,
        }
        assert fields["feedback"]["type"] == "textarea"
        assert fields["suggested_changes"]["label"] == "Suggested changes"
        assert not fields["feedback"]["required"]
        assert "amendments" in fields

    @pytest.mark.parametrize(
        "preset, kind, names",
        [
            ("approval", "approval", ["decision", "feedback"]),
            ("fallback", "manual_processing", ["decision", "manual_result", "confidence"]),
            ("time-boxed", "urgent_decision", ["decision", "urgency_acknowledged", "amendments"]),
            ("vote", "approval", ["decision", "feedback"]),
            ("acknowledgement", "input", ["note"]),
        ],
    )
    def test_each_preset_has_its_form(self, cast, preset, kind, names):
        form = self.form(cast, preset=preset)
        shown = [field["name"] for field in form["fields"]]
        assert form["type"] == kind
        assert [name for name in shown if name in names] == names

    def test_a_number_keeps_its_bounds_and_default(self, cast):
        fields = {f["name"]: f for f in self.form(cast, preset="fallback")["fields"]}
        assert fields["confidence"] == {
            "name": "confidence",
            "type": "number",
            "required": False,
            "label": "How sure you are (0 to 1)",
            "min": 0,
            "max": 1,
            "default": 0.9,
        }


class TestRespond:
    def test_an_answer_is_a_vote_on_the_chains_and_in_the_tables(self, story):
        ticket = story.open()
        answer = respond(story, story.ann, ticket, {"decision": "approve", "feedback": "Fine."})
        ticket.refresh_from_db()
        vote = ticket.decision.votes.get()
        types = AuditEvent.objects.filter(stream=ticket.stream).values_list("type", flat=True)

        assert (answer.status_code, answer.json()["status"]) == (200, "accepted")
        assert answer.json()["message"] == "Your answer counts; the ticket is approved."
        assert (ticket.status, ticket.decision.reason) == ("approved", "Fine.")
        assert (vote.voter, vote.channel, vote.version) == (story.ann, "api", 1)
        assert vote.response == {"feedback": "Fine."}
        assert list(types) == ["ticket.opened", "ticket.vote_cast", "ticket.decided"]

    @pytest.mark.parametrize(
        "given, status, reason",
        [
            ({"decision": "reject", "comments": "Too dear."}, "rejected", "Too dear."),
            ({"decision": "reject", "reason": "Too dear."}, "rejected", "Too dear."),
            ({"decision": "request_changes", "feedback": "Half."}, "needs_changes", "Half."),
            ({"decision": "request_changes", "comments": "Half."}, "needs_changes", "Half."),
        ],
    )
    def test_what_is_written_is_the_reason(self, story, given, status, reason):
        ticket = story.open()
        assert respond(story, story.ann, ticket, given).status_code == 200
        ticket.refresh_from_db()
        assert (ticket.status, ticket.decision.reason) == (status, reason)

    def test_an_answer_without_a_decision_is_submitted_and_resumes_the_pipeline(self, story):
        form = {"type": "input", "fields": [{"name": "total", "type": "number", "required": True}]}
        body = {"title": "Read", "ui_schema": form, "pipeline": {"state": {"page": 3, "total": 0}}}
        opened = story.as_key().post("/hitl/tickets", body).json()
        answer = story.as_person(story.ann).post(
            RESPOND, {"interaction_id": opened["ref"], "user_input": {"total": 12}}
        )
        read = story.as_key().get(f"/hitl/tickets/{opened['id']}").json()

        assert answer.status_code == 200
        assert (read["status"], read["allowed"]) == ("answered", True)
        assert read["pipeline"]["resume"] == {"page": 3, "total": 12}

    def test_a_form_may_ask_for_a_decision_of_its_own(self, story):
        form = {"type": "input", "fields": [{"name": "decision", "type": "text"}]}
        opened = story.as_key().post("/hitl/tickets", {"title": "Which?", "ui_schema": form}).json()
        body = {"interaction_id": opened["id"], "user_input": {"decision": "the second"}}
        assert story.as_person(story.ann).post(RESPOND, body).status_code == 200
        read = story.as_key().get(f"/hitl/tickets/{opened['id']}").json()
        assert read["decision"]["response"] == {"decision": "the second"}

    @pytest.mark.parametrize("ticked, status", [(True, "needs_changes"), (False, "answered")])
    def test_the_box_of_a_refinement_says_whether_it_goes_on(self, story, ticked, status):
        ticket = story.open(preset="refinement")
        given = {"refined_result": "Better.", "continue_refining": ticked}
        assert respond(story, story.ann, ticket, given).status_code == 200
        ticket.refresh_from_db()
        assert ticket.status == status

    def test_changed_fields_come_as_an_object_or_as_json_in_a_text(self, story):
        for amendments in ({"total": 450}, '{"total": 450}'):
            ticket = story.open()
            given = {"decision": "modify", "comments": "Half.", "amendments": amendments}
            assert respond(story, story.ann, ticket, given).status_code == 200
            ticket.refresh_from_db()
            assert ticket.decision.amendments == {"total": 450}
            assert ticket.status == "approved"

    def test_different_words_do_not_keep_equal_votes_apart(self, story):
        ticket = story.open(preset="vote")
        respond(story, story.ann, ticket, {"decision": "approve", "comments": "Good."})
        respond(story, story.ben, ticket, {"decision": "approve", "comments": "Very good."})
        ticket.refresh_from_db()
        assert ticket.status == "approved"

    def test_a_list_is_written_one_line_each(self, story):
        option = {
            "key": "pause",
            "effect": "answer",
            "form": {
                "type": "object",
                "properties": {"services": {"type": "array", "items": {"type": "string"}}},
                "required": ["services"],
            },
        }
        policy = make_policy("spend", {**PRESETS["input"], "options": [option]})
        make_checkpoint("spend", question=policy)
        ticket = story.open(checkpoint="spend")
        given = {"services": "mail\n\nmaps"}
        assert respond(story, story.ann, ticket, given).status_code == 200
        ticket.refresh_from_db()
        assert ticket.decision.response == {"services": ["mail", "maps"]}

    def test_the_same_answer_again_is_accepted_again_and_counts_once(self, story):
        ticket = story.open(preset="vote")
        for _ in range(2):
            assert respond(story, story.ann, ticket, {"decision": "approve"}).status_code == 200
        assert ticket.decision.votes.count() == 1

    @pytest.mark.parametrize("named", ["pk", "username", "text", "none"])
    def test_the_user_named_is_the_caller(self, cast, named):
        ann = cast.ann
        name = {"pk": ann.pk, "username": "ann", "text": str(ann.pk), "none": None}[named]
        assert respond(cast, ann, cast.open(), {"decision": "approve"}, user_id=name).json() == {
            "status": "accepted",
            "message": "Your answer counts; the ticket is approved.",
        }

    def test_nobody_answers_in_anothers_name(self, cast):
        ticket = cast.open()
        for name in (cast.ben.pk, "ben", "Ann"):
            answer = respond(cast, cast.ann, ticket, {"decision": "approve"}, user_id=name)
            assert told(answer)[:2] == (403, "user-mismatch")
        assert not ticket.decision.votes.exists()

    @pytest.mark.parametrize(
        "user_input, code, pointer",
        [
            ({"decision": "reject"}, "reason-required", "/user_input/feedback"),
            ({"decision": "reject", "feedback": "  "}, "reason-required", "/user_input/feedback"),
            ({"decision": "perhaps"}, "invalid", "/user_input/decision"),
            ({"decision": ["approve"]}, "invalid", "/user_input/decision"),
            ({"decision": {}}, "invalid", "/user_input/decision"),
            ({}, "invalid", "/user_input/decision"),
            ({"decision": "request_changes"}, "schema", "/user_input"),
            ({"decision": "modify", "comments": "x"}, "schema", "/user_input/amendments"),
            (
                {"decision": "modify", "comments": "x", "amendments": "{"},
                "invalid",
                "/user_input/amendments",
            ),
            (
                {"decision": "modify", "comments": "x", "amendments": "[NaN]"},
                "invalid",
                "/user_input/amendments",
            ),
            ({"decision": "reject", "comments": "x" * 5000}, "schema", "/user_input/feedback"),
        ],
    )
    def test_what_cannot_be_taken_is_named_where_it_was_sent(self, cast, user_input, code, pointer):
        answer = respond(cast, cast.ann, cast.open(), user_input)
        assert told(answer)[:2] == (422, code)
        assert any(place.startswith(pointer) for place in told(answer)[2])

    @pytest.mark.parametrize(
        "body",
        [
            {},
            [],
            {"interaction_id": 5, "user_input": {}},
            {"interaction_id": "T-1", "user_input": []},
            {"interaction_id": "T-1", "user_input": {}, "user_id": True},
            {"interaction_id": "T-1", "user_input": {}, "user_id": {}},
            {"interaction_id": "T-1", "user_input": {}, "version": "1"},
            {"interaction_id": "T-1", "user_input": {}, "choice": "approve"},
        ],
    )
    def test_a_body_that_cannot_be_read_is_refused(self, cast, body):
        assert told(cast.as_person(cast.ann).post(RESPOND, body))[:2] == (422, "invalid")

    def test_a_machine_does_not_answer(self, cast):
        body = {"interaction_id": str(cast.open().pk), "user_input": {"decision": "approve"}}
        assert told(cast.as_key().post(RESPOND, body))[:2] == (403, "machine-cannot-vote")

    def test_who_may_not_vote_is_told_why(self, cast):
        mine, ticket = cast.open(on_behalf_of="ann"), cast.open()
        approve = {"decision": "approve"}

        assert told(respond(cast, cast.ann, mine, approve))[:2] == (403, "own-work")
        assert told(respond(cast, cast.ada, ticket, approve))[:2] == (403, "not-eligible")
        assert told(respond(cast, cast.otto, ticket, approve))[:2] == (404, "not-found")

    def test_who_comes_too_late_is_told_what_was_decided(self, cast):
        ticket = cast.open()
        respond(cast, cast.ann, ticket, {"decision": "approve"})
        late = respond(cast, cast.ben, ticket, {"decision": "reject", "comments": "No."})

        assert told(late)[:2] == (409, "already-decided")
        assert late.json()["decision"]["outcome"] == "approve"


class TestVersions:
    @pytest.fixture
    def changed(self, cast):
        ticket = cast.open()
        return resubmit_ticket(
            ticket_id=ticket.pk, requester=cast.machine, proposal={"payee": "ACME", "total": 450}
        )

    def test_without_a_version_only_what_was_first_sent_is_answered(self, cast, changed):
        approve = {"decision": "approve"}
        assert told(respond(cast, cast.ann, changed, approve))[:2] == (412, "ticket-changed")
        assert told(override(cast, cast.ann, changed, "approve"))[:2] == (412, "ticket-changed")
        assert respond(cast, cast.ann, changed, approve, version=None).status_code == 412
        assert respond(cast, cast.ann, changed, approve, version=2).status_code == 200

    def test_an_old_version_is_refused_and_a_header_says_the_same(self, cast, changed):
        body = {"id": str(changed.pk), "decision": "approve"}
        client = cast.as_person(cast.ann)
        assert told(override(cast, cast.ann, changed, "approve", version=1))[0] == 412
        assert client.post(OVERRIDE, {**body, "version": 1}, headers={"If-Match": '"2"'}).json()[
            "errors"
        ]
        assert client.post(OVERRIDE, body, headers={"If-Match": '"2"'}).status_code == 200


class TestStatus:
    def state(self, cast, ticket):
        answer = cast.as_key().get(f"/hitl/status/{ticket.pk}")
        assert set(answer.json()) == {"interaction_id", "status", "created_at", "expires_at"}
        assert answer.json()["interaction_id"] == str(ticket.pk)
        return answer.json()["status"]

    @pytest.mark.parametrize("choice", ["approve", "reject", "request_changes"])
    def test_what_somebody_answered_is_completed(self, cast, choice):
        ticket = cast.open()
        assert self.state(cast, ticket) == "pending"
        respond(cast, cast.ann, ticket, {"decision": choice, "feedback": "So."})
        assert self.state(cast, ticket) == "completed"

    def test_what_nobody_answered_is_expired(self, cast):
        ticket = cast.open(timeout_seconds=60)
        with shifted(timedelta(seconds=61)):
            sweep_deadlines()
            assert self.state(cast, ticket) == "expired"

    def test_what_was_stopped_or_taken_back_is_cancelled(self, cast):
        stopped, revoked = cast.open(), cast.open()
        cancel_ticket(ticket_id=stopped.pk, by=cast.machine, reason="")
        cast.vote(revoked, cast.ann, "approve")
        revoke_ticket(ticket_id=revoked.pk, by=cast.ann, reason="Wrong one.")
        assert [self.state(cast, ticket) for ticket in (stopped, revoked)] == ["cancelled"] * 2

    def test_what_one_may_not_see_is_not_there(self, cast):
        answer = cast.as_person(cast.otto).get(f"/hitl/status/{cast.open().pk}")
        assert told(answer)[:2] == (404, "not-found")
        assert told(cast.as_key().get("/hitl/status/nothing"))[:2] == (404, "not-found")


@pytest.fixture
def north(cast):
    make_region("south", cast.ben)
    return make_region("north", cast.ann)


class TestProposals:
    @pytest.mark.parametrize("address", PROPOSALS)
    @pytest.mark.parametrize("name", ["north", "NORTH", "North"])
    def test_what_waits_in_a_region_is_a_plain_list(self, cast, north, address, name):
        first = cast.open(region="north", title="First")
        cast.open(region="south")
        cast.open()
        with shifted(timedelta(minutes=1)):
            second = cast.open(region="north", title="Second")
        answer = cast.as_person(cast.ann).get(address, {"region": name})

        assert answer.status_code == 200
        assert [item["id"] for item in answer.json()] == [str(first.pk), str(second.pk)]
        item = answer.json()[0]
        assert (item["version"], item["title"], item["region"]) == (1, "First", "north")
        assert item["proposal"] == {"payee": "ACME", "total": 900}

    @pytest.mark.parametrize("address", PROPOSALS)
    def test_another_region_is_refused_and_not_empty(self, cast, north, address):
        client = cast.as_person(cast.ann)
        for name in ("south", "atlantis"):
            answer = client.get(address, {"region": name})
            assert told(answer)[:2] == (403, "region-not-yours")

    def test_who_sees_every_region_is_told_that_there_is_none_of_that_name(self, cast, north):
        answer = cast.as_person(cast.max).get(PROPOSALS[0], {"region": "atlantis"})
        assert told(answer)[:2] == (422, "invalid")
        assert cast.as_person(cast.max).get(PROPOSALS[0], {"region": "south"}).json() == []

    def test_a_region_is_named(self, cast):
        for query in ({}, {"region": ""}, {"region": "north", "area": "1"}):
            answer = cast.as_person(cast.ann).get(PROPOSALS[0], query)
            assert told(answer)[:2] == (422, "invalid")

    def test_what_is_decided_waits_no_more(self, cast, north):
        ticket = cast.open(region="north")
        assert override(cast, cast.ann, ticket, "approve").status_code == 200
        assert cast.as_person(cast.ann).get(PROPOSALS[0], {"region": "north"}).json() == []


class TestOverride:
    @pytest.mark.parametrize("address", OVERRIDES)
    @pytest.mark.parametrize(
        "given, status, outcome",
        [
            ({"decision": "approve"}, "approved", "approve"),
            ({"decision": "approve", "comments": "Good."}, "approved", "approve"),
            ({"decision": "veto", "comments": "No."}, "rejected", "reject"),
            (
                {"decision": "adjust", "comments": "Half.", "adjustments": {"total": 450}},
                "approved",
                "modify",
            ),
        ],
    )
    def test_a_decision_is_a_vote(self, story, address, given, status, outcome):
        ticket = story.open()
        answer = story.as_person(story.ann).post(address, {"id": ticket.label, **given})
        ticket.refresh_from_db()

        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
        assert (ticket.status, ticket.decision.outcome) == (status, outcome)
        assert ticket.decision.reason == given.get("comments", "")
        assert ticket.decision.amendments == given.get("adjustments")

    @pytest.mark.parametrize("decision", ["veto", "adjust"])
    @pytest.mark.parametrize("more", [{}, {"comments": ""}, {"comments": " \n"}])
    def test_no_and_not_like_this_need_a_word(self, cast, decision, more):
        ticket = cast.open()
        answer = override(cast, cast.ann, ticket, decision, adjustments={"total": 1}, **more)
        assert told(answer) == (422, "reason-required", ["/comments"])

    @pytest.mark.parametrize(
        "more, pointer",
        [
            ({"decision": "adjust", "comments": "x"}, "/adjustments"),
            ({"decision": "adjust", "comments": "x", "adjustments": {}}, "/adjustments"),
            ({"decision": "approve", "adjustments": {"total": 5}}, "/adjustments"),
            ({"decision": "delete"}, "/decision"),
            ({"decision": "approve", "comments": 5}, "/comments"),
            ({"decision": "approve", "colour": 5}, "/colour"),
        ],
    )
    def test_what_cannot_be_taken_is_named_where_it_was_sent(self, cast, more, pointer):
        body = {"id": str(cast.open().pk), **more}
        status, _, places = told(cast.as_person(cast.ann).post(OVERRIDE, body))
        assert (status, places) == (422, [pointer])

    @pytest.mark.parametrize("id", [True, None, [], 1.5, "x" * 300])
    def test_an_id_that_cannot_be_one_is_refused(self, cast, id):
        answer = cast.as_person(cast.ann).post(OVERRIDE, {"id": id, "decision": "approve"})
        assert told(answer) == (422, "invalid", ["/id"])

    def test_a_number_nobody_knows_is_not_found(self, cast):
        answer = cast.as_person(cast.ann).post(OVERRIDE, {"id": 101, "decision": "approve"})
        assert told(answer)[:2] == (404, "not-found")

    def test_words_mean_the_only_option_of_their_sort_else_none(self, cast):
        boxed = cast.open(preset="time-boxed")
        urged = {"version": 1, "comments": "Now."}
        assert override(cast, cast.ann, boxed, "approve", **urged).status_code == 200
        boxed.refresh_from_db()
        assert boxed.decision.outcome == "proceed"

        several = cast.open(preset="options", ai={"options": [{"key": "a"}, {"key": "b"}]})
        assert told(override(cast, cast.ann, several, "approve")) == (422, "invalid", ["/decision"])

    def test_another_regions_proposal_is_not_there(self, cast, north):
        ticket = cast.open(region="south")
        assert told(override(cast, cast.ann, ticket, "approve"))[:2] == (404, "not-found")

    def test_a_machine_does_not_decide(self, cast):
        body = {"id": str(cast.open().pk), "decision": "approve"}
        assert told(cast.as_key().post(OVERRIDE, body))[:2] == (403, "machine-cannot-vote")


class TestDoors:
    @pytest.mark.parametrize(
        "method, path",
        [
            ("get", "/hitl/pending/ann"),
            ("post", RESPOND),
            ("get", "/hitl/status/T-1"),
            *(("get", f"{path}?region=north") for path in PROPOSALS),
            *(("post", path) for path in OVERRIDES),
        ],
    )
    def test_nobody_in_particular_is_asked_who_they_are(self, db, method, path):
        answer = getattr(Client(), method)(path, content_type="application/json")
        assert told(answer)[:2] == (401, "unauthenticated")

    @pytest.mark.parametrize("path", ["/hitl/nothing", "/interface/x", "/hms-api/v1/hitl/x"])
    def test_a_wrong_address_is_answered_in_the_same_manner(self, db, path):
        assert told(Client().get(path))[:2] == (404, "not-found")

    def test_a_session_needs_its_token_against_forgery(self, cast):
        client = Client(enforce_csrf_checks=True)
        client.force_login(cast.ann, backend="django.contrib.auth.backends.ModelBackend")
        client.get("/admin/reviews/ticket/")
        token = client.cookies["countersign_csrf"].value
        body = {"interaction_id": str(cast.open().pk), "user_input": {"decision": "approve"}}
        sending = {"data": body, "content_type": "application/json"}

        assert told(client.post(RESPOND, **sending))[:2] == (403, "csrf-failed")
        assert client.post(RESPOND, **sending, headers={"X-CSRFToken": token}).status_code == 200

    def test_a_token_without_the_right_to_vote_only_reads(self, cast):
        ticket = cast.open()
        reader = cast.as_person(cast.ann, [AccessKey.Scope.READ])
        assert reader.get("/hitl/pending/ann").status_code == 200
        body = {"interaction_id": str(ticket.pk), "user_input": {"decision": "approve"}}
        assert told(reader.post(RESPOND, body))[:2] == (403, "scope-missing")

    def test_looking_changes_no_row(self, cast, north):
        ticket = cast.open(region="north")
        client = cast.as_person(cast.ann)
        before = AuditEvent.objects.count()
        for path in ("/hitl/pending/ann", f"/hitl/status/{ticket.pk}",
                     f"{PROPOSALS[0]}?region=north"):  # fmt: skip
            assert client.get(path).status_code == 200
        assert AuditEvent.objects.count() == before


class TestCollaboration:
    def open(self, cast, **interaction):
        body = {"title": "Which name?", "proposal": {"a": 1}, "interaction": interaction}
        return cast.as_key().post("/api/v1/tickets", body)

    def test_options_to_vote_on_become_the_vote_and_people_can_still_say_no(self, story):
        opened = self.open(story, voting_options=["Alder", "Birch"]).json()
        keys = [option["key"] for option in opened["policy"]["options"]]
        effects = [option["effect"] for option in opened["policy"]["options"]]

        assert opened["preset"] == "vote"
        assert keys == ["Alder", "Birch", "reject"]
        assert effects == ["answer", "answer", "deny"]
        assert opened["tally"]["needed"] == 3  # without a word on it, all must agree

    def test_the_majority_picks(self, story):
        options = {"voting_options": ["Alder", "Birch"], "decision_type": "majority"}
        opened = self.open(story, **options).json()
        for person, choice in ((story.ann, "Birch"), (story.ben, "Alder"), (story.cleo, "Birch")):
            body = {"interaction_id": opened["id"], "user_input": {"decision": choice}}
            assert story.as_person(person).post(RESPOND, body).status_code == 200
        read = story.as_key().get(f"/hitl/tickets/{opened['id']}").json()
        assert (read["status"], read["decision"]["outcome"]) == ("answered", "Birch")

    def test_the_vote_s_own_words_keep_what_they_mean_however_they_are_spelt(self, cast):
        opened = self.open(cast, voting_options=["Approve", "REJECT"]).json()
        options = {option["key"]: option["effect"] for option in opened["policy"]["options"]}
        assert options == {"approve": "allow", "reject": "deny"}

    def test_only_the_stakeholders_are_asked(self, story):
        make_person("dora", roles=[story.roles["reviewer"]], email="dora@mail.example")
        names = ["ann", str(story.ben.pk), "Dora@mail.example"]
        opened = self.open(story, voting_options=["yes", "no"], stakeholders=names).json()
        need = opened["policy"]["stages"][0]["needs"][0]
        body = {"interaction_id": opened["id"], "user_input": {"decision": "yes"}}

        assert sorted(need["people"]) == ["ann", "ben", "dora"]
        assert need["count"] == 3
        outsider = story.as_person(story.cleo).post(RESPOND, body)
        assert told(outsider)[:2] == (403, "not-eligible")

    @pytest.mark.parametrize("member", ["stakeholders", "approvers"])
    def test_somebody_nobody_knows_is_named(self, cast, member):
        answer = self.open(cast, **{member: ["ann", "nobody"]})
        assert told(answer) == (422, "invalid", [f"/interaction/{member}/1"])

    def test_a_machine_is_nobody_to_ask(self, cast):
        answer = self.open(cast, stakeholders=[cast.machine.username])
        assert told(answer)[:2] == (422, "invalid")

    def test_a_checkpoint_without_votes_does_not_offer_one(self, cast):
        make_checkpoint("strict", question=make_policy("strict"), presets=[])
        body = {"title": "x", "checkpoint": "strict", "interaction": {"voting_options": ["a", "b"]}}
        answer = cast.as_key().post("/api/v1/tickets", body)
        assert told(answer) == (422, "invalid", ["/preset"])

    def test_what_the_caller_says_of_the_question_itself_is_the_more_exact_word(self, cast):
        body = {
            "title": "x",
            "interaction": {"voting_options": ["a", "b"]},
            "question": {"options": ["approve", "reject"]},
        }
        opened = cast.as_key().post("/api/v1/tickets", body).json()
        assert [option["key"] for option in opened["policy"]["options"]] == ["approve", "reject"]


class TestHowManyMustAgree:
    def open(self, story, *, checkpoint="general", **interaction):
        body = {"title": "Ship it?", "checkpoint": checkpoint, "interaction": interaction}
        return story.as_key().post("/api/v1/tickets", body)

    @pytest.mark.parametrize(
        ("interaction", "needed"),
        [
            ({"approval_type": "any"}, 1),
            ({"approval_type": "majority"}, 2),
            ({"approval_type": "all"}, 3),
            ({"approval_type": "all", "approvers": ["ann", "cleo"]}, 2),
            ({"approval_type": "majority", "approvers": ["ann", "ben", "cleo"]}, 2),
            ({"decision_type": "majority"}, 2),
            ({"decision_type": "consensus"}, 3),
            ({"decision_type": "consensus", "voting_options": ["a", "b"]}, 3),
            ({"decision_type": "consensus", "stakeholders": ["ben", "ann"]}, 2),
            ({"voting_options": ["a", "b"]}, 3),
            ({"voting_options": ["a", "b"], "stakeholders": ["ben", "ann"]}, 2),
            ({"approvers": ["ann", "cleo"]}, 2),
            ({"voting_options": ["a", "b"], "decision_type": "majority"}, 2),
        ],
    )
    def test_shares_become_numbers(self, story, interaction, needed):
        assert self.open(story, **interaction).json()["tally"]["needed"] == needed

    def test_consensus_takes_everybody_and_each_state_is_seen_by_all(self, story):
        opened = self.open(story, decision_type="consensus", stakeholders=["ann", "ben"]).json()
        votes = f"/api/v1/tickets/{opened['id']}/votes"
        said = {"choice": "approve", "version": 1, "reason": "Reads well."}
        assert story.as_person(story.ann).post(votes, said).json()["ticket"]["status"] == "pending"
        for anybody in (story.as_person(story.ben), story.as_person(story.ann), story.as_key()):
            (told,) = anybody.get(f"/api/v1/tickets/{opened['id']}").json()["tally"]["people"]
            assert (told["name"], told["choice"], told["comment"]) == (
                "ann", "approve", "Reads well.",
            )  # fmt: skip
        done = story.as_person(story.ben).post(votes, {"choice": "approve", "version": 1}).json()
        assert done["ticket"]["status"] == "approved"

    def test_where_all_must_agree_one_no_ends_it(self, story):
        opened = self.open(story, approval_type="all").json()
        votes = f"/api/v1/tickets/{opened['id']}/votes"
        story.as_person(story.ann).post(votes, {"choice": "approve", "version": 1})
        no = {"choice": "reject", "version": 1, "reason": "Not like this."}
        assert story.as_person(story.ben).post(votes, no).json()["ticket"]["status"] == "rejected"

    @pytest.mark.parametrize(
        ("count", "interaction"),
        [
            (2, {"approval_type": "any"}),
            (2, {"approval_type": "majority"}),
            ("majority", {"approval_type": "any"}),
            ("all", {"approval_type": "majority"}),
            ("all", {"approval_type": "any"}),
        ],
    )
    def test_it_never_takes_fewer_than_the_checkpoint_says(self, story, count, interaction):
        checkpoint("many", question(needs=[people("reviewer", count)]))
        answer = self.open(story, checkpoint="many", **interaction)
        assert told(answer) == (422, "invalid", ["/interaction/approval_type"])

    def test_people_are_narrowed_in_every_step(self, story):
        stages = [
            {"name": "Look", "needs": [people("reviewer")]},
            {"name": "Sign", "needs": [people("lead")]},
        ]
        checkpoint("steps", question(stages=stages))
        opened = self.open(story, checkpoint="steps", approvers=["ann", "lena"]).json()
        named = [stage["needs"][0]["people"] for stage in opened["policy"]["stages"]]
        assert named == [["ann", "lena"], ["ann", "lena"]]
        votes = f"/api/v1/tickets/{opened['id']}/votes"
        body = {"choice": "approve", "version": 1}
        assert told(story.as_person(story.ben).post(votes, body))[:2] == (403, "not-eligible")
        story.as_person(story.ann).post(votes, body)
        done = story.as_person(story.lena).post(votes, body).json()
        assert done["ticket"]["status"] == "approved"

    def test_people_a_checkpoint_does_not_name_are_not_let_in(self, story):
        needs = [{"role": "reviewer", "people": ["ann", "ben"]}]
        checkpoint("named", question(needs=needs))
        opened = self.open(story, checkpoint="named", approvers=["ben", "cleo"]).json()
        assert opened["policy"]["stages"][0]["needs"][0]["people"] == ["ben"]
        refusal = self.open(story, checkpoint="named", approvers=["cleo"])
        assert told(refusal) == (422, "invalid", ["/interaction/approvers"])

    def test_people_who_hold_no_seat_are_refused_at_once(self, story):
        refusal = self.open(story, approvers=["otto"])
        assert told(refusal) == (422, "invalid", ["/interaction/approvers"])

    def test_a_new_round_asks_the_same_people(self, story):
        opened = self.open(story, approval_type="all", approvers=["ann", "ben"]).json()
        address = f"/api/v1/tickets/{opened['id']}/resubmit"
        again = story.as_key().post(address, {"proposal": {"a": 2}}).json()
        assert again["tally"]["needed"] == 2
        assert again["policy"]["stages"][0]["needs"][0]["people"] == ["ann", "ben"]


class TestWhatSilenceMeans:
    def open(self, story, **more):
        body = {"title": "Now?", "checkpoint": "boxed", **more}
        return story.as_key().post("/api/v1/tickets", body)

    def test_a_refusal_may_always_be_asked_for(self, story):
        checkpoint("boxed", question("time-boxed"))
        opened = self.open(story, interaction={"default_action": "abort"}).json()
        assert opened["policy"]["timing"]["silence"] == "abort"

    def test_going_on_only_where_the_policy_lets_silence_allow(self, story):
        made = checkpoint("boxed", question("time-boxed"))
        asked = {"interaction": {"default_action": "proceed"}}
        assert told(self.open(story, **asked)) == (422, "invalid", ["/interaction/default_action"])
        made.question = make_policy("boxed", question("time-boxed"), silence_may_allow=True)
        made.save()
        assert self.open(story, **asked).json()["policy"]["timing"]["silence"] == "proceed"

    @pytest.mark.parametrize("key", ["explode", "request_changes"])
    def test_something_that_ends_nothing_is_refused(self, story, key):
        checkpoint("boxed", question("review"))
        answer = self.open(story, interaction={"default_action": key})
        assert told(answer) == (422, "invalid", ["/interaction/default_action"])
