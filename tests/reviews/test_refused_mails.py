"""A mail server says that it will not: what is tried again, what is parked, and who sees it."""

import re
import smtplib

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from audit.clock import db_now
from reviews.channels.refusals import refusal
from reviews.models import Delivery
from reviews.services.deliveries import deliver_again, dispatch_due
from reviews.services.status import status_findings
from tests.builders import PASSWORD
from tests.journeys.mailbox import link_in, mail_server

pytestmark = pytest.mark.db
ANN = "ann@example.org"


@pytest.fixture
def box(settings):
    settings.MAIL_NOTICES = True
    with mail_server() as box:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", box.port
        yield box


@pytest.fixture
def root(cast, django_user_model):
    person = django_user_model.objects.create_superuser("root", "root@example.org", PASSWORD)
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return client


def sent(cast):
    """Open a ticket, send what waits, and return the row of Ann's mail."""
    cast.open()
    while dispatch_due():
        pass
    return Delivery.objects.get(channel="email", target=str(cast.ann.pk))


def told(code):
    return [one for one in status_findings() if one["code"] == code]


def test_an_address_the_server_does_not_know_is_parked_with_what_it_said(cast, box):
    box.unknown[ANN] = "550 5.1.1 <ann@example.org>: no such person here"
    row = sent(cast)
    assert (row.state, row.attempts, row.last_status) == ("parked", 1, 550)
    assert row.last_error == (
        "The mail server refuses ann@example.org: 5.1.1 <ann@example.org>: no such person here"
    )
    assert [mail["To"] for mail in box.mails].count("ben@example.org") == 1


@pytest.mark.parametrize("code", [421, 450, 451, 452])
def test_an_address_refused_for_now_is_tried_again(cast, box, code):
    box.unknown[ANN] = f"{code} 4.2.1 greylisted, come back in a minute"
    row = sent(cast)
    assert (row.state, row.last_status) == ("waiting", code)
    box.unknown.clear()
    Delivery.objects.filter(pk=row.pk).update(next_attempt_at=db_now())
    dispatch_due()
    row.refresh_from_db()
    assert row.state == "sent"


def test_a_mail_the_server_will_never_take_is_parked_and_no_link_is_repeated(cast, box):
    box.bad = "554 5.7.1 looks like spam: {link}"
    row = sent(cast)
    assert (row.state, row.attempts, row.last_status) == ("parked", 1, 554)
    assert "looks like spam" in row.last_error
    box.bad = ""
    deliver_again(delivery_id=row.pk, by=cast.max)
    dispatch_due()
    token = link_in(next(mail for mail in box.mails if mail["To"] == ANN)).rpartition("/")[2]
    assert token not in row.last_error
    assert not re.search(r"/a/[A-Za-z0-9_-]", row.last_error)


def test_what_a_server_says_is_inert_and_short(cast, box, root):
    box.unknown[ANN] = "550 <script>alert(1)</script> \x1b[2J" + "go away " * 40
    row = sent(cast)
    assert len(row.last_error) <= 400
    assert "\x1b" not in row.last_error
    page = root.get(reverse("admin:reviews_delivery_change", args=[row.pk])).content.decode()
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert(1)" not in page


@pytest.mark.parametrize(
    "said, kept",
    [
        (b"no \xe2\x80\xaeevil\xff\x1b[2J\r\nsecond line", "[U+202E]"),
        (b"try /a/secret later", "try … later"),
        ("quoted " + "aB3_" * 11, "quoted …"),
        (b"", "answered 552."),
    ],
)
def test_what_a_server_says_is_kept_without_what_hides_or_opens(said, kept):
    told = refusal(smtplib.SMTPDataError(552, said))
    assert (told.fate, told.status) == ("park", 552)
    assert kept in told.error
    assert "\x1b" not in told.error
    assert "\n" not in told.error


@pytest.mark.parametrize(
    "problem",
    [
        smtplib.SMTPAuthenticationError(535, b"no"),
        smtplib.SMTPSenderRefused(550, b"no", "desk@example.org"),
        smtplib.SMTPConnectError(554, b"no"),
        smtplib.SMTPHeloError(550, b"no"),
    ],
)
def test_what_holds_for_every_mail_is_tried_again(problem):
    assert refusal(problem).fate == "retry"


def test_the_status_names_who_is_not_reached_and_the_way_to_mend_it(cast, box):
    box.unknown[ANN] = "550 5.1.1 no such person here"
    row = sent(cast)
    (one,) = told("mail-parked")
    assert (one["part"], one["severity"]) == ("mail", "error")
    assert ANN in one["message"]
    assert "no such person here" in one["message"]
    assert "Send again" in one["mend"]
    assert told("delivery-parked") == []
    cast.ann.email = "ann.new@example.org"
    cast.ann.save()
    deliver_again(delivery_id=row.pk, by=cast.max)
    dispatch_due()
    assert box.to("ann.new@example.org")
    assert told("mail-parked") == []


def test_who_is_switched_off_is_nobodys_problem(cast, box):
    box.unknown[ANN] = "550 5.1.1 no such person here"
    sent(cast)
    cast.ann.is_active = False
    cast.ann.save()
    assert told("mail-parked") == []


def test_the_pages_of_deliveries_say_whom_a_mail_is_for(cast, box, root):
    box.unknown[ANN] = "550 5.1.1 no such person here"
    row = sent(cast)
    listed = root.get(reverse("admin:reviews_delivery_changelist"), {"state__exact": "parked"})
    assert ANN in listed.content.decode()
    address = reverse("admin:reviews_delivery_change", args=[row.pk])
    page = root.get(address).content.decode()
    assert ANN in page
    assert "no such person here" in page
    assert reverse("admin:approvals_user_change", args=[cast.ann.pk]) in page
    box.unknown.clear()
    assert root.post(address, {"act": "replay"}).status_code in (302, 303)
    dispatch_due()
    assert box.to(ANN)


def test_whoever_may_not_see_people_sees_no_way_to_them(cast, box, client):
    box.unknown[ANN] = "550 5.1.1 no such person here"
    row = sent(cast)
    cast.otto.user_permissions.add(Permission.objects.get(codename="view_delivery"))
    type(cast.otto).objects.filter(pk=cast.otto.pk).update(is_staff=True)
    client.force_login(cast.otto, backend="django.contrib.auth.backends.ModelBackend")
    page = client.get(reverse("admin:reviews_delivery_change", args=[row.pk]))
    assert page.status_code == 200
    assert reverse("admin:approvals_user_change", args=[cast.ann.pk]) not in page.content.decode()
