"""What a rule decided is looked at by people: a share of it by chance, and all of it on request."""

from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from approvals.errors import NotAllowed, NotEligible, OwnWork, WrongState
from approvals.models import Decision
from approvals.presets import PRESETS
from audit.ids import new_id
from audit.models import AuditEvent
from reviews.models import Delivery, Rule, Ticket
from reviews.services.looks import is_drawn
from reviews.services.second_looks import request_review
from reviews.services.sweeps import conclude_tickets
from reviews.services.tickets import cancel_ticket, resubmit_ticket
from tests.builders import make_checkpoint, make_person, make_policy
from tests.stories import later, refused

pytestmark = pytest.mark.db
TICKETS = "/api/v1/tickets"


@pytest.fixture
def loans(cast):
    """A checkpoint that lets sure ones pass, refuses hopeless ones and asks about the rest."""
    checkpoint = make_checkpoint("loans", question=make_policy("loans"))
    rows = [("Sure", "ai.confidence >= 0.8", "allow"), ("Hopeless", "ai.confidence < 0.4", "deny")]
    for place, (name, when, then) in enumerate(rows, start=1):
        Rule.objects.create(
            checkpoint=checkpoint, position=place, name=name, when=when, then=then, band="sure"
        )
    right = Permission.objects.get(codename="add_assignment")
    cast.roles["lead"].permissions.add(right)
    return checkpoint


def sampled(checkpoint, share):
    checkpoint.rules.filter(then="allow").update(audit_sample=share)


def opened(cast, confidence=0.9, **more):
    return cast.open(checkpoint="loans", ai={"confidence": confidence}, **more)


def looks_at(ticket):
    return Ticket.objects.filter(previous=ticket).exclude(second_look="")


def told(ticket):
    return list(AuditEvent.objects.filter(stream=ticket.stream).order_by("seq"))


def test_a_share_of_what_passes_is_looked_at_and_the_pass_stands(cast, loans):
    sampled(loans, 1.0)
    passed = opened(cast, reference="L-1")
    assert (passed.status, passed.decision.by) == ("approved", Decision.By.RULE)
    (look,) = looks_at(passed)
    assert (look.second_look, look.status, look.priority) == ("sample", "pending", "low")
    assert look.proposal == passed.proposal
    assert [option["key"] for option in look.decision.question["options"]] == ["keep", "override"]
    assert look.decision.question["timing"]["ask"] == "after"
    assert passed.label in look.rule["why"]
    assert "“Sure”" in look.rule["why"]

    cast.vote(look, cast.ann, "override", response={"new_decision": "Refuse it."})
    look.refresh_from_db()
    passed.refresh_from_db()
    assert (look.status, passed.status) == ("rejected", "approved")
    assert "ticket.overridden" in [event.type for event in told(look)]


def test_whoever_asked_for_it_is_told_of_the_override(cast, loans):
    sampled(loans, 1.0)
    passed = opened(cast, callback_url="https://example.org/hook")
    (look,) = looks_at(passed)
    cast.vote(look, cast.ann, "override", response={"new_decision": "Undo."})
    called = Delivery.objects.filter(ticket=look, channel="callback", type="ticket.overridden")
    body = called.get().body
    assert body["data"]["previous"] == str(passed.pk)
    assert body["data"]["second_look"] == "sample"


def test_a_sample_nobody_looked_at_says_so_and_changes_nothing(cast, loans):
    sampled(loans, 1.0)
    (look,) = looks_at(opened(cast))
    with later(days=20):
        conclude_tickets([look.pk])
    look.refresh_from_db()
    assert (look.status, look.decision.outcome, look.decision.by) == ("approved", "keep", "timeout")


def test_nobody_is_asked_where_no_share_is_set_and_never_of_what_is_refused(cast, loans):
    assert not looks_at(opened(cast)).exists()
    loans.rules.update(audit_sample=1.0)
    refusal = opened(cast, 0.1)
    assert refusal.status == "rejected"
    assert not looks_at(refusal).exists()


def test_the_draw_is_the_share_and_always_the_same(settings):
    ids = [new_id() for _ in range(4000)]
    drawn = [one for one in ids if is_drawn(one, 0.25)]
    assert 850 < len(drawn) < 1150
    assert drawn == [one for one in ids if is_drawn(one, 0.25)]
    assert set(drawn) <= {one for one in ids if is_drawn(one, 0.5)}
    assert all(is_drawn(one, 1.0) for one in ids)
    settings.SECRET_KEY = "another secret, so nobody outside can tell which are drawn"
    assert drawn != [one for one in ids if is_drawn(one, 0.25)]


def test_what_passes_on_its_second_round_may_be_drawn_as_well(cast, loans):
    sampled(loans, 1.0)
    ticket = opened(cast, 0.6)
    assert not looks_at(ticket).exists()
    resubmit_ticket(
        ticket_id=ticket.pk,
        requester=cast.machine,
        proposal={"payee": "ACME"},
        changes={"ai": {"confidence": 0.9}},
    )
    ticket.refresh_from_db()
    assert ticket.status == "approved"
    assert looks_at(ticket).count() == 1


