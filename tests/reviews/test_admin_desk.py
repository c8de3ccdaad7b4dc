"""The desk: queue, ticket page, decision card."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from approvals.presets import PRESETS
from audit.clock import shifted
from reviews.models import Assignment, Comment, Ticket
from reviews.services.tickets import resubmit_ticket
from tests.builders import make_checkpoint, make_policy

pytestmark = pytest.mark.db
QUEUE = "/admin/reviews/ticket/"


def at_desk(person) -> Client:
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return client


def page_of(ticket) -> str:
    return f"{QUEUE}{ticket.pk}/change/"


def press(client, ticket, choice, **more):
    sent = {"act": "vote", "choice": choice, "version": ticket.version, "reason": "", **more}
    return client.post(page_of(ticket), sent)


def text_of(answer) -> str:
    return answer.content.decode()


def test_the_queue_ranks_what_waits_and_names_it(cast):
    cast.open(title="Small", amount=10)
    cast.open(title="Large", amount=9000)
    text = text_of(at_desk(cast.ann).get(QUEUE))
    assert text.index("Large") < text.index("Small")
    assert "9,000.00" in text
    assert "General review" in text
    assert "On track" in text


def test_the_queue_asks_the_database_as_often_for_fifty_as_for_two(cast):
    client = at_desk(cast.ann)
    for number in range(2):
        cast.open(title=f"Ticket {number}")
    client.get(QUEUE)
    with CaptureQueriesContext(connection) as few:
        client.get(QUEUE)
    for number in range(20):
        cast.open(title=f"More {number}")
    with CaptureQueriesContext(connection) as many:
        client.get(QUEUE)
    assert len(many) == len(few) <= 15


def test_more_goes_on_where_the_page_ended(cast, monkeypatch):
    monkeypatch.setattr("reviews.admin.queue.PAGE", 3)
    for number in range(7):
        cast.open(title=f"Ticket-{number}", amount=number * 100)
    client, seen, address = at_desk(cast.ann), [], QUEUE
    for _ in range(3):
        answer = client.get(address)
        seen += [row.ticket.title for row in answer.context["rows"]]
        address = QUEUE + answer.context["more"]
    assert seen == [f"Ticket-{number}" for number in reversed(range(7))]


@pytest.mark.parametrize(
    "query", ["after=!!", "after=aaaa", "q=%00", "show=x", "queue=nowhere", "q=T-1"]
)
def test_a_made_up_address_of_the_queue_is_answered(cast, query):
    cast.open()
    for show in ("waiting", "decided"):
        assert at_desk(cast.ann).get(f"{QUEUE}?show={show}&{query}").status_code == 200


def test_queue_chips_appear_from_the_second_queue_on(cast):
    cast.open()
    assert at_desk(cast.ann).get(QUEUE).context["queues"] == []


def test_an_outsider_finds_an_empty_queue_and_no_ticket(cast):
    ticket = cast.open()
    client = at_desk(cast.otto)
    assert "Nothing waits for people" in text_of(client.get(QUEUE))
    assert client.get(page_of(ticket)).status_code == 404


def test_how_long_an_approval_could_be_undone_is_told_while_one_can_be_given(cast):
    ticket = cast.open()
    client = at_desk(cast.ann)
    assert "once in effect" in text_of(client.get(page_of(ticket)))
    press(client, ticket, "reject", reason="We have three.")
    assert "once in effect" not in text_of(client.get(page_of(ticket)))


def test_a_text_of_several_lines_has_the_whole_width(cast):
    ticket = cast.open(proposal={"letter": "Dear Ana,\nit left today."})
    fields = at_desk(cast.ann).get(page_of(ticket)).context["fields"]
    assert [field.wide for field in fields] == [True]


def test_start_reviewing_claims_the_most_urgent(cast):
    cast.open(title="Small", amount=10)
    large = cast.open(title="Large", amount=9000)
    answer = at_desk(cast.ann).post(QUEUE + "next/")
    assert answer.status_code == 303
    assert answer.url == page_of(large)
    assert Assignment.objects.get().person == cast.ann


def test_start_reviewing_with_nothing_to_do_says_so(cast):
    answer = at_desk(cast.ann).post(QUEUE + "next/", follow=True)
    assert "Nothing here waits for a decision of yours" in text_of(answer)


def test_looking_changes_nothing(cast):
    ticket = cast.open()
    client = at_desk(cast.ann)
    with CaptureQueriesContext(connection) as queries:
        for address in (QUEUE, page_of(ticket), QUEUE + f"{ticket.pk}/history/"):
            client.get(address)
            client.head(address)
    written = [
        q["sql"] for q in queries if not q["sql"].lstrip("( \n").startswith(("SELECT", "WITH"))
    ]
    assert written == []
    assert client.get(QUEUE + "next/").status_code == 405


def test_the_policy_of_the_desk_allows_no_inline_script_or_style(cast):
    answer = at_desk(cast.ann).get(page_of(cast.open()))
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "style-src 'self';" in policy
    assert "unsafe" not in policy
    assert " style=" not in text_of(answer)
    assert "<script>" not in text_of(answer)
    assert "no-store" in answer.headers["Cache-Control"]


def test_hostile_text_is_inert_wherever_it_stands(cast):
    evil = "<script>alert(1)</script>\u202egpj"
    ticket = cast.open(
        title=evil,
        summary=evil + "!",
        proposal={evil: evil, "list": [evil], "table": [{"a": evil}], "deep": {"x": {"y": evil}}},
        ai={"prediction": evil, "confidence": 0.5, "reasoning": evil,
            "features": [{"name": evil, "value": evil, "importance": 1}],
            "options": [{"key": "a", "label": evil, "pros": [evil]}]},
        on_behalf_of=evil,
        impact=evil,
    )  # fmt: skip
    client = at_desk(cast.ann)
    for address in (QUEUE, page_of(ticket)):
        text = text_of(client.get(address))
        assert "<script>alert" not in text
        assert "\u202e" not in text
        assert "U+202E" in text


def test_a_press_approves_and_the_stamp_says_so(cast):
    ticket = cast.open()
    client = at_desk(cast.ann)
    answer = press(client, ticket, "approve")
    assert answer.status_code == 303
    ticket.refresh_from_db()
    assert ticket.status == "approved"
    text = text_of(client.get(page_of(ticket)))
    assert "Approved" in text
    assert "Revoke this decision" in text


def test_a_rejection_needs_a_reason_and_keeps_what_was_typed(cast):
    ticket = cast.open()
    client = at_desk(cast.ann)
    answer = press(client, ticket, "reject")
    assert answer.status_code == 422
    assert "This answer needs a reason." in text_of(answer)
    assert press(client, ticket, "reject", reason="Too dear.").status_code == 303
    ticket.refresh_from_db()
    assert (ticket.status, ticket.decision.reason) == ("rejected", "Too dear.")


def test_a_page_that_is_out_of_date_is_told_so_and_nothing_typed_is_lost(cast):
    ticket = cast.open()
    resubmit_ticket(ticket_id=ticket.pk, requester=cast.machine, proposal={"total": 700})
    answer = press(at_desk(cast.ann), ticket, "reject", reason="I typed this.")
    text = text_of(answer)
    assert answer.status_code == 412
    assert "changed since you read it" in text
    assert "I typed this." in text
    assert 'name="version" value="2"' in text
    assert "Changed since round 1" in text
    ticket.refresh_from_db()
    assert ticket.status == "pending"


def test_approve_with_changes_sends_only_what_was_changed(cast):
    ticket = cast.open(proposal={"payee": "ACME", "total": 900, "lines": [1]})
    client = at_desk(cast.ann)
    place = [option["key"] for option in ticket.decision.question["options"]].index("modify")
    fields = {f"o{place}-f0": "ACME", f"o{place}-f1": "900"}
    same = press(client, ticket, "modify", reason="Less.", **fields)
    assert same.status_code == 422
    assert "change a value first" in text_of(same)
    done = press(client, ticket, "modify", reason="Less.", **{**fields, f"o{place}-f1": "700"})
    assert done.status_code == 303, text_of(done)
    ticket.refresh_from_db()
    assert ticket.decision.amendments == {"total": 700}
    text = text_of(client.get(page_of(ticket)))
    assert "Approved with changes" in text


def test_asking_back_types_the_reason_once(cast):
    ticket = cast.open()
    place = [option["key"] for option in ticket.decision.question["options"]].index(
        "request_changes"
    )
    client = at_desk(cast.ann)
    empty = press(client, ticket, "request_changes", **{f"o{place}-f0": ""})
    assert empty.status_code == 422
    press(client, ticket, "request_changes", **{f"o{place}-f0": "Name the payee."})
    ticket.refresh_from_db()
    assert ticket.status == "needs_changes"
    assert ticket.decision.reason == "Name the payee."
    assert ticket.decision.response["feedback"] == "Name the payee."


def test_own_work_shows_why_there_is_no_button(cast):
    ticket = cast.open(on_behalf_of=cast.ann.email)
    text = text_of(at_desk(cast.ann).get(page_of(ticket)))
    assert "Nobody decides on their own work." in text
    assert 'name="choice"' not in text


@pytest.mark.parametrize(
    "sent", [{}, {"act": "vote"}, {"act": "vote", "choice": "approve", "version": "x"},
             {"act": "vote", "choice": "nothing", "version": "1"}, {"act": "explode"},
             {"act": "take-back"}, {"act": "revoke"}, {"act": "remark", "text": " "},
             {"act": "vote", "choice": "reject", "version": "1", "reason": "a\x00b"}]
)  # fmt: skip
def test_whatever_a_page_sends_is_answered_with_a_sentence(cast, sent):
    ticket = cast.open()
    answer = at_desk(cast.ann).post(page_of(ticket), sent)
    assert 400 <= answer.status_code < 500
    assert 'role="alert"' in text_of(answer)
    ticket.refresh_from_db()
    assert ticket.status == "pending"


def test_a_vote_is_taken_back_during_the_hold(cast):
    question = {**PRESETS["review"], "timing": {**PRESETS["review"]["timing"], "hold": "PT1H"}}
    make_checkpoint("campaign", question=make_policy("campaign", question))
    ticket = cast.open(checkpoint="campaign")
    client = at_desk(cast.ann)
    press(client, ticket, "approve")
    text = text_of(client.get(page_of(ticket)))
    assert "In effect at" in text
    assert "Take back" in text
    client.post(page_of(ticket), {"act": "take-back"})
    ticket.refresh_from_db()
    assert ticket.decision.settled_at is None


def test_a_decision_is_revoked_in_its_window_and_not_after(cast):
    ticket = cast.open()
    client = at_desk(cast.ann)
    press(client, ticket, "approve")
    with shifted(timedelta(minutes=6)):
        assert "Revoke this decision" not in text_of(client.get(page_of(ticket)))
    client.post(page_of(ticket), {"act": "revoke", "reason": "Wrong payee."})
    ticket.refresh_from_db()
    assert ticket.status == "revoked"


def test_a_claim_is_shown_and_given_back(cast):
    ticket = cast.open()
    ann, ben = at_desk(cast.ann), at_desk(cast.ben)
    answer = ann.post(page_of(ticket), {"act": "claim"}, headers={"X-Desk": "1"})
    assert "You hold this until" in text_of(answer)
    assert "Ann" in text_of(ben.get(page_of(ticket)))
    assert "holds this ticket" in text_of(ben.post(page_of(ticket), {"act": "claim"}))
    ann.post(page_of(ticket), {"act": "release"})
    assert not Assignment.objects.filter(released_at__isnull=True).exists()


def test_a_remark_is_kept_and_told(cast):
    ticket = cast.open()
    client = at_desk(cast.ann)
    assert client.post(page_of(ticket), {"act": "remark", "text": "Who asked?"}).status_code == 303
    assert Comment.objects.get().text == "Who asked?"
    assert "Who asked?" in text_of(client.get(page_of(ticket)))


def test_times_are_in_the_readers_zone_with_utc_beside(cast):
    ticket = cast.open()
    Ticket.objects.get(pk=ticket.pk)
    cast.ann.time_zone = "Asia/Tokyo"
    cast.ann.save()
    text = text_of(at_desk(cast.ann).get(page_of(ticket)))
    hour = (ticket.created_at.hour + 9) % 24
    assert f">{hour:02d}:{ticket.created_at.minute:02d}</time>" in text or f" {hour:02d}:" in text
    assert " UTC" in text
