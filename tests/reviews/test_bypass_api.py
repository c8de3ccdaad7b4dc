"""The bypass over the interface, what is refused there, and how the service stands."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client

from approvals.models import AccessKey, Bypass
from approvals.presets import PRESETS
from approvals.services.links import issue_link
from audit.clock import db_now
from audit.models import AuditEvent
from reviews.services.bypasses import sweep_bypasses
from tests.builders import PASSWORD, Cast, bearer, make_policy, make_service_key, personal_token
from tests.stories import checkpoint, people, question

pytestmark = pytest.mark.db

ALL = "/api/v1/bypasses"
ASKED = {"duration": "30m", "reason": "The mail provider is down.", "password": PASSWORD}
MANAGE = [str(scope) for scope in AccessKey.Scope]


@pytest.fixture
def crew(story: Cast) -> Cast:
    for codename in ("start_bypass", "view_bypass"):
        right = Permission.objects.get(codename=codename)
        for name in ("lead", "manager"):
            story.roles[name].permissions.add(right)
    for person in (story.ann, story.lena, story.max):
        story.tokens[person.pk] = personal_token(person, MANAGE)
    return story


def code(answer: Any, status: int) -> str:
    assert answer.status_code == status, answer.content
    assert answer.headers["Content-Type"] == "application/problem+json"
    return str(answer.json()["code"])


def test_a_person_starts_reads_and_ends_one(crew):
    lena = crew.as_person(crew.lena)
    answer = lena.post(ALL, {**ASKED, "incident": "INC-7"})
    assert answer.status_code == 201, answer.content
    started = answer.json()
    assert (started["state"], started["by"], started["channel"]) == ("active", "lena", "api")
    assert started["told"] == []  # mails are switched off in this run
    assert "password" not in answer.content.decode()
    opened = crew.as_key().post("/api/v1/tickets", {"title": "Pay"}).json()
    assert (opened["allowed"], opened["decision"]["by"]) == (True, "bypass")
    one = f"{ALL}/{started['id']}"
    assert lena.get(one).json()["passed"] == 1
    ended = crew.as_person(crew.max).post(f"{one}/end", {}).json()
    assert (ended["state"], ended["ended_by"]) == ("unreviewed", "max")
    assert ended["review"] in ended["review_link"]
    assert lena.post(f"{one}/end", {}).json()["ended_at"] == ended["ended_at"]
    assert code(lena.post(ALL, ASKED), 409) == "bypass-unreviewed"
    review = crew.as_person(crew.max).get(f"/api/v1/tickets/{ended['review']}").json()
    assert review["proposal"]["passed"] == 1
    voted = crew.as_person(crew.max).post(
        f"/api/v1/tickets/{ended['review']}/votes", {"choice": "in_order", "version": 1}
    )
    assert voted.status_code == 201, voted.content
    sweep_bypasses()
    assert lena.get(one).json()["state"] == "reviewed"
    assert [row["id"] for row in lena.get(ALL).json()["data"]] == [started["id"]]
    assert lena.post(ALL, ASKED).status_code == 201


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        ({**ASKED, "password": ""}, 403, "confirm-identity"),
        ({**ASKED, "password": "wrong"}, 403, "confirm-identity"),
        ({"duration": "30m", "reason": ASKED["reason"], "code": "123456"}, 403, "confirm-identity"),
        ({**ASKED, "reason": "short"}, 422, "invalid"),
        ({**ASKED, "duration": "5h"}, 422, "invalid"),
        ({**ASKED, "duration": 60}, 422, "invalid"),
        ({**ASKED, "checkpoints": ["nowhere"]}, 422, "invalid"),
        ({**ASKED, "checkpoints": "general"}, 422, "invalid"),
        ({**ASKED, "reason": "a \u0000 in the middle"}, 422, "invalid"),
        ({**ASKED, "scope": []}, 422, "invalid"),
        ({"password": PASSWORD}, 422, "invalid"),
    ],
)
def test_what_is_not_right_starts_nothing(crew, body, status, expected):
    answer = crew.as_person(crew.lena).post(ALL, body)
    assert code(answer, status) == expected
    assert not Bypass.objects.exists()
    assert crew.open().status == "pending"


def test_five_wrong_passwords_are_too_many(crew):
    lena = crew.as_person(crew.lena)
    for _ in range(5):
        assert code(lena.post(ALL, {**ASKED, "password": "wrong"}), 403) == "confirm-identity"
    answer = lena.post(ALL, ASKED)
    assert code(answer, 429) == "too-many-tries"
    assert int(answer.headers["Retry-After"]) > 0
    assert not Bypass.objects.exists()


def test_a_machine_starts_and_ends_none_whatever_its_scopes(crew):
    key, token = make_service_key(crew.max, name="robot")
    AccessKey.objects.filter(pk=key.pk).update(scopes=MANAGE)
    for robot in (bearer(token), crew.as_key()):
        assert code(robot.post(ALL, ASKED), 403) == "machine-cannot-bypass"
    started = crew.as_person(crew.lena).post(ALL, ASKED).json()
    end = f"{ALL}/{started['id']}/end"
    assert code(bearer(token).post(end, {}), 403) == "machine-cannot-bypass"
    assert bearer(token).get(ALL).json()["data"] == []
    assert bearer(token).get(f"{ALL}/{started['id']}").status_code == 404


def test_without_the_right_the_scope_or_a_name_nobody_does(crew):
    assert code(crew.as_person(crew.ann).post(ALL, ASKED), 403) == "not-allowed"
    weak = bearer(personal_token(crew.lena, ["tickets:read", "votes:write"]))
    assert code(weak.post(ALL, ASKED), 403) == "scope-missing"
    assert code(bearer("").post(ALL, ASKED), 401) == "unauthenticated"
    started = crew.as_person(crew.lena).post(ALL, ASKED).json()
    ann = crew.as_person(crew.ann)
    assert ann.get(f"{ALL}/{started['id']}").status_code == 404
    assert code(ann.post(f"{ALL}/{started['id']}/end", {}), 404) == "not-found"
    assert ann.get(ALL).json()["data"] == []


def test_a_session_starts_one_only_with_its_password_and_against_forgery(crew):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(crew.lena)
    refused = browser.post(ALL, ASKED, content_type="application/json")
    assert code(refused, 403) == "csrf-failed"
    browser = Client()
    browser.force_login(crew.lena)
    asked = {**ASKED, "password": ""}
    answer = browser.post(ALL, asked, content_type="application/json")
    assert code(answer, 403) == "confirm-identity"
    assert browser.post(ALL, ASKED, content_type="application/json").status_code == 201


def test_the_pass_of_a_mail_link_is_no_session(crew):
    ticket = crew.open()
    _, token = issue_link(decision=ticket.decision, person=crew.lena, now=db_now())
    browser = Client()
    assert browser.get(f"/a/{token}").status_code == 303
    answer = browser.post(ALL, ASKED, content_type="application/json")
    assert answer.status_code in (401, 403)
    page = browser.post("/admin/approvals/bypass/", {"act": "start", **ASKED})
    assert page.status_code == 302  # to the sign-in
    assert not Bypass.objects.exists()


def test_the_event_tells_who_when_why_and_through_which_door(crew):
    started = crew.as_person(crew.lena).post(ALL, ASKED).json()
    event = AuditEvent.objects.get(stream=f"bypass:{started['id']}")
    assert (event.type, event.channel, event.actor_id) == (
        "bypass.started",
        "api",
        str(crew.lena.pk),
    )
    assert event.reason == ASKED["reason"]
    assert PASSWORD not in str(AuditEvent.objects.values_list("data", "personal", "reason"))


class TestHowTheServiceStands:
    def test_flags_bypasses_and_pauses_are_told_to_people_and_machines(self, crew, settings):
        settings.HITL_FLAGS = {"general": True}
        alerts = {**PRESETS["acknowledgement"]}
        checkpoint("cost-threshold", alerts)
        crew.as_person(crew.lena).post(ALL, {**ASKED, "checkpoints": ["general"]})
        crew.open(checkpoint="cost-threshold")
        for client, reason in ((crew.as_key(), None), (crew.as_person(crew.ann), ASKED["reason"])):
            stands = client.get("/api/v1/status").json()
            assert stands["human_in_the_loop"] is True
            assert stands["flags"] == {"general": True}
            assert stands["stubs"] is False
            (bypass,) = stands["bypasses"]
            assert (bypass["by_label"], bypass["reason"]) == ("Lena", reason)
            paused = {row["slug"]: row["paused"] for row in stands["checkpoints"]}
            assert (paused["cost-threshold"], paused["general"]) == (True, False)

    def test_what_nobody_could_answer_is_told_to_who_may_read_policies(self, crew):
        Group.objects.create(name="Night watch")
        crew.roles["manager"].permissions.add(
            Permission.objects.get(codename="view_approvalpolicy")
        )
        checkpoint("gate", question("approval", needs=[people("Night watch")]))
        told = crew.as_person(crew.max).get("/api/v1/status").json()["findings"]
        found = [one for one in told if one["checkpoint"] == "gate"]
        assert {one["severity"] for one in found} == {"error"}
        assert any("Night watch" in one["message"] for one in found)
        assert crew.as_key().get("/api/v1/status").json()["findings"] == []

    def test_an_open_alert_pauses_its_checkpoint_until_it_is_acknowledged(self, crew):
        checkpoint("cost-threshold", {**PRESETS["acknowledgement"]})
        one = "/api/v1/checkpoints/cost-threshold"
        assert crew.as_key().get(one).json()["paused"] is False
        ticket = crew.open(checkpoint="cost-threshold")
        assert crew.as_key().get(one).json()["paused"] is True
        listed = crew.as_key().get("/api/v1/checkpoints").json()["data"]
        assert {row["slug"]: row["paused"] for row in listed}["cost-threshold"] is True
        crew.vote(ticket, crew.ann, "acknowledge", response={})
        assert crew.as_key().get(one).json()["paused"] is False

    def test_which_checkpoint_pauses_is_said_by_its_question_not_its_name(self, crew):
        make_policy("spend", PRESETS["acknowledgement"])
        checkpoint("spend-alert", PRESETS["acknowledgement"])
        checkpoint("cost-threshold")
        crew.open(checkpoint="spend-alert")
        crew.open(checkpoint="cost-threshold")
        told = crew.as_key().get("/api/v1/status").json()["checkpoints"]
        paused = {row["slug"] for row in told if row["paused"]}
        assert paused == {"spend-alert"}
