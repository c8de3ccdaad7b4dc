"""Tickets go to whoever has least to do, and away from whoever cannot decide them any more."""

import random
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, Permission

from approvals.errors import Claimed, Invalid, MachineCannotVote, NotAllowed
from approvals.models import User, Vote
from approvals.presets import PRESETS
from approvals.services.delegations import start_delegation
from audit.clock import db_now
from audit.models import AuditEvent
from reviews.balancing import LEAST_RATE
from reviews.models import Assignment, Queue, Ticket
from reviews.services.assignments import assign_ticket, claim_ticket, release_ticket
from reviews.services.balance import Rounds, assign_to_least_loaded, assign_waiting, rebalance
from reviews.services.figures import reviewer_rates
from tests import builders
from tests.stories import later, refused

pytestmark = pytest.mark.db


@pytest.fixture
def office(cast):
    right = Permission.objects.get(codename="add_assignment")
    cast.roles["lead"].permissions.add(right)
    return cast


def assigning(queue: Queue) -> None:
    queue.assigning = True
    queue.save()


def share() -> None:
    """Do what the scheduler does, from the beginning."""
    rebalance(rounds=Rounds())
    assign_waiting(rounds=Rounds())


def holder(ticket: Ticket) -> str:
    held = Assignment.objects.in_force(db_now()).filter(ticket=ticket).select_related("person")
    return held[0].person.username if held else ""


def least(ticket, by, **more):
    return assign_to_least_loaded(ticket_id=ticket.pk, by=by, **more)


def told(ticket, kind):
    return list(AuditEvent.objects.filter(stream=ticket.stream, type=kind).order_by("seq"))


def test_a_lead_gives_a_ticket_to_whoever_has_least_to_do(office):
    for person in (office.ann, office.ben):
        claim_ticket(ticket_id=office.open().pk, person=person)
    ticket = office.open()
    held = least(ticket, office.lena, note="You are free.")
    assert (held.person, held.by, held.until) == (office.cleo, office.lena, None)
    (event,) = told(ticket, "ticket.assigned")
    assert (event.data["person"], event.data["by"]) == ("cleo", "lena")
    assert event.reason == "You are free."
    assert least(ticket, office.lena).pk == held.pk
    assert len(told(ticket, "ticket.assigned")) == 1


def test_only_who_gives_work_gives_it_and_never_a_machine(office):
    ticket = office.open()
    with refused(NotAllowed):
        least(ticket, office.ann)
    with refused(MachineCannotVote):
        least(ticket, office.machine)
    assert holder(ticket) == ""


def test_what_somebody_holds_is_not_taken_from_them_by_chance(office):
    ticket = office.open()
    claim_ticket(ticket_id=ticket.pk, person=office.cleo)
    claim_ticket(ticket_id=office.open().pk, person=office.cleo)
    with refused(Claimed):
        least(ticket, office.lena)
    assert holder(ticket) == "cleo"


def test_nobody_of_the_field_is_said_and_nothing_changes(office):
    ticket = office.open(domain="medical")
    with refused(Invalid, at="/person"):
        least(ticket, office.lena)
    office.ben.domains = ["Medical"]
    office.ben.save()
    assert least(ticket, office.lena).person == office.ben


def test_without_a_person_the_api_gives_it_to_whoever_has_least_to_do(office):
    ticket = office.open()
    claim_ticket(ticket_id=office.open().pk, person=office.ann)
    answer = office.as_person(office.lena).post(f"/api/v1/tickets/{ticket.pk}/assign", {})
    assert answer.status_code == 200, answer.data
    assert answer.data["by"] == "ben"
    refusal = office.as_person(office.ann).post(f"/api/v1/tickets/{ticket.pk}/assign", {})
    assert refusal.status_code == 403


def test_a_queue_gives_out_by_itself_only_once_it_is_told_to(cast):
    ticket = cast.open()
    share()
    assert holder(ticket) == ""
    assigning(cast.queue)
    tickets = [ticket, *(cast.open() for _ in range(5))]
    share()
    assert sorted(holder(one) for one in tickets) == sorted(["ann", "ben", "cleo"] * 2)
    (event,) = told(ticket, "ticket.assigned")
    assert (event.actor_kind, event.data["by"]) == ("system", None)
    share()
    assert len(told(ticket, "ticket.assigned")) == 1


def test_what_somebody_gives_back_goes_to_somebody_else(cast):
    assigning(cast.queue)
    ticket = cast.open()
    had = []
    for _ in range(3):
        share()
        had.append(holder(ticket))
        release_ticket(ticket_id=ticket.pk, person=User.objects.get(username=had[-1]))
    assert sorted(had) == ["ann", "ben", "cleo"]
    share()
    assert holder(ticket) == ""


