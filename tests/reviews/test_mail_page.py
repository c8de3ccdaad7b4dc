"""The page behind a mail's link: it shows, and only a confirmed form decides."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.test import Client

from approvals.links import new_token
from approvals.models import DecisionLink, User, Vote
from approvals.services.links import issue_link
from audit.clock import db_now
from audit.ids import new_id
from audit.models import AuditEvent
from reviews.mailpage import views
from reviews.models import Delivery, Ticket
from reviews.services.tickets import resubmit_ticket
from reviews.services.votes import withdraw_vote
from tests.builders import Cast
from tests.stories import checkpoint, later, people, question


@pytest.fixture(autouse=True)
def _told_by_mail(settings: Any) -> None:
    settings.MAIL_NOTICES = True


def issued(ticket: Ticket, person: User) -> tuple[DecisionLink, str]:
    """Return a link and the address a mail would carry."""
    link, token = issue_link(decision=ticket.decision, person=person, now=db_now())
    return link, f"/a/{token}"


class Reader:
    """Somebody with a mail open and a browser of their own, which checks forged requests."""

    def __init__(self, ticket: Ticket, person: User) -> None:
        self.browser = Client(enforce_csrf_checks=True)
        self.link, self.address = issued(ticket, person)
        self.status = 0
        self.page = ""

    def open(self) -> "Reader":
        return self._read(self.browser.get(self.address, follow=True))

    def look(self) -> "Reader":
        return self._read(self.browser.get(f"/a/d/{self.link.pk}/"))

    def post(self, **form: str) -> "Reader":
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.page)
        token = found[1] if found else ""
        given = {"act": "vote", **form, "csrfmiddlewaretoken": token}
        return self._read(self.browser.post(f"/a/d/{self.link.pk}/", given))

    def _read(self, answer: Any) -> "Reader":
        self.status, self.answer = answer.status_code, answer
        self.page = answer.content.decode()
        return self


def contents() -> dict[str, Any]:
    """Return every row of every table but the sessions."""
    return {
        model._meta.label: sorted(map(repr, model._default_manager.values_list()))
        for model in apps.get_models()
        if model._meta.managed and model._meta.app_label != "sessions"
    }


SCANNERS = [
    "Mozilla/5.0 (compatible; Microsoft Outlook SafeLinks)",
    "Mozilla/5.0 (compatible; Barracuda Sentinel)",
    "Mimecast/1.0",
    "Proofpoint URL Defense",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "Mozilla/5.0 (compatible; GoogleImageProxy)",
    "WhatsApp/2.23",
    "curl/8.5.0",
]


@pytest.mark.db
def test_looking_changes_no_row_however_often_and_whoever_does_it(cast: Cast) -> None:
    readers = [Reader(cast.open(), cast.ann) for _ in range(3)]
    before = contents()
    for agent in SCANNERS:
        for reader in readers:
            scanner = Client(headers={"User-Agent": agent})
            for method in ("get", "head", "options"):
                answer = getattr(scanner, method)(reader.address)
                assert answer.status_code in (200, 303)
                page = getattr(scanner, method)(f"/a/d/{reader.link.pk}/")
                assert page.status_code == 200
    assert contents() == before
    for reader in readers:
        assert reader.open().post(choice="approve").status == 303
        assert "By you" in reader.look().page
    assert Vote.objects.filter(channel="mail").count() == 3


@pytest.mark.db
def test_the_token_is_traded_for_a_cookie_of_that_page_alone(cast: Cast, settings: Any) -> None:
    reader = Reader(cast.open(), cast.ann)
    answer = reader.browser.get(reader.address)
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"/a/d/{reader.link.pk}/"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    token = reader.address.removeprefix("/a/")
    cookie = answer.cookies["countersign_link"]
    assert cookie["path"] == f"/a/d/{reader.link.pk}/"
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert token not in cookie.value
    page = reader.look()
    assert token not in page.page
    for name, value in {
        "Cache-Control": "no-store",
        "Referrer-Policy": "same-origin",
        "X-Robots-Tag": "noindex, nofollow, noarchive",
        "X-Frame-Options": "DENY",
    }.items():
        assert page.answer.headers[name] == value
    policy = page.answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script" not in policy
    assert "<script" not in page.page
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page.page)


@pytest.mark.db
def test_nothing_is_chosen_beforehand_and_no_choice_is_no_vote(cast: Cast) -> None:
    reader = Reader(cast.open(), cast.ann).open()
    assert reader.page.count('type="radio"') == 4
    assert "checked" not in reader.page
    assert "Deciding as" in reader.page
    assert reader.post().status == 422
    assert "Choose an answer first." in reader.page
    assert not Vote.objects.exists()


@pytest.mark.db
def test_a_forged_form_is_refused(cast: Cast) -> None:
    reader = Reader(cast.open(), cast.ann).open()
    answer = reader.browser.post(f"/a/d/{reader.link.pk}/", {"act": "vote", "choice": "approve"})
    assert answer.status_code == 403
    assert not Vote.objects.exists()


@pytest.mark.db
def test_a_rejection_without_reason_keeps_what_was_typed(cast: Cast) -> None:
    reader = Reader(cast.open(), cast.ann).open()
    assert reader.post(choice="reject").status == 422
    assert re.search(r'value="reject" checked', reader.page)
    assert "Say why." in reader.page
    assert reader.post(choice="reject", reason="Twice paid.").status == 303
    assert Ticket.objects.get().decision.reason == "Twice paid."


@pytest.mark.db
def test_a_value_is_changed_and_that_is_what_is_approved(cast: Cast) -> None:
    ticket = cast.open()
    reader = Reader(ticket, cast.ann).open()
    form = {"choice": "modify", "reason": "As agreed.", "o3-f0": "ACME"}
    assert reader.post(**form, **{"o3-f1": "900"}).status == 422
    assert "Nothing differs" in reader.page
    assert reader.post(**form, **{"o3-f1": "700"}).status == 303
    ticket.refresh_from_db()
    assert b'"total":700' in ticket.decision.executed_content


@pytest.mark.db
def test_a_form_that_asks_for_the_reason_asks_once(cast: Cast) -> None:
    ticket = cast.open()
    reader = Reader(ticket, cast.ann).open()
    assert reader.post(choice="request_changes").status == 422
    assert reader.post(choice="request_changes", **{"o2-f0": "Name the supplier."}).status == 303
    ticket.refresh_from_db()
    assert (ticket.status, ticket.decision.reason) == ("needs_changes", "Name the supplier.")


@pytest.mark.db
def test_a_used_link_says_what_was_answered_and_takes_no_second_vote(cast: Cast) -> None:
    reader = Reader(cast.open(), cast.ann).open()
    reader.post(choice="approve")
    assert "Approved" in reader.look().page
    assert "By you" in reader.page
    assert "<form" not in reader.page
    assert reader.browser.get(reader.address, follow=True).status_code == 200
    # A form that was open before, in another window, still holds a good token against forgery.
    reader.page = reader.browser.get("/admin/login/").content.decode()
    assert reader.post(choice="reject", reason="No.").status == 410
    assert Vote.objects.count() == 1


@pytest.mark.db
def test_what_somebody_else_decided_is_told_not_asked(cast: Cast) -> None:
    ticket = cast.open()
    reader = Reader(ticket, cast.ann).open()
    cast.vote(ticket, cast.ben, "reject", reason="No budget.")
    assert reader.post(choice="approve").status == 409
    assert "Rejected" in reader.page
    assert "Ben" in reader.page
    assert "<form" not in reader.page
    assert reader.look().status == 200


@pytest.mark.db
def test_a_vote_that_waits_for_others_says_so(cast: Cast) -> None:
    checkpoint("two", question(needs=[people("reviewer", 2)]))
    ticket = cast.open(checkpoint="two")
    reader = Reader(ticket, cast.ann).open()
    assert "0 of 2" in reader.page
    reader.post(choice="approve")
    assert "You answered: <bdi>Approve</bdi>" in reader.look().page
    assert "1 of 2" in reader.page
    withdraw_vote(ticket_id=ticket.pk, voter=cast.ann)
    assert "Send me a fresh link" in reader.look().page


@pytest.mark.db
def test_a_changed_request_is_not_decided_with_the_old_link(cast: Cast) -> None:
    ticket = cast.open()
    reader = Reader(ticket, cast.ann).open()
    resubmit_ticket(
        ticket_id=ticket.pk, requester=cast.machine, proposal={"payee": "EVIL", "total": 900}
    )
    Delivery.objects.filter(channel="notice").delete()
    assert reader.post(choice="approve").status == 412
    assert "This request has changed" in reader.page
    assert "EVIL" not in reader.page
    assert reader.post(act="fresh").status == 200
    assert "A fresh link is on its way to" in reader.page
    row = Delivery.objects.get(channel="notice")
    assert (row.type, row.body["person"]) == ("ticket.link_requested", cast.ann.pk)
    fresh = Reader(Ticket.objects.get(pk=ticket.pk), cast.ann).open()
    assert "Changed since round 1" in fresh.page
    assert fresh.post(choice="approve").status == 303


@pytest.mark.db
def test_an_expired_link_shows_nothing_and_offers_a_fresh_one_a_few_times(cast: Cast) -> None:
    checkpoint("slow", question(expires="P7D"))
    ticket = cast.open(checkpoint="slow", title="Pay the secret supplier")
    reader = Reader(ticket, cast.ann)
    with later(hours=25):
        assert "This link has expired" in reader.open().page
        assert "secret supplier" not in reader.page
        assert reader.post(choice="approve").status == 410
        sent = [reader.look().post(act="fresh").status for _ in range(4)]
        assert sent == [200, 200, 429, 429]
        assert reader.answer.headers["Retry-After"]
    assert AuditEvent.objects.filter(type="ticket.link_requested").count() == 2


@pytest.mark.db
def test_who_lost_the_right_sees_nothing_of_it_any_more(cast: Cast) -> None:
    reader = Reader(cast.open(title="Pay the secret supplier"), cast.ann).open()
    assert "secret supplier" in reader.page
    cast.ann.groups.clear()
    assert reader.post(choice="approve").status == 403
    assert "You are not asked here" in reader.page
    assert "secret supplier" not in reader.page
    cast.ann.is_active = False
    cast.ann.save()
    assert "You are not asked here" in reader.look().page


@pytest.mark.db
def test_a_forwarded_link_shows_nothing_to_somebody_known_to_be_another(cast: Cast) -> None:
    reader = Reader(cast.open(title="Pay the secret supplier"), cast.ann)
    reader.browser.force_login(cast.ben)
    assert "This link is not yours" in reader.open().page
    assert "secret supplier" not in reader.page
    assert reader.post(choice="approve").status == 403
    assert not Vote.objects.exists()


@pytest.mark.db
def test_medium_risk_is_shown_and_decided_after_signing_in_as_that_person(cast: Cast) -> None:
    checkpoint("risky", risk="medium")
    reader = Reader(cast.open(checkpoint="risky"), cast.ann).open()
    assert "Sign in to decide" in reader.page
    assert 'type="radio"' not in reader.page
    assert "ACME" in reader.page
    page = reader.page
    reader.page = reader.browser.get("/admin/login/").content.decode()
    assert reader.post(choice="approve").status == 303
    address = reader.answer.headers["Location"]
    assert address == f"/admin/login/?next=%2Fa%2Fd%2F{reader.link.pk}%2F"
    assert address in page
    assert not Vote.objects.exists()
    reader.browser.force_login(cast.ann)
    assert reader.look().post(choice="approve").status == 303
    assert Vote.objects.get().channel == "mail"


@pytest.mark.db
def test_high_risk_is_shown_and_decided_at_the_desk(cast: Cast) -> None:
    checkpoint("grave", risk="high")
    ticket = cast.open(checkpoint="grave")
    reader = Reader(ticket, cast.ann)
    reader.browser.force_login(cast.ann)
    assert "Decide this at the desk" in reader.open().page
    assert f"/admin/reviews/ticket/{ticket.pk}/change/" in reader.page
    reader.page = reader.browser.get("/admin/password_change/").content.decode()
    assert reader.post(choice="approve").status == 403
    assert not Vote.objects.exists()


@pytest.fixture
def no_limit(monkeypatch: Any) -> Iterator[None]:
    monkeypatch.setattr(views, "MOST_WRONG", 10**9)
    return


@pytest.mark.db
@pytest.mark.usefixtures("no_limit")
def test_every_wrong_link_looks_the_same(cast: Cast) -> None:
    reader = Reader(cast.open(), cast.ann)
    token = reader.address.removeprefix("/a/")
    wrong = [new_token(), token[:-1], f"{token}A", token.swapcase(), "x", "%00", "a" * 5000, "%F0"]
    answers = [Client().get(f"/a/{each}") for each in wrong]
    answers.append(Client().get(f"/a/d/{reader.link.pk}/"))
    answers.append(Client().get(f"/a/d/{new_id()}/"))
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
    assert all("countersign_link" not in answer.cookies for answer in answers)


@pytest.mark.db
@pytest.mark.usefixtures("no_limit")
def test_a_cookie_of_one_link_opens_no_other_page(cast: Cast) -> None:
    mine = Reader(cast.open(), cast.ann).open()
    theirs = Reader(cast.open(), cast.ben)
    value = mine.browser.cookies["countersign_link"].value
    for made in (value, value[:-1] + "A", "", "x", value.replace(":", ".", 1)):
        thief = Client()
        thief.cookies["countersign_link"] = made
        assert thief.get(f"/a/d/{theirs.link.pk}/").status_code == 404
        assert thief.post(f"/a/d/{theirs.link.pk}/", {"choice": "approve"}).status_code == 404
    with later(hours=1):
        assert mine.look().status == 200
    assert not Vote.objects.exists()


@pytest.mark.db
def test_guessing_is_slowed_down_and_a_right_link_still_opens(cast: Cast) -> None:
    reader = Reader(cast.open(), cast.ann)
    told = [Client().get(f"/a/{new_token()}") for _ in range(views.MOST_WRONG + 2)]
    assert {answer.status_code for answer in told[: views.MOST_WRONG]} == {404}
    assert told[-1].status_code == 429
    assert int(told[-1].headers["Retry-After"]) <= 60
    assert reader.open().status == 200


@pytest.mark.db
@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_the_address_in_the_mail_takes_nothing_but_looks(cast: Cast, method: str) -> None:
    reader = Reader(cast.open(), cast.ann)
    assert getattr(Client(), method)(reader.address).status_code == 405


@pytest.mark.db
def test_whatever_is_posted_is_answered(cast: Cast) -> None:
    reader = Reader(cast.open(), cast.ann).open()
    for form in (
        {"choice": "\x00"},
        {"choice": "approve", "reason": "\x00"},
        {"choice": "modify", "o3-f1": "1e999999", "reason": "x"},
        {"choice": "modify", "o3-f1": "NaN", "reason": "x"},
        {"choice": "nobody"},
        {"act": "fresh"},
        {"act": "\u202e"},
    ):
        assert reader.look().post(**form).status in (409, 422), form
    assert not Vote.objects.exists()


@pytest.mark.db
def test_hostile_text_is_shown_and_does_nothing(cast: Cast) -> None:
    evil = '"><script>alert(1)</script>\u202e{{ 7|add:7 }}'
    cast.general.effect_sentence = "Pays {payee}."
    cast.general.save()
    reader = Reader(
        cast.open(title=evil, summary=evil, proposal={"payee": evil, evil: evil}), cast.ann
    )
    reader.open()
    assert "<script" not in reader.page
    assert "\u202e" not in reader.page
    assert "U+202E" in reader.page
    assert "{{ 7|add:7 }}" in reader.page
    assert "characters that hide, or pose as others" in reader.page
