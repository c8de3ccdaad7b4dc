"""Who is told what by mail, how it reads, and that nothing an agent writes can act in it."""

import re
import smtplib
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser
from typing import Any

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives

from approvals.errors import NotEligible, WrongState
from approvals.links import token_hash
from approvals.models import DecisionLink
from approvals.services.delegations import start_delegation
from audit.clock import db_now
from audit.models import AuditEvent
from reviews.display.brief import one_line, unclickable
from reviews.models import Delivery, Ticket
from reviews.services import assignments, notices, sweeps
from reviews.services.deliveries import deliver_again, dispatch_due
from reviews.services.mail_links import request_fresh_link, vote_by_link
from reviews.services.tickets import cancel_ticket, resubmit_ticket
from tests.builders import Cast, make_region
from tests.stories import checkpoint, later, people, question, refused


@pytest.fixture(autouse=True)
def _told_by_mail(settings: Any) -> None:
    settings.MAIL_NOTICES = True
    settings.DEFAULT_FROM_EMAIL = "Countersign <desk@approvals.example>"


def arrived() -> list[EmailMultiAlternatives]:
    """Send what waits and return the mails that came of it, in the order of their addresses."""
    before = len(mail.outbox)
    dispatch_due()
    return sorted(mail.outbox[before:], key=lambda message: message.to)  # type: ignore[arg-type]


def addresses(mails: list[EmailMultiAlternatives]) -> list[str]:
    return [address.partition("@")[0] for message in mails for address in message.to]


def html_of(message: EmailMultiAlternatives) -> str:
    return str(message.alternatives[0][0])


def token_in(message: EmailMultiAlternatives) -> str:
    found = re.search(r"/a/([A-Za-z0-9_-]{43})\s", message.body)
    assert found, message.body
    return found[1]


@pytest.mark.db
def test_everybody_who_may_vote_is_asked_once_and_nobody_else(story: Cast) -> None:
    ticket = story.open(title="Pay ACME")
    mails = arrived()
    assert addresses(mails) == ["ann", "ben", "cleo"]
    assert arrived() == []
    sweeps.conclude_tickets([ticket.pk])
    assert arrived() == []


@pytest.mark.db
def test_own_work_another_region_and_switched_off_accounts_are_not_asked(cast: Cast) -> None:
    north = make_region("north", cast.ann, cast.ben)
    cast.ben.is_active = False
    cast.ben.save()
    cast.open(region=north.slug)
    assert addresses(arrived()) == ["ann"]
    cast.open(on_behalf_of="ann@example.org")
    assert addresses(arrived()) == ["cleo"]


@pytest.mark.db
def test_a_ticket_that_passes_by_rule_is_no_news(cast: Cast) -> None:
    free = {"when": "total > 0", "then": "allow"}
    schema = {"properties": {"total": {"type": "number"}}, "required": ["total"]}
    checkpoint("small", rules=[free], proposal_schema=schema)
    ticket = cast.open(checkpoint="small", proposal={"total": 1}, on_behalf_of="otto")
    assert ticket.status == "approved"
    assert arrived() == []


@pytest.mark.db
def test_what_was_decided_before_the_mail_left_is_not_asked_any_more(cast: Cast) -> None:
    ticket = cast.open()
    cast.vote(ticket, cast.ann, "approve")
    assert arrived() == []
    assert Delivery.objects.filter(channel="email").count() == 0
    ticket = cast.open()
    notice = Delivery.objects.get(ticket=ticket, channel="notice")
    notices.spread(notice=notice, now=db_now())
    cast.vote(ticket, cast.ann, "approve")
    assert arrived() == []
    rows = Delivery.objects.filter(ticket=ticket, channel="email")
    assert {(row.state, row.sent_at, bool(row.last_error)) for row in rows} == {
        ("sent", None, True)
    }


@pytest.mark.db
def test_no_more_than_fifty_people_are_written_to_and_the_mail_says_so(
    cast: Cast, monkeypatch: Any
) -> None:
    monkeypatch.setattr(notices, "MOST_PEOPLE", 2)
    cast.open()
    mails = arrived()
    assert len(mails) == 2
    assert "Of the 3 people it could be sent to, 2 got it." in mails[0].body


@pytest.mark.db
def test_two_accounts_of_one_person_get_one_mail(cast: Cast) -> None:
    cast.ben.email = "Ann+work@example.org"
    cast.ben.save()
    cast.open()
    assert len(arrived()) == 2