def test_a_ticket_nobody_can_take_does_not_hold_up_the_others(cast, monkeypatch):
    monkeypatch.setattr("reviews.services.balance._AT_ONCE", 2)
    assigning(cast.queue)
    stuck = [cast.open(domain="medical") for _ in range(3)]
    good = [cast.open() for _ in range(2)]
    rounds = Rounds()
    for _ in range(4):
        assign_waiting(rounds=rounds)
    assert [bool(holder(one)) for one in (*stuck, *good)] == [False, False, False, True, True]


def leave_by_being_switched_off(cast, person):
    person.is_active = False
    person.save()


def leave_the_role(cast, person):
    person.groups.remove(cast.roles["reviewer"])


def go_away(cast, person):
    start_delegation(
        lender=person, delegate=cast.otto, by=person, ends_at=db_now() + timedelta(days=3)
    )


LEAVING = [leave_by_being_switched_off, leave_the_role, go_away]


@pytest.mark.parametrize("leave", LEAVING)
@pytest.mark.parametrize("by_itself", [False, True])
def test_who_leaves_gives_back_what_they_hold(office, leave, by_itself):
    queue = office.queue
    if by_itself:
        assigning(queue)
    tickets = [office.open() for _ in range(3)]
    for ticket in tickets:
        assign_ticket(ticket_id=ticket.pk, person="ann", by=office.lena)
    leave(office, office.ann)
    share()
    found = [holder(ticket) for ticket in tickets]
    assert set(found) == ({"ben", "cleo"} if by_itself else {""})
    for ticket in tickets:
        (event,) = told(ticket, "ticket.released")
        assert event.data["person"] == "ann"
        assert event.data["why"]
        assert event.actor_kind == "system"


def test_who_took_a_ticket_while_away_keeps_it(cast):
    ticket = cast.open()
    go_away(cast, cast.ann)
    claim_ticket(ticket_id=ticket.pk, person=cast.ann)
    rebalance(rounds=Rounds())
    assert holder(ticket) == "ann"


def test_the_second_of_two_gets_it_once_the_first_has_voted(cast):
    two = builders.make_policy("two", question=_two())
    builders.make_checkpoint("double", question=two)
    assigning(cast.queue)
    ticket = cast.open(checkpoint="double")
    share()
    first = User.objects.get(username=holder(ticket))
    cast.vote(ticket, first, "approve")
    share()
    assert holder(ticket) not in ("", first.username)


@pytest.mark.parametrize("seed", range(4))
def test_the_person_is_the_one_the_formula_names(office, seed):
    """Random fields, loads, absences and pasts: the service agrees with the formula by hand."""
    chance = random.Random(seed)
    people = [office.ann, office.ben, office.cleo]
    people += [builders.make_person(f"p{n}", roles=[office.roles["reviewer"]]) for n in range(3)]
    for person in people:
        person.domains = chance.sample(["medical", "legal"], chance.randint(0, 2))
        person.capacity = chance.choice([1, 20])
        person.save()
        for _ in range(chance.randint(0, 2)):
            claim_ticket(ticket_id=office.open().pk, person=person)
        for _ in range(chance.randint(0, 2)):
            past = office.open()
            with later(minutes=chance.randint(1, 20)):
                office.vote(past, person, chance.choice(["approve", "reject"]))
    away = chance.choice(people)
    go_away(office, away)
    with later(minutes=25):
        ticket = office.open(domain=chance.choice(["", "medical"]))
        expected = _by_hand(people, ticket, away)
        if expected is None:
            with refused(Invalid):
                least(ticket, office.lena)
        else:
            assert least(ticket, office.lena).person.username == expected


def _by_hand(people, ticket, away):
    now = db_now()
    rates = reviewer_rates([person.pk for person in people], now=now)
    scored = []
    for person in people:
        held = Assignment.objects.filter(person=person, released_at=None, until__gt=now).count()
        if person == away or held >= person.capacity:
            continue
        if ticket.domain and ticket.domain not in person.domains:
            continue
        votes = Vote.objects.filter(voter=person).count()
        rate = max(rates[person.pk].approval_rate, LEAST_RATE) if votes else 1.0
        score = 0.5 * held + 0.3 * rates[person.pk].minutes + 0.2 / rate
        scored.append((score, person.pk, person.username))
    return min(scored)[2] if scored else None


def _two():
    question = {**PRESETS["approval"]}
    stage = {**question["stages"][0], "needs": [{"role": "reviewer", "count": 2}]}
    return {**question, "stages": [stage]}


def test_the_roles_of_a_queue_are_not_needed_to_give_its_tickets_out(cast):
    """Who decides is the question's to say; a role of the queue only looks on."""
    other = Queue.objects.create(slug="other", name="Other", assigning=True)
    other.roles.set([Group.objects.get(name="auditor")])
    ticket = cast.open()
    Ticket.objects.filter(pk=ticket.pk).update(queue=other)
    share()
    assert holder(ticket) in ("ann", "ben", "cleo")
