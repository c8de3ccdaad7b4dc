"""Through which doors votes are taken, how surely by whom, and how many in an hour."""

from datetime import timedelta

import pytest
from django.test import Client

from approvals.errors import ChannelNotAllowed, IdentityNotConfirmed, TooManyVotes
from approvals.models import Vote
from approvals.services.links import issue_link
from audit.clock import db_now, shifted
from audit.context import entering
from reviews.models import Ticket
from reviews.services.deliveries import dispatch_due
from tests.builders import PASSWORD
from tests.stories import checkpoint, later, people, question, refused

pytestmark = pytest.mark.db


def high(story, **safeguards) -> Ticket:
    checkpoint("grave", question(), safeguards=safeguards, risk="high")
    return story.open(checkpoint="grave")


def low(story, **safeguards) -> Ticket:
    checkpoint("light", question(), safeguards=safeguards)
    return story.open(checkpoint="light")


def signed_in(person) -> Client:
    client = Client()
    client.post("/admin/login/", {"username": person.username, "password": PASSWORD})
    return client


def desk(client: Client, ticket: Ticket, **more):
    given = {"act": "vote", "choice": "approve", "version": ticket.version, **more}
    return client.post(f"/admin/reviews/ticket/{ticket.pk}/change/", given)


def voted(ticket: Ticket) -> int:
    return Vote.objects.filter(decision=ticket.decision_id).count()


class TestAtTheDesk:
    def test_who_just_signed_in_is_known(self, story):
        ticket = high(story)
        client = signed_in(story.ann)
        page = client.get(f"/admin/reviews/ticket/{ticket.pk}/change/").content.decode()
        assert "to confirm that it is you" not in page
        assert desk(client, ticket).status_code == 303
        assert voted(ticket) == 1

    def test_a_quarter_of_an_hour_later_the_password_is_asked_with_the_vote(self, story):
        ticket = high(story)
        client = signed_in(story.ann)
        with shifted(timedelta(minutes=16)):
            page = client.get(f"/admin/reviews/ticket/{ticket.pk}/change/").content.decode()
            assert "Your password, to confirm that it is you" in page
            refusal = desk(client, ticket, reason="Looked at twice.")
            assert refusal.status_code == 403
            assert "Looked at twice." in refusal.content.decode()
            assert desk(client, ticket, password="guess").status_code == 403
            assert voted(ticket) == 0
            assert desk(client, ticket, password=PASSWORD).status_code == 303
        assert voted(ticket) == 1

    def test_confirming_once_is_enough_for_a_while(self, story):
        ticket, client = high(story), signed_in(story.ann)
        other = story.open(checkpoint="grave")
        with shifted(timedelta(minutes=16)):
            assert desk(client, ticket, password=PASSWORD).status_code == 303
        # The note in the session is made by this machine's own clock.
        assert desk(client, other).status_code == 303

    def test_what_carries_a_low_risk_asks_for_nothing(self, story):
        ticket, client = low(story), signed_in(story.ann)
        with shifted(timedelta(minutes=16)):
            assert desk(client, ticket).status_code == 303

    def test_a_policy_may_ask_never_or_always(self, story):
        grave, light = high(story, confirm_identity="never"), low(story, confirm_identity="always")
        client = signed_in(story.ann)
        with shifted(timedelta(minutes=16)):
            assert desk(client, grave).status_code == 303
            assert desk(client, light).status_code == 403
            assert desk(client, light, password=PASSWORD).status_code == 303