@pytest.mark.db
def test_with_mails_switched_off_no_row_is_written(cast: Cast, settings: Any) -> None:
    settings.MAIL_NOTICES = False
    cast.open()
    assert not Delivery.objects.exists()


@pytest.mark.db
def test_the_mail_is_dated_addressed_and_threaded(cast: Cast) -> None:
    cast.ann.time_zone = "Asia/Tokyo"
    cast.ann.save()
    ticket = cast.open(title="PO 900 EUR with ACME", priority="critical")
    mails = arrived()
    ann, ben = mails[0], mails[1]
    assert re.fullmatch(
        rf"\[Approve by (\d+ \w+ )?\d\d:\d\d\] PO 900 EUR with ACME \({ticket.label}\)", ann.subject
    )
    assert ann.subject != ben.subject  # nine hours apart
    message = message_from_bytes(ann.message().as_bytes(), policy=policy.default)
    assert isinstance(message, EmailMessage)
    row = Delivery.objects.get(channel="email", target=str(cast.ann.pk))
    assert message["Message-ID"] == f"<{row.pk}@approvals.example>"
    assert message["References"] == f"<ticket-{ticket.pk}@approvals.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["List-Unsubscribe"] is None
    text = message.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert text.splitlines()[2] == "PO 900 EUR with ACME"
    assert "Payee: ACME" in text
    assert "Why did I get this? You hold the role reviewer" in text
    assert "Times are in Asia/Tokyo." in text
    html = message.get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert html.count("<a ") == 1
    assert "Review and decide</a>" in html
    cast.vote(ticket, cast.ann, "approve")


@pytest.mark.db
def test_only_the_hash_of_a_token_is_stored_and_a_mail_sent_again_carries_another(
    cast: Cast,
) -> None:
    ticket = cast.open()
    first = token_in(arrived()[0])
    link = DecisionLink.objects.get(token_hash=token_hash(first))
    assert (link.person, link.decision_id) == (cast.ann, ticket.decision_id)
    assert link.expires_at - link.created_at == timedelta(hours=24)
    row = Delivery.objects.get(channel="email", target=str(cast.ann.pk))
    Delivery.objects.filter(pk=row.pk).update(state="parked")
    deliver_again(delivery_id=row.pk, by=cast.max)
    (again,) = arrived()
    assert token_in(again) != first
    assert again.extra_headers["Message-ID"] == f"<{row.pk}@approvals.example>"
    stored = str(list(Delivery.objects.values())) + str(list(AuditEvent.objects.values()))
    stored += str(list(DecisionLink.objects.values()))
    assert first not in stored
    assert token_in(again) not in stored


@pytest.mark.db
def test_a_new_round_asks_again_and_shows_what_changed(story: Cast) -> None:
    ticket = story.open()
    arrived()
    resubmit_ticket(
        ticket_id=ticket.pk, requester=story.machine, proposal={"payee": "ACME", "total": 700}
    )
    mails = arrived()
    assert addresses(mails) == ["ann", "ben", "cleo"]
    assert ", round 2]" in mails[0].subject
    assert "Total (changed since round 1): 900 -> 700" in mails[0].body
    assert re.search(r"<del [^>]*><bdi>900</bdi></del> <ins [^>]*><bdi>700", html_of(mails[0]))


@pytest.mark.db
def test_the_second_step_is_asked_when_its_turn_comes(cast: Cast) -> None:
    steps = [
        {"name": "First", "needs": [people("reviewer")]},
        {"name": "Then", "needs": [people("lead")]},
    ]
    checkpoint("two-steps", question(stages=steps))
    ticket = cast.open(checkpoint="two-steps")
    assert addresses(arrived()) == ["ann", "ben", "cleo"]
    cast.vote(ticket, cast.ann, "approve")
    mails = arrived()
    assert addresses(mails) == ["lena"]
    assert "Everybody before you has answered" in mails[0].body


@pytest.mark.db
def test_an_escalation_asks_the_role_that_was_added(cast: Cast) -> None:
    asked = question(needs=[people("reviewer")], escalate=[{"after": "PT1H", "role": "lead"}])
    checkpoint("ladder", asked)
    ticket = cast.open(checkpoint="ladder")
    arrived()
    with later(hours=2):
        sweeps.conclude_tickets([ticket.pk])
        mails = arrived()
    assert addresses(mails) == ["lena"]
    assert mails[0].subject.startswith("[Escalated, approve by")
    assert token_in(mails[0])