@pytest.mark.parametrize("kind", ["sample", "request"])
def test_the_requester_can_neither_stop_nor_change_a_look(cast, loans, kind):
    sampled(loans, 1.0 if kind == "sample" else 0.0)
    passed = opened(cast)
    if kind == "request":
        request_review(ticket_id=passed.pk, by=cast.machine)
    (look,) = looks_at(passed)
    with refused(NotAllowed):
        cancel_ticket(ticket_id=look.pk, by=cast.machine, reason="No.")
    with refused(NotAllowed):
        resubmit_ticket(ticket_id=look.pk, requester=cast.machine, proposal={"payee": "B"})
    answer = cast.as_key().get(f"{TICKETS}/{look.pk}").data
    assert not {"cancel", "resubmit"} & set(answer["viewer"]["can"])
    assert answer["second_look"] == kind
    assert answer["previous"] == str(passed.pk)


@pytest.mark.parametrize(("confidence", "status"), [(0.9, "approved"), (0.1, "rejected")])
def test_what_a_rule_decided_goes_to_people_on_request_and_stays_as_it_is(
    cast, loans, confidence, status
):
    decided = opened(cast, confidence)
    answer = cast.as_key().post(
        f"{TICKETS}/{decided.pk}/request-review", {"reason": "I do not agree."}
    )
    assert answer.status_code == 201, answer.data
    assert answer["Location"].endswith(answer.data["id"])
    look = Ticket.objects.get(pk=answer.data["id"])
    assert (look.previous_id, look.second_look, look.status) == (decided.pk, "request", "pending")
    assert "GDPR" in look.rule["legal_basis"]
    again = cast.as_key().post(f"{TICKETS}/{decided.pk}/request-review", {})
    assert (again.status_code, again.data["id"]) == (200, str(look.pk))

    event = told(decided)[-1]
    assert (event.type, event.reason) == ("ticket.review_requested", "I do not agree.")
    cast.vote(look, cast.ann, "approve")
    decided.refresh_from_db()
    look.refresh_from_db()
    assert (decided.status, look.status) == (status, "approved")


def test_nothing_but_a_person_answers_what_was_put_to_one(cast, loans):
    """The rule that let it pass holds for the new ticket as well; it is not asked."""
    look, new = request_review(ticket_id=opened(cast).pk, by=cast.machine)
    assert new
    assert look.status == "pending"
    assert look.decision.settled_at is None
    assert "return" not in {option["effect"] for option in look.decision.question["options"]}


@pytest.mark.parametrize("name", ["otto", "boss", "lena", "max"])
def test_whom_it_concerns_their_manager_who_answers_and_leads_may_ask(cast, loans, name):
    boss = make_person("boss")
    cast.otto.manager = boss
    cast.otto.save()
    decided = opened(cast, 0.1, on_behalf_of="otto")
    person = boss if name == "boss" else getattr(cast, name)
    look, _ = request_review(ticket_id=decided.pk, by=person)
    assert person.label in look.rule["why"]
    with pytest.raises((OwnWork, NotEligible)):
        cast.vote(look, cast.otto, "approve")


def test_anybody_else_may_not_ask(cast, loans):
    decided = opened(cast, 0.1)
    with refused(NotAllowed):
        request_review(ticket_id=decided.pk, by=cast.ann)


def test_what_people_decided_or_nobody_yet_is_not_put_to_people_again(cast, loans):
    ticket = opened(cast, 0.6)
    with refused(WrongState):
        request_review(ticket_id=ticket.pk, by=cast.machine)
    cast.vote(ticket, cast.ann, "reject")
    with refused(WrongState):
        request_review(ticket_id=ticket.pk, by=cast.machine)


def test_a_policy_that_sends_back_or_goes_in_steps_is_asked_in_one(cast):
    policy = make_policy("steps", question=PRESETS["stepwise"])
    checkpoint = make_checkpoint("steps", question=policy)
    Rule.objects.create(
        checkpoint=checkpoint, position=1, name="All", when="true", then="allow", audit_sample=1.0
    )
    passed = cast.open(checkpoint="steps")
    request_review(ticket_id=passed.pk, by=cast.machine)
    assert {look.second_look for look in looks_at(passed)} == {"sample", "request"}
    assert all(not look.decision.question["repeat"]["steps"] for look in looks_at(passed))


def test_a_lead_presses_it_on_the_page_and_lands_at_the_new_ticket(cast, loans):
    decided = opened(cast, 0.1)
    client = Client()
    client.force_login(cast.lena, backend="django.contrib.auth.backends.ModelBackend")
    page = reverse("admin:reviews_ticket_change", args=[decided.pk])
    assert b"Have a person look at it" in client.get(page).content
    answer = client.post(page, {"act": "request-review", "reason": "She rang."})
    (look,) = looks_at(decided)
    assert answer.status_code == 303
    assert answer["Location"] == reverse("admin:reviews_ticket_change", args=[look.pk])
    shown = client.get(page).content.decode()
    assert look.label in shown
    assert "Have a person look at it" not in shown
    assert decided.label in client.get(answer["Location"]).content.decode()


def test_a_ticket_that_is_not_theirs_is_not_there(cast, loans):
    decided = opened(cast, 0.1)
    answer = cast.as_person(cast.otto).post(f"{TICKETS}/{decided.pk}/request-review", {})
    assert answer.status_code == 404
    assert cast.as_key().post(f"{TICKETS}/{uuid4()}/request-review", {}).status_code == 404


def test_the_database_itself_keeps_it_at_one_look_of_a_kind(cast, loans):
    decided = opened(cast, 0.1)
    request_review(ticket_id=decided.pk, by=cast.machine)
    other = opened(cast, 0.6)
    with pytest.raises(IntegrityError), transaction.atomic():
        Ticket.objects.filter(pk=other.pk).update(previous=decided, second_look="request")
