"""What a quota kept from people in one hour they hear in the next, in one mail each."""

import re

import pytest

from audit.clock import db_now
from reviews.models import Delivery
from reviews.services.deliveries import dispatch_due
from reviews.services.tickets import cancel_ticket
from tests.builders import make_region
from tests.journeys.mailbox import html_of, link_in, mail_server, text_of
from tests.stories import later

pytestmark = pytest.mark.db
NEXT_HOUR = {"hours": 1, "minutes": 3}


@pytest.fixture
def box(settings):
    """Mail leaves over SMTP, and of each hour two tickets are told at once."""
    settings.MAIL_NOTICES = True
    settings.HITL_NOTICES_PER_HOUR = 2
    settings.DEFAULT_FROM_EMAIL = "Countersign <desk@approvals.example>"
    with mail_server() as box:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", box.port
        yield box


def flood(cast, count, first=0, **more):
    numbers = range(first, first + count)
    return [cast.open(title=f"Pay <b>{number}</b>", **more) for number in numbers]


def came(box):
    """Send what is due and return what came, by whom it is for."""
    before = len(box.mails)
    while dispatch_due():
        pass
    found = {}
    for mail in box.mails[before:]:
        found.setdefault(mail["To"].partition("@")[0], []).append(mail)
    return found


def test_each_person_hears_once_of_all_that_was_withheld(cast, box):
    flood(cast, 15)
    assert len(came(box)["ann"]) == 2
    assert came(box) == {}
    with later(**NEXT_HOUR):
        told = came(box)
        assert {name: len(mails) for name, mails in told.items()} == dict.fromkeys(told, 1)
        assert {"ann", "ben", "cleo"} <= told.keys()
        assert came(box) == {}
    (mail,) = told["ann"]
    assert mail["Subject"] == "[13 held back] Pay <b>2</b> and 12 more"
    assert mail["Auto-Submitted"] == "auto-generated"
    text, page = text_of(mail), html_of(mail)
    assert "13 tickets wait for you." in text
    listed = re.findall(r"^- Pay <b>(\d+)</b>$", text, re.MULTILINE)
    assert listed == [str(number) for number in range(2, 12)]
    assert "- and 3 more" in text
    assert "more than 2 tickets in one queue" in text
    assert "and 3 more" in page
    assert "Pay &lt;b&gt;2&lt;/b&gt;" in page
    assert "<b>2" not in page
    assert page.count("<a ") == 1
    assert "/admin/reviews/ticket/" in text
    assert "/a/" not in text


def test_what_does_not_wait_for_them_any_more_is_not_in_it(cast, box):
    _, _, voted, gone, other, left = flood(cast, 6)
    came(box)
    cast.vote(voted, cast.ann, "approve")
    cancel_ticket(ticket_id=gone.pk, by=cast.machine, reason="")
    with later(**NEXT_HOUR):
        told = came(box)
    text = text_of(told["ann"][0])
    refs = re.findall(r"T-\d+", text)
    assert refs == [other.label, left.label]


def test_nobody_hears_of_what_they_may_not_see_or_decide(cast, box):
    north = make_region("north", cast.ben, cast.cleo)
    flood(cast, 4, region=north.slug)
    came(box)
    with later(**NEXT_HOUR):
        told = came(box)
    assert told.keys() == {"ben", "cleo"}


def test_where_nothing_waits_any_more_no_mail_leaves(cast, box):
    tickets = flood(cast, 4)
    came(box)
    for ticket in tickets:
        cancel_ticket(ticket_id=ticket.pk, by=cast.machine, reason="")
    with later(**NEXT_HOUR):
        assert came(box) == {}
    assert not Delivery.objects.exclude(state="sent").exists()


def test_whoever_has_no_desk_gets_a_link_of_their_own(cast, box):
    type(cast.ann).objects.filter(pk=cast.ann.pk).update(is_staff=False)
    flood(cast, 3)
    came(box)
    with later(**NEXT_HOUR):
        (mail,) = came(box)["ann"]
    assert "/a/" in link_in(mail)
    assert "Open the queue" not in text_of(mail)


def test_the_hours_after_have_mails_of_their_own(cast, box):
    flood(cast, 3)
    came(box)
    with later(**NEXT_HOUR):
        assert "1 ticket waits for you." in text_of(came(box)["ann"][0])
        flood(cast, 4, first=10)
        came(box)
    with later(hours=2, minutes=6):
        assert "2 tickets wait for you." in text_of(came(box)["ann"][0])


def test_a_server_that_is_away_gets_the_same_mail_once_it_is_back(cast, box):
    flood(cast, 3)
    came(box)
    waiting = Delivery.objects.filter(channel="withheld", state="waiting")
    with later(**NEXT_HOUR):
        box.refuse = 100
        assert came(box) == {}
        assert waiting.exclude(last_error="").exists()
        box.refuse = 0
        waiting.update(next_attempt_at=db_now())
        assert len(came(box)["ann"]) == 1
    assert not waiting.exists()