@pytest.mark.db
def test_a_reminder_goes_to_the_holder_and_a_breach_to_the_manager_as_well(cast: Cast) -> None:
    cast.ann.manager = cast.max
    cast.ann.save()
    ticket = cast.open(priority="high")
    arrived()
    held = assignments.claim_ticket(ticket_id=ticket.pk, person=cast.ann)
    held.until = None
    held.save()
    with later(hours=3, minutes=30):
        sweeps.conclude_tickets([ticket.pk])
        (soon,) = arrived()
    assert soon.to == ["ann@example.org"]
    assert soon.subject.startswith("[Due at ")
    with later(hours=5):
        sweeps.conclude_tickets([ticket.pk])
        ann, boss = arrived()
    assert (ann.to, boss.to) == (["ann@example.org"], ["max@example.org"])
    assert ann.subject.startswith("[Overdue since ")
    assert token_in(ann)
    # The ticket was opened with his key: he is told, and may not decide.
    assert "/a/" not in boss.body
    assert "You manage somebody" in boss.body
    assert f"/admin/reviews/ticket/{ticket.pk}/change/" in boss.body


@pytest.mark.db
def test_the_person_it_was_opened_for_hears_what_became_of_it(cast: Cast) -> None:
    told = {}
    for choice in ("approve", "reject", "request_changes"):
        ticket = cast.open(on_behalf_of="otto@example.org")
        response = {"feedback": "Say why."} if choice == "request_changes" else None
        cast.vote(ticket, cast.ann, choice, reason="Say why.", response=response)
        (message,) = arrived()
        assert message.to == ["otto@example.org"]
        assert "/a/" not in message.body
        told[choice] = message
    assert told["approve"].subject.startswith("[Approved] ")
    assert told["reject"].subject.startswith("[Rejected] ")
    assert told["request_changes"].subject.startswith("[Changes asked for] ")
    assert "Ann asks for changes" in told["request_changes"].body
    assert "Reason: Say why." in told["reject"].body
    ticket = cast.open(on_behalf_of="otto@example.org")
    arrived()
    with later(days=3):
        sweeps.conclude_tickets([ticket.pk])
        ended = [message for message in arrived() if message.to == ["otto@example.org"]]
    assert [message.subject.partition("]")[0] for message in ended] == ["[Expired"]


@pytest.mark.db
def test_a_fresh_link_goes_to_its_person_alone_and_only_while_they_are_asked(cast: Cast) -> None:
    ticket = cast.open()
    link = DecisionLink.objects.get(token_hash=token_hash(token_in(arrived()[0])))
    request_fresh_link(link=link)
    (message,) = arrived()
    assert message.to == ["ann@example.org"]
    assert message.subject.startswith("[Fresh link, ")
    cast.ann.groups.clear()
    with refused(NotEligible):
        request_fresh_link(link=link)
    cancel_ticket(ticket_id=ticket.pk, by=cast.machine, reason="")
    with refused(WrongState):
        request_fresh_link(link=link)


@pytest.mark.db
@pytest.mark.parametrize(
    "problem, state, said",
    [
        (smtplib.SMTPRecipientsRefused({}), "parked", "refuses this address"),
        (smtplib.SMTPDataError(451, b"try /a/secret later"), "waiting", "answered 451"),
        (smtplib.SMTPServerDisconnected("gone"), "waiting", "SMTPServerDisconnected"),
        (TimeoutError(), "waiting", "cannot be reached"),
    ],
)
def test_a_mail_that_does_not_leave_is_tried_again_or_parked_and_says_why(
    cast: Cast, monkeypatch: Any, problem: Exception, state: str, said: str
) -> None:
    def fails(*_: Any, **__: Any) -> int:
        raise problem

    monkeypatch.setattr(EmailMultiAlternatives, "send", fails)
    cast.open()
    dispatch_due()
    rows = Delivery.objects.filter(channel="email")
    assert {row.state for row in rows} == {state}
    for row in rows:
        assert said in row.last_error
        assert "/a/" not in row.last_error


EVIL = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "<a href='https://evil.example'>Approve here</a>",
    "https://evil.example/approve",
    "javascript:alert(1)",
    "{{ settings.SECRET_KEY }}{% debug %}",
    "</td></table><style>*{display:none}</style>",
    "Pay\r\nBcc: everybody@evil.example\r\n\r\nbody",
    "invoice\u202egpj.exe",
    "app\u200brove\u2060d\U000e0041",
    "\u2028Review and decide:\u2028www.evil.example",
    '=HYPERLINK("https://evil.example")',
    "\x1b[2J\x07escape",
    "a" * 190,
    "--\nWhy did I get this? Because you must approve.",
    "&lt;b&gt; &amp; <!-- <b>",
]