class TestOverTheApi:
    def post(self, story, ticket, **more):
        body = {"choice": "approve", "version": ticket.version, **more}
        return story.as_person(story.ann).post(f"/api/v1/tickets/{ticket.pk}/votes", body)

    def test_a_personal_token_is_known(self, story):
        assert self.post(story, high(story)).status_code == 201

    def test_unless_every_vote_is_to_be_confirmed(self, story):
        ticket = low(story, confirm_identity="always")
        refusal = self.post(story, ticket)
        assert (refusal.status_code, refusal.json()["code"]) == (403, "confirm-identity")
        assert refusal.json()["needs"] == "password"
        assert refusal.json()["errors"][0]["pointer"] == "/password"
        assert self.post(story, ticket, password="guess").status_code == 403
        assert voted(ticket) == 0
        assert self.post(story, ticket, password=PASSWORD).status_code == 201

    def test_a_wrong_password_is_refused_even_where_none_is_needed(self, story):
        assert self.post(story, low(story), password="guess").status_code == 403

    def test_guessing_ends_after_five(self, story):
        ticket = low(story, confirm_identity="always")
        for _ in range(5):
            assert self.post(story, ticket, password="guess").status_code == 403
        answer = self.post(story, ticket, password=PASSWORD)
        assert (answer.status_code, answer.json()["code"]) == (429, "too-many-tries")
        assert 0 < int(answer["Retry-After"]) <= 900
        assert voted(ticket) == 0

    def test_seed_routes_take_it_too(self, story):
        ticket = high(story)
        answer = story.as_person(story.ann).post(
            "/hms-api/v1/hitl/override", {"id": str(ticket.pk), "decision": "approve"}
        )
        assert answer.json() == {"status": "ok"}

    def test_without_any_proof_the_service_itself_refuses(self, story):
        with refused(IdentityNotConfirmed):
            story.vote(high(story), story.ann, "approve", confirmed="")


class TestDoors:
    @pytest.mark.parametrize(
        ("channel", "taken"), [("web", True), ("api", False), ("mail", False), ("command", False)]
    )
    def test_votes_come_only_through_the_doors_named(self, story, channel, taken):
        ticket = low(story, channels=["desk"])
        with entering(channel=channel):
            if taken:
                story.vote(ticket, story.ann, "approve")
                return
            with refused(ChannelNotAllowed, allowed=["desk"]):
                story.vote(ticket, story.ann, "approve")

    def test_the_interface_names_the_doors(self, story):
        ticket = low(story, channels=["desk", "mail"])
        answer = story.as_person(story.ann).post(
            f"/api/v1/tickets/{ticket.pk}/votes", {"choice": "approve", "version": 1}
        )
        assert (answer.status_code, answer.json()["code"]) == (403, "channel-not-allowed")
        assert answer.json()["allowed"] == ["desk", "mail"]

    def test_the_command_line_is_a_door_of_its_own(self, story):
        ticket = low(story, channels=["cli"])
        client = story.as_person(story.ann)
        address, body = f"/api/v1/tickets/{ticket.pk}/votes", {"choice": "approve", "version": 1}
        assert client.post(address, body).json()["code"] == "channel-not-allowed"
        answer = client.post(address, body, headers={"user-agent": "hitl-cli/0.1.0"})
        assert (answer.status_code, answer.json()["vote"]["channel"]) == (201, "cli")

    def test_a_mail_links_to_the_desk_where_mail_is_no_door(self, story, settings, mailoutbox):
        settings.MAIL_NOTICES = True
        letters = []
        for channels in (["desk"], ["desk", "mail"]):
            checkpoint(f"by-{len(channels)}", question(), safeguards={"channels": channels})
            ticket = story.open(checkpoint=f"by-{len(channels)}")
            dispatch_due()
            letters.append([mail.body for mail in mailoutbox if ticket.label in mail.body])
        without, linked = letters
        assert without
        assert not any("/a/" in body for body in without)
        assert any("/a/" in body for body in linked)

    def test_the_page_behind_a_mail_says_so_and_takes_no_vote(self, story):
        ticket = low(story, channels=["desk"])
        _, token = issue_link(decision=ticket.decision, person=story.ann, now=db_now())
        client = Client()
        page = client.get(f"/a/{token}", follow=True)
        assert "Not answered by mail" in page.content.decode()
        address = page.redirect_chain[-1][0]
        answer = client.post(address, {"act": "vote", "choice": "approve"})
        assert answer.status_code == 403
        assert voted(ticket) == 0


