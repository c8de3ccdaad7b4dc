"""Links from mails: random, personal, for one round, for a day, and for one vote."""

import base64
import random
import threading
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connections

from approvals.errors import (
    AlreadyVoted,
    DeskNeeded,
    LinkExpired,
    LinkOfAnother,
    LinkUsed,
    MachineCannotVote,
    NotEligible,
    ReasonRequired,
    SignInNeeded,
    TicketChanged,
)
from approvals.links import new_token, token_hash
from approvals.models import DecisionLink, User, Vote
from approvals.services.links import find_link, issue_link, read_link
from audit.clock import db_now
from reviews.models import Ticket
from reviews.services.mail_links import vote_by_link
from reviews.services.tickets import resubmit_ticket
from tests.builders import Cast
from tests.stories import checkpoint, later, people, question, refused


def given(cast: Cast, ticket: Ticket, person: User) -> DecisionLink:
    """Return a fresh link as the page would find it."""
    _, token = issue_link(decision=ticket.decision, person=person, now=db_now())
    found = find_link(token)
    assert found is not None
    return found


def approve(link: DecisionLink, *, signed_in: User | None = None) -> Any:
    return vote_by_link(link=link, signed_in=signed_in, choice="approve")


def test_a_token_has_256_random_bits_and_stands_in_an_address_as_it_is() -> None:
    tokens = {new_token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert {len(base64.urlsafe_b64decode(token + "=")) for token in tokens} == {32}
    assert all(token.isascii() and set(token) <= set(_LETTERS) for token in tokens)


_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def mutants(token: str, rng: random.Random, count: int) -> list[str]:
    """Return tokens that are almost this one: other letters, cut, longer, turned, padded."""
    found: set[str] = set()
    while len(found) < count:
        kind = rng.randrange(6)
        place = rng.randrange(len(token))
        letter = rng.choice(_LETTERS + "=. %\u0131é")
        if kind == 0:
            made = token[:place] + letter + token[place + 1 :]
        elif kind == 1:
            made = token[:place]
        elif kind == 2:
            made = token + letter * rng.randrange(1, 4)
        elif kind == 3:
            made = token[:place] + token[place].swapcase() + token[place + 1 :]
        elif kind == 4:
            made = token[place:] + token[:place]
        else:
            made = token[:place] + letter + token[place:]
        if made != token:
            found.add(made)
    return sorted(found)


@pytest.mark.db
def test_of_a_thousand_mutated_tokens_none_is_found(cast: Cast) -> None:
    ticket = cast.open()
    _, token = issue_link(decision=ticket.decision, person=cast.ann, now=db_now())
    assert find_link(token) is not None
    stored = token_hash(token)
    tried = [*mutants(token, random.Random(7), 1000), stored, stored.upper(), "", " ", "\ud800"]
    assert [made for made in tried if find_link(made) is not None] == []


@pytest.mark.db
def test_every_token_costs_one_query(cast: Cast, django_assert_num_queries: Any) -> None:
    ticket = cast.open()
    _, token = issue_link(decision=ticket.decision, person=cast.ann, now=db_now())
    for tried in (token, token[:-1], "x", new_token()):
        with django_assert_num_queries(1):
            find_link(tried)


@pytest.mark.db
def test_a_link_votes_once_for_its_person_through_mail(story: Cast) -> None:
    ticket = story.open()
    link = given(story, ticket, story.ann)
    answer = approve(link)
    assert (answer.vote.voter, answer.ticket.status) == (story.ann, "approved")
    with refused(LinkUsed):
        approve(link)
    kept = read_link(link.pk)
    assert kept is not None
    assert kept.used_at is not None


@pytest.mark.db
def test_a_vote_that_is_refused_leaves_the_link_as_it_was(story: Cast) -> None:
    ticket = story.open()
    link = given(story, ticket, story.ann)
    with refused(ReasonRequired):
        vote_by_link(link=link, signed_in=None, choice="reject")
    assert DecisionLink.objects.get().used_at is None
    vote_by_link(link=link, signed_in=None, choice="reject", reason="Too dear.")
    assert DecisionLink.objects.get().used_at is not None


@pytest.mark.db
def test_a_link_ends_after_a_day(story: Cast) -> None:
    asked = question(expires="P7D")
    checkpoint("slow", asked)
    ticket = story.open(checkpoint="slow")
    link = given(story, ticket, story.ann)
    with later(hours=23, minutes=59):
        assert link.expires_at > db_now()
    with later(hours=24, seconds=1), refused(LinkExpired):
        approve(link)


@pytest.mark.db
def test_a_link_is_for_one_round_only(story: Cast) -> None:
    ticket = story.open()
    link = given(story, ticket, story.ann)
    resubmit_ticket(ticket_id=ticket.pk, requester=story.machine, proposal={"total": 1})
    with refused(TicketChanged):
        approve(link)
    assert not Vote.objects.exists()


@pytest.mark.db
def test_a_link_is_for_its_person_only_and_machines_get_none(story: Cast) -> None:
    ticket = story.open()
    link = given(story, ticket, story.ann)
    with refused(LinkOfAnother):
        approve(link, signed_in=story.ben)
    with refused(MachineCannotVote):
        issue_link(decision=ticket.decision, person=story.machine, now=db_now())
    stranger = given(story, ticket, story.otto)
    with refused(NotEligible):
        approve(stranger)
    story.ann.groups.clear()
    with refused(NotEligible):
        approve(link)


@pytest.mark.db
def test_two_links_of_one_person_are_one_vote(story: Cast) -> None:
    checkpoint("two", question(needs=[people("reviewer", 2)]))
    ticket = story.open(checkpoint="two")
    first, second = given(story, ticket, story.ann), given(story, ticket, story.ann)
    assert approve(first).replayed is False
    assert approve(second).replayed is True
    third = given(story, ticket, story.ann)
    with refused(AlreadyVoted):
        vote_by_link(link=third, signed_in=None, choice="reject", reason="No.")
    assert Vote.objects.count() == 1


@pytest.mark.db
@pytest.mark.parametrize(
    "risk, alone, signed", [("medium", SignInNeeded, None), ("high", DeskNeeded, DeskNeeded)]
)
def test_above_low_risk_the_link_alone_decides_nothing(
    story: Cast, risk: str, alone: Any, signed: Any
) -> None:
    checkpoint("risky", risk=risk)
    ticket = story.open(checkpoint="risky")
    link = given(story, ticket, story.ann)
    with refused(alone):
        approve(link)
    if signed is not None:
        with refused(signed):
            approve(link, signed_in=story.ann)
        return
    with refused(LinkOfAnother):
        approve(link, signed_in=story.ben)
    assert approve(link, signed_in=story.ann).ticket.status == "approved"


def _all_at_once(link_id: UUID, hands: int) -> list[str]:
    answers: list[str] = []
    barrier = threading.Barrier(hands)

    def post() -> None:
        try:
            link = read_link(link_id)
            assert link is not None
            connections.close_all()  # the pool is smaller than the crowd
            barrier.wait(20)
            approve(link)
            answers.append("taken")
        except LinkUsed:
            answers.append("used")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=post) for _ in range(hands)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(answers)


@pytest.mark.real
def test_one_link_posted_twenty_times_at_once_is_one_vote(cast: Cast) -> None:
    # Two are needed, so that only the link, and no decision, stands in the way of the others.
    checkpoint("two", question(needs=[people("reviewer", 2)]))
    ticket = cast.open(checkpoint="two")
    link, _ = issue_link(decision=ticket.decision, person=cast.ann, now=db_now())
    hands = 20
    assert _all_at_once(link.pk, hands) == ["taken", *["used"] * (hands - 1)]
    assert Vote.objects.count() == 1
    assert DecisionLink.objects.get().created_at < db_now() + timedelta(seconds=1)
