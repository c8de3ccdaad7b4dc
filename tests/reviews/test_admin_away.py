"""The out-of-office page, and what the desk shows of loans."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from approvals.models import Delegation
from approvals.services.delegations import start_delegation
from audit.clock import db_now
from tests.builders import make_person, make_region

pytestmark = pytest.mark.db
AWAY = "/admin/approvals/delegation/away/"
QUEUE = "/admin/reviews/ticket/"


def at_desk(person) -> Client:
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return client


def source_of(answer) -> str:
    return answer.content.decode()


def text_of(answer) -> str:
    """Return what a page says, without its marks."""
    return re.sub(r"<[^>]*>", "", source_of(answer))


def lend(lender, delegate, **more):
    given = {"ends_at": db_now() + timedelta(days=7), "by": lender, **more}
    return start_delegation(lender=lender, delegate=delegate, **given)


def send(person, **more):
    end = timezone.localtime(db_now()) + timedelta(days=3)
    given = {"act": "lend", "delegate": "ben", "roles": ["reviewer"], "starts": "",
             "ends": end.strftime("%Y-%m-%dT%H:%M"), "reason": ""}  # fmt: skip
    return at_desk(person).post(AWAY, given | more)


def test_a_loan_is_made_and_shown(cast):
    answer = send(cast.ann, reason="Summer leave")
    assert (answer.status_code, answer.url) == (303, f"{AWAY}#loans")
    loan = Delegation.objects.get()
    assert (loan.lender, loan.delegate, loan.limited) == (cast.ann, cast.ben, False)
    text = text_of(at_desk(cast.ann).get(AWAY))
    assert "Summer leave" in text
    assert "End now" in text


def test_times_are_read_in_the_zone_of_who_types_them(cast):
    cast.ann.time_zone = "Asia/Tokyo"
    cast.ann.save()
    day = (db_now() + timedelta(days=5)).date()
    send(cast.ann, ends=f"{day}T18:00")
    ends = Delegation.objects.get().ends_at
    assert (ends.date(), ends.hour, ends.utcoffset()) == (day, 9, timedelta(0))


def test_a_part_of_ones_roles_is_lent(cast):
    cast.ann.groups.add(cast.roles["lead"])
    send(cast.ann, roles=["lead"])
    loan = Delegation.objects.get()
    assert (loan.limited, [role.name for role in loan.roles.all()]) == (True, ["lead"])


@pytest.mark.parametrize(
    "typed, sentence",
    [
        ({"delegate": ""}, "Choose one of the people"),
        ({"delegate": "lena"}, "Choose one of the people"),
        ({"delegate": "ben\x00"}, "Choose one of the people"),
        ({"roles": []}, "Tick at least one"),
        ({"roles": ["lead"]}, "Tick at least one"),
        ({"ends": ""}, "Choose a day and a time"),
        ({"ends": "0001-01-01T00:00"}, "Choose a day and a time|already be over"),
        ({"ends": "2001-01-01T00:00"}, "already be over"),
        ({"ends": "9999-12-31T23:59"}, "at most 90 days|Choose a day"),
        ({"starts": "tomorrow"}, "Choose a day and a time"),
        ({"starts": "9999-12-01T00:00", "ends": "9999-12-31T23:59"}, "within a year"),
        ({"reason": "x" * 401}, "at most 400"),
        ({"act": "dance"}, "does not know"),
        ({"act": "end", "loan": "x"}, "no such thing"),
    ],
)
def test_what_cannot_be_is_told_beside_its_field_and_nothing_typed_is_lost(cast, typed, sentence):
    answer = send(cast.ann, **{"reason": "Leave & rest", **typed})
    assert 400 <= answer.status_code < 500
    text = text_of(answer)
    assert any(part in text for part in sentence.split("|")), text
    assert not Delegation.objects.exists()
    if "reason" not in typed:
        assert "Leave &amp; rest" in source_of(answer)


def test_only_those_concerned_end_it(cast):
    loan = lend(cast.ann, cast.ben)
    end = {"act": "end", "loan": str(loan.pk)}
    assert at_desk(cast.cleo).post(AWAY, end).status_code == 404
    assert at_desk(cast.ben).post(AWAY, end).status_code == 303
    loan.refresh_from_db()
    assert loan.ended_at is not None


def test_a_manager_arranges_it_for_somebody_else(cast):
    cast.ann.groups.add(cast.roles["lead"])
    page = at_desk(cast.max).get(f"{AWAY}?for=ann")
    assert "While Ann is away" in text_of(page)
    end = (timezone.localtime(db_now()) + timedelta(days=3)).strftime("%Y-%m-%dT%H:%M")
    given = {"act": "lend", "delegate": "ben", "roles": ["reviewer"], "ends": end}
    answer = at_desk(cast.max).post(f"{AWAY}?for=ann", given)
    assert "Say why" in text_of(answer)
    answer = at_desk(cast.max).post(f"{AWAY}?for=ann", given | {"reason": "Ill"})
    assert answer.status_code == 303
    assert (Delegation.objects.get().lender, Delegation.objects.get().made_by) == (
        cast.ann,
        cast.max,
    )
    assert "Arranged by Max" in text_of(at_desk(cast.ann).get(AWAY))


def test_nobody_else_sees_somebody_elses_page(cast):
    lend(cast.ann, cast.cleo)
    text = text_of(at_desk(cast.ben).get(f"{AWAY}?for=ann"))
    assert "While you are away" in text
    assert "Nobody, now or before." in text


def test_the_queue_says_who_votes_for_whom(cast):
    lend(cast.ann, cast.ben)
    assert "Ben votes for you until" in text_of(at_desk(cast.ann).get(QUEUE))
    assert "You act for Ann until" in text_of(at_desk(cast.ben).get(QUEUE))
    text = text_of(at_desk(cast.cleo).get(QUEUE))
    assert "votes for you" not in text
    assert "You act for" not in text


def test_the_card_says_for_whom_one_votes_and_the_stamp_for_whom_it_was(cast):
    north = make_region("north", cast.ann)
    ticket = cast.open(title="Pay the north", region=north.slug)
    page = f"{QUEUE}{ticket.pk}/change/"
    client = at_desk(cast.otto)
    assert client.get(page).status_code == 404
    lend(cast.ann, cast.otto)
    assert "Pay the north" in text_of(client.get(QUEUE))
    text = text_of(client.get(page))
    assert "You act for Ann (until" in text
    assert 'name="on_behalf_of" value="ann"' in source_of(client.get(page))
    sent = {"act": "vote", "choice": "approve", "version": 1, "reason": "", "on_behalf_of": "ann"}
    assert client.post(page, sent).status_code == 303
    text = text_of(client.get(page))
    assert text.count("Otto for Ann") >= 2  # the stamp and the story
    assert "You act for" not in text


def test_a_lent_role_shows_nothing_of_the_delegates_own_regions(cast):
    """The lender's roles in the lender's regions: no mixture of both people's."""
    make_region("north", cast.ann)
    south = make_region("south", cast.otto)
    ticket = cast.open(title="Pay the south", region=south.slug)
    lend(cast.ann, cast.otto)
    assert at_desk(cast.otto).get(f"{QUEUE}{ticket.pk}/change/").status_code == 404