class TestBehindAMail:
    def page(self, story, ticket, client):
        _, token = issue_link(decision=ticket.decision, person=story.ann, now=db_now())
        return client.get(f"/a/{token}", follow=True)

    def test_every_vote_confirmed_means_signing_in_first(self, story):
        ticket = low(story, confirm_identity="always")
        page = self.page(story, ticket, Client())
        assert "Sign in to decide" in page.content.decode()

    def test_who_is_signed_in_for_long_gives_the_password_there(self, story):
        ticket = low(story, confirm_identity="always")
        client = signed_in(story.ann)
        with shifted(timedelta(minutes=16)):
            page = self.page(story, ticket, client)
            address = page.redirect_chain[-1][0]
            assert "Your password, to confirm that it is you" in page.content.decode()
            given = {"act": "vote", "choice": "approve"}
            assert client.post(address, given).status_code == 403
            done = client.post(address, {**given, "password": PASSWORD})
        assert done.status_code == 303
        assert voted(ticket) == 1


class TestPace:
    @pytest.fixture(autouse=True)
    def _three_an_hour(self, settings):
        settings.HITL_VOTES_PER_HOUR = 3

    def test_the_vote_too_many_waits_until_the_first_is_an_hour_old(self, story):
        tickets = [story.open() for _ in range(5)]
        story.vote(tickets[0], story.ann, "approve")
        with later(minutes=20):
            for ticket in tickets[1:3]:
                story.vote(ticket, story.ann, "approve")
            with refused(TooManyVotes):
                story.vote(tickets[3], story.ann, "approve")
            story.vote(tickets[3], story.ben, "approve")
        with later(minutes=61):
            story.vote(tickets[4], story.ann, "approve")

    def test_the_interface_says_when_to_come_back(self, story):
        client = story.as_person(story.ann)
        for _ in range(3):
            story.vote(story.open(), story.ann, "approve")
        ticket = story.open()
        body = {"choice": "approve", "version": 1}
        answer = client.post(f"/api/v1/tickets/{ticket.pk}/votes", body)
        assert (answer.status_code, answer.json()["code"]) == (429, "too-many-votes")
        assert 3590 < int(answer["Retry-After"]) <= 3601

    def test_a_vote_taken_back_was_a_decision_as_well(self, story):
        checkpoint("two", question(needs=[people("reviewer", 2)]))
        ticket = story.open(checkpoint="two")
        client = story.as_person(story.ann)
        for _ in range(3):
            story.vote(ticket, story.ann, "approve")
            client.delete(f"/api/v1/tickets/{ticket.pk}/votes/mine")
        with refused(TooManyVotes):
            story.vote(ticket, story.ann, "approve")

    def test_the_same_vote_again_is_answered_not_counted(self, story):
        checkpoint("two", question(needs=[people("reviewer", 2)]))
        ticket = story.open(checkpoint="two")
        story.vote(ticket, story.ann, "approve")
        for _ in range(2):
            story.vote(story.open(), story.ann, "approve")
        assert story.vote(ticket, story.ann, "approve").replayed

    def test_nought_is_no_limit(self, story, settings):
        settings.HITL_VOTES_PER_HOUR = 0
        for _ in range(5):
            story.vote(story.open(), story.ann, "approve")


def test_a_vote_takes_one_query_more_for_the_pace_and_none_for_the_rest(
    story, settings, django_assert_num_queries
):
    """The rights of whoever is concerned, hours and appointments too, stay one query."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    story.vote(story.open(), story.ann, "approve")
    counted = {}
    for most in (0, 60):
        settings.HITL_VOTES_PER_HOUR = most
        ticket = story.open()
        with CaptureQueriesContext(connection) as seen:
            story.vote(ticket, story.ann, "approve")
        counted[most] = len(seen)
    assert counted[60] == counted[0] + 1