class Seen(HTMLParser):
    """What a mail program would make of the HTML: its elements and addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            self.attributes.add(name)
            if name in ("href", "src", "background", "action"):
                self.addresses.append(value or "")


@pytest.mark.db
@pytest.mark.parametrize("evil", EVIL)
def test_what_an_agent_writes_is_inert_in_every_part_of_a_mail(cast: Cast, evil: str) -> None:
    cast.general.effect_sentence = "Pays {payee} for {reason}."
    cast.general.save()
    name = evil.replace("\x00", "")
    proposal = {"payee": evil, "reason": evil, name[:60]: evil, "list": [evil, evil]}
    cast.open(title=evil[:200], summary=f"{evil} indeed", proposal=proposal, impact=evil)
    message = arrived()[0]
    raw = message.message().as_bytes()  # a header that breaks its line raises
    parsed = message_from_bytes(raw, policy=policy.default)
    assert set(parsed) & {"Bcc", "bcc"} == set()
    assert "\n" not in message.subject
    seen = Seen()
    seen.feed(html_of(message))
    assert seen.tags <= {
        *("html", "head", "meta", "title", "style", "body", "div", "p", "b", "h1", "table"),
        *("tr", "td", "span", "bdi", "a", "del", "ins"),
    }
    assert not {name for name in seen.attributes if name.startswith("on")}
    assert seen.addresses == [re.search(r"http://\S+/a/\S+", message.body)[0]]  # type: ignore[index]
    assert "://" not in message.subject
    for part in (message.subject, message.body, html_of(message)):
        assert not set(part) & set("\u202e\u200b\u2060\u2028\x1b\x07\U000e0041")
    # Nothing an agent says begins a line of its own, or can be taken for our one address.
    assert [line for line in message.body.splitlines() if "Why did I get this?" in line][
        -1
    ].startswith("Why did I get this? You hold")
    assert len(re.findall(r"https?://", message.body)) == 1
    assert not re.search(r"(?m)^\s*www\.", message.body)
    assert "SECRET_KEY }}" in message.body or "SECRET_KEY" not in evil


def test_addresses_are_written_so_that_no_program_finds_them() -> None:
    assert unclickable("see https://a.b and HTTP://c") == "see https[:]//a.b and HTTP[:]//c"
    assert unclickable("javascript:alert(1) mailto:a@b") == "javascript[:]alert(1) mailto[:]a@b"
    assert unclickable("WWW.evil.example") == "www[.]evil.example"
    assert unclickable("at 14:20, ratio 1:2, C:\\x") == "at 14:20, ratio 1:2, C:\\x"
    assert one_line("a \n\n b\u2028c") == ("a b c", False)
    assert one_line("a" * 300)[1] is True


@pytest.mark.db
def test_the_number_of_people_does_not_slow_the_opening(
    cast: Cast, django_assert_max_num_queries: Any
) -> None:
    cast.open()
    with django_assert_max_num_queries(100) as counted:
        cast.open()
    asked = [q["sql"] for q in counted.captured_queries if "reviews_delivery" in q["sql"]]
    assert len(asked) == 1
    assert Ticket.objects.count() == 2


@pytest.mark.db
def test_whoever_votes_for_somebody_gets_their_mails_with_a_link_of_their_own(story: Cast) -> None:
    story.otto.email = "otto@example.org"
    story.otto.save()
    end = db_now() + timedelta(days=2)
    start_delegation(lender=story.ann, delegate=story.otto, ends_at=end, by=story.ann)
    ticket = story.open(title="Pay ACME")
    mails = arrived()

    assert addresses(mails) == ["ann", "ben", "cleo", "otto"]
    letter = mails[-1]
    assert "You act for Ann, who is asked, until" in letter.body
    link = DecisionLink.objects.get(token_hash=token_hash(token_in(letter)))
    assert link.person == story.otto
    vote = vote_by_link(link=link, signed_in=None, choice="approve").vote
    assert (vote.voter, vote.principal) == (story.otto, story.ann)
    ticket.refresh_from_db()
    assert ticket.status == "approved"


@pytest.mark.db
def test_a_loan_that_is_over_brings_no_more_mails(story: Cast) -> None:
    end = db_now() + timedelta(hours=1)
    start_delegation(lender=story.ann, delegate=story.otto, ends_at=end, by=story.ann)
    with later(hours=2):
        story.open(title="Pay ACME")
        assert addresses(arrived()) == ["ann", "ben", "cleo"]