def test_whoever_acts_for_two_chooses_for_whom(cast):
    lend(cast.ann, cast.otto), lend(cast.ben, cast.otto)
    ticket = cast.open()
    page = f"{QUEUE}{ticket.pk}/change/"
    client = at_desk(cast.otto)
    assert "For whom" in text_of(client.get(page))
    sent = {"act": "vote", "choice": "approve", "version": 1, "reason": ""}
    answer = client.post(page, sent)
    assert answer.status_code == 422
    assert "Say for whom you vote: ann or ben." in text_of(answer)
    assert client.post(page, sent | {"on_behalf_of": "ben"}).status_code == 303


def test_the_lender_sees_that_somebody_voted_for_them(cast):
    lend(cast.ann, cast.otto)
    ticket = cast.open(priority="critical")
    cast.vote(ticket, cast.otto, "approve")
    page = f"{QUEUE}{ticket.pk}/change/"
    text = text_of(at_desk(cast.ann).get(page))
    assert "Otto voted for you at" in text
    assert at_desk(cast.ann).post(page, {"act": "take-back"}).status_code == 303
    assert "You may vote as reviewer" in text_of(at_desk(cast.ann).get(page))


def test_names_are_inert(cast):
    cast.ann.first_name = "<b>Ann</b>"
    cast.ann.save()
    lend(cast.ann, cast.ben, reason="<i>rest</i>")
    for address in (AWAY, QUEUE):
        text = source_of(at_desk(cast.ben).get(address))
        assert "<b>Ann</b>" not in text
        assert "<i>rest</i>" not in text


def test_everybodys_loans_are_for_who_may_see_them(cast):
    lend(cast.ann, cast.ben)
    everybody = "/admin/approvals/delegation/"
    assert "ann" in text_of(at_desk(cast.max).get(everybody))
    assert at_desk(cast.ann).get(everybody).status_code == 403
    assert at_desk(make_person("nils")).get(AWAY).status_code == 200
