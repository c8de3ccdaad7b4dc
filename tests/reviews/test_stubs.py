"""Stub mode: nothing blocks, what is asked passes by itself, and everything says that it did."""

import pytest
from django.test import Client

from reviews.services.sweeps import sweep_deadlines
from reviews.stubs import SENTENCE
from tests.builders import PASSWORD
from tests.stories import later

pytestmark = pytest.mark.db


@pytest.fixture
def stubbed(story, settings):
    settings.USE_STUBS = True
    return story


def test_what_is_asked_passes_after_five_seconds_and_not_before(stubbed):
    ticket = stubbed.open()
    assert (ticket.status, ticket.decision.by) == ("pending", "")

    with later(seconds=4.9):
        sweep_deadlines()
        ticket.refresh_from_db()
        assert ticket.status == "pending"
    with later(seconds=5.1):
        sweep_deadlines()
    ticket.refresh_from_db()

    assert (ticket.status, ticket.decision.by) == ("approved", "stub")
    assert ticket.decision.reason == SENTENCE
    assert ticket.decision.system["stubs"] is True
    assert ticket.rule["why"].startswith(SENTENCE)


def test_the_caller_and_the_story_read_that_no_person_decided(stubbed, settings):
    ticket = stubbed.open()
    with later(seconds=6):
        sweep_deadlines()
    told = stubbed.as_key().get(f"/api/v1/tickets/{ticket.pk}").json()
    events = stubbed.as_key().get(f"/api/v1/tickets/{ticket.pk}/events").json()["data"]

    assert (told["status"], told["allowed"]) == ("approved", True)
    assert (told["decision"]["by"], told["comments"]) == ("stub", SENTENCE)
    assert events[-1]["type"] == "ticket.decided"
    assert events[-1]["data"]["by"] == "stub"
    assert events[-1]["data"]["system"] == {
        "release": settings.HITL_RELEASE, "human_in_the_loop": True, "flags": settings.HITL_FLAGS,
        "stubs": True, "bypass": None,
    }  # fmt: skip


def test_a_person_who_is_quicker_decides(stubbed):
    ticket = stubbed.open()
    stubbed.vote(ticket, stubbed.ann, "reject")
    with later(seconds=6):
        sweep_deadlines()
    ticket.refresh_from_db()

    assert (ticket.status, ticket.decision.by) == ("rejected", "votes")


def test_a_new_round_waits_its_own_five_seconds(stubbed):
    ticket = stubbed.open()
    stubbed.vote(ticket, stubbed.ann, "request_changes")
    with later(seconds=60):
        again = stubbed.as_key().post(
            f"/api/v1/tickets/{ticket.pk}/resubmit", {"proposal": {"payee": "ACME", "total": 1}}
        )
        assert again.json()["status"] == "pending"
        sweep_deadlines()
        ticket.refresh_from_db()
        assert ticket.status == "pending"
    with later(seconds=66):
        sweep_deadlines()
    ticket.refresh_from_db()

    assert (ticket.status, ticket.round) == ("approved", 2)


@pytest.mark.parametrize("preset", ["input", "fallback", "approval"])
def test_whatever_the_question_it_does_not_block(stubbed, preset):
    stubbed.general.presets = [preset]
    stubbed.general.save()
    ticket = stubbed.open(preset=preset)
    with later(seconds=6):
        sweep_deadlines()
    ticket.refresh_from_db()

    assert ticket.decision.by == "stub"
    assert ticket.status == "approved"


def test_what_was_opened_by_the_stub_waits_for_people_once_the_mode_is_off(stubbed, settings):
    ticket = stubbed.open()
    settings.USE_STUBS = False
    with later(seconds=60):
        sweep_deadlines()
    ticket.refresh_from_db()

    assert ticket.status == "pending"


@pytest.mark.parametrize("path", ["/admin/", "/admin/login/", "/admin/reviews/ticket/"])
def test_every_page_says_that_stubs_answer(stubbed, path):
    client = Client()
    if "login" not in path:
        assert client.login(username="ann", password=PASSWORD)
    page = client.get(path, follow=True).content.decode()

    assert "Stub mode." in page
